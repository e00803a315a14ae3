/* SPDX-License-Identifier: ISC */
/* span_test.c - spans at their edges */
#include "lib/base/span.h"

#include <stdlib.h>

#include "lib/base/test.h"

static void u64_reads_whole_decimal_numbers(void **state)
{
	static const struct {
		struct span        in;
		unsigned long long max;
		bool               ok;
		unsigned long long out;
	} rows[] = {
		{ SPAN("0"), UINT64_MAX, true, 0 },
		{ SPAN("18446744073709551615"), UINT64_MAX, true, UINT64_MAX },
		{ SPAN("18446744073709551616"), UINT64_MAX, false, 0 },	/* one too many */
		{ SPAN("00012"), UINT64_MAX, true, 12 },
		{ SPAN("12\0003"), UINT64_MAX, false, 0 },	/* NUL is not an end */
		{ SPAN(""), UINT64_MAX, false, 0 },
		{ SPAN("-1"), UINT64_MAX, false, 0 },
		{ SPAN("+1"), UINT64_MAX, false, 0 },
		{ SPAN(" 1"), UINT64_MAX, false, 0 },
		{ SPAN("1 "), UINT64_MAX, false, 0 },
		{ SPAN("100"), 100, true, 100 },
		{ SPAN("101"), 100, false, 0 },
		{ SPAN("9"), 5, false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		unsigned long long value = 0;

		if (span_u64(rows[i].in, rows[i].max, &value) != rows[i].ok || value != rows[i].out)
			fail_msg("row %zu: \"" SPAN_FMT "\"", i, SPAN_ARG(rows[i].in));
	}
}

static void hex_reads_up_to_sixteen_digits(void **state)
{
	unsigned long long value;

	(void)state;
	assert_true(span_hex_u64(span_lit("fFfFfFfFfFfFfFfF"), &value));
	assert_true(value == UINT64_MAX);
	assert_false(span_hex_u64(span_lit("10000000000000000"), &value));
	assert_false(span_hex_u64(span_lit(""), &value));
	assert_false(span_hex_u64(span_lit("0x1"), &value));
	assert_false(span_hex_u64(span_lit("g"), &value));
}

static void comparing_knows_length_and_case(void **state)
{
	(void)state;
	assert_true(span_equal(span_lit("a\0b"), span_lit("a\0b")));
	assert_false(span_equal(span_lit("a\0b"), span_lit("a\0c")));
	assert_false(span_equal(span_lit("ab"), span_lit("abc")));
	assert_true(span_equal(span_of(NULL), span_lit("")));
	assert_true(span_equal_ci(span_lit("RcPt"), span_lit("rCpT")));
	assert_false(span_equal_ci(span_lit("\xc4"), span_lit("\xe4")));	/* ASCII only */
	assert_true(span_compare(span_lit("a"), span_lit("ab")) < 0);
	assert_true(span_compare(span_lit("b"), span_lit("ab")) > 0);
	assert_int_equal(span_compare(span_lit(""), span_of(NULL)), 0);
}

static void prefixes_and_suffixes(void **state)
{
	(void)state;
	assert_true(span_starts(span_lit("MAIL FROM"), span_lit("MAIL")));
	assert_false(span_starts(span_lit("MA"), span_lit("MAIL")));
	assert_true(span_starts_ci(span_lit("mail from"), span_lit("MAIL")));
	assert_true(span_ends(span_lit("a.example"), span_lit(".example")));
	assert_true(span_ends_ci(span_lit("a.EXAMPLE"), span_lit(".example")));
	assert_false(span_ends(span_lit("e"), span_lit(".example")));
	assert_true(span_starts(span_lit("x"), span_lit("")));
}

static void slices_are_cut_to_what_is_there(void **state)
{
	(void)state;
	assert_span(span_skip(span_lit("abc"), 1), "bc");
	assert_span(span_skip(span_lit("abc"), 9), "");
	assert_span(span_first(span_lit("abc"), 2), "ab");
	assert_span(span_first(span_lit("abc"), 9), "abc");
	assert_span(span_slice(span_lit("abcdef"), 2, 3), "cde");
	assert_span(span_slice(span_lit("abcdef"), 5, SIZE_MAX), "f");
	assert_span(span_skip(span_of(NULL), 3), "");
}

static void finding(void **state)
{
	(void)state;
	assert_int_equal(span_find(span_lit("a@b@c"), '@'), 1);
	assert_int_equal(span_rfind(span_lit("a@b@c"), '@'), 3);
	assert_true(span_find(span_lit("abc"), '@') == SPAN_NOT_FOUND);
	assert_true(span_find(span_of(NULL), 'x') == SPAN_NOT_FOUND);
	assert_int_equal(span_search(span_lit("..\r\n.\r\n"), span_lit("\r\n.\r\n")), 2);
	assert_true(span_search(span_lit("ab"), span_lit("abc")) == SPAN_NOT_FOUND);
	assert_int_equal(span_search(span_lit("ab"), span_lit("")), 0);
	assert_int_equal(span_search_ci(span_lit("xxBoUnDaRy"), span_lit("boundary")), 2);
	assert_true(span_search_ci(span_lit(""), span_lit("b")) == SPAN_NOT_FOUND);
}

static void trimming(void **state)
{
	(void)state;
	assert_span(span_trim(span_lit(" \t a b \r\n")), "a b");
	assert_span(span_trim(span_lit(" \t\r\n")), "");
	assert_span(span_trim_start(span_lit("  a ")), "a ");
	assert_span(span_trim_end(span_lit("  a ")), "  a");
}

static void cutting_leaves_the_rest(void **state)
{
	struct span rest = SPAN("user:pass::x"), piece;

	(void)state;
	assert_true(span_cut(&rest, ':', &piece));
	assert_span(piece, "user");
	assert_true(span_cut(&rest, ':', &piece));
	assert_span(piece, "pass");
	assert_true(span_cut(&rest, ':', &piece));
	assert_span(piece, "");
	assert_false(span_cut(&rest, ':', &piece));
	assert_span(piece, "x");
	assert_span(rest, "");
}

static void tokens_skip_runs_of_separators(void **state)
{
	struct span rest = SPAN(",, a ,b\tc\0d ,"), token;

	(void)state;
	assert_true(span_token(&rest, ", \t", &token));
	assert_span(token, "a");
	assert_true(span_token(&rest, ", \t", &token));
	assert_span(token, "b");
	assert_true(span_token(&rest, ", \t", &token));
	assert_int_equal(token.len, 3);	/* NUL is no separator */
	assert_false(span_token(&rest, ", \t", &token));
}

static void prefixes_of_exact_heap_blocks_are_safe(void **state)
{
	static const char text[] = "12ab: \t xyz@example.test,";

	(void)state;
	for (size_t n = 0; n < sizeof(text); n++) {
		char *block = malloc(n != 0 ? n : 1);
		struct span s = { block, n }, piece;
		unsigned long long value;

		assert_non_null(block);
		memcpy(block, text, n);
		(void)span_find(s, '@');
		(void)span_search_ci(s, span_lit("EXAMPLE"));
		(void)span_trim(s);
		(void)!span_u64(s, UINT64_MAX, &value);
		(void)!span_hex_u64(s, &value);
		while (span_token(&s, ", ", &piece))
			assert_true(piece.len <= n);
		free(block);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(u64_reads_whole_decimal_numbers),
		cmocka_unit_test(hex_reads_up_to_sixteen_digits),
		cmocka_unit_test(comparing_knows_length_and_case),
		cmocka_unit_test(prefixes_and_suffixes),
		cmocka_unit_test(slices_are_cut_to_what_is_there),
		cmocka_unit_test(finding),
		cmocka_unit_test(trimming),
		cmocka_unit_test(cutting_leaves_the_rest),
		cmocka_unit_test(tokens_skip_runs_of_separators),
		cmocka_unit_test(prefixes_of_exact_heap_blocks_are_safe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
