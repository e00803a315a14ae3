# SPDX-License-Identifier: ISC
noinst_LIBRARIES += lib/mailauth/libmailauth.a
lib_mailauth_libmailauth_a_SOURCES = lib/mailauth/lookup.h

# ---- SPF and Authentication-Results ----

# ---- DKIM and ARC ----
lib_mailauth_libmailauth_a_SOURCES += \
	lib/mailauth/tags.c lib/mailauth/tags.h

check_PROGRAMS += lib/mailauth/tags_test
lib_mailauth_tags_test_SOURCES = lib/mailauth/tags_test.c
lib_mailauth_tags_test_LDADD = $(LIBS_MAILAUTH) $(TEST_LIBS)

FUZZ_TARGETS += lib/mailauth/fuzz_tags
lib_mailauth_fuzz_tags_SOURCES = lib/mailauth/fuzz_tags.c
lib_mailauth_fuzz_tags_LDADD = $(LIBS_MAILAUTH)
if FUZZERS
lib_mailauth_fuzz_tags_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
else
lib_mailauth_fuzz_tags_SOURCES += tests/fuzz_main.c
endif

# ---- DMARC and its reports ----
