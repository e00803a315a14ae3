/* SPDX-License-Identifier: ISC */
/* queue_id_test.c - names of messages */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/queue/queue_id.h"

static void keeps_its_time(void **state)
{
	char id[QUEUE_ID_MAX];

	(void)state;
	queue_id_make(1700000000999999, id);
	assert_int_equal(queue_id_time_us(span_of(id)), 1700000000999999);
	assert_true(queue_id_is_valid(span_of(id)));
}

static void grows_strictly(void **state)
{
	char before[QUEUE_ID_MAX], after[QUEUE_ID_MAX];

	(void)state;
	queue_id_make(1800000000000000, before);
	for (int i = 0; i < 1000; i++) {
		queue_id_make(1800000000000000, after);
		assert_true(strcmp(before, after) < 0);
		memcpy(before, after, sizeof(before));
	}
}

static void digits_z_in_the_time_are_no_separator(void **state)
{
	char id[QUEUE_ID_MAX];
	/* seconds end in digit 51, microseconds begin with it */
	uint64_t wall_us = (1900000000 - 1900000000 % 52 + 51) * (uint64_t)1000000 + 51;

	(void)state;
	queue_id_make(wall_us, id);
	assert_int_equal(queue_id_time_us(span_of(id)), wall_us);
}

static void only_safe_names_are_valid(void **state)
{
	static const struct { struct span text; bool ok; } rows[] = {
		{ SPAN("3xYz0000zBCDF"), true },
		{ SPAN("A1B2C3D4E5"), true },	/* short form */
		{ SPAN(""), false },
		{ SPAN("ABC"), false },
		{ SPAN("../../etc"), false },
		{ SPAN("ABCDEF.GH"), false },
		{ SPAN("ABCDEF\0GH"), false },
		{ SPAN("0123456789012345678901234567890123"), false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (queue_id_is_valid(rows[i].text) != rows[i].ok)
			fail_msg("row %zu: '" SPAN_FMT "'", i, SPAN_ARG(rows[i].text));
}

static void no_time_in_a_short_id(void **state)
{
	(void)state;
	assert_int_equal(queue_id_time_us(span_lit("A1B2C3D4E5")), 0);
	assert_int_equal(queue_id_time_us(span_lit("zzzzzzzzzz")), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_its_time),
		cmocka_unit_test(grows_strictly),
		cmocka_unit_test(digits_z_in_the_time_are_no_separator),
		cmocka_unit_test(only_safe_names_are_valid),
		cmocka_unit_test(no_time_in_a_short_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
