# SPDX-License-Identifier: ISC
noinst_LIBRARIES += lib/mailbox/libmailbox.a
lib_mailbox_libmailbox_a_SOURCES =
