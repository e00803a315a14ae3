/* SPDX-License-Identifier: ISC */
/* mutf7_test.c - names in modified UTF-7, both ways */
#include "lib/mailbox/test_store.h"

#include "lib/mailbox/mutf7.h"

static const struct {
	const char *utf8, *mutf7;
} pairs[] = {
	{ "", "" },
	{ "INBOX", "INBOX" },
	{ "Gel\xc3\xb6scht", "Gel&APY-scht" },
	{ "&", "&-" },
	{ "a&b", "a&-b" },
	{ "\xe5\x8f\xb0\xe5\x8c\x97", "&U,BTFw-" },
	{ "\xf0\x9f\x93\xa7", "&2D3c5w-" },	/* a surrogate pair */
	{ "Sub\xc3\xa9t\xc3\xa9", "Sub&AOk-t&AOk-" },
	{ "\x01", "&AAE-" },
};

static void test_pairs(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(pairs); i++) {
		struct buf out;

		buf_init(&out, 256);
		assert_true(mutf7_encode(&out, span_of(pairs[i].utf8)));
		assert_span(buf_span(&out), pairs[i].mutf7);
		buf_clear(&out);
		assert_true(mutf7_decode(&out, span_of(pairs[i].mutf7)));
		assert_span(buf_span(&out), pairs[i].utf8);
		buf_free(&out);
	}
}

static void test_bad_mutf7(void **state)
{
	static const char *const bad[] = {
		"&", "&AOk", "&AOk-&AOk-", "&AGE-", "&====-", "&2D0-", "&3Ac-", "\xc3\xa9", "a\x01", "&AOl-x&AO",
		"&AOkA-",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct buf out;

		buf_init(&out, 256);
		print_message("\"%.*s\"\n", SPAN_ARG(span_of(bad[i])));
		assert_false(mutf7_decode(&out, span_of(bad[i])));
		buf_free(&out);
	}
}

static void test_bad_utf8(void **state)
{
	static const char *const bad[] = { "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\x80", "\xff" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		assert_false(utf8_is_valid(span_of(bad[i])));
	assert_true(utf8_is_valid(span_lit("gr\xc3\xbc\xc3\x9f")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pairs),
		cmocka_unit_test(test_bad_mutf7),
		cmocka_unit_test(test_bad_utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
