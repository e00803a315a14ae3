/* SPDX-License-Identifier: ISC */
/* dmarc_test.c - domains, authors, and what the conformance cases leave open */
#include "lib/mailauth/dmarc.h"

#include "lib/mailauth/test_dmarc.h"

static struct arena *arena;
static struct dmarc_psl *psl;

static int setup(void **state)
{
	struct why why;

	(void)state;
	arena = arena_new(NULL);
	psl = dmarc_psl_open(NULL, &why);
	return psl == NULL;
}

static int teardown(void **state)
{
	(void)state;
	dmarc_psl_close(psl);
	arena_free(arena);
	return 0;
}

static void normal_domains(void **state)
{
	static const struct {
		struct span name;
		const char *normal;	/* NULL: no domain name */
	} rows[] = {
		{ SPAN("Example.COM"), "example.com" },
		{ SPAN("example.com."), "example.com" },
		{ SPAN("example.com.."), NULL },
		{ SPAN("b\xc3\xbc" "cher.example"), "xn--bcher-kva.example" },
		{ SPAN("B\xc3\x9c" "CHER.example"), "xn--bcher-kva.example" },
		{ SPAN("xn--bcher-kva.example"), "xn--bcher-kva.example" },
		{ SPAN("b\xfc" "cher.example"), NULL },
		{ SPAN("[192.0.2.1]"), NULL },
		{ SPAN(""), NULL },
		{ SPAN("."), NULL },
		{ SPAN(".example"), NULL },
		{ SPAN("a..b"), NULL },
		{ SPAN("a_b.example"), "a_b.example" },
		{ SPAN("a b.example"), NULL },
		{ SPAN("a\0.example"), NULL },
		{ SPAN("localhost"), "localhost" },
	};
	struct span normal;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		bool ok = dmarc_domain_normal(arena, rows[i].name, &normal);

		if (ok != (rows[i].normal != NULL) || (ok && !span_equal(normal, span_of(rows[i].normal))))
			fail_msg("row %zu: " SPAN_FMT, i, SPAN_ARG(rows[i].name));
	}
}

static void long_domains(void **state)
{
	struct buf name;
	struct span normal;

	(void)state;
	buf_init(&name, BUF_NO_LIMIT);
	for (int i = 0; i < 100000; i++)
		buf_add(&name, span_lit("\xc3\xbc."));
	assert_false(dmarc_domain_normal(arena, buf_span(&name), &normal));
	assert_false(dmarc_domain_normal(arena, span_first(buf_span(&name), 1019), &normal));
	buf_free(&name);
}

static void pieces(void **state)
{
	(void)state;
	assert_int_equal(dmarc_domain_labels(span_lit("a.b.example")), 3);
	assert_int_equal(dmarc_domain_labels(span_lit("example")), 1);
	assert_span(dmarc_domain_last(span_lit("a.b.example"), 2), "b.example");
	assert_span(dmarc_domain_last(span_lit("a.b.example"), 3), "a.b.example");
	assert_span(dmarc_domain_last(span_lit("a.b.example"), 9), "a.b.example");
	assert_true(dmarc_domain_is_below(span_lit("a.b.example"), span_lit("b.example")));
	assert_true(dmarc_domain_is_below(span_lit("b.example"), span_lit("b.example")));
	assert_false(dmarc_domain_is_below(span_lit("ab.example"), span_lit("b.example")));
	assert_span(dmarc_psl_organization(psl, arena, span_lit("a.b.example.co.uk")), "example.co.uk");
	assert_span(dmarc_psl_organization(psl, arena, span_lit("co.uk")), "co.uk");
	assert_span(dmarc_psl_organization(psl, arena, span_lit("uk")), "uk");
	assert_span(dmarc_psl_organization(psl, arena, span_lit("x.y.no-such-tld")), "y.no-such-tld");
}

static void no_list(void **state)
{
	struct why why;

	(void)state;
	assert_null(dmarc_psl_open("/nonexistent/list", &why));
	assert_non_null(strstr(why.text, "/nonexistent/list"));
}

