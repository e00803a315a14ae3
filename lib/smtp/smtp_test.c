/* SPDX-License-Identifier: ISC */
/* smtp_test.c - paths, replies, parameters, message data, trace field and maildrop files */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <fcntl.h>
#include <dirent.h>
#include <unistd.h>

#include "lib/base/fs.h"
#include "lib/smtp/address.h"
#include "lib/smtp/data.h"
#include "lib/smtp/idn.h"
#include "lib/smtp/received.h"
#include "lib/smtp/reply.h"
#include "lib/smtp/submit.h"
#include "lib/smtp/xtext.h"

static void expect_span(struct span got, struct span want, struct span input)
{
	if (!span_equal(got, want))
		fail_msg("\"" SPAN_FMT "\": got \"" SPAN_FMT "\", want \"" SPAN_FMT "\"", SPAN_ARG(input), SPAN_ARG(got),
		         SPAN_ARG(want));
}

/* ---- paths ---- */

static const struct {
	struct span           in;
	enum smtp_path_result result;
	struct span           address, rest;
} paths[] = {
	{ SPAN("<a@example.org>"), SMTP_PATH_OK, SPAN("a@example.org"), SPAN("") },
	{ SPAN("<a@example.org> SIZE=1"), SMTP_PATH_OK, SPAN("a@example.org"), SPAN(" SIZE=1") },
	{ SPAN("<@x.example,@y.example:a@example.org>"), SMTP_PATH_OK, SPAN("a@example.org"), SPAN("") },
	{ SPAN("<\"a b\"@example.org>"), SMTP_PATH_OK, SPAN("\"a b\"@example.org"), SPAN("") },
	{ SPAN("<\"ab\"@example.org>"), SMTP_PATH_OK, SPAN("ab@example.org"), SPAN("") },
	{ SPAN("<\"a\\\"b>@\"@example.org>"), SMTP_PATH_OK, SPAN("\"a\\\"b>@\"@example.org"), SPAN("") },
	{ SPAN("<a@[192.0.2.1]>"), SMTP_PATH_OK, SPAN("a@[192.0.2.1]"), SPAN("") },
	{ SPAN("<a@[IPv6:2001:db8::1]>"), SMTP_PATH_OK, SPAN("a@[IPv6:2001:db8::1]"), SPAN("") },
	{ SPAN("<a@example.org.>"), SMTP_PATH_OK, SPAN("a@example.org"), SPAN("") },
	{ SPAN("<Postmaster>"), SMTP_PATH_OK, SPAN("Postmaster"), SPAN("") },
	{ SPAN("<>"), SMTP_PATH_OK, SPAN(""), SPAN("") },
	{ SPAN("<j\xc3\xb6@example.org>"), SMTP_PATH_NEEDS_UTF8, SPAN("j\xc3\xb6@example.org"), SPAN("") },
	{ SPAN("<j\xc3@example.org>"), SMTP_PATH_BAD, SPAN(""), SPAN("") },
	{ SPAN("<j\xed\xa0\x80@example.org>"), SMTP_PATH_BAD, SPAN(""), SPAN("") },	/* a surrogate */
	{ SPAN("<j\xc0\xaf@example.org>"), SMTP_PATH_BAD, SPAN(""), SPAN("") },	/* overlong */
	{ SPAN("a@example.org"), SMTP_PATH_BAD, SPAN(""), SPAN("") },	/* not lax */
	{ SPAN("<a@example.org"), SMTP_PATH_BAD, SPAN(""), SPAN("") },
	{ SPAN("<a@example.org>junk"), SMTP_PATH_BAD, SPAN(""), SPAN("") },
	{ SPAN("<a@b@example.org>"), SMTP_PATH_BAD, SPAN(""), SPAN("") },
	{ SPAN("<a@>"), SMTP_PATH_BAD, SPAN(""), SPAN("") },
	{ SPAN("<@example.org>"), SMTP_PATH_BAD, SPAN(""), SPAN("") },
	{ SPAN("<\"\"@example.org>"), SMTP_PATH_BAD, SPAN(""), SPAN("") },
	{ SPAN("<.a@example.org>"), SMTP_PATH_BAD, SPAN(""), SPAN("") },
	{ SPAN("<a..b@example.org>"), SMTP_PATH_BAD, SPAN(""), SPAN("") },
	{ SPAN("<a b@example.org>"), SMTP_PATH_BAD, SPAN(""), SPAN("") },
	{ SPAN("<a\0b@example.org>"), SMTP_PATH_BAD, SPAN(""), SPAN("") },
	{ SPAN("<a\x7f@example.org>"), SMTP_PATH_BAD, SPAN(""), SPAN("") },
	{ SPAN("<\"a\x01\"@example.org>"), SMTP_PATH_BAD, SPAN(""), SPAN("") },
	{ SPAN("<a@example..org>"), SMTP_PATH_BAD, SPAN(""), SPAN("") },
	{ SPAN("<a@-example.org>"), SMTP_PATH_BAD, SPAN(""), SPAN("") },
	{ SPAN("<a@[192.0.2.999]>"), SMTP_PATH_BAD, SPAN(""), SPAN("") },
	{ SPAN("<a@[192.0.2.1>"), SMTP_PATH_BAD, SPAN(""), SPAN("") },
	{ SPAN("<host!user>"), SMTP_PATH_BAD, SPAN(""), SPAN("") },	/* bare, and looks like routing */
	{ SPAN("<user%host>"), SMTP_PATH_BAD, SPAN(""), SPAN("") },
	{ SPAN("<\"a@elsewhere.example\">"), SMTP_PATH_BAD, SPAN(""), SPAN("") },
};

