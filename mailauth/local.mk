# SPDX-License-Identifier: ISC
MAILAUTH_LOOKUPS = mailauth/answers.c mailauth/answers.h \
	mailauth/ask_unbound.c mailauth/ask_unbound.h \
	mailauth/lookups.c mailauth/lookups.h

# libmilter is linked in, with its calls of the kernel led to mailauth/milter_io.c.
WRAP_MILTER_IO = -Wl,--wrap=accept,--wrap=poll,--wrap=__poll_chk,--wrap=read,--wrap=__read_chk,--wrap=writev,--wrap=close

pkglibexec_PROGRAMS += mailauth/mailauth
mailauth_mailauth_SOURCES = $(MAILAUTH_LOOKUPS) \
	mailauth/ask_dns.c mailauth/ask_dns.h \
	mailauth/ask_once.c \
	mailauth/failures.c mailauth/failures.h \
	mailauth/hand_in.c mailauth/hand_in.h \
	mailauth/keyring.c mailauth/keyring.h \
	mailauth/mailauth.h \
	mailauth/main.c \
	mailauth/milter.c mailauth/milter.h \
	mailauth/milter_io.c mailauth/milter_io.h \
	mailauth/negotiate.c \
	mailauth/policy.c \
	mailauth/reports.c mailauth/reports.h \
	mailauth/reports_send.c mailauth/reports_send.h \
	mailauth/results.c \
	mailauth/rotation.c mailauth/rotation.h \
	mailauth/session.c \
	mailauth/settings.c \
	mailauth/sign.c \
	mailauth/standalone.c mailauth/standalone.h \
	mailauth/tables.c \
	mailauth/verify.c
mailauth_mailauth_LDFLAGS = $(AM_LDFLAGS) $(WRAP_MILTER_IO)
mailauth_mailauth_LDADD = lib/service/libservice.a $(LIBS_MAILAUTH) $(LIBS_TABLE) lib/sandbox/libsandbox.a \
	lib/conf/libconf.a lib/net/libnet.a lib/ipc/libipc.a $(LIBS_TASK) -l:libmilter.a $(UNBOUND_LIBS) $(SECCOMP_LIBS) $(CAP_LIBS)

dist_man_MANS += man/mailauth.8

# A check as a command: what the conformance suites run.
TEST_HELPERS += mailauth/mailauth_check
mailauth_mailauth_check_SOURCES = $(MAILAUTH_LOOKUPS) \
	mailauth/check.c mailauth/check.h \
	mailauth/check_spf.c \
	mailauth/check_mail.h mailauth/check_dkim.c mailauth/check_arc.c \
	mailauth/check_dmarc.c \
	mailauth/check_dmarc_reports.c
mailauth_mailauth_check_LDADD = $(LIBS_MAILAUTH) lib/conf/libconf.a $(LIBS_TASK) $(UNBOUND_LIBS)

check_PROGRAMS += mailauth/lookups_test
mailauth_lookups_test_SOURCES = mailauth/lookups_test.c $(MAILAUTH_LOOKUPS)
mailauth_lookups_test_LDADD = lib/ipc/libipc.a lib/net/libnet.a lib/conf/libconf.a $(LIBS_TASK) $(UNBOUND_LIBS) $(TEST_LIBS)

check_PROGRAMS += mailauth/rotation_test
mailauth_rotation_test_SOURCES = mailauth/rotation_test.c \
	mailauth/keyring.c mailauth/keyring.h \
	mailauth/rotation.c mailauth/rotation.h \
	lib/mailauth/test_keydir.h lib/mailauth/test_servers.h
mailauth_rotation_test_LDADD = $(LIBS_MAILAUTH) $(LIBS_SERVICE) $(TEST_LIBS)

check_PROGRAMS += mailauth/answers_test
mailauth_answers_test_SOURCES = mailauth/answers_test.c mailauth/answers.c mailauth/answers.h
mailauth_answers_test_LDADD = $(LIBS_TASK) $(TEST_LIBS)

check_PROGRAMS += mailauth/milter_io_test
mailauth_milter_io_test_SOURCES = mailauth/milter_io_test.c mailauth/milter_io.c mailauth/milter_io.h
mailauth_milter_io_test_LDFLAGS = $(AM_LDFLAGS) $(WRAP_MILTER_IO)
mailauth_milter_io_test_LDADD = $(LIBS_BASE) $(TEST_LIBS)
