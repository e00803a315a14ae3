/* SPDX-License-Identifier: ISC */
/* accepted_test.c - who was accepted is remembered for its time, and within bounds */
#include "lib/milter/accepted.h"

#include <stdio.h>

#include "lib/base/clock.h"
#include "lib/base/test.h"

static void each_milter_and_client_counts_alone(void **state)
{
	struct milter_accepted *a = milter_accepted_new();

	(void)state;
	assert_false(milter_accepted_has(a, "unix:x", span_lit("192.0.2.1")));
	milter_accepted_add(a, "unix:x", span_lit("192.0.2.1"), 60);
	milter_accepted_add(a, "unix:x", span_lit("192.0.2.1"), 60);
	assert_true(milter_accepted_has(a, "unix:x", span_lit("192.0.2.1")));
	assert_false(milter_accepted_has(a, "unix:x", span_lit("192.0.2.2")));
	assert_false(milter_accepted_has(a, "unix:y", span_lit("192.0.2.1")));
	milter_accepted_free(a);
}

static void it_is_not_for_ever(void **state)
{
	struct milter_accepted *a = milter_accepted_new();

	(void)state;
	milter_accepted_add(a, "unix:x", span_lit("192.0.2.1"), 0);
	assert_false(milter_accepted_has(a, "unix:x", span_lit("192.0.2.1")));
	milter_accepted_free(a);
}

static void the_oldest_make_room(void **state)
{
	struct milter_accepted *a = milter_accepted_new();
	char client[24];
	unsigned known = 0;

	(void)state;
	for (unsigned i = 0; i < 5000; i++) {
		(void)snprintf(client, sizeof(client), "client %u", i);
		milter_accepted_add(a, "unix:x", span_of(client), 60);
	}
	for (unsigned i = 0; i < 5000; i++) {
		(void)snprintf(client, sizeof(client), "client %u", i);
		known += milter_accepted_has(a, "unix:x", span_of(client));
	}
	assert_int_equal(known, 1024);
	assert_true(milter_accepted_has(a, "unix:x", span_lit("client 4999")));
	milter_accepted_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_milter_and_client_counts_alone),
		cmocka_unit_test(it_is_not_for_ever),
		cmocka_unit_test(the_oldest_make_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