static void authors(void **state)
{
	static const struct {
		struct span     value;
		enum dmarc_from from;
		const char     *first, *second;
	} rows[] = {
		{ SPAN(" Ann <ann@Example.com>"), DMARC_FROM_OK, "example.com", NULL },
		{ SPAN("\r\n \"a@x.example\" <ann@\r\n example.com>"), DMARC_FROM_OK, "example.com", NULL },
		{ SPAN("Smith, John <john@example.com>"), DMARC_FROM_OK, "example.com", NULL },
		{ SPAN("a@example.com, b@EXAMPLE.com"), DMARC_FROM_OK, "example.com", NULL },
		{ SPAN("a@example.com, b@other.example"), DMARC_FROM_OK, "example.com", "other.example" },
		{ SPAN("list: a@example.com, b@other.example;"), DMARC_FROM_OK, "example.com", "other.example" },
		{ SPAN("a@example.com <b@other.example>"), DMARC_FROM_OK, "example.com", "other.example" },
		{ SPAN("<a@x.example> <b@other.example>"), DMARC_FROM_OK, "x.example", "other.example" },
		{ SPAN("Ann (a@x.example) <ann@example.com>"), DMARC_FROM_OK, "example.com", NULL },
		{ SPAN("<@relay.example:ann@example.com>"), DMARC_FROM_OK, "example.com", NULL },
		{ SPAN("<ann@b\xc3\xbc" "cher.example>"), DMARC_FROM_OK, "xn--bcher-kva.example", NULL },
		{ SPAN("undisclosed:;"), DMARC_FROM_MISSING, NULL, NULL },
		{ SPAN("ann"), DMARC_FROM_MISSING, NULL, NULL },
		{ SPAN(""), DMARC_FROM_MISSING, NULL, NULL },
		{ SPAN("a@[192.0.2.1], b@example.com"), DMARC_FROM_BAD, NULL, NULL },
		{ SPAN("a@\xff.example"), DMARC_FROM_BAD, NULL, NULL },
		{ SPAN("a@a.example, a@b.example, a@c.example"), DMARC_FROM_TOO_MANY, NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span *domains;
		size_t count;
		enum dmarc_from from = dmarc_from_domains(arena, &rows[i].value, 1, 2, &domains, &count);

		if (from != rows[i].from)
			fail_msg("row %zu: %s", i, dmarc_from_text(from));
		if (from != DMARC_FROM_OK)
			continue;
		assert_int_equal(count, rows[i].second != NULL ? 2 : 1);
		assert_span(domains[0], rows[i].first);
		if (rows[i].second != NULL)
			assert_span(domains[1], rows[i].second);
	}
}

static void many_fields(void **state)
{
	const struct span values[2] = { SPAN("a@example.com"), SPAN("a@example.com") };
	struct span *domains;
	size_t count;

	(void)state;
	assert_int_equal(dmarc_from_domains(arena, values, 2, 4, &domains, &count), DMARC_FROM_REPEATED);
	assert_int_equal(dmarc_from_domains(arena, values, 0, 4, &domains, &count), DMARC_FROM_MISSING);
}

/* ---- the check ---- */

static const struct test_zone_row zone_rows[] = {
	{ "_dmarc.example.com", "v=DMARC1; p=reject; sp=none; np=quarantine" },
	{ "_dmarc.other.example", "v=DMARC1; p=quarantine" },
	{ "_dmarc.half.example", "v=DMARC1; p=reject; pct=40" },
	{ "_dmarc.deaf.example", NULL },
	{ "_dmarc.own.shaky.example", "v=DMARC1; p=reject" },
	{ "_dmarc.shaky.example", NULL },
	{ "there.example.com", "" },
	{ "shy.example.com", NULL },
};

struct row {
	enum dmarc_text         text;
	const char             *from;
	struct dmarc_identifier spf, dkim;
	unsigned                random;
	enum dmarc_result       result;
	enum dmarc_policy       asked, applied;
	enum dmarc_tag          tag;
};

#define NO_ID { DMARC_AUTH_NO, { NULL, 0 } }
#define PASS(domain) { DMARC_AUTH_PASS, SPAN(domain) }
#define TEMP(domain) { DMARC_AUTH_TEMPERROR, SPAN(domain) }

static const struct row rows[] = {
	/* sampling (RFC 7489 6.6.4) */
	{ DMARC_RFC7489, "a@half.example", NO_ID, NO_ID, 39, DMARC_FAIL, DMARC_POLICY_REJECT, DMARC_POLICY_REJECT, DMARC_TAG_P },
	{ DMARC_RFC7489, "a@half.example", NO_ID, NO_ID, 40, DMARC_FAIL, DMARC_POLICY_REJECT, DMARC_POLICY_QUARANTINE,
	  DMARC_TAG_P },
	{ DMARC_BIS, "a@half.example", NO_ID, NO_ID, 99, DMARC_FAIL, DMARC_POLICY_REJECT, DMARC_POLICY_REJECT, DMARC_TAG_P },
	/* several authors: the strictest that fails; a pass only if all pass */
	{ DMARC_RFC7489, "a@other.example, b@example.com", NO_ID, NO_ID, 0, DMARC_FAIL, DMARC_POLICY_REJECT,
	  DMARC_POLICY_REJECT, DMARC_TAG_P },
	{ DMARC_RFC7489, "a@other.example, b@example.com", PASS("example.com"), NO_ID, 0, DMARC_FAIL,
	  DMARC_POLICY_QUARANTINE, DMARC_POLICY_QUARANTINE, DMARC_TAG_P },
	{ DMARC_RFC7489, "a@other.example, b@example.com", PASS("example.com"), PASS("other.example"), 0, DMARC_PASS,
	  DMARC_POLICY_NONE, DMARC_POLICY_NONE, DMARC_TAG_P },
	{ DMARC_RFC7489, "a@none.example, b@example.com", PASS("example.com"), NO_ID, 0, DMARC_NONE, DMARC_POLICY_NONE,
	  DMARC_POLICY_NONE, DMARC_TAG_P },
	{ DMARC_RFC7489, "a@deaf.example, b@example.com", NO_ID, NO_ID, 0, DMARC_FAIL, DMARC_POLICY_REJECT,
	  DMARC_POLICY_REJECT, DMARC_TAG_P },
	{ DMARC_RFC7489, "a@deaf.example, b@example.com", PASS("example.com"), NO_ID, 0, DMARC_TEMPERROR,
	  DMARC_POLICY_NONE, DMARC_POLICY_NONE, DMARC_TAG_P },
	/* a temporary error of SPF or DKIM counts where it might have been aligned */
	{ DMARC_RFC7489, "a@example.com", TEMP("b.example.com"), NO_ID, 0, DMARC_TEMPERROR, DMARC_POLICY_NONE,
	  DMARC_POLICY_NONE, DMARC_TAG_P },
	{ DMARC_RFC7489, "a@example.com", TEMP("other.example"), NO_ID, 0, DMARC_FAIL, DMARC_POLICY_REJECT,
	  DMARC_POLICY_REJECT, DMARC_TAG_P },
	{ DMARC_RFC7489, "a@example.com", TEMP("example.com"), PASS("example.com"), 0, DMARC_PASS, DMARC_POLICY_NONE,
	  DMARC_POLICY_NONE, DMARC_TAG_P },
	{ DMARC_RFC7489, "a@example.com", NO_ID, TEMP("example.com"), 0, DMARC_TEMPERROR, DMARC_POLICY_NONE,
	  DMARC_POLICY_NONE, DMARC_TAG_P },
	/* np= */
	{ DMARC_BIS, "a@nothere.example.com", NO_ID, NO_ID, 0, DMARC_FAIL, DMARC_POLICY_QUARANTINE,
	  DMARC_POLICY_QUARANTINE, DMARC_TAG_NP },
	{ DMARC_BIS, "a@there.example.com", NO_ID, NO_ID, 0, DMARC_FAIL, DMARC_POLICY_NONE, DMARC_POLICY_NONE, DMARC_TAG_SP },
	{ DMARC_BIS, "a@shy.example.com", NO_ID, NO_ID, 0, DMARC_TEMPERROR, DMARC_POLICY_NONE, DMARC_POLICY_NONE,
	  DMARC_TAG_P },
	{ DMARC_RFC7489, "a@nothere.example.com", NO_ID, NO_ID, 0, DMARC_FAIL, DMARC_POLICY_NONE, DMARC_POLICY_NONE,
	  DMARC_TAG_SP },
	/* the organisation is not known, the record is: only where it matters that is an error */
	{ DMARC_BIS, "a@own.shaky.example", PASS("own.shaky.example"), NO_ID, 0, DMARC_PASS, DMARC_POLICY_NONE,
	  DMARC_POLICY_NONE, DMARC_TAG_P },
	{ DMARC_BIS, "a@own.shaky.example", PASS("x.shaky.example"), NO_ID, 0, DMARC_TEMPERROR, DMARC_POLICY_NONE,
	  DMARC_POLICY_NONE, DMARC_TAG_P },
	{ DMARC_BIS, "a@own.shaky.example", NO_ID, NO_ID, 0, DMARC_FAIL, DMARC_POLICY_REJECT, DMARC_POLICY_REJECT,
	  DMARC_TAG_P },
};

static void check_row(const struct row *row, size_t questions, struct dmarc_verdict *v)
{
	struct test_zone zone = { .rows = zone_rows, .count = COUNT_OF(zone_rows) };
	struct lookup lookup = test_zone_lookup(&zone);
	struct dmarc_settings settings = {
		.text = row->text, .psl = psl, .most_authors = DMARC_AUTHORS_MAX, .most_dkim = DMARC_DKIM_MAX,
		.most_questions = questions,
	};
	struct span from = span_of(row->from);
	struct dmarc_message message = {
		.from = &from, .from_count = 1, .spf = row->spf, .dkim = &row->dkim, .dkim_count = 1,
		.random = row->random,
	};

	dmarc_check(arena, &settings, &lookup, &message, v);
	assert_true(zone.asked <= questions);
}

static void verdicts(void **state)
{
	struct dmarc_verdict v;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		check_row(&rows[i], DMARC_QUESTIONS_MAX, &v);
		if (v.result != rows[i].result || v.asked != rows[i].asked || v.applied != rows[i].applied ||
		    v.tag != rows[i].tag || v.reason == NULL)
			fail_msg("row %zu: %s %s %s: %s", i, dmarc_result_name(v.result), dmarc_policy_name(v.asked),
			         dmarc_policy_name(v.applied), v.reason);
	}
}

