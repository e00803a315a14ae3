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

check_PROGRAMS += lib/conf/conf_test lib/conf/master_test
lib_conf_conf_test_SOURCES = lib/conf/conf_test.c
lib_conf_conf_test_LDADD = $(LIBS_CONF) $(TEST_LIBS)
lib_conf_master_test_SOURCES = lib/conf/master_test.c
lib_conf_master_test_LDADD = $(LIBS_CONF) $(TEST_LIBS)

FUZZ_TARGETS += lib/conf/fuzz_main_cf lib/conf/fuzz_master_cf
lib_conf_fuzz_main_cf_SOURCES = lib/conf/fuzz_main_cf.c $(FUZZ_MAIN)
lib_conf_fuzz_main_cf_LDADD = $(LIBS_CONF) $(FUZZ_LIB)
lib_conf_fuzz_master_cf_SOURCES = lib/conf/fuzz_master_cf.c $(FUZZ_MAIN)
lib_conf_fuzz_master_cf_LDADD = $(LIBS_CONF) $(FUZZ_LIB)
