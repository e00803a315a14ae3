# SPDX-License-Identifier: ISC
pkglibexec_PROGRAMS += auth/auth
AUTH_SOURCES = \
	auth/auth.h \
	auth/conversation.c auth/conversation.h \
	auth/dovecot.c \
	auth/dovecot_line.c auth/dovecot_line.h \
	auth/ipc_front.c \
	auth/passwd_file.c auth/passwd_file.h \
	auth/penalty.c auth/penalty.h \
	auth/sasl.c auth/sasl.h \
	auth/scheme.c auth/scheme.h \
	auth/userdb.c \
	auth/verify.c
AUTH_LIBS = $(LIBS_SERVICE) $(OPENSSL_LIBS) $(CRYPT_LIBS)
auth_auth_SOURCES = auth/main.c $(AUTH_SOURCES)
auth_auth_LDADD = $(AUTH_LIBS)

