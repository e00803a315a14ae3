/* SPDX-License-Identifier: ISC */
/* auth_results_test.c - fields written, read back, and forged in many ways; iprev */
#include "lib/base/test.h"
#include "lib/mailauth/auth_results.h"
#include "lib/mailauth/iprev.h"
#include "lib/mailauth/test_lookup.h"
#include "lib/mailauth/text.h"
#include "lib/mime/field.h"

static const struct auth_results_limits limits = AUTH_RESULTS_STANDARD_LIMITS;

/* ---- writing ---- */

static void fields_are_written(void **state)
{
	static const struct auth_results_form crlf = { .line_end = SPAN("\r\n") };
	struct arena *arena = arena_new(NULL);
	struct auth_results_writer w;
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	auth_results_begin(&w, arena, &out, &crlf, span_lit("mx.example.org"));
	auth_results_result(&w, "spf", span_lit("pass"));
	auth_results_remark(&w, span_lit("sender (of) \"this\" is; fine=yes"));
	auth_results_property(&w, "smtp.mailfrom", span_lit("joe@a.example"));
	auth_results_property(&w, "smtp.helo", span_lit("x\r\nEvil: y"));
	auth_results_result(&w, "dkim", span_lit("fail"));
	auth_results_reason(&w, span_lit("the body's hash does not match what the signer says of it, so it was changed on its "
	                                 "way\r\n or never \"was\" like this"));
	auth_results_property(&w, "header.d", span_lit("a.example"));
	auth_results_property(&w, "header.i", span_lit("@a.example"));
	auth_results_property(&w, "header.b", span_lit("ab/+=c"));
	auth_results_property(&w, "header.s", span_lit(""));
	auth_results_end(&w);
	assert_span(buf_span(&out),
	            "Authentication-Results: mx.example.org;\r\n"
	            "\tspf=pass (sender [of] 'this' is, fine:yes) smtp.mailfrom=joe@a.example\r\n"
	            "\tsmtp.helo=\"x??Evil: y\";\r\n"
	            "\tdkim=fail reason=\"the body's hash does not match what the signer says of it,\r\n"
	            " so it was changed on its way?? or never 'was' like this\" header.d=a.example\r\n"
	            "\theader.i=@a.example header.b=\"ab/+=c\"\r\n");
	assert_false(out.overflowed);
	buf_free(&out);
	arena_free(arena);
}

static void nothing_is_written_as_none(void **state)
{
	static const struct auth_results_form arc = { .line_end = SPAN("\n"), .instance = 3 };
	struct arena *arena = arena_new(NULL);
	struct auth_results_writer w;
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	auth_results_begin(&w, arena, &out, &arc, span_lit("mx.example.org"));
	auth_results_end(&w);
	assert_span(buf_span(&out), "ARC-Authentication-Results: i=3; mx.example.org; none\n");
	buf_free(&out);
	arena_free(arena);
}

/* written - value as a property of a field that is read back. */
static struct span round_trip(struct arena *arena, struct span value, bool may_utf8, struct span *written)
{
	struct auth_results_form lf = { .line_end = SPAN("\n"), .may_utf8 = may_utf8 };
	struct auth_results_writer w;
	struct auth_results results;
	struct mime_field field;
	struct buf out;
	struct span rest;

	buf_init(&out, 65536);
	auth_results_begin(&w, arena, &out, &lf, span_lit("mx.example.org"));
	auth_results_result(&w, "x", span_lit("pass"));
	auth_results_reason(&w, value);
	auth_results_remark(&w, value);
	auth_results_property(&w, "smtp.mailfrom", value);
	auth_results_property(&w, "policy.last", span_lit("here"));
	auth_results_end(&w);
	*written = rest = arena_dup(arena, buf_span(&out));
	buf_free(&out);
	assert_true(mime_field_next(&rest, &field));
	assert_int_equal(rest.len, 0);
	assert_true(auth_results_parse(arena, field.value, &limits, &results));
	assert_true(results.is_whole);
	assert_span(results.authserv_id, "mx.example.org");
	assert_int_equal(results.count, 1);
	assert_span(auth_property_find(&results.results[0], span_lit("policy.last")), "here");
	return auth_property_find(&results.results[0], span_lit("SMTP.MailFrom"));
}

