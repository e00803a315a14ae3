/* SPDX-License-Identifier: ISC */
/* address_test.c - addresses, host:port forms and networks, by tables */
#include "lib/net/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/attributes.h"

static void addresses_round_trip(void **state)
{
	static const struct {
		const char *text, *printed;	/* printed NULL: not an address */
		bool        is_loopback;
	} rows[] = {
		{ "192.0.2.1", "192.0.2.1", false },
		{ "127.8.9.1", "127.8.9.1", true },
		{ "2001:DB8:0::1", "2001:db8::1", false },
		{ "::1", "::1", true },
		{ "::ffff:192.0.2.7", "192.0.2.7", false },
		{ "::ffff:127.0.0.1", "127.0.0.1", true },
		{ "192.0.2", NULL, false },
		{ "192.0.2.256", NULL, false },
		{ "192.0.2.1 ", NULL, false },
		{ "IPv6:::1", NULL, false },
		{ "[::1]", NULL, false },
		{ "", NULL, false },
		{ "localhost", NULL, false },
	};
	struct net_address a;
	char text[NET_ADDRESS_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		bool ok = net_address_parse(span_of(rows[i].text), 25, &a);

		if (ok != (rows[i].printed != NULL))
			fail_msg("%s", rows[i].text);
		if (!ok)
			continue;
		assert_string_equal(net_address_text(&a, text), rows[i].printed);
		assert_int_equal(net_address_port(&a), 25);
		if (net_address_is_loopback(&a) != rows[i].is_loopback)
			fail_msg("loopback: %s", rows[i].text);
	}
}

static void nul_inside_is_refused(void **state)
{
	struct net_address a;

	(void)state;
	assert_false(net_address_parse(span_make("192.0.2.1\0", 10), 0, &a));
	assert_false(net_address_parse(span_lit("192.0.2.1"), 65536, &a));
}

static void hosts_and_ports_are_split(void **state)
{
	static const struct {
		const char *text, *host, *port;	/* host NULL: malformed */
		bool        is_bracketed;
	} rows[] = {
		{ "example.org", "example.org", "", false },
		{ "example.org:25", "example.org", "25", false },
		{ "[example.org]", "example.org", "", true },
		{ "[example.org]:submission", "example.org", "submission", true },
		{ "[2001:db8::1]:25", "2001:db8::1", "25", true },
		{ "2001:db8::1", "2001:db8::1", "", false },
		{ "[192.0.2.1]", "192.0.2.1", "", true },
		{ "[]", NULL, NULL, false },
		{ "[a", NULL, NULL, false },
		{ "[a]x", NULL, NULL, false },
		{ "[a]:", NULL, NULL, false },
		{ "a:", NULL, NULL, false },
		{ ":25", NULL, NULL, false },
		{ "", NULL, NULL, false },
	};
	struct span host, port;
	bool is_bracketed;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		bool ok = net_host_port(span_of(rows[i].text), &host, &port, &is_bracketed);

		if (ok != (rows[i].host != NULL))
			fail_msg("%s", rows[i].text);
		if (ok && (!span_equal(host, span_of(rows[i].host)) || !span_equal(port, span_of(rows[i].port)) ||
		           is_bracketed != rows[i].is_bracketed))
			fail_msg("%s: host %.*s port %.*s", rows[i].text, SPAN_ARG(host), SPAN_ARG(port));
	}
}

static void networks_hold_their_addresses(void **state)
{
	static const struct {
		const char *cidr, *inside, *outside;
	} rows[] = {
		{ "10.0.0.0/8", "10.255.1.2", "11.0.0.0" },
		{ "192.0.2.1", "192.0.2.1", "192.0.2.2" },
		{ "192.0.2.128/25", "192.0.2.200", "192.0.2.127" },
		{ "0.0.0.0/0", "203.0.113.9", "2001:db8::1" },
		{ "[2001:db8::]/32", "2001:db8:ffff::1", "2001:db9::1" },
		{ "2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1" },
		{ "[::1]", "::1", "::2" },
		{ "192.0.2.0/24", "::ffff:192.0.2.9", "::ffff:192.0.3.9" },
	};
	struct net_cidr cidr;
	struct net_address a;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		if (!net_cidr_parse(span_of(rows[i].cidr), &cidr))
			fail_msg("%s", rows[i].cidr);
		if (!net_address_parse(span_of(rows[i].inside), 0, &a) || !net_cidr_has(&cidr, &a))
			fail_msg("%s has not %s", rows[i].cidr, rows[i].inside);
		if (!net_address_parse(span_of(rows[i].outside), 0, &a) || net_cidr_has(&cidr, &a))
			fail_msg("%s has %s", rows[i].cidr, rows[i].outside);
	}
}