/* With fewer questions than it takes the result is a temperror, never a fail. */
static void few_questions(void **state)
{
	struct dmarc_verdict full, few;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		check_row(&rows[i], DMARC_QUESTIONS_MAX, &full);
		for (size_t n = 0; n < 10; n++) {
			check_row(&rows[i], n, &few);
			assert_true(few.result == DMARC_TEMPERROR || few.result == full.result ||
			            (few.result == DMARC_FAIL && few.applied <= full.applied));
		}
	}
}

/* The ninth domain is not asked about: nothing but the first 10 identifiers counts. */
static void many_signatures(void **state)
{
	struct test_zone zone = { .rows = zone_rows, .count = COUNT_OF(zone_rows) };
	struct lookup lookup = test_zone_lookup(&zone);
	struct dmarc_settings settings = {
		.text = DMARC_BIS, .psl = psl, .most_authors = 4, .most_dkim = 10, .most_questions = 1000,
	};
	struct dmarc_identifier dkim[200];
	struct span from = span_lit("a@x.example.com");
	struct dmarc_message message = { .from = &from, .from_count = 1, .dkim = dkim, .dkim_count = COUNT_OF(dkim) };
	struct dmarc_verdict v;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(dkim); i++)
		dkim[i] = (struct dmarc_identifier){ DMARC_AUTH_PASS, arena_printf_span(arena, "%zu.test", i) };
	dkim[0].status = DMARC_AUTH_NO;
	dkim[10].domain = span_lit("y.example.com");	/* the tenth that passes */
	dmarc_check(arena, &settings, &lookup, &message, &v);
	assert_int_equal(v.result, DMARC_PASS);
	assert_true(v.dkim_aligned && !v.spf_aligned);
	dkim[10].domain = dkim[11].domain;
	dkim[11].domain = span_lit("y.example.com");
	dmarc_check(arena, &settings, &lookup, &message, &v);
	assert_int_equal(v.result, DMARC_FAIL);
}

static void long_walk(void **state)
{
	static const struct test_zone_row deep[] = { { "_dmarc.d.e.f.g.h.i.example", "v=DMARC1; p=reject" } };
	struct test_zone zone = { .rows = deep, .count = COUNT_OF(deep) };
	struct lookup lookup = test_zone_lookup(&zone);
	struct dmarc_query q = { .arena = arena, .lookup = &lookup, .text = DMARC_BIS, .most = 100 };
	struct dmarc_place place;

	(void)state;
	assert_int_equal(dmarc_query_policy(&q, span_lit("a.b.c.d.e.f.g.h.i.example"), &place), DMARC_FOUND);
	assert_span(place.policy_domain, "d.e.f.g.h.i.example");
	assert_int_equal(zone.asked, 8);
	assert_int_equal(zone.expected, 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(normal_domains), cmocka_unit_test(long_domains), cmocka_unit_test(pieces),
		cmocka_unit_test(no_list), cmocka_unit_test(authors), cmocka_unit_test(many_fields),
		cmocka_unit_test(verdicts), cmocka_unit_test(few_questions), cmocka_unit_test(many_signatures),
		cmocka_unit_test(long_walk),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