static void values_round_trip(void **state)
{
	static const struct {
		struct span value;
		bool        may_utf8;
		const char *read, *written;
	} rows[] = {
		{ SPAN("a.example"), false, "a.example", "mailfrom=a.example" },
		{ SPAN("joe@a.example"), false, "joe@a.example", "mailfrom=joe@a.example" },
		{ SPAN("joe+b=c@a.example"), false, "joe+b=c@a.example", "=\"joe+b=c@a.example\"" },
		{ SPAN("\"a b\"@a.example"), false, "\"a b\"@a.example", "=\"\\\"a b\\\"@a.example\"" },
		{ SPAN("a\"; y=pass (\\"), false, "a\"; y=pass (\\", NULL },
		{ SPAN(" a  b "), false, " a  b ", "=\" a  b \"" },
		{ SPAN("a\nX: y\0z\177\200"), false, "a?X: y?z??", NULL },
		{ SPAN("\303\244@b\303\274cher.example"), true, "\303\244@b\303\274cher.example",
		  "=\"\303\244@b\303\274cher.example\"" },
		{ SPAN("\303\244@b.example"), false, "??@b.example", NULL },
		{ SPAN("\303@b.example"), true, "?@b.example", NULL },
		{ SPAN(";"), false, ";", "=\";\"" },
		{ SPAN("@"), false, "@", "=\"@\"" },
		{ SPAN(".a@b"), false, ".a@b", "=\".a@b\"" },
		{ SPAN(""), false, "", NULL },
	};
	struct arena *arena = arena_new(NULL);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span written;
		struct span read = round_trip(arena, rows[i].value, rows[i].may_utf8, &written);

		if (!span_equal(read, span_of(rows[i].read)) ||
		    (rows[i].written != NULL && span_search(written, span_of(rows[i].written)) == SPAN_NOT_FOUND))
			fail_msg("\"" SPAN_FMT "\": read \"" SPAN_FMT "\" of " SPAN_FMT, SPAN_ARG(rows[i].value),
			         SPAN_ARG(read), SPAN_ARG(written));
	}
	arena_free(arena);
}

static void too_long_values_are_left_out(void **state)
{
	struct arena *arena = arena_new(NULL);
	char *long_value = arena_alloc(arena, 600);
	struct span written;

	(void)state;
	memset(long_value, 'x', 600);
	assert_int_equal(round_trip(arena, span_make(long_value, 600), false, &written).len, 0);
	assert_int_equal(round_trip(arena, span_make(long_value, 500), false, &written).len, 500);
	arena_free(arena);
}

/* ---- reading ---- */

/* summary - everything read, in one line. */
static struct span summary(struct arena *arena, const struct auth_results *r)
{
	struct buf text;
	struct span out;

	buf_init(&text, 65536);
	buf_addf(&text, SPAN_FMT "/%u%s", SPAN_ARG(r->authserv_id), r->version, r->is_whole ? "" : "!");
	for (size_t i = 0; i < r->count; i++) {
		const struct auth_result *one = &r->results[i];

		buf_addf(&text, "; " SPAN_FMT "/%u=" SPAN_FMT, SPAN_ARG(one->method), one->version,
		         SPAN_ARG(one->result));
		if (one->reason.len > 0)
			buf_addf(&text, " [" SPAN_FMT "]", SPAN_ARG(one->reason));
		for (size_t j = 0; j < one->count; j++)
			buf_addf(&text, " " SPAN_FMT "." SPAN_FMT "=<" SPAN_FMT ">", SPAN_ARG(one->properties[j].ptype),
			         SPAN_ARG(one->properties[j].name), SPAN_ARG(one->properties[j].value));
	}
	out = arena_dup(arena, buf_span(&text));
	buf_free(&text);
	return out;
}