static void bad_networks_are_refused(void **state)
{
	static const char *const rows[] = { "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "/8", "10.0.0.0/-1",
		                            "2001:db8::1/64", "::/129", "10.0.0.0/8/8", "x", "" };
	struct net_cidr cidr;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		if (net_cidr_parse(span_of(rows[i]), &cidr))
			fail_msg("taken: %s", rows[i]);
	}
}

static void networks_of_addresses(void **state)
{
	static const struct {
		const char *address;
		unsigned    bits;
		bool        ok;
		const char *inside, *outside;
	} rows[] = {
		{ "10.1.2.3", 8, true, "10.255.1.2", "11.0.0.0" },
		{ "192.0.2.201", 25, true, "192.0.2.128", "192.0.2.127" },
		{ "192.0.2.1", 32, true, "192.0.2.1", "192.0.2.0" },
		{ "192.0.2.1", 0, true, "203.0.113.9", "2001:db8::1" },
		{ "2001:db8:7fff::1", 33, true, "2001:db8::", "2001:db8:8000::1" },
		{ "2001:db8::1", 128, true, "2001:db8::1", "2001:db8::" },
		{ "::ffff:192.0.2.1", 0, true, "::1", "192.0.2.1" },
		{ "::ffff:192.0.2.1", 128, true, NULL, "::ffff:192.0.2.1" },
		{ "192.0.2.1", 33, false, NULL, NULL },
		{ "2001:db8::1", 129, false, NULL, NULL },
	};
	struct net_cidr cidr;
	struct net_address a;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_true(net_address_parse(span_of(rows[i].address), 0, &a));
		if (net_cidr_of(&a, rows[i].bits, &cidr) != rows[i].ok)
			fail_msg("%s/%u", rows[i].address, rows[i].bits);
		if (rows[i].inside != NULL &&
		    (!net_address_parse(span_of(rows[i].inside), 0, &a) || !net_cidr_has(&cidr, &a)))
			fail_msg("%s/%u has not %s", rows[i].address, rows[i].bits, rows[i].inside);
		if (rows[i].outside != NULL &&
		    (!net_address_parse(span_of(rows[i].outside), 0, &a) || net_cidr_has(&cidr, &a)))
			fail_msg("%s/%u has %s", rows[i].address, rows[i].bits, rows[i].outside);
	}
}

static void reverse_names(void **state)
{
	static const struct {
		const char *address, *name;
	} rows[] = {
		{ "192.0.2.1", "1.2.0.192.in-addr.arpa" },
		{ "::ffff:192.0.2.1", "1.2.0.192.in-addr.arpa" },
		{ "2001:db8::567:89ab",
		  "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa" },
	};
	struct arena *arena = arena_new(NULL);
	struct net_address a = { .storage.ss_family = AF_UNIX };

	(void)state;
	assert_int_equal(net_reverse_name(arena, &a).len, 0);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_true(net_address_parse(span_of(rows[i].address), 0, &a));
		if (!span_equal(net_reverse_name(arena, &a), span_of(rows[i].name)))
			fail_msg("%s", rows[i].address);
	}
	arena_free(arena);
}

static void same_host_ignores_port_and_mapping(void **state)
{
	struct net_address a, b, c;

	(void)state;
	assert_true(net_address_parse(span_lit("192.0.2.1"), 25, &a));
	assert_true(net_address_parse(span_lit("::ffff:192.0.2.1"), 587, &b));
	assert_true(net_address_parse(span_lit("2001:db8::1"), 25, &c));
	assert_true(net_address_same_host(&a, &b));
	assert_false(net_address_same_host(&a, &c));
}

static void listens_on_loopback(void **state)
{
	static const struct {
		const char *service, *interfaces;
	} rows[] = {
		{ "127.0.0.1:0", "all" }, { "0", "127.0.0.1" }, { "0", "loopback-only" }, { "[127.0.0.1]:0", "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		int fds[8];
		size_t count = 0;

		if (net_listen(rows[i].service, rows[i].interfaces, "ipv4", fds, 8, &count) != 0 || count != 1)
			fail_msg("%s on %s", rows[i].service, rows[i].interfaces);
		close(fds[0]);
	}
}

static void bad_services_do_not_listen(void **state)
{
	static const char *const rows[] = { "127.0.0.1:no-such-service-name", "[127.0.0.1:25", "::" };
	int fds[8];
	size_t count = 0;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		if (net_listen(rows[i], "all", "ipv4", fds, 8, &count) == 0)
			fail_msg("listens: %s", rows[i]);
	}
	assert_int_equal(count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_round_trip),
		cmocka_unit_test(nul_inside_is_refused),
		cmocka_unit_test(hosts_and_ports_are_split),
		cmocka_unit_test(networks_hold_their_addresses),
		cmocka_unit_test(bad_networks_are_refused),
		cmocka_unit_test(networks_of_addresses),
		cmocka_unit_test(reverse_names),
		cmocka_unit_test(same_host_ignores_port_and_mapping),
		cmocka_unit_test(listens_on_loopback),
		cmocka_unit_test(bad_services_do_not_listen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
