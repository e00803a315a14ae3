# SPDX-License-Identifier: ISC
pkglibexec_PROGRAMS += login/login
LOGIN_SOURCES = \
	login/ask.c \
	login/client.c \
	login/counts.c \
	login/hand_over.c \
	login/imap.c \
	login/imap_command.c login/imap_command.h \
	login/login.h \
	login/pop3.c \
	login/relay.c
login_login_SOURCES = login/main.c $(LOGIN_SOURCES)
login_login_LDADD = $(LIBS_TLS)