static void paths_are_parsed(void **state)
{
	struct arena *arena = arena_new(NULL);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(paths); i++) {
		struct smtp_path path;
		struct span rest = span_lit("");
		enum smtp_path_result got =
			smtp_path_parse(arena, paths[i].in, SMTP_PATH_NULL | SMTP_PATH_BARE, &path, &rest);

		if (got != paths[i].result)
			fail_msg(SPAN_FMT ": result %d, want %d", SPAN_ARG(paths[i].in), (int)got, (int)paths[i].result);
		if (got != SMTP_PATH_OK)
			continue;
		expect_span(path.address, paths[i].address, paths[i].in);
		expect_span(rest, paths[i].rest, paths[i].in);
	}
	arena_free(arena);
}

/* Every prefix of an input in a buffer of exactly its size: nothing is read past the end. */
static void path_prefixes_stay_inside(void **state)
{
	struct arena *arena = arena_new(NULL);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(paths); i++) {
		for (size_t n = 1; n <= paths[i].in.len; n++) {
			char *copy = malloc(n);
			struct smtp_path path;
			struct span rest;

			assert_non_null(copy);
			memcpy(copy, paths[i].in.ptr, n);
			if (smtp_path_parse(arena, span_make(copy, n), SMTP_PATH_LAX | SMTP_PATH_UTF8, &path, &rest) ==
			    SMTP_PATH_OK)
				assert_true(path.address.len > 0);
			free(copy);
		}
	}
	arena_free(arena);
}

static void long_addresses_are_refused(void **state)
{
	struct arena *arena = arena_new(NULL);
	char text[600];
	struct smtp_path path;
	struct span rest;

	(void)state;
	memset(text, 'a', sizeof(text));
	text[0] = '<';
	memcpy(text + 481, "@example.org>", 13);
	assert_int_equal(smtp_path_parse(arena, span_make(text, 494), 0, &path, &rest), SMTP_PATH_TOO_LONG);
	arena_free(arena);
}

