# SPDX-License-Identifier: ISC
noinst_LIBRARIES += lib/smtp/libsmtp.a
lib_smtp_libsmtp_a_SOURCES = \
	lib/smtp/address.c lib/smtp/address.h \
	lib/smtp/data.c lib/smtp/data.h \
	lib/smtp/received.c lib/smtp/received.h \
	lib/smtp/reply.c lib/smtp/reply.h \
	lib/smtp/submit.c lib/smtp/submit.h \
	lib/smtp/xtext.c lib/smtp/xtext.h
