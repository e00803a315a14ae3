# SPDX-License-Identifier: ISC
# The session itself is a library of its own, so that tests run it without the zygote.
noinst_LIBRARIES += imapd/libimap.a
imapd_libimap_a_SOURCES = \
	imapd/cmd_append.c imapd/cmd_copy.c imapd/cmd_fetch.c imapd/cmd_folders.c imapd/cmd_idle.c \
	imapd/cmd_list.c imapd/cmd_search.c imapd/cmd_select.c imapd/cmd_status.c imapd/cmd_store.c \
	imapd/commands.c \
	imapd/fetch.h imapd/fetch_parse.c \
	imapd/imapd.h \
	imapd/input.c imapd/input.h \
	imapd/output.c \
	imapd/parse.c imapd/parse.h \
	imapd/search.h imapd/search_match.c imapd/search_match.h imapd/search_parse.c \
	imapd/session.c \
	imapd/updates.c
LIBS_IMAP = imapd/libimap.a lib/mime/libmime.a $(LIBS_MAILBOX)

pkglibexec_PROGRAMS += imapd/imapd
imapd_imapd_SOURCES = imapd/main.c
imapd_imapd_LDADD = $(LIBS_IMAP) $(LIBS_SERVICE)
dist_man_MANS += man/imapd.8

check_PROGRAMS += imapd/parse_test imapd/session_test
imapd_parse_test_SOURCES = imapd/parse_test.c
imapd_parse_test_LDADD = $(LIBS_IMAP) $(TEST_LIBS)
imapd_session_test_SOURCES = imapd/session_test.c
imapd_session_test_CPPFLAGS = $(AM_CPPFLAGS) -DTALK_DIR=\"$(abs_top_srcdir)/tests/imapd\"
imapd_session_test_LDADD = $(LIBS_IMAP) $(TEST_LIBS)

FUZZ_TARGETS += imapd/fuzz_imap_command imapd/fuzz_sequence_set
imapd_fuzz_imap_command_SOURCES = imapd/fuzz_imap_command.c $(FUZZ_MAIN)
imapd_fuzz_imap_command_LDADD = $(LIBS_IMAP) $(FUZZ_LIB)
imapd_fuzz_sequence_set_SOURCES = imapd/fuzz_sequence_set.c $(FUZZ_MAIN)
imapd_fuzz_sequence_set_LDADD = $(LIBS_IMAP) $(FUZZ_LIB)
