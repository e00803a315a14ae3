# SPDX-License-Identifier: ISC
router_parts = \
	router/address.c router/askers.c router/lookup.c router/resolve.c router/rewrite.c router/route.c \
	router/router.c router/router.h router/smtpd_tables.c
pkglibexec_PROGRAMS += router/router
router_router_SOURCES = router/main.c $(router_parts)
router_router_LDADD = lib/table/libtable.a $(LIBS_SERVICE) $(DB_LIBS) $(PCRE2_LIBS)

check_PROGRAMS += router/resolve_test
router_resolve_test_SOURCES = router/resolve_test.c $(router_parts)
router_resolve_test_LDADD = lib/ipc/libipc.a $(LIBS_TABLE) $(TEST_LIBS)

FUZZ_TARGETS += router/fuzz_address
router_fuzz_address_SOURCES = router/fuzz_address.c $(router_parts) $(FUZZ_MAIN)
router_fuzz_address_LDADD = lib/ipc/libipc.a $(LIBS_TABLE) $(FUZZ_LIB)
