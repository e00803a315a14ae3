/* SPDX-License-Identifier: ISC */
/* header_test.c - what milters are shown of a header, and where their changes go */
#include "lib/base/test.h"
#include "lib/milter/header.h"

#define OURS "Received: from us\r\n\tid 1\r\n"
#define THEIRS "Received: from a\r\nSubject: x\r\nX-A: 1\r\nx-a : 2\r\n\tfolded\r\nTo: y\r\nX-A: 3\r\n"

struct change {
	char        kind;	/* a: append, i: insert, m: change */
	uint32_t    index;
	const char *name, *value;
};

static void apply(struct milter_header *h, const struct change *c, bool space)
{
	struct span name = span_of(c->name), value = span_of(c->value);

	if (c->kind == 'a')
		assert_int_equal(milter_header_append(h, name, value, space), MILTER_EDIT_DONE);
	else if (c->kind == 'i')
		assert_int_equal(milter_header_insert(h, c->index, name, value, space), MILTER_EDIT_DONE);
	else
		assert_int_equal(milter_header_change(h, c->index, name, value, space), MILTER_EDIT_DONE);
}

static void changes_go_to_their_place(void **state)
{
	static const struct {
		struct change changes[4];
		const char   *becomes;
	} rows[] = {
		{ { { 0 } }, OURS THEIRS },
		{ { { 'a', 0, "X-New", "v" } }, OURS THEIRS "X-New: v\r\n" },
		/* Insertions count our own field: 0 is above it, 1 below. */
		{ { { 'i', 0, "X-New", "v" } }, "X-New: v\r\n" OURS THEIRS },
		{ { { 'i', 1, "X-New", "v" } }, OURS "X-New: v\r\n" THEIRS },
		{ { { 'i', 2, "X-New", "v" } },
		  OURS "Received: from a\r\nX-New: v\r\nSubject: x\r\nX-A: 1\r\nx-a : 2\r\n\tfolded\r\nTo: y\r\nX-A: 3\r\n" },
		{ { { 'i', 99, "X-New", "v" } }, OURS THEIRS "X-New: v\r\n" },
		{ { { 'i', 0, "A", "1" }, { 'i', 0, "B", "2" } }, "B: 2\r\nA: 1\r\n" OURS THEIRS },
		{ { { 'i', 1, "A", "1" }, { 'i', 1, "B", "2" } }, OURS "B: 2\r\nA: 1\r\n" THEIRS },
		/* Changes do not: the first Received is the client's. */
		{ { { 'm', 1, "Received", "gone" } },
		  OURS "Received: gone\r\nSubject: x\r\nX-A: 1\r\nx-a : 2\r\n\tfolded\r\nTo: y\r\nX-A: 3\r\n" },
		{ { { 'm', 0, "received", "" } },
		  OURS "Subject: x\r\nX-A: 1\r\nx-a : 2\r\n\tfolded\r\nTo: y\r\nX-A: 3\r\n" },
		{ { { 'm', 2, "Received", "new" } }, OURS THEIRS "Received: new\r\n" },
		{ { { 'm', 2, "Received", "" } }, OURS THEIRS },
		{ { { 'm', 2, "X-A", "two" } },
		  OURS "Received: from a\r\nSubject: x\r\nX-A: 1\r\nX-A: two\r\nTo: y\r\nX-A: 3\r\n" },
		/* A removed field no longer counts. */
		{ { { 'm', 1, "X-A", "" }, { 'm', 1, "X-A", "" } },
		  OURS "Received: from a\r\nSubject: x\r\nTo: y\r\nX-A: 3\r\n" },
		{ { { 'm', 3, "X-A", "" }, { 'm', 2, "X-A", "" }, { 'm', 1, "X-A", "" } },
		  OURS "Received: from a\r\nSubject: x\r\nTo: y\r\n" },
		{ { { 'm', 2, "X-A", "" }, { 'm', 2, "X-A", "" }, { 'm', 1, "X-A", "" } },
		  OURS "Received: from a\r\nSubject: x\r\nTo: y\r\n" },
		{ { { 'm', 3, "X-A", "c" }, { 'm', 1, "X-A", "a" }, { 'm', 2, "X-A", "b" }, { 'm', 4, "X-A", "d" } },
		  OURS "Received: from a\r\nSubject: x\r\nX-A: a\r\nX-A: b\r\nTo: y\r\nX-A: c\r\nX-A: d\r\n" },
		/* What was inserted above our field is changed like any other. */
		{ { { 'i', 0, "X-A", "0" }, { 'm', 1, "X-A", "zero" } }, "X-A: zero\r\n" OURS THEIRS },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct milter_header h;
		struct buf out;

		milter_header_init(&h, span_lit(OURS THEIRS), 1, 1000);
		for (size_t k = 0; k < 4 && rows[i].changes[k].kind != 0; k++)
			apply(&h, &rows[i].changes[k], true);
		buf_init(&out, BUF_NO_LIMIT);
		milter_header_write(&h, &out);
		assert_span(buf_span(&out), rows[i].becomes);
		assert_int_equal(milter_header_length(&h), out.len);
		assert_int_equal(h.is_changed, !span_equal(buf_span(&out), span_lit(OURS THEIRS)));
		buf_free(&out);
		milter_header_free(&h);
	}
}

