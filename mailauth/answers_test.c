/* SPDX-License-Identifier: ISC */
/* answers_test.c - what is remembered of the DNS, for how long, and how much of it */
#include "mailauth/answers.h"

#include <stdio.h>

#include "lib/base/test.h"

static struct dns_reply found(const char *bytes, uint64_t ttl_s)
{
	return (struct dns_reply){ .status = DNS_FOUND, .ttl_s = ttl_s, .answers = span_of(bytes),
		                   .canonical = span_lit("a.test"), .reason = span_lit("") };
}

static bool knows(struct answers *a, const char *question, const char *bytes)
{
	struct arena *arena = arena_new(NULL);
	struct dns_reply reply;
	bool is_known = answers_get(a, span_of(question), arena, &reply);

	if (is_known)
		assert_true(span_equal(reply.answers, span_of(bytes)));
	arena_free(arena);
	return is_known;
}

static void an_answer_is_remembered(void **state)
{
	struct answers *a = answers_new(10000);
	struct dns_reply reply = found("one", 60);

	(void)state;
	assert_false(knows(a, "16 a.test", ""));
	answers_put(a, span_lit("16 a.test"), &reply);
	assert_true(knows(a, "16 a.test", "one"));
	assert_false(knows(a, "1 a.test", ""));
	reply = found("two", 60);	/* a newer one takes its place */
	answers_put(a, span_lit("16 a.test"), &reply);
	assert_true(knows(a, "16 a.test", "two"));
	answers_free(a);
}

static void what_is_not_to_be_believed_is_not_kept(void **state)
{
	struct answers *a = answers_new(10000);
	struct dns_reply failed = found("", 60), none = found("", 60), brief = found("x", 0);

	(void)state;
	failed.status = DNS_FAILED;
	answers_put(a, span_lit("failed"), &failed);
	assert_false(knows(a, "failed", ""));
	answers_put(a, span_lit("brief"), &brief);
	assert_false(knows(a, "brief", ""));
	none.status = DNS_NO_NAME;	/* that there is nothing is an answer */
	answers_put(a, span_lit("none"), &none);
	assert_true(knows(a, "none", ""));
	answers_free(a);
}

static void the_oldest_make_room(void **state)
{
	struct answers *a = answers_new(4000);
	struct dns_reply reply = found("0123456789", 60);
	char question[16];
	unsigned known = 0;

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		(void)snprintf(question, sizeof(question), "q%u", i);
		answers_put(a, span_of(question), &reply);
		assert_true(knows(a, question, "0123456789"));
	}
	for (unsigned i = 0; i < 1000; i++) {
		(void)snprintf(question, sizeof(question), "q%u", i);
		known += knows(a, question, "0123456789");
	}
	assert_true(known > 1 && known < 40);
	assert_true(knows(a, "q999", "0123456789"));
	answers_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_is_remembered),
		cmocka_unit_test(what_is_not_to_be_believed_is_not_kept),
		cmocka_unit_test(the_oldest_make_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
