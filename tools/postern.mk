# SPDX-License-Identifier: ISC
sbin_PROGRAMS += tools/postern
tools_postern_SOURCES = \
	tools/postern.c tools/postern.h \
	tools/dkim_make.c tools/dkim_servers.c tools/dkim_show.c tools/dkim_text.c tools/dkim_tool.h \
	tools/postern_check.c \
	tools/postern_dkim.c \
	tools/postern_dmarc.c \
	tools/postern_run.c \
	tools/postern_user.c
tools_postern_LDADD = $(LIBS_MAILAUTH) $(LIBS_TABLE) lib/ipc/libipc.a lib/sandbox/libsandbox.a lib/conf/libconf.a $(LIBS_TASK) \
	$(SECCOMP_LIBS) $(CAP_LIBS) $(CRYPT_LIBS)

dist_man_MANS += man/postern.1
EXTRA_DIST += conf/postern.service
