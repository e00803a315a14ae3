/* SPDX-License-Identifier: ISC */
/* mime_test.c - the parser of mail, by tables */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/base/buf.h"
#include "lib/mime/charset.h"
#include "lib/mime/date.h"
#include "lib/mime/field.h"
#include "lib/mime/fold.h"
#include "lib/mime/section.h"
#include "lib/mime/structure.h"
#include "lib/mime/transfer.h"

struct row {
	struct span in, out;
};

static struct arena *arena;

static int begin(void **state)
{
	(void)state;
	arena = arena_new(NULL);
	charset_prepare();
	return 0;
}

static int end(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

static void must_equal(struct span in, struct span got, struct span want)
{
	if (!span_equal(got, want))
		fail_msg("input <" SPAN_FMT ">\n   got <" SPAN_FMT ">\n  want <" SPAN_FMT ">", SPAN_ARG(in),
		         SPAN_ARG(got), SPAN_ARG(want));
}

static struct span envelope_of(struct span header)
{
	struct buf out;
	struct span text;

	buf_init(&out, BUF_NO_LIMIT);
	imap_add_envelope(arena, &out, header);
	text = arena_dup(arena, buf_span(&out));
	buf_free(&out);
	return text;
}

static struct span structure_of(struct span message, bool extended)
{
	static const struct mime_limits limits = { .depth = 8, .parts = 100 };
	struct buf out;
	struct span text;

	buf_init(&out, BUF_NO_LIMIT);
	imap_add_structure(arena, &out, mime_parse(arena, message, &limits), extended);
	text = arena_dup(arena, buf_span(&out));
	buf_free(&out);
	return text;
}

static void addresses_are_written_as_imap_wants(void **state)
{
	static const struct row rows[] = {
		{ SPAN("a@x"), SPAN("((NIL NIL \"a\" \"x\"))") },
		{ SPAN("\"A \\\"q\\\" B\" <a@x>"), SPAN("((\"A \\\"q\\\" B\" NIL \"a\" \"x\"))") },
		{ SPAN("a@x (A (b) c)"), SPAN("((\"A (b) c\" NIL \"a\" \"x\"))") },
		{ SPAN("J. R. <j@x>, .b.@y"), SPAN("((\"J. R.\" NIL \"j\" \"x\")(NIL NIL \".b.\" \"y\"))") },
		{ SPAN("<@r,@s:a@x>"), SPAN("((NIL \"@r,@s\" \"a\" \"x\"))") },
		{ SPAN("G: a@x, b@y;, c@z"),
		  SPAN("((NIL NIL \"G\" NIL)(NIL NIL \"a\" \"x\")(NIL NIL \"b\" \"y\")(NIL NIL NIL NIL)"
		       "(NIL NIL \"c\" \"z\"))") },
		{ SPAN("none:;"), SPAN("((NIL NIL \"none\" NIL)(NIL NIL NIL NIL))") },
		{ SPAN("open: a@x"), SPAN("((NIL NIL \"open\" NIL)(NIL NIL \"a\" \"x\")(NIL NIL NIL NIL))") },
		{ SPAN("foo"), SPAN("((NIL NIL \"foo\" \"MISSING_DOMAIN\"))") },
		{ SPAN("not an address"),
		  SPAN("((\"not an address\" NIL \"MISSING_MAILBOX\" \"MISSING_DOMAIN\"))") },
		{ SPAN("a@[192.0.2.1]"), SPAN("((NIL NIL \"a\" \"[192.0.2.1]\"))") },
		{ SPAN(", ,, "), SPAN("NIL") },
		{ SPAN(""), SPAN("NIL") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span got = envelope_of(
			arena_printf_span(arena, "To: " SPAN_FMT "\r\n\r\n", SPAN_ARG(rows[i].in)));

		must_equal(rows[i].in, got,
		           arena_printf_span(arena, "(NIL NIL NIL NIL NIL " SPAN_FMT " NIL NIL NIL NIL)",
		                             SPAN_ARG(rows[i].out)));
	}
}

static void envelope_falls_back_to_from(void **state)
{
	(void)state;
	must_equal(span_lit("From and empty Sender"),
	           envelope_of(span_lit("Subject:\r\nFrom: a@x\r\nSender:\r\nMessage-ID: <1@x>\r\n\r\n")),
	           span_lit("(NIL \"\" ((NIL NIL \"a\" \"x\")) ((NIL NIL \"a\" \"x\")) ((NIL NIL \"a\" \"x\")) "
	                    "NIL NIL NIL NIL \"<1@x>\")"));
}

static void eight_bit_text_is_a_literal(void **state)
{
	(void)state;
	must_equal(span_lit("8 bit"), envelope_of(span_lit("Subject: caf\xe9\r\n\r\n")),
	           span_lit("(NIL {4}\r\ncaf\xe9 NIL NIL NIL NIL NIL NIL NIL NIL)"));
}

static void structure_follows_the_boundaries(void **state)
{
#define TEXT(size, lines) "(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"us-ascii\") NIL NIL \"7BIT\" " size " " lines ")"
	static const struct row rows[] = {
		{ SPAN("\r\nhi\r\n"), SPAN(TEXT("4", "1")) },
		{ SPAN(""), SPAN(TEXT("0", "0")) },
		{ SPAN("Content-Type: @@@\r\n\r\nx"), SPAN(TEXT("1", "0")) },
		{ SPAN("Content-Type: multipart/mixed; boundary=b\r\n\r\npre\r\n--b\r\n\r\none\r\n--b--\r\n"),
		  SPAN("(" TEXT("3", "0") " \"mixed\")") },
		{ SPAN("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nnever closed\r\n"),
		  SPAN("(" TEXT("14", "1") " \"mixed\")") },
		{ SPAN("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b--\r\n"),
		  SPAN("(" TEXT("0", "0") " \"mixed\")") },
		{ SPAN("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
		       "Content-Type: multipart/alternative; boundary=bb\r\n\r\n--bb\r\n\r\nx\r\n--b\r\n\r\ny\r\n--b--"),
		  SPAN("((" TEXT("1", "0") " \"alternative\")" TEXT("1", "0") " \"mixed\")") },
		{ SPAN("Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: s\r\n\r\nx\r\n--b--"),
		  SPAN("((\"MESSAGE\" \"RFC822\" NIL NIL NIL \"7BIT\" 15 "
		       "(NIL \"s\" NIL NIL NIL NIL NIL NIL NIL NIL) " TEXT("1", "0") " 2) \"digest\")") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		must_equal(rows[i].in, structure_of(rows[i].in, false), rows[i].out);
}

static void extension_data_is_whole(void **state)
{
	(void)state;
	must_equal(span_lit("a png"),
	           structure_of(span_lit("Content-Type: image/png; name*0=\"a\"; name*1=b\r\nContent-MD5: Q2hl\r\n"
	                                 "Content-Disposition: inline; filename=a\r\nContent-Language: de, en\r\n"
	                                 "Content-Location: http://x/\r\n\r\nx"),
	                        true),
	           span_lit("(\"image\" \"png\" (\"name\" \"ab\") NIL NIL \"7BIT\" 1 \"Q2hl\" "
	                    "(\"inline\" (\"filename\" \"a\")) (\"de\" \"en\") \"http://x/\")"));
}

static void nesting_has_a_limit(void **state)
{
	struct buf message;
	struct span text;

	(void)state;
	buf_init(&message, BUF_NO_LIMIT);
	for (int i = 0; i < 200; i++)
		buf_addf(&message, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i);
	text = structure_of(buf_span(&message), false);
	assert_true(span_search(text, span_lit("(((((((((((")) == SPAN_NOT_FOUND);
	assert_true(text.len < 2000);
	buf_free(&message);
}

static void sections_name_the_right_bytes(void **state)
{
	static const struct span message = SPAN(
		"Subject: out\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nX: 1\r\n\r\none\r\n--b\r\n"
		"Content-Type: message/rfc822\r\n\r\nSubject: in\r\nX-A: 2\r\n\r\ninner\r\n--b--\r\n");
	static const struct mime_limits limits = { .depth = 8, .parts = 100 };
	static struct span names[] = { SPAN("x-a") };
	static const struct {
		uint32_t          path[3];
		size_t            length;
		enum section_what what;
		bool              exists;
		struct span       out;
	} rows[] = {
		{ { 1 }, 1, SECTION_ALL, true, SPAN("one") },
		{ { 1 }, 1, SECTION_MIME, true, SPAN("X: 1\r\n\r\n") },
		{ { 1, 1 }, 2, SECTION_ALL, false, SPAN("") },
		{ { 1 }, 1, SECTION_HEADER, false, SPAN("") },
		{ { 2 }, 1, SECTION_HEADER, true, SPAN("Subject: in\r\nX-A: 2\r\n\r\n") },
		{ { 2 }, 1, SECTION_TEXT, true, SPAN("inner") },
		{ { 2, 1 }, 2, SECTION_ALL, true, SPAN("inner") },
		{ { 2 }, 1, SECTION_FIELDS, true, SPAN("X-A: 2\r\n\r\n") },
		{ { 2 }, 1, SECTION_FIELDS_NOT, true, SPAN("Subject: in\r\n\r\n") },
		{ { 0 }, 0, SECTION_FIELDS, true, SPAN("\r\n") },
		{ { 3 }, 1, SECTION_ALL, false, SPAN("") },
		{ { 0 }, 1, SECTION_ALL, false, SPAN("") },
	};
	struct mime_part *root = mime_parse(arena, message, &limits);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		uint32_t path[3] = { rows[i].path[0], rows[i].path[1], rows[i].path[2] };
		struct section section = { path, rows[i].length, rows[i].what, names, 1 };
		struct span out = { NULL, 0 };

		if (section_find(arena, root, message, &section, &out) != rows[i].exists)
			fail_msg("row %zu: exists", i);
		must_equal(arena_printf_span(arena, "row %zu", i), out, rows[i].out);
	}
}

static void words_are_decoded(void **state)
{
	static const struct row rows[] = {
		{ SPAN("plain\r\n folded"), SPAN("plain folded") },
		{ SPAN("=?utf-8?Q?Gr=C3=BC=C3=9Fe?="), SPAN("Gr\xc3\xbc\xc3\x9f" "e") },
		{ SPAN("=?iso-8859-1?q?a_=E4?= x"), SPAN("a \xc3\xa4 x") },
		{ SPAN("=?utf-8?B?w6Q=?=\r\n =?utf-8?b?w7Y=?="), SPAN("\xc3\xa4\xc3\xb6") },
		{ SPAN("=?utf-8*de?Q?x?="), SPAN("x") },
		{ SPAN("=?koi8-r?B?8NLJ18XU?="), SPAN("\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82") },
		{ SPAN("=?windows-1252?Q?=80?="), SPAN("\xe2\x82\xac") },
		{ SPAN("=?broken"), SPAN("=?broken") },
		{ SPAN("=?utf-8?X?a?="), SPAN("=?utf-8?X?a?=") },
		{ SPAN("caf\xe9"), SPAN("caf\xc3\xa9") },
		{ SPAN("=?utf-8?Q?=FF?="), SPAN("\xef\xbf\xbd") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		must_equal(rows[i].in, mime_decode_words(arena, rows[i].in), rows[i].out);
}

static void extended_values_are_decoded(void **state)
{
	(void)state;
	must_equal(span_lit("2231"), mime_decode_extended(arena, span_lit("utf-8'en'na%C3%AFve%20x")),
	           span_lit("na\xc3\xafve x"));
}

static void transfer_encodings_are_read_tolerantly(void **state)
{
	(void)state;
	must_equal(span_lit("b64"), mime_decode_base64(arena, span_lit("aGVs\r\nbG8=d29y bGQ")),
	           span_lit("helloworld"));
	must_equal(span_lit("qp"), mime_decode_qp(arena, span_lit("a=3D=\r\nb=zz=4"), false),
	           span_lit("a=b=zz=4"));
	must_equal(span_lit("qp end"), mime_decode_qp(arena, span_lit("=41"), false), span_lit("A"));
}

static void folding_ignores_case(void **state)
{
	(void)state;
	must_equal(span_lit("fold"), charset_fold(arena, span_lit("\xc3\x84  A\r\n b")),
	           span_lit("\xc3\xa4 a b"));
}

static void dates_are_read(void **state)
{
	static const struct {
		struct span in;
		bool        ok;
		int64_t     time;
	} rows[] = {
		{ SPAN("Thu, 1 Jan 1970 00:00:00 +0000"), true, 0 },
		{ SPAN("Tue, 14 Nov 2023 22:13:20 +0000"), true, 1700000000 },
		{ SPAN("14 Nov 23 17:13 EST (comment)"), true, 1699999980 },
		{ SPAN("29 Feb 2024 00:00:00 -0130"), true, 1709170200 },
		{ SPAN("31 Dec 1969 23:59:59 GMT"), true, -1 },
		{ SPAN("14-Nov-2023 22:13:20 +0000"), true, 1700000000 },
		{ SPAN("not a date"), false, 0 },
		{ SPAN("0 Jan 2020"), false, 0 },
		{ SPAN(""), false, 0 },
	};
	struct mime_date date, back;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		if (mime_date_parse(rows[i].in, &date) != rows[i].ok)
			fail_msg("input <" SPAN_FMT ">", SPAN_ARG(rows[i].in));
		if (!rows[i].ok)
			continue;
		assert_int_equal(mime_date_time(&date), rows[i].time);
		mime_date_of(rows[i].time, date.zone_minutes, &back);
		assert_int_equal(mime_date_time(&back), rows[i].time);
	}
}

static void fields_are_found(void **state)
{
	struct span rest = span_lit("A: 1\r\n\t2\r\nno field\r\nB :3\n\r\nbody: no\r\n");
	struct mime_field field;

	(void)state;
	assert_true(mime_field_next(&rest, &field));
	must_equal(field.raw, field.value, span_lit(" 1\r\n\t2"));
	assert_true(mime_field_next(&rest, &field));
	assert_int_equal(field.name.len, 0);
	assert_true(mime_field_next(&rest, &field));
	must_equal(field.raw, field.name, span_lit("B"));
	must_equal(field.raw, field.value, span_lit("3"));
	assert_false(mime_field_next(&rest, &field));
	assert_int_equal(mime_header_end(span_lit("A: 1\r\n\r\nx")), 8);
}

static void fields_are_folded(void **state)
{
	struct mime_fold f;
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	mime_fold_begin(&f, &out, span_lit("Name"), span_lit("\r\n"));
	mime_fold_word(&f, span_lit("one"));
	mime_fold_word(&f, span_lit(""));
	mime_fold_append(&f, span_lit(";"));
	mime_fold_line(&f);
	mime_fold_line(&f);
	mime_fold_word(&f, span_lit("two-34567890123456789123456789012345678901234567890123456789012345678901234"));
	mime_fold_word(&f, span_lit("8"));
	mime_fold_word(&f, span_lit("x"));
	mime_fold_text(&f, span_lit("  \"in  the quotes which are long enough that there is a fold between some words\" "));
	mime_fold_end(&f);
	must_equal(span_lit("folded"), buf_span(&out),
	           span_lit("Name: one;\r\n"
	                    "\ttwo-34567890123456789123456789012345678901234567890123456789012345678901234 8\r\n"
	                    "\tx \"in the quotes which are long enough that there is a fold between some\r\n"
	                    " words\"\r\n"));
	buf_free(&out);
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static void words_are_quoted(void **state)
{
	static const struct row rows[] = {
		{ SPAN("12"), SPAN("12") },
		{ SPAN(""), SPAN("\"\"") },
		{ SPAN("1 2"), SPAN("\"1 2\"") },
		{ SPAN("\"\\\303"), SPAN("\"\\\"\\\\\303\"") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		must_equal(rows[i].in, mime_word(arena, rows[i].in, is_digit), rows[i].out);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(addresses_are_written_as_imap_wants, begin, end),
		cmocka_unit_test_setup_teardown(envelope_falls_back_to_from, begin, end),
		cmocka_unit_test_setup_teardown(eight_bit_text_is_a_literal, begin, end),
		cmocka_unit_test_setup_teardown(structure_follows_the_boundaries, begin, end),
		cmocka_unit_test_setup_teardown(extension_data_is_whole, begin, end),
		cmocka_unit_test_setup_teardown(nesting_has_a_limit, begin, end),
		cmocka_unit_test_setup_teardown(sections_name_the_right_bytes, begin, end),
		cmocka_unit_test_setup_teardown(words_are_decoded, begin, end),
		cmocka_unit_test_setup_teardown(extended_values_are_decoded, begin, end),
		cmocka_unit_test_setup_teardown(transfer_encodings_are_read_tolerantly, begin, end),
		cmocka_unit_test_setup_teardown(folding_ignores_case, begin, end),
		cmocka_unit_test_setup_teardown(dates_are_read, begin, end),
		cmocka_unit_test_setup_teardown(fields_are_found, begin, end),
		cmocka_unit_test_setup_teardown(fields_are_folded, begin, end),
		cmocka_unit_test_setup_teardown(words_are_quoted, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
