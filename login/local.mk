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

check_PROGRAMS += login/imap_command_test login/login_test
login_imap_command_test_SOURCES = login/imap_command_test.c login/imap_command.c
login_imap_command_test_LDADD = $(LIBS_BASE) $(TEST_LIBS)
login_login_test_SOURCES = login/login_test.c $(LOGIN_SOURCES)
login_login_test_CPPFLAGS = $(AM_CPPFLAGS) -DTALK_DIR=\"$(abs_top_srcdir)/tests/login\"
login_login_test_LDADD = $(LIBS_TLS) $(TEST_LIBS)

FUZZ_TARGETS += login/fuzz_imap_prelogin
login_fuzz_imap_prelogin_SOURCES = login/fuzz_imap_prelogin.c login/imap_command.c $(FUZZ_MAIN)
login_fuzz_imap_prelogin_LDADD = $(LIBS_BASE) $(FUZZ_LIB)

dist_man_MANS += man/login.8
