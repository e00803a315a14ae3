/* SPDX-License-Identifier: ISC */
/* aliases_test.c - right sides of aliases */
#include "lib/mailbox/test_store.h"

#include "lib/base/buf.h"
#include "local/local.h"

static enum outcome parse(const char *text, struct buf *out)
{
	struct alias_expansion x = { .out = out, .origin = "example.test", .nesting_left = 3, .file_max = 1000 };
	struct why why;

	buf_init(out, 1000);
	return alias_parse(&x, span_of(text), &why);
}

static void test_addresses(void **state)
{
	static const struct { const char *text; struct span out; } rows[] = {
		{ "bob", SPAN("bob@example.test\0") },
		{ "bob, <carol@x.test>,\n dave", SPAN("bob@example.test\0carol@x.test\0dave@example.test\0") },
		{ "\\bob", SPAN("bob@example.test\0") },
		{ "\"a, b\"@x.test", SPAN("\"a, b\"@x.test\0") },
		{ "# comment\nbob,,", SPAN("bob@example.test\0") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct buf out;

		print_message("%s\n", rows[i].text);
		assert_int_equal(parse(rows[i].text, &out), DONE);
		assert_true(span_equal(buf_span(&out), rows[i].out));
		buf_free(&out);
	}
}

static void test_commands_and_files_wait(void **state)
{
	static const char *const rows[] = { "|/bin/true", "\"|/bin/true -x\"", "/var/mail/x", ":include:relative", ":include:/no/such" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct buf out;

		assert_int_equal(parse(rows[i], &out), DEFER);
		buf_free(&out);
	}
}

static void test_include(void **state)
{
	struct test_store *t = *state;
	char text[300];
	struct buf out;

	put_file(t, "list", "a@x.test\n# none\nb@x.test, c\n");
	(void)snprintf(text, sizeof(text), "first, :include:%s/list", t->path);
	assert_int_equal(parse(text, &out), DONE);
	assert_true(span_equal(buf_span(&out),
	                       span_lit("first@example.test\0a@x.test\0b@x.test\0c@example.test\0")));
	buf_free(&out);
}

static void test_include_of_itself_ends(void **state)
{
	struct test_store *t = *state;
	char text[300];
	struct buf out;

	(void)snprintf(text, sizeof(text), ":include:%s/list", t->path);
	put_file(t, "list", text);
	assert_int_equal(parse(text, &out), DEFER);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_commands_and_files_wait),
		STORE_TEST(test_include),
		STORE_TEST(test_include_of_itself_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
