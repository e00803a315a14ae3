/* SPDX-License-Identifier: ISC */
/* header_index_test.c - fields by name, from the bottom up */
#include "lib/base/test.h"
#include "lib/mailauth/header_index.h"

static const struct span message = SPAN("Received: 1\r\nTo: a\r\nFROM: x\r\nno field\r\nreceived : 2\r\n\t2b\r\nReceived: 3\r\n"
                                        "\r\nbody\r\n");

static void fields_are_taken_from_the_bottom(void **state)
{
	struct arena *a = arena_new(NULL);
	struct span rest = message;
	struct mail_header header = mail_header_parse(a, &rest);
	struct header_index *index = header_index_new(a, header);
	static const char *want[] = { " 3", " 2\r\n\t2b", " 1" };

	(void)state;
	assert_int_equal(header.count, 6);
	assert_span(rest, "body\r\n");
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < COUNT_OF(want); i++)
			assert_span(header_index_take(index, span_lit("Received"))->value, want[i]);
		assert_null(header_index_take(index, span_lit("received")));
		assert_null(header_index_take(index, span_lit("received")));
		assert_span(header_index_take(index, span_lit("From"))->value, " x");
		header_index_restart(index);
	}
	assert_null(header_index_take(index, span_lit("Cc")));
	assert_null(header_index_take(index, span_lit("")));
	assert_int_equal(header_index_count(index, span_lit("rEceived")), 3);
	assert_int_equal(header_index_count(index, span_lit("Cc")), 0);
	arena_free(a);
}

static void a_message_may_be_empty(void **state)
{
	struct arena *a = arena_new(NULL);
	struct span rest = span_lit("");
	struct mail_header header = mail_header_parse(a, &rest);

	(void)state;
	assert_int_equal(header.count, 0);
	assert_int_equal(rest.len, 0);
	assert_null(header_index_take(header_index_new(a, header), span_lit("From")));
	arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_are_taken_from_the_bottom),
		cmocka_unit_test(a_message_may_be_empty),
	};

	return cmocka_run_group_tests_name("header_index", tests, NULL, NULL);
}
