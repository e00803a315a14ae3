# SPDX-License-Identifier: ISC
SMTP_CLIENT = \
	smtp/cache.c smtp/content.c smtp/deliver.c smtp/hosts.c smtp/policy.c smtp/report.c smtp/route.c smtp/sasl.c \
	smtp/session.c smtp/smtp.h smtp/transaction.c smtp/xforward.c

pkglibexec_PROGRAMS += smtp/smtp
smtp_smtp_SOURCES = smtp/main.c smtp/ask.c $(SMTP_CLIENT)
smtp_smtp_LDADD = lib/queue/libqueue.a lib/smtp/libsmtp.a $(LIBS_TLS) $(IDN2_LIBS)

check_PROGRAMS += smtp/content_test smtp/deliver_test
smtp_content_test_SOURCES = smtp/content_test.c smtp/content.c smtp/smtp.h
smtp_content_test_LDADD = $(LIBS_NET) $(TEST_LIBS)
smtp_deliver_test_SOURCES = smtp/deliver_test.c $(SMTP_CLIENT)
smtp_deliver_test_LDADD = lib/queue/libqueue.a lib/smtp/libsmtp.a $(LIBS_TLS) $(IDN2_LIBS) $(TEST_LIBS)

dist_man_MANS += man/smtp.8

FUZZ_TARGETS += smtp/fuzz_content
smtp_fuzz_content_SOURCES = smtp/fuzz_content.c smtp/content.c smtp/smtp.h $(FUZZ_MAIN)
smtp_fuzz_content_LDADD = $(LIBS_NET) $(FUZZ_LIB)
