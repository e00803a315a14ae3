# SPDX-License-Identifier: ISC
pkglibexec_PROGRAMS += local/local
local_local_SOURCES = local/aliases.c local/local.h local/lookup.c local/mailboxes.c local/main.c \
	local/report.c local/spawn.c local/spawn.h local/users.c local/virtual.c
local_local_LDADD = lib/mailbox/libmailbox.a lib/queue/libqueue.a $(LIBS_SERVICE)
dist_man_MANS += man/local.8

check_PROGRAMS += local/aliases_test
local_aliases_test_SOURCES = local/aliases_test.c local/aliases.c
local_aliases_test_LDADD = $(LIBS_MAILBOX) $(TEST_LIBS)

check_PROGRAMS += local/deliver_test
local_deliver_test_SOURCES = local/deliver_test.c local/local.h local/mailboxes.c local/report.c local/spawn.c \
	local/spawn.h local/virtual.c
local_deliver_test_LDADD = lib/mailbox/libmailbox.a $(LIBS_SERVICE) $(TEST_LIBS)
