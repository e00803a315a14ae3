# SPDX-License-Identifier: ISC
pkglibexec_PROGRAMS += pop3d/pop3d
pop3d_pop3d_SOURCES = pop3d/main.c pop3d/pop3_io.c pop3d/pop3_session.c pop3d/pop3_uidl.c pop3d/pop3d.h
pop3d_pop3d_LDADD = lib/mailbox/libmailbox.a $(LIBS_SERVICE)
dist_man_MANS += man/pop3d.8

check_PROGRAMS += pop3d/pop3_test
pop3d_pop3_test_SOURCES = pop3d/pop3_test.c pop3d/pop3_io.c pop3d/pop3_session.c pop3d/pop3_uidl.c
pop3d_pop3_test_CPPFLAGS = $(AM_CPPFLAGS) -DTALK_DIR=\"$(abs_top_srcdir)/tests/pop3d\"
pop3d_pop3_test_LDADD = $(LIBS_MAILBOX) $(TEST_LIBS)
