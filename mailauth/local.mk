# SPDX-License-Identifier: ISC
# A check as a command: what the conformance suites run.
TEST_HELPERS += mailauth/mailauth_check
mailauth_mailauth_check_SOURCES = mailauth/unbound.c mailauth/unbound.h \
	mailauth/check.c mailauth/check.h \
	mailauth/check_spf.c \
	mailauth/check_dmarc.c \
	mailauth/check_dmarc_reports.c
mailauth_mailauth_check_LDADD = $(LIBS_MAILAUTH) lib/conf/libconf.a $(LIBS_TASK) $(UNBOUND_LIBS)

check_PROGRAMS += mailauth/unbound_test
mailauth_unbound_test_SOURCES = mailauth/unbound_test.c mailauth/unbound.c mailauth/unbound.h
mailauth_unbound_test_LDADD = lib/ipc/libipc.a lib/net/libnet.a lib/conf/libconf.a $(LIBS_TASK) $(UNBOUND_LIBS) $(TEST_LIBS)
