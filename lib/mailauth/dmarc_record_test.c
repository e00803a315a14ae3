/* SPDX-License-Identifier: ISC */
/* dmarc_record_test.c - policy records and the lists of addresses in them */
#include "lib/mailauth/dmarc_record.h"

#include "lib/base/arena.h"
#include "lib/base/attributes.h"
#include "lib/base/test.h"
#include "lib/mailauth/dmarc_uri.h"

static void versions(void **state)
{
	static const struct {
		struct span text;
		bool        ours;
	} rows[] = {
		{ SPAN("v=DMARC1"), true },
		{ SPAN("v=DMARC1;p=none"), true },
		{ SPAN(" V \t= DMARC1 ; p=none"), true },
		{ SPAN("v=dmarc1; p=none"), false },
		{ SPAN("v=DMARC10; p=none"), false },
		{ SPAN("v=DMARC1 p=none"), false },
		{ SPAN("v=DMARC1\\; p=none"), false },
		{ SPAN("p=none; v=DMARC1"), false },
		{ SPAN("; v=DMARC1"), false },
		{ SPAN("v=spf1 -all"), false },
		{ SPAN("v=DMARC1\0;p=none"), false },
		{ SPAN(""), false },
	};
	struct dmarc_record record;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (dmarc_record_parse(DMARC_RFC7489, rows[i].text, &record) != rows[i].ours)
			fail_msg("row %zu: " SPAN_FMT, i, SPAN_ARG(rows[i].text));
}

static void defaults(void **state)
{
	struct dmarc_record r;

	(void)state;
	assert_true(dmarc_record_parse(DMARC_RFC7489, span_lit("v=DMARC1; p=reject"), &r));
	assert_true(r.is_usable);
	assert_int_equal(r.p, DMARC_POLICY_REJECT);
	assert_int_equal(r.sp, DMARC_POLICY_REJECT);
	assert_int_equal(r.np, DMARC_POLICY_REJECT);
	assert_false(r.has_sp || r.has_np || r.adkim_strict || r.aspf_strict || r.is_test);
	assert_int_equal(r.pct, 100);
	assert_int_equal(r.psd, DMARC_PSD_UNKNOWN);
	assert_int_equal(r.fo, DMARC_FO_ALL_FAIL);
	assert_span(r.fo_text, "0");
	assert_int_equal(r.interval_s, 86400);
	assert_int_equal(r.rua.len, 0);
}

static void all_tags(void **state)
{
	static const struct span text = SPAN("v=DMARC1; p=quarantine; sp=none; np=reject; adkim=s; aspf=S; pct=7; "
	                                     "t=y; psd=n; fo=1:d:s; ri=3600; rua=mailto:a@b.example; "
	                                     "ruf=mailto:c@d.example!5m; rf=afrf; x-future=1");
	struct dmarc_record r;

	(void)state;
	assert_true(dmarc_record_parse(DMARC_RFC7489, text, &r));
	assert_int_equal(r.p, DMARC_POLICY_QUARANTINE);
	assert_int_equal(r.sp, DMARC_POLICY_NONE);
	assert_int_equal(r.np, DMARC_POLICY_NONE);	/* np= is not of this text */
	assert_true(r.adkim_strict && r.aspf_strict && !r.is_test);
	assert_int_equal(r.pct, 7);
	assert_int_equal(r.psd, DMARC_PSD_UNKNOWN);
	assert_int_equal(r.fo, DMARC_FO_ANY_FAIL | DMARC_FO_DKIM | DMARC_FO_SPF);
	assert_int_equal(r.interval_s, 3600);
	assert_span(r.rua, "mailto:a@b.example");
	assert_span(r.ruf, "mailto:c@d.example!5m");

	assert_true(dmarc_record_parse(DMARC_BIS, text, &r));
	assert_int_equal(r.np, DMARC_POLICY_REJECT);
	assert_true(r.has_np && r.is_test);
	assert_int_equal(r.pct, 100);			/* nor pct= of this one */
	assert_int_equal(r.psd, DMARC_PSD_NO);
	assert_int_equal(r.interval_s, 86400);
}

