/* SPDX-License-Identifier: ISC */
/* rdata_test.c - records of all types we read, and what is wrong with them */
#include "lib/net/rdata.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/attributes.h"

static struct arena *arena;

static int setup(void **state)
{
	(void)state;
	arena = arena_new(NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

static void names(void **state)
{
	static const struct {
		struct span rdata;
		const char *name;	/* NULL: malformed */
	} rows[] = {
		{ SPAN("\2mx\7example\3org\0"), "mx.example.org" },
		{ SPAN("\0"), "" },
		{ SPAN("\3a.b\1c\0"), "a\\046b.c" },
		{ SPAN("\2\n\\\0"), "\\010\\092" },
		{ SPAN("\2\xff \0"), "\\255\\032" },
		{ SPAN(""), NULL },
		{ SPAN("\2mx"), NULL },
		{ SPAN("\5mx\0"), NULL },
		{ SPAN("\2mx\0x"), NULL },
		{ SPAN("\xc0\0"), NULL },	/* a compression pointer */
	};
	struct span name;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		/* The literal's own NUL is not counted, the one written out is. */
		bool ok = rdata_name(arena, rows[i].rdata, &name);

		if (ok != (rows[i].name != NULL) || (ok && !span_equal(name, span_of(rows[i].name))))
			fail_msg("row %zu", i);
	}
}

static void name_too_long(void **state)
{
	char wire[300];
	struct span name;
	size_t at = 0;

	(void)state;
	for (int i = 0; i < 4; i++) {
		wire[at++] = 63;
		memset(wire + at, 'a', 63);
		at += 63;
	}
	wire[at++] = 0;
	assert_false(rdata_name(arena, span_make(wire, at), &name));
	wire[192] = 61;	/* 255 bytes: the longest there is */
	wire[192 + 62] = 0;
	assert_true(rdata_name(arena, span_make(wire, 192 + 63), &name));
}

static void exchanges(void **state)
{
	unsigned preference;
	struct span exchange;

	(void)state;
	assert_true(rdata_mx(arena, span_make("\1\2\1a\0", 5), &preference, &exchange));
	assert_int_equal(preference, 258);
	assert_true(span_equal(exchange, span_lit("a")));
	assert_true(rdata_mx(arena, span_make("\0\0\0", 3), &preference, &exchange));
	assert_int_equal(exchange.len, 0);
	assert_false(rdata_mx(arena, span_make("\0\0", 2), &preference, &exchange));
}

static void addresses(void **state)
{
	struct net_address a;
	char text[NET_ADDRESS_TEXT_MAX];

	(void)state;
	assert_true(rdata_address(span_make("\300\0\2\1", 4), &a));
	assert_string_equal(net_address_text(&a, text), "192.0.2.1");
	assert_true(rdata_address(span_make("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16), &a));
	assert_string_equal(net_address_text(&a, text), "2001:db8::1");
	assert_false(rdata_address(span_make("\300\0\2", 3), &a));
	assert_false(rdata_address(span_make("", 0), &a));
}

static void texts(void **state)
{
	static const struct {
		struct span rdata;
		const char *text;
	} rows[] = {
		{ SPAN("\5v=spf\2 x"), "v=spf x" },
		{ SPAN("\0"), "" },
		{ SPAN("\0\1a\0\1b"), "ab" },
		{ SPAN(""), NULL },
		{ SPAN("\5v=s"), NULL },
		{ SPAN("\1a\2b"), NULL },
	};
	struct span text;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		bool ok = rdata_txt(arena, rows[i].rdata, &text);

		if (ok != (rows[i].text != NULL) || (ok && !span_equal(text, span_of(rows[i].text))))
			fail_msg("row %zu", i);
	}
}

static void services_and_keys(void **state)
{
	unsigned a, b, c;
	struct span rest;

	(void)state;
	assert_true(rdata_srv(arena, span_make("\0\1\0\2\0\3\1h\0", 9), &a, &b, &c, &rest));
	assert_int_equal(a * 100 + b * 10 + c, 123);
	assert_true(span_equal(rest, span_lit("h")));
	assert_false(rdata_srv(arena, span_make("\0\1\0\2\0\3", 6), &a, &b, &c, &rest));
	assert_true(rdata_tlsa(span_make("\3\1\1hash", 7), &a, &b, &c, &rest));
	assert_int_equal(a * 100 + b * 10 + c, 311);
	assert_true(span_equal(rest, span_lit("hash")));
	assert_false(rdata_tlsa(span_make("\3\1\1", 3), &a, &b, &c, &rest));
}

static void lists(void **state)
{
	struct span answers = span_make("\1\0a\2\0bc\0\0", 9), rdata;

	(void)state;
	assert_true(rdata_next(&answers, &rdata));
	assert_true(span_equal(rdata, span_lit("a")));
	assert_true(rdata_next(&answers, &rdata));
	assert_true(span_equal(rdata, span_lit("bc")));
	assert_true(rdata_next(&answers, &rdata));
	assert_int_equal(rdata.len, 0);
	assert_false(rdata_next(&answers, &rdata));
	answers = span_make("\5\0a", 3);
	assert_false(rdata_next(&answers, &rdata));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(name_too_long),
		cmocka_unit_test(exchanges),
		cmocka_unit_test(addresses),
		cmocka_unit_test(texts),
		cmocka_unit_test(services_and_keys),
		cmocka_unit_test(lists),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
