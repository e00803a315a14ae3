/* SPDX-License-Identifier: ISC */
/* sasl_test.c - mechanisms, lines of Dovecot's protocol, delays: the pure parts of auth */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/dovecot_line.h"
#include "auth/penalty.h"
#include "auth/sasl.h"

static void expect(struct span got, struct span wanted)
{
	if (!span_equal(got, wanted))
		fail_msg("\"" SPAN_FMT "\" is not \"" SPAN_FMT "\"", SPAN_ARG(got), SPAN_ARG(wanted));
}

static void test_plain_messages(void **state)
{
	static const struct {
		struct span    response;
		enum sasl_step step;
	} rows[] = {
		{ SPAN("\0u1\0secret"), SASL_CREDENTIALS },
		{ SPAN("u1\0u1\0secret"), SASL_CREDENTIALS },
		{ SPAN("\0u1\0"), SASL_CREDENTIALS },
		{ SPAN("admin\0u1\0secret"), SASL_OTHER_USER },
		{ SPAN(""), SASL_MALFORMED },
		{ SPAN("u1\0secret"), SASL_MALFORMED },
		{ SPAN("\0\0secret"), SASL_MALFORMED },
		{ SPAN("\0u1\0sec\0ret"), SASL_MALFORMED },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct arena *arena = arena_new(NULL);
		struct sasl_exchange x = { .mechanism = sasl_find(span_lit("plain")), .arena = arena };
		enum sasl_step step = sasl_next(&x, true, rows[i].response);

		if (step != rows[i].step)
			fail_msg("row %zu: %d", i, (int)step);
		if (step == SASL_CREDENTIALS)
			expect(x.user, span_lit("u1"));
		arena_free(arena);
	}
}

static void test_plain_without_initial_response(void **state)
{
	struct arena *arena = arena_new(NULL);
	struct sasl_exchange x = { .mechanism = sasl_find(span_lit("PLAIN")), .arena = arena };

	(void)state;
	assert_int_equal(sasl_next(&x, false, (struct span){ 0 }), SASL_CHALLENGE);
	assert_int_equal(x.challenge.len, 0);
	assert_int_equal(sasl_next(&x, true, span_lit("\0u1\0pw")), SASL_CREDENTIALS);
	expect(x.password, span_lit("pw"));
	arena_free(arena);
}

static void test_login_asks_twice(void **state)
{
	struct arena *arena = arena_new(NULL);
	struct sasl_exchange x = { .mechanism = sasl_find(span_lit("LOGIN")), .arena = arena };

	(void)state;
	assert_int_equal(sasl_next(&x, false, (struct span){ 0 }), SASL_CHALLENGE);
	expect(x.challenge, span_lit("Username:"));
	assert_int_equal(sasl_next(&x, true, span_lit("u1")), SASL_CHALLENGE);
	expect(x.challenge, span_lit("Password:"));
	assert_int_equal(sasl_next(&x, true, span_lit("pw")), SASL_CREDENTIALS);
	expect(x.user, span_lit("u1"));
	expect(x.password, span_lit("pw"));
	arena_free(arena);
}

static void test_login_with_initial_response(void **state)
{
	struct arena *arena = arena_new(NULL);
	struct sasl_exchange x = { .mechanism = sasl_find(span_lit("LOGIN")), .arena = arena };

	(void)state;
	assert_int_equal(sasl_next(&x, true, span_lit("u1")), SASL_CHALLENGE);
	assert_int_equal(sasl_next(&x, true, span_lit("p\0w")), SASL_MALFORMED);
	arena_free(arena);
}

static void test_unknown_mechanism(void **state)
{
	(void)state;
	assert_null(sasl_find(span_lit("CRAM-MD5")));
	assert_null(sasl_find(span_lit("")));
}

static void test_dovecot_lines(void **state)
{
	static const struct {
		struct span       line;
		enum dovecot_verb verb;
	} rows[] = {
		{ SPAN("VERSION\t1\t1"), DOVECOT_VERSION },
		{ SPAN("CPID\t77"), DOVECOT_IGNORE },
		{ SPAN(""), DOVECOT_IGNORE },
		{ SPAN("AUTH\t1\tPLAIN\tservice=smtp\tnologin\tresp=AHUxAHg="), DOVECOT_AUTH },
		{ SPAN("AUTH\t1\tPLAIN"), DOVECOT_AUTH },
		{ SPAN("AUTH\t1"), DOVECOT_BAD },
		{ SPAN("AUTH\tx\tPLAIN"), DOVECOT_BAD },
		{ SPAN("AUTH\t4294967296\tPLAIN"), DOVECOT_BAD },
		{ SPAN("AUTH\t1\tPLAIN\tresp=!"), DOVECOT_BAD },
		{ SPAN("CONT\t1\tAHUxAHg="), DOVECOT_CONT },
		{ SPAN("CONT\t1"), DOVECOT_BAD },
		{ SPAN("CANCEL\t1"), DOVECOT_CANCEL },
		{ SPAN("CANCEL\t"), DOVECOT_BAD },
	};
	struct arena *arena = arena_new(NULL);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct dovecot_line line;

		dovecot_line_parse(arena, rows[i].line, &line);
		if (line.verb != rows[i].verb)
			fail_msg("\"" SPAN_FMT "\": %d", SPAN_ARG(rows[i].line), (int)line.verb);
	}
	arena_free(arena);
}