static void fields_are_read(void **state)
{
	static const struct {
		const char *value, *summary;	/* NULL: cannot be read */
	} rows[] = {
		/* RFC 8601 B.2 to B.7 */
		{ " example.org 1; none", "example.org/1" },
		{ " example.com;\r\n\tspf=pass smtp.mailfrom=example.net",
		  "example.com/1; spf/1=pass smtp.mailfrom=<example.net>" },
		{ " example.com;\r\n auth=pass (cram-md5) smtp.auth=sender@example.net;\r\n spf=pass smtp.mailfrom=example.net",
		  "example.com/1; auth/1=pass smtp.auth=<sender@example.net>; spf/1=pass smtp.mailfrom=<example.net>" },
		{ " example.com;\n dkim=pass reason=\"good signature\"\n header.i=@mail-router.example.net;\n"
		  " dkim=fail reason=\"bad signature\"\n header.i=@newyork.example.com",
		  "example.com/1; dkim/1=pass [good signature] header.i=<@mail-router.example.net>; dkim/1=fail [bad "
		  "signature] header.i=<@newyork.example.com>" },
		{ " foo.example.net (foobar) 1 (baz);\n dkim (Because I like it) / 1 (One yay) = (wait for it) fail\n"
		  " policy (A dot can go here) . (like that) expired\n (this surprised me) = (as I wasn't expecting it)"
		  " 1362471462",
		  "foo.example.net/1; dkim/1=fail policy.expired=<1362471462>" },
		{ "a 2;x/3=y", "a/2; x/3=y" },
		{ "\"a b\";x=y", "a b/1; x/1=y" },
		{ "a;x=y z.w=\"q\\\"r;s\" ;v=w;", "a/1; x/1=y z.w=<q\"r;s>; v/1=w" },
		{ "a;x=y smtp.mailfrom=\"a b\"@c.example r.s=t", "a/1; x/1=y smtp.mailfrom=<\"a b\"@c.example> r.s=<t>" },
		{ "a;x=y header.b=ab/c+=", "a/1; x/1=y header.b=<ab/c+=>" },
		{ "a;x=y reason=z(c)", "a/1; x/1=y [z]" },
		{ "a", "a/1" },
		{ "a;", "a/1" },
		{ "(c(d)\\)) a ;; x=y", "a/1; x/1=y" },
		/* what others write */
		{ "mx.example.com; dmarc=pass action=none header.from=b.example",
		  "mx.example.com/1!; dmarc/1=pass .action=<none> header.from=<b.example>" },
		/* broken in part */
		{ "a; spf pass; x=y", "a/1!; x/1=y" },
		{ "a; x=y p.q=; v=w", "a/1!; v/1=w" },
		{ "a; x=y p.q=\"r; v=w", "a/1!" },
		{ "a; x=y \"; b=c\"; v=w", "a/1!; v/1=w" },
		{ "a; x=y (; v=w", "a/1; x/1=y" },
		{ "a; none; x=y", "a/1; x/1=y" },
		{ "a; nonexist=y", "a/1; nonexist/1=y" },
		/* not at all */
		{ "", NULL },
		{ ";x=y", NULL },
		{ "spf=pass smtp.mailfrom=b.example", NULL },
		{ "a b; x=y", NULL },
		{ "a 1 2; x=y", NULL },
		{ "a 99999999999999999999; x=y", NULL },
		{ "\"a; x=y", NULL },
		{ "(a; x=y", NULL },
	};
	struct arena *arena = arena_new(NULL);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct auth_results results;
		bool ok = auth_results_parse(arena, span_of(rows[i].value), &limits, &results);

		if (ok != (rows[i].summary != NULL))
			fail_msg("\"%s\": %d", rows[i].value, ok);
		if (ok && !span_equal(summary(arena, &results), span_of(rows[i].summary)))
			fail_msg("\"%s\": " SPAN_FMT, rows[i].value, SPAN_ARG(summary(arena, &results)));
	}
	arena_free(arena);
}

static void arc_fields_have_an_instance(void **state)
{
	static const struct {
		const char *value;
		unsigned    instance;	/* 0: refused */
	} rows[] = {
		{ " i=1; a; spf=pass", 1 }, { "i = 50 ;a", 50 },  { "i=51; a", 0 }, { "i=0; a", 0 },
		{ "i=; a", 0 },             { "a; spf=pass", 0 }, { "i=1 a", 0 },   { "i=1; ", 0 },
		{ "i=1x; a", 0 },           { "I=1; a", 0 },      { "j=1; a", 0 },  { "(i=2) i=1; a", 1 },
	};
	struct arena *arena = arena_new(NULL);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct auth_results results;
		bool ok = auth_results_parse_arc(arena, span_of(rows[i].value), &limits, &results);

		if (ok != (rows[i].instance > 0) || (ok && results.instance != rows[i].instance))
			fail_msg("\"%s\": %d, %u", rows[i].value, ok, results.instance);
	}
	arena_free(arena);
}