static void addresses_split_at_the_last_at(void **state)
{
	static const struct { struct span in, local, domain; } rows[] = {
		{ SPAN("a@b"), SPAN("a"), SPAN("b") },
		{ SPAN("\"a@b\"@c"), SPAN("\"a@b\""), SPAN("c") },
		{ SPAN("\"a@b\""), SPAN("\"a@b\""), SPAN("") },
		{ SPAN("a"), SPAN("a"), SPAN("") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span local, domain;

		smtp_address_split(rows[i].in, &local, &domain);
		expect_span(local, rows[i].local, rows[i].in);
		expect_span(domain, rows[i].domain, rows[i].in);
	}
}

static void fqdns_have_two_labels(void **state)
{
	static const struct { struct span in; bool ok; } rows[] = {
		{ SPAN("a.example"), true }, { SPAN("localhost"), false }, { SPAN("192.0.2.1"), false },
		{ SPAN("a_b.example"), true }, { SPAN("-a.example"), false }, { SPAN("a-.example"), false },
		{ SPAN(""), false }, { SPAN("."), false }, { SPAN("a."), false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (smtp_domain_is_fqdn(rows[i].in) != rows[i].ok)
			fail_msg(SPAN_FMT, SPAN_ARG(rows[i].in));
}

/* ---- replies ---- */

static void reply_lines_are_parsed(void **state)
{
	static const struct { struct span in; bool ok; unsigned code; bool last; struct span dsn, text; } rows[] = {
		{ SPAN("250 2.1.0 Ok"), true, 250, true, SPAN("2.1.0"), SPAN("Ok") },
		{ SPAN("250-SIZE 10"), true, 250, false, SPAN(""), SPAN("SIZE 10") },
		{ SPAN("354"), true, 354, true, SPAN(""), SPAN("") },
		{ SPAN("550 4.1.1 odd"), true, 550, true, SPAN(""), SPAN("4.1.1 odd") },	/* classes differ */
		{ SPAN("550 5.1.1"), true, 550, true, SPAN("5.1.1"), SPAN("") },
		{ SPAN("550 5.1.1.1 x"), true, 550, true, SPAN(""), SPAN("5.1.1.1 x") },
		{ SPAN("25"), false, 0, false, SPAN(""), SPAN("") },
		{ SPAN("250x"), false, 0, false, SPAN(""), SPAN("") },
		{ SPAN("650 x"), false, 0, false, SPAN(""), SPAN("") },
		{ SPAN("2a0 x"), false, 0, false, SPAN(""), SPAN("") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct smtp_reply_line reply;

		if (smtp_reply_line_parse(rows[i].in, &reply) != rows[i].ok)
			fail_msg(SPAN_FMT, SPAN_ARG(rows[i].in));
		if (!rows[i].ok)
			continue;
		assert_int_equal(reply.code, rows[i].code);
		assert_int_equal(reply.is_last, rows[i].last);
		expect_span(reply.dsn, rows[i].dsn, rows[i].in);
		expect_span(reply.text, rows[i].text, rows[i].in);
	}
}

static void replies_are_ascii_and_fit_a_line(void **state)
{
	char out[SMTP_REPLY_LINE_MAX + 2], text[1000];
	size_t n;

	(void)state;
	n = smtp_reply_format(out, 550, true, span_lit("5.1.1"), span_lit("a\xc3\xb6\r\nb"));
	expect_span(span_make(out, n), span_lit("550 5.1.1 a????b\r\n"), span_lit("8-bit"));
	memset(text, 'x', sizeof(text));
	n = smtp_reply_format(out, 250, false, span_lit(""), span_make(text, sizeof(text)));
	assert_int_equal(n, SMTP_REPLY_LINE_MAX + 2);
	assert_memory_equal(out, "250-xxx", 7);
	assert_memory_equal(out + n - 3, "x\r\n", 3);
}

/* ---- parameters ---- */

static void xtext_round_trips(void **state)
{
	struct arena *arena = arena_new(NULL);
	char all[256];
	struct span encoded, decoded;

	(void)state;
	for (unsigned i = 0; i < sizeof(all); i++)
		all[i] = (char)i;
	encoded = xtext_encode(arena, span_make(all, sizeof(all)));
	assert_true(xtext_is_valid(encoded));
	assert_true(xtext_decode(arena, encoded, &decoded));
	assert_int_equal(decoded.len, sizeof(all));
	assert_memory_equal(decoded.ptr, all, sizeof(all));
	assert_false(xtext_is_valid(span_lit("a+2")));
	assert_false(xtext_is_valid(span_lit("a+zz")));
	assert_false(xtext_is_valid(span_lit("a=b")));
	assert_false(xtext_is_valid(span_lit("a b")));
	arena_free(arena);
}

static void notify_is_parsed(void **state)
{
	static const struct { struct span in; bool ok; uint32_t bits; } rows[] = {
		{ SPAN("NEVER"), true, 1 }, { SPAN("success,FAILURE,Delay"), true, 14 }, { SPAN("NEVER,SUCCESS"), false, 0 },
		{ SPAN(""), false, 0 }, { SPAN("SUCCESS,"), false, 0 }, { SPAN("MAYBE"), false, 0 },
	};
	struct arena *arena = arena_new(NULL);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		uint32_t bits, again;

		if (dsn_notify_parse(rows[i].in, &bits) != rows[i].ok || (rows[i].ok && bits != rows[i].bits))
			fail_msg("\"" SPAN_FMT "\"", SPAN_ARG(rows[i].in));
		if (!rows[i].ok)
			continue;
		assert_true(dsn_notify_parse(dsn_notify_text(arena, bits), &again));
		assert_int_equal(again, bits);
	}
	arena_free(arena);
}

static void parameters_are_walked(void **state)
{
	struct span rest = span_lit("  SIZE=10 SMTPUTF8 RET="), keyword, value;
	bool has_value, bad;

	(void)state;
	assert_true(esmtp_param_next(&rest, &keyword, &value, &has_value, &bad));
	expect_span(keyword, span_lit("SIZE"), span_lit("1"));
	expect_span(value, span_lit("10"), span_lit("1"));
	assert_true(esmtp_param_next(&rest, &keyword, &value, &has_value, &bad));
	assert_false(has_value);
	assert_true(esmtp_param_next(&rest, &keyword, &value, &has_value, &bad));
	assert_true(has_value && value.len == 0);
	assert_false(esmtp_param_next(&rest, &keyword, &value, &has_value, &bad));
	assert_false(bad);
	rest = span_lit("=x");
	assert_false(esmtp_param_next(&rest, &keyword, &value, &has_value, &bad));
	assert_true(bad);
}

/* ---- message data ---- */

static const struct {
	struct span in, out;	/* out is what is kept; in is all used up to used */
	size_t      used;
	bool        ended;
} data_rows[] = {
	{ SPAN("a\r\n.\r\nNOOP\r\n"), SPAN("a\r\n"), 6, true },
	{ SPAN(".\r\n"), SPAN(""), 3, true },
	{ SPAN("..\r\n.\r\n"), SPAN(".\r\n"), 7, true },
	{ SPAN("..a\r\n.b\r\n.\r\n"), SPAN(".a\r\nb\r\n"), 12, true },
	{ SPAN("a\n.\n"), SPAN("a\r\n.\r\n"), 4, false },
	{ SPAN("a\n.\r\n"), SPAN("a\r\n.\r\n"), 5, false },
	{ SPAN("a\r\n.\n"), SPAN("a\r\n.\r\n"), 5, false },
	{ SPAN("a\r.\rb\r\n"), SPAN("a . b\r\n"), 7, false },
	{ SPAN("a\r\n.\r\r\n"), SPAN("a\r\n \r\n"), 7, false },
	{ SPAN("a\r\n.\r.\r\n"), SPAN("a\r\n .\r\n"), 8, false },
	{ SPAN("a\r\r\n.\r\n"), SPAN("a \r\n"), 7, true },
	{ SPAN("a\r\n\0.\r\n"), SPAN("a\r\n\0.\r\n"), 7, false },
	{ SPAN("a\r\n. \r\n"), SPAN("a\r\n \r\n"), 7, false },
};

/* Cut anywhere, the result is the same. */
static void data_ends_only_at_crlf_dot_crlf(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(data_rows); i++) {
		for (size_t piece = 1; piece <= data_rows[i].in.len; piece++) {
			struct smtp_data_reader reader;
			struct buf out;
			size_t used = 0;

			buf_init(&out, BUF_NO_LIMIT);
			smtp_data_begin(&reader, true, false);
			while (used < data_rows[i].in.len && reader.state != SMTP_DATA_END)
				used += smtp_data_feed(&reader, span_slice(data_rows[i].in, used, piece), &out);
			expect_span(buf_span(&out), data_rows[i].out, data_rows[i].in);
			assert_int_equal(used, data_rows[i].used);
			assert_int_equal(reader.state == SMTP_DATA_END, data_rows[i].ended);
			buf_free(&out);
		}
	}
}

static void stuffing_is_undone_by_reading(void **state)
{
	struct span content = span_lit(".\r\n..\r\na.b\r\n\r\n.x\r\n");
	struct buf stuffed, back;
	struct smtp_data_reader reader;
	bool at_line_start = true;

	(void)state;
	buf_init(&stuffed, BUF_NO_LIMIT);
	buf_init(&back, BUF_NO_LIMIT);
	smtp_data_stuff(content, &at_line_start, &stuffed);
	assert_true(at_line_start);
	buf_add_cstr(&stuffed, ".\r\n");
	smtp_data_begin(&reader, true, false);
	assert_int_equal(smtp_data_feed(&reader, buf_span(&stuffed), &back), stuffed.len);
	assert_int_equal(reader.state, SMTP_DATA_END);
	expect_span(buf_span(&back), content, content);
	buf_free(&stuffed);
	buf_free(&back);
}

static void bdat_keeps_dots_and_ends_lines(void **state)
{
	struct smtp_data_reader reader;
	struct buf out;

	(void)state;
	buf_init(&out, BUF_NO_LIMIT);
	smtp_data_begin(&reader, false, false);
	smtp_data_feed(&reader, span_lit("a\r"), &out);
	smtp_data_feed(&reader, span_lit("\n.\r\n..b\r"), &out);
	smtp_data_finish(&reader, &out);
	expect_span(buf_span(&out), span_lit("a\r\n.\r\n..b \r\n"), span_lit("bdat"));
	assert_true(reader.bare_cr);
	buf_free(&out);
}

/* ---- trace, maildrop ---- */

static void received_cannot_be_broken_out_of(void **state)
{
	struct received r = {
		.helo = span_lit("a)\r\nEvil: x"), .client_name = span_lit("unknown"),
		.client_address = span_lit("2001:db8::1"), .myhostname = span_lit("mx.example.test"),
		.mail_name = span_lit("Postern"), .protocol = span_lit("ESMTP"), .queue_id = span_lit("4abc"),
		.recipient = span_lit("u1@example.test"),
	};
	struct buf out;

	(void)state;
	buf_init(&out, BUF_NO_LIMIT);
	received_add(&out, &r);
	if (!span_starts(buf_span(&out), span_lit("Received: from a???Evil: x (unknown [IPv6:2001:db8::1])\r\n"
	                                          "\tby mx.example.test (Postern) with ESMTP id 4abc\r\n"
	                                          "\tfor <u1@example.test>; ")))
		fail_msg(SPAN_FMT, SPAN_ARG(buf_span(&out)));
	assert_true(span_ends(buf_span(&out), span_lit("\r\n")));
	buf_free(&out);
}

static void maildrop_files_round_trip(void **state)
{
	struct arena *arena = arena_new(NULL);
	struct span rcpts[] = { SPAN("RCPT TO:<a@example.org>"), SPAN("RCPT TO:<b@example.org> NOTIFY=NEVER") };
	struct submission s = { .mail = span_lit("MAIL FROM:<>"), .rcpts = rcpts, .rcpt_count = 2,
		                .content = span_lit("Subject: x\r\n\r\ny\n\nz\r\n") }, back;
	char folder[] = "/tmp/maildrop.XXXXXX", path[300] = "";
	struct dirent *entry;
	struct buf bytes;
	struct why why;
	DIR *dir;

	(void)state;
	assert_non_null(mkdtemp(folder));
	assert_int_equal(maildrop_write(folder, &s, &why), DONE);
	dir = opendir(folder);
	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL)
		if (strncmp(entry->d_name, "new.", 4) == 0)
			snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
	closedir(dir);
	buf_init(&bytes, BUF_NO_LIMIT);
	assert_int_equal(fs_read_file(AT_FDCWD, path, &bytes), 0);
	assert_true(maildrop_parse(arena, buf_span(&bytes), &back));
	expect_span(back.mail, s.mail, s.mail);
	assert_int_equal(back.rcpt_count, 2);
	expect_span(back.rcpts[1], rcpts[1], rcpts[1]);
	expect_span(back.content, s.content, s.content);
	unlink(path);
	rmdir(folder);
	buf_free(&bytes);
	arena_free(arena);
}

static void maildrop_takes_no_other_commands(void **state)
{
	static const struct span rows[] = {
		SPAN(""), SPAN("MAIL FROM:<>\n"), SPAN("MAIL FROM:<>\n\nx"), SPAN("MAIL FROM:<>\nDATA\n\nx"),
		SPAN("EHLO x\nRCPT TO:<a>\n\nx"), SPAN("MAIL FROM:<>\r\nRCPT TO:<a>\n\nx"),
		SPAN("MAIL FROM:<>\nRCPT TO:<a>\rDATA\n\nx"),
	};
	struct arena *arena = arena_new(NULL);
	struct submission s;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (maildrop_parse(arena, rows[i], &s))
			fail_msg("\"" SPAN_FMT "\"", SPAN_ARG(rows[i]));
	arena_free(arena);
}

static void submission_needs_the_socket(void **state)
{
	struct submission s = { .mail = span_lit("MAIL FROM:<>") };
	struct why why;

	(void)state;
	assert_int_equal(submit_message("/nonexistent/pickup", &s, 1, &why), DEFER);
}

static void domains_become_a_labels(void **state)
{
	static const struct { struct span in, out; } rows[] = {
		{ SPAN("example.org"), SPAN("example.org") },
		{ SPAN("b\303\274cher.example"), SPAN("xn--bcher-kva.example") },
		{ SPAN("B\303\234CHER.example"), SPAN("xn--bcher-kva.example") },
		{ SPAN("\377.example"), SPAN("\377.example") },	/* no UTF-8 */
		{ SPAN("b\303\274\0.example"), SPAN("b\303\274\0.example") },
		{ SPAN(""), SPAN("") },
	};
	struct arena *arena = arena_new(NULL);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		expect_span(idn_to_ascii(arena, rows[i].in), rows[i].out, rows[i].in);
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_are_parsed),
		cmocka_unit_test(path_prefixes_stay_inside),
		cmocka_unit_test(long_addresses_are_refused),
		cmocka_unit_test(addresses_split_at_the_last_at),
		cmocka_unit_test(fqdns_have_two_labels),
		cmocka_unit_test(domains_become_a_labels),
		cmocka_unit_test(reply_lines_are_parsed),
		cmocka_unit_test(replies_are_ascii_and_fit_a_line),
		cmocka_unit_test(xtext_round_trips),
		cmocka_unit_test(notify_is_parsed),
		cmocka_unit_test(parameters_are_walked),
		cmocka_unit_test(data_ends_only_at_crlf_dot_crlf),
		cmocka_unit_test(stuffing_is_undone_by_reading),
		cmocka_unit_test(bdat_keeps_dots_and_ends_lines),
		cmocka_unit_test(received_cannot_be_broken_out_of),
		cmocka_unit_test(maildrop_files_round_trip),
		cmocka_unit_test(maildrop_takes_no_other_commands),
		cmocka_unit_test(submission_needs_the_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
