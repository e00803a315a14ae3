/* SPDX-License-Identifier: ISC */
/* dkim_canon_test.c - canonical fields and bodies, by tables; bodies in every way they may be cut */
#include "lib/base/test.h"
#include "lib/base/arena.h"
#include "lib/mailauth/dkim_canon.h"

static struct mime_field field_of(const char *text)
{
	struct span rest = span_of(text);
	struct mime_field field = { .raw = { NULL, 0 } };

	assert_true(mime_field_next(&rest, &field));
	return field;
}

static void fields_are_canonical(void **state)
{
	static const struct { const char *in, *simple, *relaxed; } rows[] = {
		/* RFC 6376 3.4.5 */
		{ "A: X\r\n",                 "A: X\r\n",                 "a:X\r\n" },
		{ "B : Y\t\r\n\tZ  \r\n",     "B : Y\t\r\n\tZ  \r\n",     "b:Y Z\r\n" },
		{ "SUBJect: AbC\r\n",         "SUBJect: AbC\r\n",         "subject:AbC\r\n" },
		{ "a:\r\n",                   "a:\r\n",                   "a:\r\n" },
		{ "a: \t \r\n",               "a: \t \r\n",               "a:\r\n" },
		{ "a:\r\n b\r\n \r\n",        "a:\r\n b\r\n \r\n",        "a:b\r\n" },
		{ "a: b: c\r\n",              "a: b: c\r\n",              "a:b: c\r\n" },
		{ "a: b\rc\r\n",              "a: b\rc\r\n",              "a:b\rc\r\n" },
		{ "a: no end",                "a: no end\r\n",            "a:no end\r\n" },
	};
	struct buf out;

	(void)state;
	buf_init(&out, BUF_NO_LIMIT);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct mime_field field = field_of(rows[i].in);

		buf_clear(&out);
		dkim_canon_field(&out, DKIM_SIMPLE, &field);
		assert_span(buf_span(&out), rows[i].simple);
		buf_clear(&out);
		dkim_canon_field(&out, DKIM_RELAXED, &field);
		assert_span(buf_span(&out), rows[i].relaxed);
	}
	buf_free(&out);
}

static void a_signature_is_hashed_without_itself(void **state)
{
	static const struct { const char *in, *cut, *simple, *relaxed; } rows[] = {
		{ "S: a=1; b=xy\r\n\tz;  c=2\r\n", "xy\r\n\tz", "S: a=1; b=;  c=2", "s:a=1; b=; c=2" },
		{ "S: a=1; b=\r\n\txyz \r\n", "\r\n\txyz ", "S: a=1; b=", "s:a=1; b=" },
		{ "S: a=1;\r\n b=", "", "S: a=1;\r\n b=", "s:a=1; b=" },
	};
	struct buf out;

	(void)state;
	buf_init(&out, BUF_NO_LIMIT);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct mime_field field = field_of(rows[i].in);
		struct span rest = span_skip(field.raw, span_search(field.raw, span_lit("b=")) + 2);
		struct span cut = span_slice(rest, span_search(rest, span_of(rows[i].cut)), strlen(rows[i].cut));

		buf_clear(&out);
		dkim_canon_signature(&out, DKIM_SIMPLE, &field, cut);
		assert_span(buf_span(&out), rows[i].simple);
		buf_clear(&out);
		dkim_canon_signature(&out, DKIM_RELAXED, &field, cut);
		assert_span(buf_span(&out), rows[i].relaxed);
	}
	buf_free(&out);
}

/* ---- bodies ---- */

static void collect(void *user, struct span bytes)
{
	buf_add(user, bytes);
}

/* canonical - of body, given in two pieces cut at that place, or byte by byte. */
static void canonical(struct buf *out, enum dkim_canon canon, struct span body, size_t cut)
{
	struct dkim_canon_body state;

	buf_clear(out);
	dkim_canon_body_start(&state, canon, collect, out);
	if (cut <= body.len) {
		dkim_canon_body_add(&state, span_first(body, cut));
		dkim_canon_body_add(&state, span_skip(body, cut));
	} else {
		for (size_t i = 0; i < body.len; i++)
			dkim_canon_body_add(&state, span_slice(body, i, 1));
	}
	dkim_canon_body_end(&state);
}

