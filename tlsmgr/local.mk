# SPDX-License-Identifier: ISC
pkglibexec_PROGRAMS += tlsmgr/tlsmgr
tlsmgr_tlsmgr_SOURCES = tlsmgr/main.c tlsmgr/keys.c tlsmgr/tickets.c tlsmgr/tlsmgr.h
tlsmgr_tlsmgr_LDADD = $(LIBS_TLS)

check_PROGRAMS += tlsmgr/tlsmgr_test
tlsmgr_tlsmgr_test_SOURCES = tlsmgr/tlsmgr_test.c tlsmgr/keys.c tlsmgr/tickets.c
tlsmgr_tlsmgr_test_LDADD = $(LIBS_TLS) $(TEST_LIBS)

dist_man_MANS += man/tlsmgr.8
