# SPDX-License-Identifier: ISC
noinst_LIBRARIES += lib/mailbox/libmailbox.a
lib_mailbox_libmailbox_a_SOURCES = \
	lib/mailbox/folders.c lib/mailbox/folders.h \
	lib/mailbox/index.c lib/mailbox/index.h \
	lib/mailbox/keywords.c \
	lib/mailbox/mailbox.c lib/mailbox/mailbox.h lib/mailbox/mailbox_private.h \
	lib/mailbox/mailbox_append.c \
	lib/mailbox/mailbox_change.c \
	lib/mailbox/mailbox_sync.c \
	lib/mailbox/maildir.c lib/mailbox/maildir.h \
	lib/mailbox/maildir_deliver.c \
	lib/mailbox/maildir_name.c \
	lib/mailbox/mailstore.c \
	lib/mailbox/mutf7.c lib/mailbox/mutf7.h \
	lib/mailbox/reader.c lib/mailbox/reader.h \
	lib/mailbox/subscriptions.c lib/mailbox/subscriptions.h \
	lib/mailbox/uidlist.c lib/mailbox/uidlist.h \
	lib/mailbox/uidlist_text.c \
	lib/mailbox/uidvalidity.c

check_PROGRAMS += lib/mailbox/maildir_test lib/mailbox/mailbox_test lib/mailbox/mutf7_test lib/mailbox/uidlist_test
lib_mailbox_maildir_test_SOURCES = lib/mailbox/maildir_test.c lib/mailbox/test_store.h
lib_mailbox_maildir_test_LDADD = $(LIBS_MAILBOX) $(TEST_LIBS)
lib_mailbox_mailbox_test_SOURCES = lib/mailbox/mailbox_test.c lib/mailbox/test_store.h
lib_mailbox_mailbox_test_LDADD = $(LIBS_MAILBOX) $(TEST_LIBS)
lib_mailbox_mutf7_test_SOURCES = lib/mailbox/mutf7_test.c lib/mailbox/test_store.h
lib_mailbox_mutf7_test_LDADD = $(LIBS_MAILBOX) $(TEST_LIBS)
lib_mailbox_uidlist_test_SOURCES = lib/mailbox/uidlist_test.c lib/mailbox/test_store.h
lib_mailbox_uidlist_test_LDADD = $(LIBS_MAILBOX) $(TEST_LIBS)

check_PROGRAMS += lib/mailbox/folders_test lib/mailbox/reader_test
lib_mailbox_folders_test_SOURCES = lib/mailbox/folders_test.c lib/mailbox/test_store.h
lib_mailbox_folders_test_LDADD = $(LIBS_MAILBOX) $(TEST_LIBS)
lib_mailbox_reader_test_SOURCES = lib/mailbox/reader_test.c lib/mailbox/test_store.h
lib_mailbox_reader_test_LDADD = $(LIBS_MAILBOX) $(TEST_LIBS)

FUZZ_TARGETS += lib/mailbox/fuzz_uidlist lib/mailbox/fuzz_index
lib_mailbox_fuzz_uidlist_SOURCES = lib/mailbox/fuzz_uidlist.c $(FUZZ_MAIN)
lib_mailbox_fuzz_uidlist_LDADD = $(LIBS_MAILBOX) $(FUZZ_LIB)
lib_mailbox_fuzz_index_SOURCES = lib/mailbox/fuzz_index.c $(FUZZ_MAIN)
lib_mailbox_fuzz_index_LDADD = $(LIBS_MAILBOX) $(FUZZ_LIB)
