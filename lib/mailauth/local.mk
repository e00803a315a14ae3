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
lib_mailauth_libmailauth_a_SOURCES += \
	lib/mailauth/dmarc.c lib/mailauth/dmarc.h \
	lib/mailauth/dmarc_domain.c lib/mailauth/dmarc_domain.h \
	lib/mailauth/dmarc_from.c lib/mailauth/dmarc_from.h \
	lib/mailauth/dmarc_query.c \
	lib/mailauth/dmarc_record.c lib/mailauth/dmarc_record.h \
	lib/mailauth/dmarc_uri.c lib/mailauth/dmarc_uri.h

check_PROGRAMS += lib/mailauth/dmarc_record_test lib/mailauth/dmarc_test
lib_mailauth_dmarc_record_test_SOURCES = lib/mailauth/dmarc_record_test.c
lib_mailauth_dmarc_record_test_LDADD = $(LIBS_MAILAUTH) $(TEST_LIBS)
lib_mailauth_dmarc_test_SOURCES = lib/mailauth/dmarc_test.c lib/mailauth/test_dmarc.h
lib_mailauth_dmarc_test_LDADD = $(LIBS_MAILAUTH) $(TEST_LIBS)

FUZZ_TARGETS += lib/mailauth/fuzz_dmarc_record lib/mailauth/fuzz_dmarc_from
lib_mailauth_fuzz_dmarc_record_SOURCES = lib/mailauth/fuzz_dmarc_record.c
lib_mailauth_fuzz_dmarc_record_LDADD = $(LIBS_MAILAUTH)
lib_mailauth_fuzz_dmarc_from_SOURCES = lib/mailauth/fuzz_dmarc_from.c lib/mailauth/test_dmarc.h
lib_mailauth_fuzz_dmarc_from_LDADD = $(LIBS_MAILAUTH) $(TEST_LIBS)
if FUZZERS
lib_mailauth_fuzz_dmarc_record_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
lib_mailauth_fuzz_dmarc_from_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
else
lib_mailauth_fuzz_dmarc_record_SOURCES += tests/fuzz_main.c
lib_mailauth_fuzz_dmarc_from_SOURCES += tests/fuzz_main.c
endif

lib_mailauth_libmailauth_a_SOURCES += \
	lib/mailauth/dmarc_day.c \
	lib/mailauth/dmarc_db.c lib/mailauth/dmarc_db.h \
	lib/mailauth/dmarc_row.c lib/mailauth/dmarc_row.h \
	lib/mailauth/dmarc_store.c lib/mailauth/dmarc_store.h lib/mailauth/dmarc_store_private.h

check_PROGRAMS += lib/mailauth/dmarc_store_test
lib_mailauth_dmarc_store_test_SOURCES = lib/mailauth/dmarc_store_test.c
lib_mailauth_dmarc_store_test_LDADD = $(LIBS_MAILAUTH) $(TEST_LIBS)

lib_mailauth_libmailauth_a_SOURCES += \
	lib/mailauth/dmarc_destination.c lib/mailauth/dmarc_destination.h \
	lib/mailauth/dmarc_report.c lib/mailauth/dmarc_report.h \
	lib/mailauth/dmarc_report_mail.c \
	lib/mailauth/dmarc_send.c lib/mailauth/dmarc_send.h

check_PROGRAMS += lib/mailauth/dmarc_destination_test
lib_mailauth_dmarc_destination_test_SOURCES = lib/mailauth/dmarc_destination_test.c lib/mailauth/test_dmarc.h
lib_mailauth_dmarc_destination_test_LDADD = $(LIBS_MAILAUTH) $(TEST_LIBS)

lib_mailauth_libmailauth_a_SOURCES += \
	lib/mailauth/dmarc_read.c lib/mailauth/dmarc_read.h \
	lib/mailauth/dmarc_summary.c \
	lib/mailauth/dmarc_totals.c lib/mailauth/dmarc_totals.h \
	lib/mailauth/dmarc_unpack.c lib/mailauth/dmarc_unpack.h \
	lib/mailauth/dmarc_xml.c lib/mailauth/dmarc_xml.h

check_PROGRAMS += lib/mailauth/dmarc_read_test
lib_mailauth_dmarc_read_test_SOURCES = lib/mailauth/dmarc_read_test.c
lib_mailauth_dmarc_read_test_LDADD = $(LIBS_MAILAUTH) $(TEST_LIBS)

FUZZ_TARGETS += lib/mailauth/fuzz_dmarc_xml lib/mailauth/fuzz_dmarc_unpack
lib_mailauth_fuzz_dmarc_xml_SOURCES = lib/mailauth/fuzz_dmarc_xml.c
lib_mailauth_fuzz_dmarc_xml_LDADD = $(LIBS_MAILAUTH)
lib_mailauth_fuzz_dmarc_unpack_SOURCES = lib/mailauth/fuzz_dmarc_unpack.c
lib_mailauth_fuzz_dmarc_unpack_LDADD = $(LIBS_MAILAUTH)
if FUZZERS
lib_mailauth_fuzz_dmarc_xml_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
lib_mailauth_fuzz_dmarc_unpack_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
else
lib_mailauth_fuzz_dmarc_xml_SOURCES += tests/fuzz_main.c
lib_mailauth_fuzz_dmarc_unpack_SOURCES += tests/fuzz_main.c
endif