static void limits_of_reading(void **state)
{
	static const struct auth_results_limits few = { .most_results = 2, .most_properties = 1, .most_bytes = 40 };
	struct arena *arena = arena_new(NULL);
	struct auth_results results;

	(void)state;
	assert_true(auth_results_parse(arena, span_lit("a;b=c;d=e;f=g"), &few, &results));
	assert_span(summary(arena, &results), "a/1!; b/1=c; d/1=e");
	assert_true(auth_results_parse(arena, span_lit("a;b=c d.e=f g.h=i"), &few, &results));
	assert_span(summary(arena, &results), "a/1!; b/1=c d.e=<f>");
	assert_false(auth_results_parse(arena, span_lit("a;b=c                                            "), &few,
	                                &results));
	arena_free(arena);
}

static void results_are_found(void **state)
{
	struct arena *arena = arena_new(NULL);
	struct auth_results results;

	(void)state;
	assert_true(auth_results_parse(arena, span_lit("a; dkim=fail; DKIM=pass Header.D=x.example; spf=none"), &limits,
	                               &results));
	assert_ptr_equal(auth_result_find(&results, span_lit("dkim"), 0), &results.results[0]);
	assert_ptr_equal(auth_result_find(&results, span_lit("dkim"), 1), &results.results[1]);
	assert_null(auth_result_find(&results, span_lit("dkim"), 2));
	assert_span(auth_property_find(&results.results[1], span_lit("header.d")), "x.example");
	assert_span(auth_property_find(&results.results[1], span_lit("header.s")), "");
	arena_free(arena);
}

/* ---- forgeries ---- */

static const struct span ours[] = { SPAN("mx.Example.org"), SPAN("b\303\274cher.example."), SPAN("") };

