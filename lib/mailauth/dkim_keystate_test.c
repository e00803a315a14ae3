/* SPDX-License-Identifier: ISC */
/* dkim_keystate_test.c - the text that says which keys sign */
#include "lib/mailauth/dkim_keystate.h"

#include "lib/base/test.h"

enum { MOST = 4 };

static void lines_are_read_and_written(void **state)
{
	static const struct { struct span in; size_t bad; const char *out; } rows[] = {
		{ SPAN(""),                                              0, "" },
		{ SPAN("a active 5\n"),                                  0, "a active 5\n" },
		{ SPAN("a active 5"),                                    0, "a active 5\n" },
		{ SPAN("  a\tactive   5 \r\n\n\n b retired 0\n"),        0, "a active 5\nb retired 0\n" },
		{ SPAN("a active 18446744073709551615\n"),               0, "a active 18446744073709551615\n" },
		{ SPAN("a active 18446744073709551616\nb active 1\n"),   1, "b active 1\n" },
		{ SPAN("a waiting 1\na active\nactive 1\na active 1 2\na active -1\n"), 5, "" },
		{ SPAN("a Active 1\n"),                                  1, "" },
		{ SPAN("a active 1\na retired 2\nA active 3\n"),         1, "a active 1\nA active 3\n" },
		{ SPAN("a\0b active 1\n\303\244 active 1\n"),            2, "" },
		{ SPAN("a active 1\nb active 1\nc active 1\nd active 1\ne active 1\n"), 1,
		  "a active 1\nb active 1\nc active 1\nd active 1\n" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct arena *arena = arena_new(NULL);
		struct dkim_keystate read;
		struct buf out;

		buf_init(&out, BUF_NO_LIMIT);
		assert_int_equal(dkim_keystate_read(arena, rows[i].in, MOST, &read), rows[i].bad);
		dkim_keystate_write(&out, &read);
		assert_span(buf_span(&out), rows[i].out);
		buf_free(&out);
		arena_free(arena);
	}
}

static void lines_are_found(void **state)
{
	struct arena *arena = arena_new(NULL);
	struct dkim_keystate read;

	(void)state;
	assert_int_equal(dkim_keystate_read(arena, span_lit("a active 5\nb retired 7\n"), MOST, &read), 0);
	assert_int_equal(dkim_keystate_find(&read, span_lit("b"))->since_s, 7);
	assert_int_equal(dkim_keystate_find(&read, span_lit("a"))->state, DKIM_KEY_ACTIVE);
	assert_null(dkim_keystate_find(&read, span_lit("c")));
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_read_and_written),
		cmocka_unit_test(lines_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
