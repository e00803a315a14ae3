# SPDX-License-Identifier: ISC
noinst_LIBRARIES += lib/tls/libtls.a
lib_tls_libtls_a_SOURCES = \
	lib/tls/tls.h lib/tls/tls_private.h \
	lib/tls/tls_bio.c \
	lib/tls/tls_context.c \
	lib/tls/tls_facts.c \
	lib/tls/tls_key.c \
	lib/tls/tls_policy.c \
	lib/tls/tls_protocols.c \
	lib/tls/tls_provider.c \
	lib/tls/tls_signer.c lib/tls/tls_signer.h \
	lib/tls/tls_signer_local.c \
	lib/tls/tls_stream.c \
	lib/tls/tls_tickets.c

check_PROGRAMS += lib/tls/tls_test
lib_tls_tls_test_SOURCES = lib/tls/tls_test.c
lib_tls_tls_test_LDADD = $(LIBS_TLS) $(TEST_LIBS)
