/* SPDX-License-Identifier: ISC */
/* tags_test.c - tag lists, by tables */
#include "lib/base/test.h"
#include "lib/mailauth/tags.h"

enum { MOST = 8 };

/* shown - a list as "name<value>" pieces; a refused one as its reason. */
static struct span shown(struct arena *a, struct span text)
{
	const char *reason = NULL;
	struct tags tags;
	char *out = arena_printf(a, "%s", "");

	if (!tags_parse(a, text, MOST, &tags, &reason))
		return span_of(reason);
	for (size_t i = 0; i < tags.count; i++)
		out = arena_printf(a, "%s" SPAN_FMT "<" SPAN_FMT ">", out, SPAN_ARG(tags.item[i].name),
		                   SPAN_ARG(tags.item[i].value));
	return span_of(out);
}

static void lists_are_strict(void **state)
{
	static const struct { struct span in; const char *want; } rows[] = {
		{ SPAN("v=1; a=b"),              "v<1>a<b>" },
		{ SPAN("v=1;a=b;"),              "v<1>a<b>" },
		{ SPAN("v=1;a=b; \r\n\t"),       "v<1>a<b>" },
		{ SPAN(" v = 1 ;\r\n\ta\t=\tb "), "v<1>a<b>" },
		{ SPAN("v="),                    "v<>" },
		{ SPAN("v=a=b"),                 "v<a=b>" },
		{ SPAN("v_1=x y"),               "v_1<x y>" },
		{ SPAN("V=1; v=2"),              "V<1>v<2>" },
		{ SPAN("i=\xc3\xa9@x"),          "i<\xc3\xa9@x>" },
		{ SPAN("v=1; v=1"),              "a tag stands twice" },
		{ SPAN("v=1;; a=b"),             "no list of tags" },
		{ SPAN(";"),                     "no list of tags" },
		{ SPAN(""),                      "no list of tags" },
		{ SPAN("  "),                    "no list of tags" },
		{ SPAN("v"),                     "no list of tags" },
		{ SPAN("=1"),                    "no list of tags" },
		{ SPAN("1v=1"),                  "no list of tags" },
		{ SPAN("v-x=1"),                 "no list of tags" },
		{ SPAN("v=1\0"),                 "no list of tags" },
		{ SPAN("v=\x7f"),                "no list of tags" },
		{ SPAN("a=;b=;c=;d=;e=;f=;g=;h=;"), "a<>b<>c<>d<>e<>f<>g<>h<>" },
		{ SPAN("a=;b=;c=;d=;e=;f=;g=;h=;i="), "too many tags" },
	};
	struct arena *a = arena_new(NULL);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_span(shown(a, rows[i].in), rows[i].want);
	arena_free(a);
}

static void extents_reach_from_equals_to_semicolon(void **state)
{
	struct span rest = span_lit("v=1; b=\r\n\tabc def \t; c =");
	struct tag tag;

	(void)state;
	assert_int_equal(tags_next(&rest, &tag), TAG_FOUND);
	assert_span(tag.extent, "1");
	assert_int_equal(tags_next(&rest, &tag), TAG_FOUND);
	assert_span(tag.extent, "\r\n\tabc def \t");
	assert_span(tag.value, "abc def");
	assert_int_equal(tags_next(&rest, &tag), TAG_FOUND);
	assert_span(tag.name, "c");
	assert_span(tag.extent, "");
	assert_int_equal(tags_next(&rest, &tag), TAG_END);
}

static void reading_goes_on_behind_a_bad_tag(void **state)
{
	struct span rest = span_lit("v=DMARC1; nonsense;;p=none");
	struct tag tag;

	(void)state;
	assert_int_equal(tags_next(&rest, &tag), TAG_FOUND);
	assert_int_equal(tags_next(&rest, &tag), TAG_BAD);
	assert_int_equal(tags_next(&rest, &tag), TAG_BAD);
	assert_int_equal(tags_next(&rest, &tag), TAG_FOUND);
	assert_span(tag.value, "none");
	assert_int_equal(tags_next(&rest, &tag), TAG_END);
}

static void items_are_trimmed(void **state)
{
	struct span rest = span_lit("From : To:\r\n\tCc::"), item;
	static const char *want[] = { "From", "To", "Cc", "", "" };
	struct arena *a = arena_new(NULL);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(want); i++) {
		assert_true(tags_item(&rest, ':', &item));
		assert_span(item, want[i]);
	}
	assert_false(tags_item(&rest, ':', &item));
	assert_true(tags_has_item(span_lit("sha1 : sha256"), ':', span_lit("sha256")));
	assert_false(tags_has_item(span_lit("sha1 : sha2567"), ':', span_lit("sha256")));
	assert_span(tags_unspaced(a, span_lit(" ab\r\n\tc d\t")), "abcd");
	arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_are_strict),
		cmocka_unit_test(extents_reach_from_equals_to_semicolon),
		cmocka_unit_test(reading_goes_on_behind_a_bad_tag),
		cmocka_unit_test(items_are_trimmed),
	};

	return cmocka_run_group_tests_name("tags", tests, NULL, NULL);
}
