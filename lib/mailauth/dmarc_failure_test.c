/* SPDX-License-Identifier: ISC */
/* dmarc_failure_test.c - which failures are told of, and in what words */
#include "lib/mailauth/dmarc_failure.h"

#include "lib/base/test.h"
#include "lib/mailauth/dmarc_record.h"

static void fo_says_what_is_wanted(void **state)
{
	static const struct {
		const char         *record;
		struct dmarc_failed failed;
		bool                is_wanted;
	} rows[] = {
		{ "", { false, false, true, false }, true },
		{ "", { true, false, false, true }, false },
		{ "; fo=0", { false, true, true, false }, false },
		{ "; fo=1", { true, false, false, false }, true },
		{ "; fo=1", { true, true, true, true }, false },
		{ "; fo=d", { true, true, false, true }, true },
		{ "; fo=d", { false, false, true, false }, false },
		{ "; fo=s", { false, true, true, false }, true },
		{ "; fo=s", { false, false, false, true }, false },
		{ "; fo=d:s", { true, true, true, false }, true },
		{ "; fo=x", { false, false, false, false }, true },
	};
	struct arena *arena = arena_new(NULL);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct dmarc_record record;

		assert_true(dmarc_record_parse(DMARC_RFC7489, arena_printf_span(arena, "v=DMARC1; p=none%s", rows[i].record),
		                               &record));
		assert_int_equal(dmarc_failure_is_wanted(record.fo, &rows[i].failed), rows[i].is_wanted);
	}
	arena_free(arena);
}

static const struct dmarc_reporter reporter = { .domain = SPAN("mx.test"), .email = SPAN("postmaster@mx.test") };

static const struct dmarc_failure failure = {
	.id = SPAN("4a"), .author = SPAN("forged.test"), .sender = SPAN("x@else.test"), .source_ip = SPAN("192.0.2.1"),
	.results = SPAN(" mx.test;\n\tspf=fail smtp.mailfrom=x@else.test"), .spf_domain = SPAN("else.test"),
	.spf_policy = SPAN("v=spf1 -all"), .dkim_domain = SPAN("forged.test"), .dkim_identity = SPAN("@forged.test"),
	.dkim_selector = SPAN("s1"), .header = SPAN("From: a@forged.test\r\nSubject: x\r\n\tfolded\r\n"),
	.delivery = "reject", .arrival_us = 86400ull * 1000000,
};

static void the_mail(void **state)
{
	static const char wanted[] =
		"From: <postmaster@mx.test>\n"
		"To: <ruf@forged.test>\n"
		"Subject: DMARC failure report on forged.test\n"
		"Date: Sat, 3 Jan 1970 00:00:00 +0000 (UTC)\n"
		"Message-ID: <4a@mx.test>\n"
		"Auto-Submitted: auto-generated\n"
		"MIME-Version: 1.0\n"
		"Content-Type: multipart/report; report-type=feedback-report;\n"
		" boundary=\"report-4a\"\n"
		"\n"
		"--report-4a\n"
		"Content-Type: text/plain; charset=us-ascii\n"
		"\n"
		"A message that says it is from forged.test\n"
		"failed authentication (DMARC) at mx.test.\n"
		"The DMARC record of that domain asks to be told; the message's header follows.\n"
		"\n"
		"--report-4a\n"
		"Content-Type: message/feedback-report\n"
		"\n"
		"Feedback-Type: auth-failure\n"
		"Version: 1\n"
		"User-Agent: Postern\n"
		"Auth-Failure: dmarc\n"
		"Identity-Alignment: none\n"
		"Delivery-Result: reject\n"
		"Arrival-Date: Fri, 2 Jan 1970 00:00:00 +0000 (UTC)\n"
		"Reported-Domain: forged.test\n"
		"Original-Mail-From: <x@else.test>\n"
		"Source-IP: 192.0.2.1\n"
		"Authentication-Results: mx.test;\n"
		"\tspf=fail smtp.mailfrom=x@else.test\n"
		"DKIM-Domain: forged.test\n"
		"DKIM-Identity: @forged.test\n"
		"DKIM-Selector: s1\n"
		"SPF-DNS: txt : else.test : \"v=spf1 -all\"\n"
		"\n"
		"--report-4a\n"
		"Content-Type: text/rfc822-headers\n"
		"\n"
		"From: a@forged.test\n"
		"Subject: x\n"
		"\tfolded\n"
		"\n"
		"--report-4a--\n";
	struct arena *arena = arena_new(NULL);
	struct buf out;

	(void)state;
	buf_init(&out, BUF_NO_LIMIT);
	dmarc_failure_mail(arena, &reporter, &failure, span_lit("ruf@forged.test"), 2 * 86400ull * 1000000, &out);
	assert_span(buf_span(&out), wanted);
	buf_free(&out);
	arena_free(arena);
}

static bool has(const struct buf *b, const char *text)
{
	return span_search(buf_span(b), span_of(text)) != SPAN_NOT_FOUND;
}

/* What a forger wrote stays where it belongs. */
static void hostile_words(void **state)
{
	struct dmarc_failure f = failure;
	struct arena *arena = arena_new(NULL);
	struct buf out;

	(void)state;
	f.sender = span_lit("x\r\nBcc: victim@test\n\n--report-4a--@else.test");
	f.spf_policy = span_lit("v=spf1\n-all");
	f.dkim_selector = span_lit("");
	f.header = span_lit("Subject: gr\xc3\xbc\xc3\x9f" "e\r\n\r\nbody\r\n");
	buf_init(&out, BUF_NO_LIMIT);
	dmarc_failure_mail(arena, &reporter, &f, span_lit("ruf@forged.test"), 0, &out);
	assert_false(has(&out, "\nBcc:"));
	assert_true(has(&out, "Original-Mail-From: <x??Bcc: victim@test?" "?--report-4a--@else.test>\n"));
	assert_true(has(&out, "SPF-DNS: txt : else.test : \"v=spf1?-all\"\n"));
	assert_false(has(&out, "DKIM-Selector"));
	assert_true(has(&out, "Content-Transfer-Encoding: base64\n\nU3ViamVjdDogZ3LDvMOfZQ0KDQpib2R5DQo=\n\n--report-4a--\n"));
	for (size_t i = 0; i < out.len; i++)
		assert_true(out.ptr[i] == '\n' || out.ptr[i] == '\t' || (out.ptr[i] >= ' ' && out.ptr[i] <= '~'));
	buf_free(&out);
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fo_says_what_is_wanted),
		cmocka_unit_test(the_mail),
		cmocka_unit_test(hostile_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
