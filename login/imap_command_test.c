/* SPDX-License-Identifier: ISC */
/* imap_command_test.c - tags, names, strings and literals */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "login/imap_command.h"

static void expect(struct span got, struct span wanted, struct span input)
{
	if (!span_equal(got, wanted))
		fail_msg("\"" SPAN_FMT "\": \"" SPAN_FMT "\" is not \"" SPAN_FMT "\"", SPAN_ARG(input), SPAN_ARG(got),
		         SPAN_ARG(wanted));
}

static void test_commands(void **state)
{
	static const struct {
		struct span text;
		bool        ok;
		struct span tag, name, arguments;
	} rows[] = {
		{ SPAN("a NOOP"), true, SPAN("a"), SPAN("NOOP"), SPAN("") },
		{ SPAN("A1.x LOGIN u p"), true, SPAN("A1.x"), SPAN("LOGIN"), SPAN(" u p") },
		{ SPAN("a"), false, SPAN("a"), SPAN(""), SPAN("") },
		{ SPAN("a "), false, SPAN("a"), SPAN(""), SPAN("") },
		{ SPAN("* NOOP"), false, SPAN(""), SPAN(""), SPAN("") },
		{ SPAN("a+b NOOP"), false, SPAN(""), SPAN(""), SPAN("") },
		{ SPAN("+ NOOP"), false, SPAN(""), SPAN(""), SPAN("") },
		{ SPAN(" NOOP"), false, SPAN(""), SPAN(""), SPAN("") },
		{ SPAN("a\tNOOP"), false, SPAN(""), SPAN(""), SPAN("") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct imap_command command;
		bool ok = imap_command_parse(rows[i].text, &command);

		if (ok != rows[i].ok)
			fail_msg("\"" SPAN_FMT "\": %d", SPAN_ARG(rows[i].text), ok);
		expect(command.tag, rows[i].tag, rows[i].text);
		if (!ok)
			continue;
		expect(command.name, rows[i].name, rows[i].text);
		expect(command.arguments, rows[i].arguments, rows[i].text);
	}
}

static void test_astrings(void **state)
{
	static const struct {
		struct span text;
		bool        ok;
		struct span value, rest;
	} rows[] = {
		{ SPAN(" u1 x"), true, SPAN("u1"), SPAN(" x") },
		{ SPAN(" u]1"), true, SPAN("u]1"), SPAN("") },
		{ SPAN(" \"a b\" x"), true, SPAN("a b"), SPAN(" x") },
		{ SPAN(" \"\""), true, SPAN(""), SPAN("") },
		{ SPAN(" \"a\\\"b\\\\\""), true, SPAN("a\"b\\"), SPAN("") },
		{ SPAN(" \"a\\b\""), false, SPAN(""), SPAN("") },
		{ SPAN(" \"a"), false, SPAN(""), SPAN("") },
		{ SPAN(" {3}\r\na\nb x"), true, SPAN("a\nb"), SPAN(" x") },
		{ SPAN(" {0+}\r\n x"), true, SPAN(""), SPAN(" x") },
		{ SPAN(" {3}\r\nab"), false, SPAN(""), SPAN("") },
		{ SPAN(" {3}\r\na\0b"), false, SPAN(""), SPAN("") },
		{ SPAN(" {x}\r\nab"), false, SPAN(""), SPAN("") },
		{ SPAN(" {3}ab"), false, SPAN(""), SPAN("") },
		{ SPAN(" (a)"), false, SPAN(""), SPAN("") },
		{ SPAN("u1"), false, SPAN(""), SPAN("") },
		{ SPAN(" "), false, SPAN(""), SPAN("") },
		{ SPAN(""), false, SPAN(""), SPAN("") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct arena *arena = arena_new(NULL);
		struct span rest = rows[i].text, value;
		bool ok = imap_astring(arena, &rest, &value);

		if (ok != rows[i].ok)
			fail_msg("\"" SPAN_FMT "\": %d", SPAN_ARG(rows[i].text), ok);
		if (ok) {
			expect(value, rows[i].value, rows[i].text);
			expect(rest, rows[i].rest, rows[i].text);
		}
		arena_free(arena);
	}
}

static void test_literal_heads(void **state)
{
	static const struct {
		struct span        line;
		bool               ok, is_synchronizing;
		unsigned long long size;
	} rows[] = {
		{ SPAN("a LOGIN {5}"), true, true, 5 },
		{ SPAN("a LOGIN {5+}"), true, false, 5 },
		{ SPAN("{4294967295}"), true, true, 4294967295 },
		{ SPAN("{4294967296}"), false, false, 0 },
		{ SPAN("{}"), false, false, 0 },
		{ SPAN("{+}"), false, false, 0 },
		{ SPAN("{5} "), false, false, 0 },
		{ SPAN("5}"), false, false, 0 },
		{ SPAN("{-1}"), false, false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		unsigned long long size = 0;
		bool is_synchronizing = false;
		bool ok = imap_literal(rows[i].line, &size, &is_synchronizing);

		if (ok != rows[i].ok || (ok && (size != rows[i].size || is_synchronizing != rows[i].is_synchronizing)))
			fail_msg("\"" SPAN_FMT "\": %d, %llu", SPAN_ARG(rows[i].line), ok, size);
	}
}

static void test_clean_lines(void **state)
{
	(void)state;
	assert_true(imap_is_clean(span_lit("a LOGIN u p")));
	assert_false(imap_is_clean(span_lit("a LOGIN u\0 p")));
	assert_false(imap_is_clean(span_lit("a LOGIN \xc3\xbc p")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_astrings),
		cmocka_unit_test(test_literal_heads),
		cmocka_unit_test(test_clean_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