static void bodies_are_canonical(void **state)
{
	static const struct { struct span in; const char *simple, *relaxed; } rows[] = {
		/* RFC 6376 3.4.5 */
		{ SPAN(" C \r\nD \t E\r\n\r\n\r\n"), " C \r\nD \t E\r\n", " C\r\nD E\r\n" },
		{ SPAN(""),                      "\r\n",                    "" },
		{ SPAN("\r\n"),                  "\r\n",                    "" },
		{ SPAN("\r\n\r\n"),              "\r\n",                    "" },
		{ SPAN(" \t\r\n"),               " \t\r\n",                 "" },
		{ SPAN("a"),                     "a\r\n",                   "a\r\n" },
		{ SPAN("a\r\n \r\n"),            "a\r\n \r\n",              "a\r\n" },
		{ SPAN("a "),                    "a \r\n",                  "a\r\n" },
		{ SPAN("\r\n\r\na\r\n\r\nb"),    "\r\n\r\na\r\n\r\nb\r\n",  "\r\n\r\na\r\n\r\nb\r\n" },
		{ SPAN("\ta  b\t\tc \r\n"),      "\ta  b\t\tc \r\n",        " a b c\r\n" },
		/* a CR or LF alone ends no line */
		{ SPAN("a\r"),                   "a\r\r\n",                 "a\r\r\n" },
		{ SPAN("a \rb"),                 "a \rb\r\n",               "a \rb\r\n" },
		{ SPAN("a\r\r\n"),               "a\r\r\n",                 "a\r\r\n" },
		{ SPAN("a \n\nb\n"),             "a \n\nb\n\r\n",           "a \n\nb\n\r\n" },
	};
	struct buf out;

	(void)state;
	buf_init(&out, BUF_NO_LIMIT);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		for (size_t cut = 0; cut <= rows[i].in.len + 1; cut++) {
			canonical(&out, DKIM_SIMPLE, rows[i].in, cut);
			assert_span(buf_span(&out), rows[i].simple);
			canonical(&out, DKIM_RELAXED, rows[i].in, cut);
			assert_span(buf_span(&out), rows[i].relaxed);
		}
	}
	buf_free(&out);
}

/* Lines around the size of the buffer, so that every way of filling it is seen. */
static void long_bodies_go_through_the_buffer(void **state)
{
	struct buf body, want, out;

	(void)state;
	buf_init(&body, BUF_NO_LIMIT);
	buf_init(&want, BUF_NO_LIMIT);
	buf_init(&out, BUF_NO_LIMIT);
	for (size_t n = 1; n < 3 * DKIM_CANON_BUFFER; n += 997) {
		for (size_t i = 0; i < n; i++)
			buf_add_byte(&body, (char)('a' + (char)(i % 26)));
		buf_add_cstr(&body, "  x\t\r\n");
	}
	canonical(&out, DKIM_SIMPLE, buf_span(&body), 0);
	assert_true(span_equal(buf_span(&out), buf_span(&body)));
	for (size_t i = 0; i < body.len; i++)
		if (body.ptr[i] != '\t' && (body.ptr[i] != ' ' || body.ptr[i - 1] != ' '))
			buf_add_byte(&want, body.ptr[i]);
	canonical(&out, DKIM_RELAXED, buf_span(&body), 4096);
	assert_true(span_equal(buf_span(&out), buf_span(&want)));
	canonical(&out, DKIM_RELAXED, buf_span(&body), SIZE_MAX);
	assert_true(span_equal(buf_span(&out), buf_span(&want)));
	buf_free(&body);
	buf_free(&want);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_are_canonical),
		cmocka_unit_test(a_signature_is_hashed_without_itself),
		cmocka_unit_test(bodies_are_canonical),
		cmocka_unit_test(long_bodies_go_through_the_buffer),
	};

	return cmocka_run_group_tests_name("dkim_canon", tests, NULL, NULL);
}
