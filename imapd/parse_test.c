/* SPDX-License-Identifier: ISC */
/* parse_test.c - the grammar of IMAP commands, by tables */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "imapd/fetch.h"
#include "imapd/search.h"
#include "lib/base/buf.h"
#include "lib/mailbox/maildir.h"

static struct arena *arena;

static int begin(void **state)
{
	(void)state;
	arena = arena_new(NULL);
	return 0;
}

static int end(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

static struct imap_parse parse_of(struct span text)
{
	return (struct imap_parse){ .rest = text, .arena = arena };
}

static void sequence_sets(void **state)
{
	static const struct {
		struct span in;
		bool        ok;
		struct span out;	/* resolved with 10 as '*' */
	} rows[] = {
		{ SPAN("1"), true, SPAN("1:1") },
		{ SPAN("5:3"), true, SPAN("3:5") },
		{ SPAN("4,1:2,2:3"), true, SPAN("1:3 4:4") },
		{ SPAN("*"), true, SPAN("10:10") },
		{ SPAN("*:8"), true, SPAN("8:10") },
		{ SPAN("20:*"), true, SPAN("10:20") },
		{ SPAN("1:*,3"), true, SPAN("1:10") },
		{ SPAN("4294967294"), true, SPAN("4294967294:4294967294") },
		{ SPAN("0"), false, SPAN("") },
		{ SPAN("4294967296"), false, SPAN("") },
		{ SPAN("1,"), false, SPAN("") },
		{ SPAN(","), false, SPAN("") },
		{ SPAN("1:"), false, SPAN("") },
		{ SPAN("a"), false, SPAN("") },
		{ SPAN(""), false, SPAN("") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct imap_parse p = parse_of(rows[i].in);
		struct sequence_set set;
		struct buf out;

		if (imap_take_sequence(&p, &set) != rows[i].ok)
			fail_msg("input <" SPAN_FMT ">", SPAN_ARG(rows[i].in));
		if (!rows[i].ok)
			continue;
		buf_init(&out, BUF_NO_LIMIT);
		sequence_resolve(&set, 10);
		for (size_t k = 0; k < set.count; k++)
			buf_addf(&out, "%s%u:%u", k == 0 ? "" : " ", set.ranges[k].first, set.ranges[k].last);
		if (!span_equal(buf_span(&out), rows[i].out))
			fail_msg("input <" SPAN_FMT "> gave <" SPAN_FMT ">", SPAN_ARG(rows[i].in),
			         SPAN_ARG(buf_span(&out)));
		buf_free(&out);
	}
}

static void astrings(void **state)
{
	static const struct {
		struct span in;
		bool        ok;
		struct span out;
	} rows[] = {
		{ SPAN("abc def"), true, SPAN("abc") },
		{ SPAN("a]b"), true, SPAN("a]b") },
		{ SPAN("NIL"), true, SPAN("NIL") },
		{ SPAN("\"a \\\" \\\\ b\""), true, SPAN("a \" \\ b") },
		{ SPAN("{3}\r\na\nb x"), true, SPAN("a\nb") },
		{ SPAN("{3+}\r\nabc"), true, SPAN("abc") },
		{ SPAN("{0}\r\n"), true, SPAN("") },
		{ SPAN("\"\""), true, SPAN("") },
		{ SPAN("{4}\r\nabc"), false, SPAN("") },
		{ SPAN("{1}\r\n\0"), false, SPAN("") },
		{ SPAN("{3}abc"), false, SPAN("") },
		{ SPAN("{3-}\r\nabc"), false, SPAN("") },
		{ SPAN("\"open"), false, SPAN("") },
		{ SPAN("\"open\\\""), false, SPAN("") },
		{ SPAN("\"\\n\""), false, SPAN("") },
		{ SPAN("\"\xc3\xa4\""), false, SPAN("") },
		{ SPAN("\xc3\xa4"), false, SPAN("") },
		{ SPAN("(a)"), false, SPAN("") },
		{ SPAN("*"), false, SPAN("") },
		{ SPAN(""), false, SPAN("") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct imap_parse p = parse_of(rows[i].in);
		struct span out;

		if (imap_take_astring(&p, &out) != rows[i].ok ||
		    (rows[i].ok && !span_equal(out, rows[i].out)))
			fail_msg("input <" SPAN_FMT ">", SPAN_ARG(rows[i].in));
		assert_true(rows[i].ok || p.error != NULL);
	}
}

static void mailbox_names(void **state)
{
	static const struct {
		struct span in, out;
	} rows[] = {
		{ SPAN("inbox"), SPAN("INBOX") },
		{ SPAN("\"INBOX\""), SPAN("INBOX") },
		{ SPAN("Entw&APw-rfe"), SPAN("Entw\xc3\xbcrfe") },
		{ SPAN("a&-b"), SPAN("a&b") },
		{ SPAN("bad&APw"), { NULL, 0 } },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct imap_parse p = parse_of(rows[i].in);
		struct span out;

		assert_true(imap_take_mailbox(&p, &out));
		if (!span_equal(out, rows[i].out) || (rows[i].out.ptr == NULL) != (out.ptr == NULL))
			fail_msg("input <" SPAN_FMT ">", SPAN_ARG(rows[i].in));
	}
}

static void flags(void **state)
{
	static const struct {
		struct span in;
		bool        bare, ok;
		uint16_t    flags;
		size_t      keywords;
	} rows[] = {
		{ SPAN("()"), false, true, 0, 0 },
		{ SPAN("(\\Seen \\deleted)"), false, true, MAIL_SEEN | MAIL_DELETED, 0 },
		{ SPAN("\\Flagged $Junk x"), true, true, MAIL_FLAGGED, 2 },
		{ SPAN("(\\Recent)"), false, true, 0, 0 },
		{ SPAN("\\Seen"), false, false, 0, 0 },
		{ SPAN("(\\Foo)"), false, false, 0, 0 },
		{ SPAN("(\\Seen"), false, false, 0, 0 },
		{ SPAN("(a]b)"), false, false, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct imap_parse p = parse_of(rows[i].in);
		struct flag_list list;

		if (imap_take_flags(&p, rows[i].bare, &list) != rows[i].ok ||
		    (rows[i].ok && (list.flags != rows[i].flags || list.keyword_count != rows[i].keywords)))
			fail_msg("input <" SPAN_FMT ">", SPAN_ARG(rows[i].in));
	}
}

static void dates(void **state)
{
	struct imap_parse p = parse_of(span_lit("\" 1-Jan-1970 01:00:00 +0100\""));
	int64_t value;

	(void)state;
	assert_true(imap_take_date_time(&p, &value));
	assert_int_equal(value, 0);
	p = parse_of(span_lit("\"2-feb-1970\""));
	assert_true(imap_take_date(&p, &value));
	assert_int_equal(value, 32);
	p = parse_of(span_lit("2-foo-1970"));
	assert_false(imap_take_date(&p, &value));
	p = parse_of(span_lit("\"01-Jan-1970 25:00:00 +0000\""));
	assert_false(imap_take_date_time(&p, &value));
}

static void literal_marks(void **state)
{
	struct literal_mark mark;

	(void)state;
	assert_true(imap_literal_mark(span_lit("a APPEND x {12}"), &mark));
	assert_true(mark.is_sync && mark.size == 12 && mark.offset == 11);
	assert_true(imap_literal_mark(span_lit("{0+}"), &mark));
	assert_false(mark.is_sync);
	assert_false(imap_literal_mark(span_lit("{}"), &mark));
	assert_false(imap_literal_mark(span_lit("{+}"), &mark));
	assert_false(imap_literal_mark(span_lit("{1}x"), &mark));
	assert_false(imap_literal_mark(span_lit("{99999999999}"), &mark));
	assert_false(imap_literal_mark(span_lit("{-1}"), &mark));
}

static void fetch_requests(void **state)
{
	static const struct {
		struct span in;
		bool        ok, sets_seen;
		size_t      count;
		struct span label;	/* of the last item */
	} rows[] = {
		{ SPAN(" 1 FLAGS"), true, false, 1, SPAN("") },
		{ SPAN(" 1:* (UID FLAGS)"), true, false, 2, SPAN("") },
		{ SPAN(" 1 full"), true, false, 5, SPAN("") },
		{ SPAN(" 1 BODY[]"), true, true, 1, SPAN("BODY[]") },
		{ SPAN(" 1 (body.peek[1.2.mime])"), true, false, 1, SPAN("BODY[1.2.MIME]") },
		{ SPAN(" 1 BODY[TEXT]<5.10>"), true, true, 1, SPAN("BODY[TEXT]<5>") },
		{ SPAN(" 1 BODY.PEEK[header.fields (Subject \"FROM\")]"), true, false, 1,
		  SPAN("BODY[HEADER.FIELDS (Subject FROM)]") },
		{ SPAN(" 1 BODY[3.HEADER.FIELDS.NOT (X)]"), true, true, 1,
		  SPAN("BODY[3.HEADER.FIELDS.NOT (X)]") },
		{ SPAN(" 1 (UID RFC822.SIZE RFC822.PEEK)"), true, false, 3, SPAN("RFC822") },
		{ SPAN(" 1 RFC822.TEXT"), true, true, 1, SPAN("RFC822.TEXT") },
		{ SPAN(" 1 (ALL)"), false, false, 0, SPAN("") },
		{ SPAN(" 1 BODY[MIME]"), false, false, 0, SPAN("") },
		{ SPAN(" 1 BODY[1.]"), false, false, 0, SPAN("") },
		{ SPAN(" 1 BODY[1.FOO]"), false, false, 0, SPAN("") },
		{ SPAN(" 1 BODY[0]"), false, false, 0, SPAN("") },
		{ SPAN(" 1 BODY[TEXT]<5>"), false, false, 0, SPAN("") },
		{ SPAN(" 1 BODY[]<0.0>"), false, false, 0, SPAN("") },
		{ SPAN(" 1 BODY[HEADER.FIELDS ()]"), false, false, 0, SPAN("") },
		{ SPAN(" 1 ()"), false, false, 0, SPAN("") },
		{ SPAN(" 1 FLAGS x"), false, false, 0, SPAN("") },
		{ SPAN(" FLAGS"), false, false, 0, SPAN("") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct imap_parse p = parse_of(rows[i].in);
		struct fetch_request r;

		if (fetch_parse(&p, &r) != rows[i].ok)
			fail_msg("input <" SPAN_FMT ">: %s", SPAN_ARG(rows[i].in), p.error);
		if (rows[i].ok && (r.sets_seen != rows[i].sets_seen || r.count != rows[i].count ||
		                   !span_equal(r.items[r.count - 1].label, rows[i].label)))
			fail_msg("input <" SPAN_FMT "> gave <" SPAN_FMT ">", SPAN_ARG(rows[i].in),
			         SPAN_ARG(r.items[r.count - 1].label));
	}
}

static void search_requests(void **state)
{
	static const struct {
		struct span in;
		bool        ok;
		int         first;	/* kind of the first key */
	} rows[] = {
		{ SPAN(" ALL"), true, SEARCH_ALL },
		{ SPAN(" UNSEEN"), true, SEARCH_NOT },
		{ SPAN(" BODY x 1:5"), true, SEARCH_SEQUENCE },	/* what needs no file comes first */
		{ SPAN(" OR SEEN (FROM a TO b)"), true, SEARCH_OR },
		{ SPAN(" RETURN (MIN) NOT NOT ALL"), true, SEARCH_NOT },
		{ SPAN(" CHARSET UTF-8 SUBJECT {2}\r\n\xc3\xa4"), true, SEARCH_HEADER },
		{ SPAN(" HEADER X-A \"\""), true, SEARCH_HEADER },
		{ SPAN(" UID 1:*"), true, SEARCH_UID },
		{ SPAN(" SINCE 1-Jan-2020"), true, SEARCH_SINCE },
		{ SPAN(" YOUNGER 60"), true, SEARCH_YOUNGER },
		{ SPAN(" NEW"), true, SEARCH_AND },
		{ SPAN(" ()"), false, 0 },
		{ SPAN(" (ALL"), false, 0 },
		{ SPAN(" OR ALL"), false, 0 },
		{ SPAN(" SUBJECT"), false, 0 },
		{ SPAN(" LARGER x"), false, 0 },
		{ SPAN(" SINCE 32-Jan-2020"), false, 0 },
		{ SPAN(" RETURN (FOO) ALL"), false, 0 },
		{ SPAN(" ALL)"), false, 0 },
		{ SPAN(""), false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct imap_parse p = parse_of(rows[i].in);
		struct search_request r;

		if (search_parse(&p, &r) != rows[i].ok ||
		    (rows[i].ok && (int)r.root->first->kind != rows[i].first))
			fail_msg("input <" SPAN_FMT ">", SPAN_ARG(rows[i].in));
	}
}

static void search_nesting_has_a_limit(void **state)
{
	struct buf text;
	struct imap_parse p;
	struct search_request r;

	(void)state;
	buf_init(&text, BUF_NO_LIMIT);
	for (int i = 0; i < 5000; i++)
		buf_add(&text, i % 2 == 0 ? span_lit(" NOT") : span_lit(" OR ALL"));
	buf_add(&text, span_lit(" ALL"));
	p = parse_of(buf_span(&text));
	assert_false(search_parse(&p, &r));
	assert_string_equal(p.error, "search nested too deep");
	buf_free(&text);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(sequence_sets, begin, end),
		cmocka_unit_test_setup_teardown(astrings, begin, end),
		cmocka_unit_test_setup_teardown(mailbox_names, begin, end),
		cmocka_unit_test_setup_teardown(flags, begin, end),
		cmocka_unit_test_setup_teardown(dates, begin, end),
		cmocka_unit_test_setup_teardown(literal_marks, begin, end),
		cmocka_unit_test_setup_teardown(fetch_requests, begin, end),
		cmocka_unit_test_setup_teardown(search_requests, begin, end),
		cmocka_unit_test_setup_teardown(search_nesting_has_a_limit, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
