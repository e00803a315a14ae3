# SPDX-License-Identifier: ISC
pkglibexec_PROGRAMS += local/local
local_local_SOURCES = local/aliases.c local/local.h local/lookup.c local/mailboxes.c local/main.c \
	local/report.c local/users.c local/virtual.c
local_local_LDADD = lib/mailbox/libmailbox.a lib/queue/libqueue.a $(LIBS_SERVICE)
dist_man_MANS += man/local.8
