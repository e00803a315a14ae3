/* SPDX-License-Identifier: ISC */
/* dmarc_destination_test.c - who gets reports, who has to agree first */
#include "lib/mailauth/dmarc_destination.h"

#include "lib/mailauth/test_dmarc.h"

static const struct test_zone_row zone_rows[] = {
	{ "example.com._report._dmarc.yes.example", "v=DMARC1" },
	{ "example.com._report._dmarc.more.example", "v=DMARC1; rua=mailto:new@more.example!2k,mailto:too@more.example" },
	{ "example.com._report._dmarc.away.example", "v=DMARC1; rua=mailto:victim@elsewhere.example" },
	{ "example.com._report._dmarc.odd.example", "v=spf1 -all" },
	{ "example.com._report._dmarc.odd.example", "v=DMARC1; rua=nonsense" },
	{ "example.com._report._dmarc.no.example", "v=DMARC2" },
	{ "example.com._report._dmarc.deaf.example", NULL },
	{ "example.com._report._dmarc.both.example", "v=DMARC1; rua=mailto:a@both.example; ruf=mailto:f@both.example" },
	{ "_dmarc.example.com", "v=DMARC1; p=none" },
	{ "_dmarc.unit.example.com", "v=DMARC1; p=none; psd=n" },
};

static const struct {
	struct span  rua;
	enum outcome outcome;
	const char  *addresses;
} rows[] = {
	{ SPAN("mailto:a@example.com"), DONE, "a@example.com " },
	{ SPAN("mailto:a@sub.example.com!1k"), DONE, "a@sub.example.com!1024 " },
	{ SPAN("mailto:a@yes.example!3"), DONE, "a@yes.example!3 " },
	{ SPAN("mailto:a@more.example"), DONE, "new@more.example!2048 too@more.example " },
	{ SPAN("mailto:a@away.example"), DONE, "" },
	{ SPAN("mailto:a@odd.example"), DONE, "a@odd.example " },
	{ SPAN("mailto:a@no.example, mailto:b@nothing.example"), DONE, "" },
	{ SPAN("mailto:a@deaf.example,mailto:a@example.com"), DEFER, "a@example.com " },
	{ SPAN("mailto:a@example.com,mailto:a@EXAMPLE.com,mailto:A@example.com"), DONE, "a@example.com A@example.com " },
	{ SPAN("https://example.com/,ftp://x,mailto:a@example.com"), DONE, "a@example.com " },
	{ SPAN("mailto:1@example.com,mailto:2@example.com,mailto:3@example.com,mailto:4@example.com"), DONE,
	  "1@example.com 2@example.com 3@example.com " },
	{ SPAN(""), DONE, "" },
};

static void run_tag(enum dmarc_text text, struct span tag, struct span uris, enum outcome outcome, const char *addresses)
{
	struct test_zone zone = { .rows = zone_rows, .count = COUNT_OF(zone_rows) };
	struct lookup lookup = test_zone_lookup(&zone);
	struct arena *arena = arena_new(NULL);
	struct why why;
	struct dmarc_psl *psl = dmarc_psl_open(NULL, &why);
	struct dmarc_query q = { .arena = arena, .lookup = &lookup, .text = text, .psl = psl, .most = 100 };
	struct dmarc_destination *list;
	struct buf got;
	size_t count;

	assert_int_equal(dmarc_destinations(&q, span_lit("example.com"), tag, uris, 3, &list, &count, &why), outcome);
	buf_init(&got, BUF_NO_LIMIT);
	for (size_t i = 0; i < count; i++) {
		buf_add(&got, list[i].address);
		if (list[i].limit_bytes != UINT64_MAX)
			buf_addf(&got, "!%llu", (unsigned long long)list[i].limit_bytes);
		buf_add_byte(&got, ' ');
	}
	assert_span(buf_span(&got), addresses);
	buf_free(&got);
	dmarc_psl_close(psl);
	arena_free(arena);
}

static void run(enum dmarc_text text, struct span rua, enum outcome outcome, const char *addresses)
{
	run_tag(text, span_lit("rua"), rua, outcome, addresses);
}

static void choices(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		run(DMARC_RFC7489, rows[i].rua, rows[i].outcome, rows[i].addresses);
		run(DMARC_BIS, rows[i].rua, rows[i].outcome, rows[i].addresses);
	}
}

/* By the tree walk a unit with psd=n is an organisation of its own. */
static void another_unit(void **state)
{
	(void)state;
	run(DMARC_RFC7489, span_lit("mailto:a@unit.example.com"), DONE, "a@unit.example.com ");
	run(DMARC_BIS, span_lit("mailto:a@unit.example.com"), DONE, "");
}

/* Failure reports may go elsewhere than aggregate ones; who agrees to one kind says so of both. */
static void of_failures(void **state)
{
	(void)state;
	run(DMARC_RFC7489, span_lit("mailto:x@both.example"), DONE, "a@both.example ");
	run_tag(DMARC_RFC7489, span_lit("ruf"), span_lit("mailto:x@both.example"), DONE, "f@both.example ");
	run_tag(DMARC_RFC7489, span_lit("ruf"), span_lit("mailto:x@more.example,mailto:a@no.example"), DONE, "x@more.example ");
}

/* A list without end costs a bounded number of questions. */
static void long_list(void **state)
{
	struct buf rua;

	(void)state;
	buf_init(&rua, BUF_NO_LIMIT);
	for (int i = 0; i < 1000; i++)
		buf_addf(&rua, "mailto:a@h%d.example,", i);
	buf_addf(&rua, "mailto:a@example.com");
	run(DMARC_RFC7489, buf_span(&rua), DONE, "");
	buf_free(&rua);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(choices), cmocka_unit_test(another_unit), cmocka_unit_test(of_failures),
		cmocka_unit_test(long_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
