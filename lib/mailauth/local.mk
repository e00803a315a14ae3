# SPDX-License-Identifier: ISC
noinst_LIBRARIES += lib/mailauth/libmailauth.a
lib_mailauth_libmailauth_a_SOURCES = lib/mailauth/lookup.h

# ---- SPF and Authentication-Results ----

lib_mailauth_libmailauth_a_SOURCES += \
	lib/mailauth/auth_results.h \
	lib/mailauth/auth_results_ours.c \
	lib/mailauth/auth_results_read.c \
	lib/mailauth/auth_results_write.c \
	lib/mailauth/iprev.c lib/mailauth/iprev.h \
	lib/mailauth/spf.c lib/mailauth/spf.h lib/mailauth/spf_private.h \
	lib/mailauth/spf_macro.c \
	lib/mailauth/spf_match.c \
	lib/mailauth/spf_name.c \
	lib/mailauth/spf_received.c \
	lib/mailauth/spf_record.c \
	lib/mailauth/test_lookup.h \
	lib/mailauth/text.c lib/mailauth/text.h

check_PROGRAMS += lib/mailauth/auth_results_test lib/mailauth/spf_test
lib_mailauth_auth_results_test_SOURCES = lib/mailauth/auth_results_test.c
lib_mailauth_auth_results_test_LDADD = $(LIBS_MAILAUTH) $(TEST_LIBS)
lib_mailauth_spf_test_SOURCES = lib/mailauth/spf_test.c
lib_mailauth_spf_test_LDADD = $(LIBS_MAILAUTH) $(TEST_LIBS)

FUZZ_TARGETS += lib/mailauth/fuzz_auth_results lib/mailauth/fuzz_spf
lib_mailauth_fuzz_auth_results_SOURCES = lib/mailauth/fuzz_auth_results.c
lib_mailauth_fuzz_auth_results_LDADD = $(LIBS_MAILAUTH)
lib_mailauth_fuzz_spf_SOURCES = lib/mailauth/fuzz_spf.c
lib_mailauth_fuzz_spf_LDADD = $(LIBS_MAILAUTH)
if FUZZERS
lib_mailauth_fuzz_auth_results_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
lib_mailauth_fuzz_spf_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
else
lib_mailauth_fuzz_auth_results_SOURCES += tests/fuzz_main.c
lib_mailauth_fuzz_spf_SOURCES += tests/fuzz_main.c
endif

# ---- DKIM and ARC ----

# ---- DMARC and its reports ----