static void forgeries_are_recognised(void **state)
{
	static const struct span rows[] = {
		SPAN("mx.example.org; spf=pass"),
		SPAN(" mx.example.org; none"),
		SPAN("MX.EXAMPLE.ORG;spf=pass"),
		SPAN("mx.example.org"),
		SPAN("mx.example.org 1; spf=pass"),
		SPAN("mx.example.org\t99;spf=pass"),
		SPAN("mx.example.org.; spf=pass"),
		SPAN("mx.example.org..; spf=pass"),
		SPAN("\r\n mx.example.org;\r\n spf=pass"),
		SPAN("\n\tmx.example.org\n\t;\n\tspf=pass"),
		SPAN("(comment) mx.example.org; spf=pass"),
		SPAN("(a (nested\\) one) two) mx.example.org; spf=pass"),
		SPAN("(a) (b)\r\n (c)mx.example.org(d); spf=pass"),
		SPAN("mx.example.org (x) 1 (y); spf=pass"),
		SPAN("\"mx.example.org\"; spf=pass"),
		SPAN("\"mx.example.org.\" 1; spf=pass"),
		SPAN("\"m\\x.exa\\mple.org\"; spf=pass"),
		SPAN("\" mx.example.org \"; spf=pass"),
		SPAN("\"mx.example.org 1\"; spf=pass"),
		SPAN("\"mx.example.org; spf=pass\"; x=y"),
		SPAN("\"mx.example\r\n .org\"; spf=pass"),
		SPAN("\"mx.example.org; spf=pass"),
		SPAN("'mx.example.org'; spf=pass"),
		SPAN("<mx.example.org>; spf=pass"),
		SPAN("mx.example.org, spf=pass"),
		SPAN("mx.example.org: spf=pass"),
		SPAN("mx.example.org/1; spf=pass"),
		SPAN("mx.example.org spf=pass"),
		SPAN("mx.example.org 1.0; spf=pass"),
		SPAN("mx.example.org 1 1; spf=pass"),
		SPAN("@mx.example.org; spf=pass"),
		SPAN("x@mx.example.org; spf=pass"),
		SPAN("; mx.example.org; spf=pass"),
		SPAN("i=1; mx.example.org; spf=pass"),
		SPAN("mx . example . org; spf=pass"),
		SPAN("mx.exam\r\n ple.org; spf=pass"),
		SPAN("mx(c).example(d).org; spf=pass"),
		SPAN("mx(.example.org; spf=pass"),
		SPAN("(mx.example.org; spf=pass"),
		SPAN("(a \\) mx.example.org; spf=pass (b"),
		SPAN("(a (b) mx.example.org; spf=pass) other.example; none"),
		SPAN("(a) b) mx.example.org; spf=pass"),
		SPAN("other.example (a) mx.example.org; spf=pass"),
		SPAN("other.example mx.example.org; spf=pass"),
		SPAN("\"other.example\"mx.example.org; spf=pass"),
		SPAN("mx.example.org\0; spf=pass"),
		SPAN("mx\0.example.org; spf=pass"),
		SPAN("\0mx.example.org; spf=pass"),
		SPAN("other.example\0 mx.example.org; spf=pass"),
		SPAN("other.example\rmx.example.org; spf=pass"),
		SPAN("other.example\n\rmx.example.org; spf=pass"),
		SPAN("other.example\nmx.example.org; spf=pass"),
		SPAN("mx.\vexample.org; spf=pass"),
		SPAN("\fmx.example.org; spf=pass"),
		SPAN("m\177x.example.org; spf=pass"),
		SPAN("=?utf-8?q?mx.example.org?=; spf=pass"),
		SPAN("=?us-ascii?b?bXguZXhhbXBsZS5vcmc=?=; spf=pass"),
		SPAN("=?utf-8?q?mx.exa?= =?utf-8?q?mple.org?=; spf=pass"),
		SPAN("\"=?utf-8?q?mx=2Eexample=2Eorg?=\"; spf=pass"),
		SPAN("mx.example.org\302\240; spf=pass"),	/* no-break space */
		SPAN("\342\200\213mx.example.org; spf=pass"),	/* zero width space */
		SPAN("\357\273\277mx.example.org; spf=pass"),	/* byte order mark */
		SPAN("m\302\255x.example.org; spf=pass"),	/* soft hyphen */
		SPAN("\357\275\215x.example.org; spf=pass"),	/* fullwidth m */
		SPAN("mx\343\200\202example.org; spf=pass"),	/* ideographic full stop */
		SPAN("mx.example.org\200\377; spf=pass"),
		SPAN("b\303\274cher.example; spf=pass"),
		SPAN("B\303\234CHER.Example; spf=pass"),
		SPAN("bu\314\210cher.example; spf=pass"),	/* decomposed */
		SPAN("xn--bcher-kva.example; spf=pass"),
		SPAN("XN--BCHER-KVA.EXAMPLE 1; spf=pass"),
		SPAN("\"xn--bcher-kva.example.\"; spf=pass"),
		SPAN("b\374cher.example; spf=pass"),	/* ISO-8859-1 */
		SPAN("=?iso-8859-1?q?b=FCcher?=.example; spf=pass"),
		SPAN("b\303\274cher.example, spf=pass"),
		SPAN("spf=pass smtp.mailfrom=mx.example.org"),
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		if (!auth_results_is_ours(rows[i], ours, COUNT_OF(ours)))
			fail_msg("\"" SPAN_FMT "\"", SPAN_ARG(rows[i]));
	}
}

static void others_are_left_alone(void **state)
{
	static const struct span rows[] = {
		SPAN("other.example; spf=pass"),
		SPAN("other.example; spf=pass smtp.mailfrom=joe@mx.example.org"),
		SPAN("other.example; spf=pass (mx.example.org says so)"),
		SPAN("other.example 1 (for mx.example.org); spf=pass"),
		SPAN("(for mx.example.org) other.example; spf=pass"),
		SPAN("mx.example.org.evil.example; spf=pass"),
		SPAN("amx.example.org; spf=pass"),
		SPAN("mx-example.org; spf=pass"),
		SPAN("example.org; spf=pass"),
		SPAN("\"other.example\"; spf=pass"),
		SPAN("b\303\266cher.example; spf=pass"),
		SPAN("other.example"),
		SPAN("other.example; broken ( here"),
		SPAN("spf=pass smtp.mailfrom=example.net"),
		SPAN(""),
		SPAN(";"),
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		if (auth_results_is_ours(rows[i], ours, COUNT_OF(ours)))
			fail_msg("\"" SPAN_FMT "\"", SPAN_ARG(rows[i]));
	}
	assert_false(auth_results_is_ours(span_lit("mx.example.org; none"), ours, 0));
}

/* ---- iprev ---- */

