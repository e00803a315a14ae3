# SPDX-License-Identifier: ISC
sbin_PROGRAMS += tools/sendmail
tools_sendmail_SOURCES = tools/sendmail.c
tools_sendmail_LDADD = lib/smtp/libsmtp.a lib/mime/libmime.a lib/net/libnet.a lib/conf/libconf.a $(LIBS_TASK) $(IDN2_LIBS)
dist_man_MANS += man/sendmail.1
