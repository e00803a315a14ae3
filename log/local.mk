# SPDX-License-Identifier: ISC
pkglibexec_PROGRAMS += log/postlogd
log_postlogd_SOURCES = log/main.c log/postlogd.c log/postlogd.h
log_postlogd_LDADD = $(LIBS_SERVICE)

check_PROGRAMS += log/postlogd_test
log_postlogd_test_SOURCES = log/postlogd_test.c log/postlogd.c
log_postlogd_test_LDADD = $(LIBS_BASE) $(TEST_LIBS)

dist_man_MANS += man/postlogd.8