static void values_cannot_end_a_field(void **state)
{
	static const struct { const char *value; bool space; const char *becomes; } rows[] = {
		{ "v", true, "X: v\r\n" },
		{ "v", false, "X:v\r\n" },
		{ " v", false, "X: v\r\n" },
		{ "", true, "X: \r\n" },
		{ "a\n\tb", true, "X: a\r\n\tb\r\n" },
		{ "a\r\n b", true, "X: a\r\n b\r\n" },
		{ "a\nBcc: victim", true, "X: a\r\n\tBcc: victim\r\n" },
		{ "a\n\nbody", true, "X: a\r\n\tbody\r\n" },
		{ "a\n \t\n b", true, "X: a\r\n b\r\n" },
		{ "a\n", true, "X: a\r\n" },
		{ "\n\tb", true, "X: \r\n\tb\r\n" },
		{ "a\rb\r\r\n c\r", true, "X: ab\r\n c\r\n" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct milter_header h;
		struct buf out;

		milter_header_init(&h, span_lit(""), 1, 1000);
		assert_int_equal(milter_header_append(&h, span_lit("X"), span_of(rows[i].value), rows[i].space), 0);
		buf_init(&out, BUF_NO_LIMIT);
		milter_header_write(&h, &out);
		assert_span(buf_span(&out), rows[i].becomes);
		buf_free(&out);
		milter_header_free(&h);
	}
}

static void our_field_is_not_shown(void **state)
{
	struct milter_header h;
	struct span name, value;
	size_t cursor = 0;

	(void)state;
	milter_header_init(&h, span_lit(OURS "Subject:x\r\nno field\r\nX-A:  two\r\n\tlines\r\n"), 1, 1000);
	assert_int_equal(milter_header_insert(&h, 0, span_lit("X-Top"), span_lit("t"), true), MILTER_EDIT_DONE);
	assert_true(milter_header_next(&h, &cursor, &name, &value));
	assert_span(name, "X-Top");
	assert_span(value, " t");
	assert_true(milter_header_next(&h, &cursor, &name, &value));
	assert_span(name, "Subject");
	assert_span(value, "x");
	assert_true(milter_header_next(&h, &cursor, &name, &value));
	assert_span(name, "X-A");
	assert_span(value, "  two\r\n\tlines");
	assert_false(milter_header_next(&h, &cursor, &name, &value));
	milter_header_free(&h);
}

static void only_what_milters_put_on_top_is_theirs(void **state)
{
	static const struct span name = SPAN("Authentication-Results");
	struct arena *arena = arena_new(NULL);
	struct milter_header h;

	(void)state;
	milter_header_init(&h, span_lit(OURS "Authentication-Results: forged\r\nX: y\r\n"), 1, 1000);
	assert_span(milter_header_on_top(&h, name, 1000, arena), "");
	assert_int_equal(milter_header_append(&h, name, span_lit("at the end"), true), MILTER_EDIT_DONE);
	assert_int_equal(milter_header_insert(&h, 3, name, span_lit("in the middle"), true), MILTER_EDIT_DONE);
	assert_int_equal(milter_header_change(&h, 1, name, span_lit("in its place"), true), MILTER_EDIT_DONE);
	assert_span(milter_header_on_top(&h, name, 1000, arena), "");
	assert_int_equal(milter_header_insert(&h, 1, name, span_lit("mx;\n\tspf=pass"), true), MILTER_EDIT_DONE);
	assert_int_equal(milter_header_insert(&h, 0, span_lit("X-B"), span_lit("b"), true), MILTER_EDIT_DONE);
	assert_int_equal(milter_header_insert(&h, 0, name, span_lit("mx; dkim=pass"), true), MILTER_EDIT_DONE);
	assert_span(milter_header_on_top(&h, name, 1000, arena), "mx; dkim=pass\nmx; spf=pass");
	assert_span(milter_header_on_top(&h, name, 20, arena), "mx; dkim=pass");
	assert_int_equal(milter_header_change(&h, 1, name, span_lit(""), true), MILTER_EDIT_DONE);
	assert_span(milter_header_on_top(&h, name, 1000, arena), "mx; spf=pass");
	milter_header_free(&h);
	arena_free(arena);
}

static void limits_hold(void **state)
{
	struct milter_header h;
	struct buf many;

	(void)state;
	milter_header_init(&h, span_lit(THEIRS), 0, 10);
	assert_int_equal(milter_header_append(&h, span_lit("X"), span_lit("1234"), true), MILTER_EDIT_DONE);
	assert_int_equal(milter_header_append(&h, span_lit("X"), span_lit("1234"), true), MILTER_EDIT_TOO_MUCH);
	milter_header_free(&h);

	/* Hundreds of thousands of fields are gone through in order, either way; at random the budget ends it. */
	buf_init(&many, BUF_NO_LIMIT);
	for (unsigned i = 0; i < 250000; i++)
		buf_add_cstr(&many, "a:\r\n");
	milter_header_init(&h, buf_span(&many), 0, 1000);
	for (unsigned i = 0; i < 100000; i++)
		assert_int_equal(milter_header_change(&h, 1, span_lit("A"), span_lit(""), true), MILTER_EDIT_DONE);
	for (uint32_t i = 150000; i > 100000; i--)
		assert_int_equal(milter_header_change(&h, i, span_lit("A"), span_lit(""), true), MILTER_EDIT_DONE);
	for (unsigned i = 0; i < 2000; i++)
		if (milter_header_change(&h, i % 2 == 0 ? 1 : 99999, span_lit("A"), span_lit(""), true) != MILTER_EDIT_DONE)
			break;
	assert_int_equal(milter_header_change(&h, 1, span_lit("nothing"), span_lit(""), true), MILTER_EDIT_TOO_MUCH);
	milter_header_free(&h);
	buf_free(&many);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changes_go_to_their_place),
		cmocka_unit_test(values_cannot_end_a_field),
		cmocka_unit_test(our_field_is_not_shown),
		cmocka_unit_test(only_what_milters_put_on_top_is_theirs),
		cmocka_unit_test(limits_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