/* What is left of a record with a fault. */
static void faults(void **state)
{
	static const struct {
		enum dmarc_text   which;
		struct span       text;
		bool              usable;
		enum dmarc_policy p, sp;
		unsigned          pct;
	} rows[] = {
		{ DMARC_RFC7489, SPAN("v=DMARC1; p=reject; pct=lots"), true, DMARC_POLICY_REJECT, DMARC_POLICY_REJECT, 100 },
		{ DMARC_RFC7489, SPAN("v=DMARC1; p=reject; pct=101"), true, DMARC_POLICY_REJECT, DMARC_POLICY_REJECT, 100 },
		{ DMARC_RFC7489, SPAN("v=DMARC1; p=reject; pct=-1"), true, DMARC_POLICY_REJECT, DMARC_POLICY_REJECT, 100 },
		{ DMARC_RFC7489, SPAN("v=DMARC1; p=reject; pct=0"), true, DMARC_POLICY_REJECT, DMARC_POLICY_REJECT, 0 },
		{ DMARC_RFC7489, SPAN("v=DMARC1; p=reject; adkim=; fo=x; foo"), true, DMARC_POLICY_REJECT,
		  DMARC_POLICY_REJECT, 100 },
		{ DMARC_RFC7489, SPAN("v=DMARC1; p=block"), false, DMARC_POLICY_NONE, DMARC_POLICY_NONE, 100 },
		{ DMARC_RFC7489, SPAN("v=DMARC1"), false, DMARC_POLICY_NONE, DMARC_POLICY_NONE, 100 },
		{ DMARC_RFC7489, SPAN("v=DMARC1; p=reject; sp=maybe"), false, DMARC_POLICY_NONE, DMARC_POLICY_NONE, 100 },
		{ DMARC_RFC7489, SPAN("v=DMARC1; p=block; rua=mailto:a@b.example"), true, DMARC_POLICY_NONE,
		  DMARC_POLICY_NONE, 100 },
		{ DMARC_RFC7489, SPAN("v=DMARC1; p=reject; sp=maybe; rua=mailto:a@b.example"), true, DMARC_POLICY_NONE,
		  DMARC_POLICY_NONE, 100 },
		{ DMARC_RFC7489, SPAN("v=DMARC1; p=block; rua=nonsense"), false, DMARC_POLICY_NONE, DMARC_POLICY_NONE, 100 },
		{ DMARC_RFC7489, SPAN("v=DMARC1; p=reject; np=maybe"), true, DMARC_POLICY_REJECT, DMARC_POLICY_REJECT, 100 },
		{ DMARC_BIS, SPAN("v=DMARC1; p=reject; np=maybe"), false, DMARC_POLICY_NONE, DMARC_POLICY_NONE, 100 },
		{ DMARC_RFC7489, SPAN("v=DMARC1; p=none; p=reject"), false, DMARC_POLICY_REJECT, DMARC_POLICY_REJECT, 100 },
		{ DMARC_RFC7489, SPAN("v=DMARC1;;p=reject;; ;"), true, DMARC_POLICY_REJECT, DMARC_POLICY_REJECT, 100 },
	};
	struct dmarc_record r;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_true(dmarc_record_parse(rows[i].which, rows[i].text, &r));
		if (r.is_usable != rows[i].usable || r.p != rows[i].p || r.sp != rows[i].sp || r.pct != rows[i].pct)
			fail_msg("row %zu: " SPAN_FMT, i, SPAN_ARG(rows[i].text));
	}
}

