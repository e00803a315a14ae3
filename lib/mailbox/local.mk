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
