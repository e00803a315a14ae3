# SPDX-License-Identifier: ISC
SMTPD_FILES = \
	smtpd/client_table.c smtpd/client_table.h \
	smtpd/ext_8bitmime.c \
	smtpd/ext_auth.c \
	smtpd/ext_chunking.c \
	smtpd/ext_dsn.c \
	smtpd/ext_enhancedstatuscodes.c \
	smtpd/ext_pipelining.c \
	smtpd/ext_size.c \
	smtpd/ext_smtputf8.c \
	smtpd/ext_starttls.c \
	smtpd/ext_vrfy.c \
	smtpd/smtpd.c smtpd/smtpd.h \
	smtpd/smtpd_access.c smtpd/smtpd_access.h \
	smtpd/smtpd_access_map.c \
	smtpd/smtpd_client.c \
	smtpd/smtpd_commit.c \
	smtpd/smtpd_content.c \
	smtpd/smtpd_data.c \
	smtpd/smtpd_dns.c \
	smtpd/smtpd_extensions.def \
	smtpd/smtpd_file.c \
	smtpd/smtpd_mail.c \
	smtpd/smtpd_milter.c \
	smtpd/smtpd_milter_macros.c \
	smtpd/smtpd_milter_message.c \
	smtpd/smtpd_params.c \
	smtpd/smtpd_refusals.c \
	smtpd/smtpd_rules.c \
	smtpd/smtpd_server.c \
	smtpd/smtpd_verbs.c

LIBS_SMTPD = lib/milter/libmilter.a lib/mime/libmime.a lib/smtp/libsmtp.a lib/queue/libqueue.a lib/table/libtable.a $(LIBS_TLS) $(DB_LIBS) $(PCRE2_LIBS) \
	$(IDN2_LIBS)

noinst_LIBRARIES += smtpd/libsmtpd.a
smtpd_libsmtpd_a_SOURCES = $(SMTPD_FILES)

pkglibexec_PROGRAMS += smtpd/smtpd smtpd/maildrop
smtpd_smtpd_SOURCES = smtpd/main.c
smtpd_smtpd_LDADD = smtpd/libsmtpd.a $(LIBS_SMTPD)
smtpd_maildrop_SOURCES = smtpd/maildrop.c
smtpd_maildrop_LDADD = lib/smtp/libsmtp.a $(LIBS_SERVICE)

check_PROGRAMS += smtpd/dialogue_test
smtpd_dialogue_test_SOURCES = smtpd/dialogue_test.c smtpd/fake_backend.c smtpd/fake_backend.h $(FAKE_MILTER)
smtpd_dialogue_test_CPPFLAGS = $(AM_CPPFLAGS) -DTALK_DIR=\"$(abs_top_srcdir)/tests/smtpd\"
smtpd_dialogue_test_LDADD = smtpd/libsmtpd.a $(LIBS_SMTPD) $(TEST_LIBS)
check_PROGRAMS += smtpd/client_table_test
smtpd_client_table_test_SOURCES = smtpd/client_table_test.c
smtpd_client_table_test_LDADD = smtpd/libsmtpd.a lib/base/libbase.a $(TEST_LIBS)
dist_man_MANS += man/smtpd.8 man/maildrop.8

FUZZ_TARGETS += smtpd/fuzz_smtp_command
smtpd_fuzz_smtp_command_SOURCES = smtpd/fuzz_smtp_command.c smtpd/fake_backend.c smtpd/fake_backend.h $(FAKE_MILTER) $(FUZZ_MAIN)
smtpd_fuzz_smtp_command_LDADD = smtpd/libsmtpd.a $(LIBS_SMTPD) $(FUZZ_LIB)