static void addresses_are_confirmed(void **state)
{
	static const struct test_lookup_row zone[] = {
		{ "1.2.0.192.in-addr.arpa", RR_PTR, SPAN("one.example") },
		{ "one.example", RR_A, SPAN("192.0.2.1") },
		{ "2.2.0.192.in-addr.arpa", RR_PTR, SPAN("one.example") },
		{ "3.2.0.192.in-addr.arpa", RR_PTR, SPAN("down.example") },
		{ "3.2.0.192.in-addr.arpa", RR_PTR, SPAN("one.example") },
		{ "3.2.0.192.in-addr.arpa", RR_PTR, SPAN("three.example") },
		{ "down.example", RR_A, SPAN("FAIL") },
		{ "three.example", RR_A, SPAN("198.51.100.1") },
		{ "three.example", RR_A, SPAN("192.0.2.3") },
		{ "4.2.0.192.in-addr.arpa", RR_PTR, SPAN("down.example") },
		{ "4.2.0.192.in-addr.arpa", RR_PTR, SPAN("one.example") },
		{ "5.2.0.192.in-addr.arpa", RR_PTR, SPAN("FAIL") },
		{ "6.2.0.192.in-addr.arpa", RR_PTR, SPAN("nosuch.example") },
		{ "7.2.0.192.in-addr.arpa", RR_TXT, SPAN("x") },
		{ "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", RR_PTR, SPAN("six.example") },
		{ "six.example", RR_AAAA, SPAN("2001:db8::1") },
	};
	static const struct {
		const char *ip, *result, *name;
	} rows[] = {
		{ "192.0.2.1", "pass", "one.example" },
		{ "::ffff:192.0.2.1", "pass", "one.example" },
		{ "2001:db8::1", "pass", "six.example" },
		{ "192.0.2.2", "fail", "one.example" },
		{ "192.0.2.3", "pass", "three.example" },
		{ "192.0.2.4", "temperror", "down.example" },
		{ "192.0.2.5", "temperror", "" },
		{ "192.0.2.6", "fail", "nosuch.example" },
		{ "192.0.2.7", "permerror", "" },
		{ "192.0.2.8", "permerror", "" },
	};
	struct arena *arena = arena_new(NULL);
	struct test_lookup dns = { .rows = zone, .count = COUNT_OF(zone) };
	struct lookup lookup = test_lookup(&dns);
	struct iprev_verdict verdict;
	struct net_address ip;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_true(net_address_parse(span_of(rows[i].ip), 0, &ip));
		iprev_check(&ip, &lookup, arena, IPREV_STANDARD_NAMES, &verdict);
		if (!span_equal(iprev_result_name(verdict.result), span_of(rows[i].result)) ||
		    !span_equal(verdict.name, span_of(rows[i].name)))
			fail_msg("%s: " SPAN_FMT " " SPAN_FMT, rows[i].ip, SPAN_ARG(iprev_result_name(verdict.result)),
			         SPAN_ARG(verdict.name));
	}
	assert_true(net_address_parse(span_lit("192.0.2.3"), 0, &ip));
	iprev_check(&ip, &lookup, arena, 2, &verdict);
	assert_int_equal(verdict.result, IPREV_TEMPERROR);
	ip = (struct net_address){ .storage.ss_family = AF_UNIX };
	iprev_check(&ip, &lookup, arena, 2, &verdict);
	assert_int_equal(verdict.result, IPREV_PERMERROR);
	arena_free(arena);
}

static void text_is_made_harmless(void **state)
{
	struct arena *arena = arena_new(NULL);

	(void)state;
	assert_span(text_printable(arena, span_lit("a\"\r\n\0\303\244"), 6), "a\"???\?");
	assert_span(text_header(arena, span_lit("a\"\r\n\303\244"), true), "a\"??\303\244");
	assert_span(text_header(arena, span_lit("a\303\244\377"), true), "a???");
	assert_span(text_remark(arena, span_lit("a\"\\()<>;=\0b"), 100), "a'/[][],:?b");
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_are_written),
		cmocka_unit_test(nothing_is_written_as_none),
		cmocka_unit_test(values_round_trip),
		cmocka_unit_test(too_long_values_are_left_out),
		cmocka_unit_test(fields_are_read),
		cmocka_unit_test(arc_fields_have_an_instance),
		cmocka_unit_test(limits_of_reading),
		cmocka_unit_test(results_are_found),
		cmocka_unit_test(forgeries_are_recognised),
		cmocka_unit_test(others_are_left_alone),
		cmocka_unit_test(addresses_are_confirmed),
		cmocka_unit_test(text_is_made_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
