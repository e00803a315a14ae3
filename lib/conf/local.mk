# SPDX-License-Identifier: ISC
noinst_LIBRARIES += lib/conf/libconf.a
lib_conf_libconf_a_SOURCES = \
	lib/conf/conf.c lib/conf/conf.h \
	lib/conf/expand.c lib/conf/expand.h \
	lib/conf/lines.c lib/conf/lines.h \
	lib/conf/master.c \
	lib/conf/master_text.c lib/conf/master_text.h \
	lib/conf/mynetworks.c \
	lib/conf/params.c lib/conf/params.h \
	lib/conf/source.c lib/conf/source.h \
	lib/conf/unused.c \
	lib/conf/values.c lib/conf/values.h
