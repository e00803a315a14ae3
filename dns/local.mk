# SPDX-License-Identifier: ISC
pkglibexec_PROGRAMS += dns/dns
dns_dns_SOURCES = dns/main.c dns/one_server.c dns/resolver.c dns/resolver.h
dns_dns_LDADD = $(LIBS_SERVICE) $(UNBOUND_LIBS)

check_PROGRAMS += dns/resolver_test
dns_resolver_test_SOURCES = dns/resolver_test.c dns/one_server.c dns/resolver.c dns/resolver.h
dns_resolver_test_LDADD = lib/ipc/libipc.a lib/net/libnet.a lib/conf/libconf.a $(LIBS_TASK) $(UNBOUND_LIBS) $(TEST_LIBS)

dist_man_MANS += man/dns.8