static void uris(void **state)
{
	static const struct {
		struct span list;
		const char *address;	/* of its first member; NULL: nothing to send to */
		const char *domain;
		uint64_t    limit;
	} rows[] = {
		{ SPAN("mailto:a@example.com"), "a@example.com", "example.com", UINT64_MAX },
		{ SPAN(" MAILTO:a@Example.COM. "), "a@example.com", "example.com", UINT64_MAX },
		{ SPAN("mailto:a@example.com!10m"), "a@example.com", "example.com", 10 << 20 },
		{ SPAN("mailto:a@example.com ! 3K"), "a@example.com", "example.com", 3 << 10 },
		{ SPAN("mailto:a@example.com!77"), "a@example.com", "example.com", 77 },
		{ SPAN("mailto:a@example.com!16777216t"), "a@example.com", "example.com", UINT64_MAX },
		{ SPAN("mailto:a@example.com!1x"), NULL, NULL, UINT64_MAX },
		{ SPAN("mailto:a@example.com!"), NULL, NULL, UINT64_MAX },
		{ SPAN("mailto:%22a%2Cb%22@example.com!1"), "\"a,b\"@example.com", "example.com", 1 },
		{ SPAN("mailto:a%21c@example.com"), "a!c@example.com", "example.com", UINT64_MAX },
		{ SPAN("mailto:a%2Cb@example.com"), NULL, NULL, UINT64_MAX },
		{ SPAN("mailto:a%40b@example.com"), NULL, NULL, UINT64_MAX },
		{ SPAN("mailto:%61@example.com"), "a@example.com", "example.com", UINT64_MAX },
		{ SPAN("mailto:a@example.com?subject=x&to=b@example.net"), "a@example.com", "example.com", UINT64_MAX },
		{ SPAN("mailto:a%0d%0aRcpt%3a@example.com"), NULL, NULL, UINT64_MAX },
		{ SPAN("mailto:a%00@example.com"), NULL, NULL, UINT64_MAX },
		{ SPAN("mailto:a%2@example.com"), NULL, NULL, UINT64_MAX },
		{ SPAN("mailto:a%zz@example.com"), NULL, NULL, UINT64_MAX },
		{ SPAN("mailto:<a@example.com>"), NULL, NULL, UINT64_MAX },
		{ SPAN("mailto:@x:a@example.com"), NULL, NULL, UINT64_MAX },
		{ SPAN("mailto:a"), NULL, NULL, UINT64_MAX },
		{ SPAN("mailto:a@[192.0.2.1]"), NULL, NULL, UINT64_MAX },
		{ SPAN("mailto:a@b%C3%BCcher.example"), "a@xn--bcher-kva.example", "xn--bcher-kva.example", UINT64_MAX },
		{ SPAN("mailto:%C3%BC@example.com"), NULL, NULL, UINT64_MAX },
		{ SPAN("https://example.com/report"), NULL, NULL, UINT64_MAX },
		{ SPAN("a@example.com"), NULL, NULL, UINT64_MAX },
		{ SPAN("mailto:"), NULL, NULL, UINT64_MAX },
		{ SPAN(","), NULL, NULL, UINT64_MAX },
	};
	struct arena *arena = arena_new(NULL);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span list = rows[i].list, address, domain;
		struct dmarc_uri uri;
		bool ok = dmarc_uri_next(&list, &uri) && dmarc_uri_mailbox(arena, &uri, &address, &domain);

		if (ok != (rows[i].address != NULL))
			fail_msg("row %zu: " SPAN_FMT, i, SPAN_ARG(rows[i].list));
		if (!ok)
			continue;
		assert_span(address, rows[i].address);
		assert_span(domain, rows[i].domain);
		assert_true(uri.limit_bytes == rows[i].limit);
	}
	arena_free(arena);
}

static void lists(void **state)
{
	struct span list = span_lit("gopher://x, mailto:a@b.example!1g ,, nonsense,mailto:c@d.example");
	struct dmarc_uri uri;

	(void)state;
	assert_true(dmarc_uris_are_valid(list));
	assert_true(dmarc_uri_next(&list, &uri));
	assert_span(uri.scheme, "gopher");
	assert_true(dmarc_uri_next(&list, &uri));
	assert_span(uri.rest, "a@b.example");
	assert_true(uri.limit_bytes == 1ULL << 30);
	assert_true(dmarc_uri_next(&list, &uri) && uri.scheme.len == 0);
	assert_true(dmarc_uri_next(&list, &uri) && uri.scheme.len == 0);
	assert_true(dmarc_uri_next(&list, &uri));
	assert_span(uri.rest, "c@d.example");
	assert_false(dmarc_uri_next(&list, &uri));
	assert_false(dmarc_uris_are_valid(span_lit("a@b.example, 1mailto:x@y, :z")));
	assert_false(dmarc_uris_are_valid(span_lit("")));
}

static void tags(void **state)
{
	static const struct span text = SPAN("v=DMARC1; rua=mailto:a@b.example; RUA=x");
	struct span value;

	(void)state;
	assert_true(dmarc_record_is_version(text));
	assert_true(dmarc_record_tag(text, span_lit("rua"), &value));
	assert_span(value, "mailto:a@b.example");
	assert_false(dmarc_record_tag(text, span_lit("ruf"), &value));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(versions), cmocka_unit_test(defaults), cmocka_unit_test(all_tags),
		cmocka_unit_test(faults), cmocka_unit_test(uris), cmocka_unit_test(lists), cmocka_unit_test(tags),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
