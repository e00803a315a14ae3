# SPDX-License-Identifier: ISC
noinst_LIBRARIES += lib/smtp/libsmtp.a
lib_smtp_libsmtp_a_SOURCES = \
	lib/smtp/address.c lib/smtp/address.h \
	lib/smtp/data.c lib/smtp/data.h \
	lib/smtp/idn.c lib/smtp/idn.h \
	lib/smtp/received.c lib/smtp/received.h \
	lib/smtp/reply.c lib/smtp/reply.h \
	lib/smtp/submit.c lib/smtp/submit.h \
	lib/smtp/xtext.c lib/smtp/xtext.h

check_PROGRAMS += lib/smtp/smtp_test
lib_smtp_smtp_test_SOURCES = lib/smtp/smtp_test.c
lib_smtp_smtp_test_LDADD = $(LIBS_SMTP) $(TEST_LIBS)

FUZZ_TARGETS += lib/smtp/fuzz_smtp_address lib/smtp/fuzz_smtp_data
lib_smtp_fuzz_smtp_address_SOURCES = lib/smtp/fuzz_smtp_address.c $(FUZZ_MAIN)
lib_smtp_fuzz_smtp_address_LDADD = $(LIBS_SMTP) $(FUZZ_LIB)
lib_smtp_fuzz_smtp_data_SOURCES = lib/smtp/fuzz_smtp_data.c $(FUZZ_MAIN)
lib_smtp_fuzz_smtp_data_LDADD = $(LIBS_SMTP) $(FUZZ_LIB)
