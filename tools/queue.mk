# SPDX-License-Identifier: ISC
queue_tool_parts = tools/queue_client.c tools/queue_client.h tools/queue_offline.c
queue_tool_libs = lib/queue/libqueue.a lib/ipc/libipc.a lib/sandbox/libsandbox.a lib/conf/libconf.a $(LIBS_TASK) \
	$(SECCOMP_LIBS) $(CAP_LIBS)
sbin_PROGRAMS += tools/postqueue tools/postsuper tools/postcat
tools_postqueue_SOURCES = tools/postqueue.c $(queue_tool_parts)
tools_postqueue_LDADD = $(queue_tool_libs)
tools_postsuper_SOURCES = tools/postsuper.c $(queue_tool_parts)
tools_postsuper_LDADD = $(queue_tool_libs)
tools_postcat_SOURCES = tools/postcat.c $(queue_tool_parts)
tools_postcat_LDADD = $(queue_tool_libs)
dist_man_MANS += man/postqueue.1 man/postsuper.1 man/postcat.1 man/qmgr.8