static void test_dovecot_fields(void **state)
{
	struct arena *arena = arena_new(NULL);
	struct dovecot_line line;
	struct buf out;

	(void)state;
	dovecot_line_parse(arena,
	                   span_lit("AUTH\t9\tPLAIN\tservice=smtp\trip=192.0.2.1\tlip=::1\tsecured\tsession=a\001tb\tresp=AHUxAHg="),
	                   &line);
	assert_int_equal(line.id, 9);
	expect(line.service, span_lit("smtp"));
	expect(line.remote_address, span_lit("192.0.2.1"));
	expect(line.local_address, span_lit("::1"));
	assert_true(line.is_secured);
	expect(line.response, span_lit("\0u1\0x"));
	buf_init(&out, BUF_NO_LIMIT);
	dovecot_add_field(&out, "user=", span_lit("a\tb\nc\001d\0"));
	expect(buf_span(&out), span_lit("\tuser=a\001tb\001nc\0011d\0010"));
	buf_free(&out);
	arena_free(arena);
}

static void test_delays_grow_and_are_forgotten(void **state)
{
	struct penalty_rules rules = { .base_us = 2000, .most_us = 15000, .table_size = 10 };
	struct penalties *p = penalties_new(&rules);
	struct span attacker = span_lit("192.0.2.1");

	(void)state;
	assert_int_equal(penalty_before(p, attacker, 1), 0);
	assert_int_equal(penalty_failed(p, attacker, 101, 1), 2000);
	assert_int_equal(penalty_failed(p, attacker, 101, 2), 2000);	/* the same pair again */
	assert_int_equal(penalty_failed(p, attacker, 102, 3), 4000);
	assert_int_equal(penalty_failed(p, attacker, 103, 4), 8000);
	assert_int_equal(penalty_before(p, attacker, 5), 0);
	assert_int_equal(penalty_failed(p, attacker, 104, 5), 15000);
	assert_int_equal(penalty_before(p, attacker, 6), 15000);
	assert_int_equal(penalty_before(p, span_lit("192.0.2.2"), 6), 0);
	assert_int_equal(penalty_before(p, attacker, 5 + 150001), 0);
	penalties_free(p);
}

static void test_ipv6_neighbours_are_one_client(void **state)
{
	struct penalty_rules rules = { .base_us = 1, .most_us = 1000, .table_size = 10 };
	struct penalties *p = penalties_new(&rules);

	(void)state;
	penalty_failed(p, span_lit("2001:db8:0:1::1"), 1, 1);
	assert_int_equal(penalty_failed(p, span_lit("2001:db8:0:1::2"), 2, 1), 2);
	assert_int_equal(penalty_failed(p, span_lit("2001:db8:0:2::1"), 2, 1), 1);
	penalties_free(p);
}

static void test_success_forgives_and_loopback_is_not_counted(void **state)
{
	struct penalty_rules rules = { .base_us = 1, .most_us = 1000, .table_size = 2 };
	struct penalties *p = penalties_new(&rules);

	(void)state;
	for (uint64_t i = 1; i < 20; i++) {
		assert_int_equal(penalty_failed(p, span_lit("127.0.0.1"), i, 1), 1);
		assert_int_equal(penalty_failed(p, span_lit("::1"), i, 1), 1);
	}
	penalty_failed(p, span_lit("192.0.2.1"), 1, 1);
	penalty_forgive(p, span_lit("192.0.2.1"));
	assert_int_equal(penalty_failed(p, span_lit("192.0.2.1"), 2, 1), 1);
	/* A full table makes room. */
	penalty_failed(p, span_lit("192.0.2.2"), 1, 2);
	penalty_failed(p, span_lit("192.0.2.3"), 1, 3);
	assert_int_equal(penalty_failed(p, span_lit("192.0.2.1"), 3, 4), 1);
	penalties_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_messages),
		cmocka_unit_test(test_plain_without_initial_response),
		cmocka_unit_test(test_login_asks_twice),
		cmocka_unit_test(test_login_with_initial_response),
		cmocka_unit_test(test_unknown_mechanism),
		cmocka_unit_test(test_dovecot_lines),
		cmocka_unit_test(test_dovecot_fields),
		cmocka_unit_test(test_delays_grow_and_are_forgotten),
		cmocka_unit_test(test_ipv6_neighbours_are_one_client),
		cmocka_unit_test(test_success_forgives_and_loopback_is_not_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
