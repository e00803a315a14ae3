/* SPDX-License-Identifier: ISC */
/* spf_test.c - policies, macros, limits and verdicts against a scripted zone; the RFC 7208 suite (tests/conformance spf)
 * has what is not here */
#include "lib/base/test.h"
#include "lib/mailauth/spf_private.h"
#include "lib/mailauth/test_lookup.h"

/* ---- policies ---- */

static void policies_are_parsed(void **state)
{
	static const struct {
		struct span text;
		bool        ok;
		size_t      count;
	} rows[] = {
		{ SPAN("v=spf1"), true, 0 },
		{ SPAN("V=SPF1   -ALL  "), true, 1 },
		{ SPAN("v=spf1 +a:x.example/24//64 ~mx//0 ?ptr:%{d} -include:x.example"), true, 4 },
		{ SPAN("v=spf1 a:%{d}"), true, 1 },
		{ SPAN("v=spf1 a:%{d}/24"), true, 1 },
		{ SPAN("v=spf1 a:%%"), true, 1 },
		{ SPAN("v=spf1 a:%{d1r/}"), true, 1 },
		{ SPAN("v=spf1 a:x.1-2"), true, 1 },
		{ SPAN("v=spf1 ip4:192.0.2.1 ip4:192.0.2.129/24 ip6:2001:db8::1/0"), true, 3 },
		{ SPAN("v=spf1 x=%{c}%{r}%{t} redirect=x.example exp=y.example"), true, 0 },
		{ SPAN("v=spf10"), false, 0 },
		{ SPAN("v=spf1 a:"), false, 0 },
		{ SPAN("v=spf1 a/"), false, 0 },
		{ SPAN("v=spf1 a//"), false, 0 },
		{ SPAN("v=spf1 a/1/1"), false, 0 },
		{ SPAN("v=spf1 a//1/1"), false, 0 },
		{ SPAN("v=spf1 a//1//1"), false, 0 },
		{ SPAN("v=spf1 a/01"), false, 0 },
		{ SPAN("v=spf1 a/99999999999999999999"), false, 0 },
		{ SPAN("v=spf1 a:x.example\t-all"), false, 0 },
		{ SPAN("v=spf1 a:x.example\0 -all"), false, 0 },
		{ SPAN("v=spf1 a:%{d0}"), false, 0 },
		{ SPAN("v=spf1 a:%{dr2}"), false, 0 },
		{ SPAN("v=spf1 a:%{d"), false, 0 },
		{ SPAN("v=spf1 a:%{"), false, 0 },
		{ SPAN("v=spf1 a:%"), false, 0 },
		{ SPAN("v=spf1 a:%{x}"), false, 0 },
		{ SPAN("v=spf1 a:%{c}"), false, 0 },
		{ SPAN("v=spf1 a:%{d}x"), false, 0 },
		{ SPAN("v=spf1 a:%{d}."), false, 0 },
		{ SPAN("v=spf1 a:.x-"), false, 0 },
		{ SPAN("v=spf1 +"), false, 0 },
		{ SPAN("v=spf1 ++all"), false, 0 },
		{ SPAN("v=spf1 ip4:2001:db8::1"), false, 0 },
		{ SPAN("v=spf1 ip6:192.0.2.1"), false, 0 },
		{ SPAN("v=spf1 ip4:192.0.2.01"), false, 0 },
		{ SPAN("v=spf1 ip4:192.0.2.1/"), false, 0 },
		{ SPAN("v=spf1 ip4192.0.2.1"), false, 0 },
		{ SPAN("v=spf1 ip6:fe80::1%eth0"), false, 0 },
		{ SPAN("v=spf1 redirect=a.example redirect=a.example"), false, 0 },
		{ SPAN("v=spf1 -redirect=a.example"), false, 0 },
		{ SPAN("v=spf1 include"), false, 0 },
	};
	struct arena *arena = arena_new(NULL);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct spf_record record;
		struct span fault;
		bool ok = spf_record_parse(arena, rows[i].text, &record, &fault);

		if (ok != rows[i].ok || (ok && record.count != rows[i].count))
			fail_msg("\"" SPAN_FMT "\": %d, %zu", SPAN_ARG(rows[i].text), ok, record.count);
	}
	arena_free(arena);
}

static void faults_are_named(void **state)
{
	struct arena *arena = arena_new(NULL);
	struct spf_record record;
	struct span fault;

	(void)state;
	assert_false(spf_record_parse(arena, span_lit("v=spf1 mx moo -all"), &record, &fault));
	assert_span(fault, "moo");
	arena_free(arena);
}

/* ---- macros ---- */

static void macros_are_expanded(void **state)
{
	/* RFC 7208 7.4, and more */
	static const struct {
		const char *ip, *text, *out;
	} rows[] = {
		{ "192.0.2.3", "%{s}", "strong-bad@email.example.com" },
		{ "192.0.2.3", "%{o}", "email.example.com" },
		{ "192.0.2.3", "%{d}", "email.example.com" },
		{ "192.0.2.3", "%{d4}", "email.example.com" },
		{ "192.0.2.3", "%{d3}", "email.example.com" },
		{ "192.0.2.3", "%{d2}", "example.com" },
		{ "192.0.2.3", "%{d1}", "com" },
		{ "192.0.2.3", "%{d999999999999999999999999}", "email.example.com" },
		{ "192.0.2.3", "%{dr}", "com.example.email" },
		{ "192.0.2.3", "%{d2r}", "example.email" },
		{ "192.0.2.3", "%{l}", "strong-bad" },
		{ "192.0.2.3", "%{l-}", "strong.bad" },
		{ "192.0.2.3", "%{lr}", "strong-bad" },
		{ "192.0.2.3", "%{lr-}", "bad.strong" },
		{ "192.0.2.3", "%{l1r-}", "strong" },
		{ "192.0.2.3", "%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com" },
		{ "192.0.2.3", "%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com" },
		{ "192.0.2.3", "%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}", "3.2.0.192.in-addr.strong.lp._spf.example.com" },
		{ "192.0.2.3", "%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net" },
		{ "2001:db8::cb01", "%{ir}.%{v}._spf.%{d2}",
		  "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com" },
		{ "2001:db8::cb01", "%{c}", "2001:db8::cb01" },
		{ "::ffff:192.0.2.3", "%{i} %{v} %{c}", "192.0.2.3 in-addr 192.0.2.3" },
		{ "192.0.2.3", "%{h}%%%_%-%{t}", "a..b--% %201234567890" },
		{ "192.0.2.3", "%{H1}%{HR.-}", "b--..b..a" },
		{ "192.0.2.3", "%{h2}", ".b--" },
		{ "192.0.2.3", "%{h2r-}", ".a..b" },
		{ "192.0.2.3", "%{p}", "unknown" },
		{ "192.0.2.9", "%{p}", "mx.example.org" },
		{ "192.0.2.3", "%{r}", "mx.receiver.example" },
		{ "192.0.2.3", "%{S}", "strong-bad%40email.example.com" },
	};
	static const struct test_lookup_row zone[] = {
		{ "9.2.0.192.in-addr.arpa", RR_PTR, SPAN("nosuch.example.org") },
		{ "9.2.0.192.in-addr.arpa", RR_PTR, SPAN("mx.example.org") },
		{ "mx.example.org", RR_A, SPAN("192.0.2.9") },
	};
	struct arena *arena = arena_new(NULL);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct spf_settings settings = SPF_STANDARD_SETTINGS;
		struct test_lookup dns = { .rows = zone, .count = COUNT_OF(zone) };
		struct lookup lookup = test_lookup(&dns);
		struct spf_check c = {
			.arena = arena, .lookup = &lookup, .settings = &settings, .local = SPAN("strong-bad"),
			.sender_domain = SPAN("email.example.com"), .helo = SPAN("a..b--"),
		};
		struct span out;
		char ip[NET_ADDRESS_TEXT_MAX];

		settings.receiver = span_lit("mx.receiver.example");
		settings.now_s = 1234567890;
		assert_true(net_address_parse(span_of(rows[i].ip), 0, &c.ip));
		c.is_ip6 = strchr(net_address_text(&c.ip, ip), ':') != NULL;
		assert_int_equal(spf_expand(&c, span_of(rows[i].text), c.sender_domain, &out), SPF_EXPANDED);
		if (!span_equal(out, span_of(rows[i].out)))
			fail_msg("%s: \"" SPAN_FMT "\"", rows[i].text, SPAN_ARG(out));
	}
	arena_free(arena);
}

static void names_are_made(void **state)
{
#define A63 "abcdefghijklmnopqrstuvwxyz-abcdefghijklmnopqrstuvwxyz-abcdefghi"
	static const struct {
		struct span bytes;
		bool        ok;
		const char *text;
		size_t      labels;
	} rows[] = {
		{ SPAN("a.example"), true, "a.example", 2 },
		{ SPAN("a.example."), true, "a.example", 2 },
		{ SPAN("a b\\c\0\377.x"), true, "a\\032b\\092c\\000\\255.x", 2 },
		{ SPAN(A63 ".x"), true, A63 ".x", 2 },
		{ SPAN("x" A63 ".x"), false, "", 0 },
		{ SPAN(A63 "." A63 "." A63 ".x." A63), true, A63 "." A63 ".x." A63, 4 },
		{ SPAN(""), false, "", 0 },
		{ SPAN("."), false, "", 0 },
		{ SPAN("a.."), false, "", 0 },
		{ SPAN(".a"), false, "", 0 },
		{ SPAN("a..b"), false, "", 0 },
		{ SPAN(A63 A63 A63 A63 A63), false, "", 0 },
	};
	struct arena *arena = arena_new(NULL);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct spf_name name;

		if (spf_name_make(arena, rows[i].bytes, &name) != rows[i].ok)
			fail_msg("\"" SPAN_FMT "\"", SPAN_ARG(rows[i].bytes));
		if (rows[i].ok && (!span_equal(name.text, span_of(rows[i].text)) || name.labels != rows[i].labels))
			fail_msg("\"" SPAN_FMT "\": " SPAN_FMT, SPAN_ARG(rows[i].bytes), SPAN_ARG(name.text));
	}
	arena_free(arena);
}

/* ---- verdicts ---- */

static const struct test_lookup_row world[] = {
	{ "good.example", RR_TXT, SPAN("v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 -all") },
	{ "xn--bcher-kva.example", RR_TXT, SPAN("v=spf1 ip4:192.0.2.0/24 -all") },
	{ "local.example", RR_TXT, SPAN("v=spf1 exists:%{l}.users.local.example ~all") },
	{ "ann.users.local.example", RR_A, SPAN("127.0.0.2") },
	{ "localinc.example", RR_TXT, SPAN("v=spf1 include:%{l}.good.example ~all") },
	{ "fail.example", RR_TXT, SPAN("v=spf1 -all exp=why.fail.example") },
	{ "why.fail.example", RR_TXT, SPAN("%{s} at %{h} may not") },
	{ "later.example", RR_TXT, SPAN("v=spf1 a:down.example -all") },
	{ "down.example", RR_A, SPAN("FAIL") },
	{ "ask.example", RR_TXT, SPAN("FAIL") },
	{ "void.example", RR_TXT, SPAN("v=spf1 a:n1.void.example mx:n2.void.example a:n3.void.example ?all") },
	{ "voidmx.example", RR_TXT, SPAN("v=spf1 mx:six.example mx:six.example -all") },
	{ "voidmx3.example", RR_TXT, SPAN("v=spf1 mx:six.example mx:six.example mx:six.example -all") },
	{ "six.example", RR_MX, SPAN("10 v1.example") },
	{ "six.example", RR_MX, SPAN("10 v2.example") },
	{ "six.example", RR_MX, SPAN("10 v3.example") },
	{ "ptr.example", RR_TXT, SPAN("v=spf1 ptr:ptr.example a:n1.example a:n2.example -all") },
	{ "1.2.0.192.in-addr.arpa", RR_PTR, SPAN("x1.ptr.example") },
	{ "1.2.0.192.in-addr.arpa", RR_PTR, SPAN("x2.ptr.example") },
	{ "1.2.0.192.in-addr.arpa", RR_PTR, SPAN("x3.ptr.example") },
	{ "1.2.0.192.in-addr.arpa", RR_PTR, SPAN("notptr.example") },
	{ "notptr.example", RR_A, SPAN("192.0.2.1") },
	{ "p.example", RR_TXT, SPAN("v=spf1 exists:%{p}.p.example a a a a a a a a a a -all") },
	{ "p.example", RR_A, SPAN("198.51.100.1") },
	{ "notptr.example.p.example", RR_AAAA, SPAN("::1") },
	{ "mx11.example", RR_TXT, SPAN("v=spf1 mx -all") },
	{ "mx11.example", RR_MX, SPAN("1 a.mx11.example") },
	{ "mx11.example", RR_MX, SPAN("2 b.mx11.example") },
	{ "mx11.example", RR_MX, SPAN("2 b.mx11.example") },
	{ "mx11.example", RR_MX, SPAN("2 b.mx11.example") },
	{ "mx11.example", RR_MX, SPAN("2 b.mx11.example") },
	{ "mx11.example", RR_MX, SPAN("2 b.mx11.example") },
	{ "mx11.example", RR_MX, SPAN("2 b.mx11.example") },
	{ "mx11.example", RR_MX, SPAN("2 b.mx11.example") },
	{ "mx11.example", RR_MX, SPAN("2 b.mx11.example") },
	{ "mx11.example", RR_MX, SPAN("2 b.mx11.example") },
	{ "mx11.example", RR_MX, SPAN("3 c.mx11.example") },
	{ "a.mx11.example", RR_A, SPAN("192.0.2.77") },
	{ "b.mx11.example", RR_A, SPAN("192.0.2.78") },
	{ "c.mx11.example", RR_A, SPAN("192.0.2.79") },
	{ "inc.example", RR_TXT, SPAN("v=spf1 include:good.example ~all") },
	{ "incnone.example", RR_TXT, SPAN("v=spf1 include:nothing.example ~all") },
	{ "incshort.example", RR_TXT, SPAN("v=spf1 include:%{l} ~all") },
	{ "redir.example", RR_TXT, SPAN("v=spf1 redirect=good.example") },
	{ "redirlocal.example", RR_TXT, SPAN("v=spf1 redirect=%{l}.example") },
	{ "two.example", RR_TXT, SPAN("v=spf1 -all") },
	{ "two.example", RR_TXT, SPAN("v=spf1 +all") },
	{ "loop.example", RR_TXT, SPAN("v=spf1 include:loop.example -all") },
	{ "moo.example", RR_TXT, SPAN("v=spf1 mo\"o\n\377 -all") },
	{ "nul.example", RR_TXT, SPAN("v=spf1 a:x\0.example -all") },
	{ "odd.example", RR_TXT, SPAN("v=spf1 +a:%{h} -all") },
	{ "half.example", RR_TXT, SPAN("v=spf1 +mx -all") },
	{ "half.example", RR_MX, SPAN("10 down.example") },
};

static struct spf_verdict judge(struct arena *arena, struct test_lookup *dns, const struct spf_settings *settings,
                                const char *ip, struct span helo, struct span mail_from, enum spf_identity identity)
{
	struct spf_client client = { .helo = helo, .mail_from = mail_from };
	struct spf_verdict verdict;
	struct lookup lookup;

	*dns = (struct test_lookup){ .rows = world, .count = COUNT_OF(world) };
	lookup = test_lookup(dns);
	assert_true(net_address_parse(span_of(ip), 0, &client.ip));
	spf_check(&client, identity, &lookup, arena, settings, &verdict);
	return verdict;
}

static void verdicts(void **state)
{
	static const struct {
		const char       *ip;
		struct span       helo, mail_from;
		enum spf_identity identity;
		const char       *result, *domain, *mechanism, *reason;
	} rows[] = {
		{ "192.0.2.1", SPAN("h.example"), SPAN("a@good.example"), SPF_MAILFROM, "pass", "good.example",
		  "ip4:192.0.2.0/24", "" },
		{ "::ffff:192.0.2.1", SPAN("h.example"), SPAN("a@good.example"), SPF_MAILFROM, "pass", "good.example",
		  "ip4:192.0.2.0/24", "" },
		{ "198.51.100.1", SPAN("h.example"), SPAN("a@GOOD.example."), SPF_MAILFROM, "fail", "GOOD.example",
		  "-all", "" },
		{ "192.0.2.1", SPAN("good.example"), SPAN("a@fail.example"), SPF_HELO, "pass", "good.example",
		  "ip4:192.0.2.0/24", "" },
		{ "192.0.2.1", SPAN("good.example"), SPAN(""), SPF_MAILFROM, "pass", "good.example", "ip4:192.0.2.0/24",
		  "" },
		{ "192.0.2.1", SPAN("h.example"), SPAN("a@b\303\274cher.example"), SPF_MAILFROM, "pass",
		  "xn--bcher-kva.example", "ip4:192.0.2.0/24", "" },
		{ "192.0.2.1", SPAN("B\303\234CHER.example"), SPAN(""), SPF_HELO, "pass", "xn--bcher-kva.example",
		  "ip4:192.0.2.0/24", "" },
		{ "192.0.2.1", SPAN("h"), SPAN("\"a@fail.example\"@good.example"), SPF_MAILFROM, "pass", "good.example",
		  "ip4:192.0.2.0/24", "" },
		{ "192.0.2.1", SPAN("h"), SPAN("ann@local.example"), SPF_MAILFROM, "pass", "local.example",
		  "exists:%{l}.users.local.example", "" },
		/* RFC 8616 4: such a term does not match, and is not asked */
		{ "192.0.2.1", SPAN("h"), SPAN("\303\244nn@local.example"), SPF_MAILFROM, "softfail", "local.example",
		  "~all", "" },
		{ "192.0.2.1", SPAN("h"), SPAN("\303\244nn@localinc.example"), SPF_MAILFROM, "softfail",
		  "localinc.example", "~all", "" },
		{ "192.0.2.1", SPAN("h"), SPAN("\303\244nn@redirlocal.example"), SPF_MAILFROM, "permerror",
		  "redirlocal.example", "default", "nothing to redirect to from redirlocal.example" },
		{ "192.0.2.1", SPAN("h"), SPAN("good@redirlocal.example"), SPF_MAILFROM, "pass", "redirlocal.example",
		  "ip4:192.0.2.0/24", "" },
		/* nothing to judge */
		{ "192.0.2.1", SPAN("h"), SPAN(""), SPF_MAILFROM, "none", "", "", "there is no domain to judge" },
		{ "192.0.2.1", SPAN(""), SPAN("postmaster"), SPF_MAILFROM, "none", "", "", "there is no domain to judge" },
		{ "192.0.2.1", SPAN("192.0.2.1"), SPAN(""), SPF_HELO, "none", "", "", "there is no domain to judge" },
		{ "192.0.2.1", SPAN("[192.0.2.1]"), SPAN(""), SPF_HELO, "none", "", "", "there is no domain to judge" },
		{ "192.0.2.1", SPAN("good.example\0"), SPAN(""), SPF_HELO, "none", "", "", "there is no domain to judge" },
		{ "192.0.2.1", SPAN("good .example"), SPAN(""), SPF_HELO, "none", "", "", "there is no domain to judge" },
		{ "192.0.2.1", SPAN("a\\032b.example"), SPAN(""), SPF_HELO, "none", "", "", "there is no domain to judge" },
		{ "192.0.2.1", SPAN("\377.example"), SPAN(""), SPF_HELO, "none", "", "", "there is no domain to judge" },
		{ "192.0.2.1", SPAN("h"), SPAN("a@nothing.example"), SPF_MAILFROM, "none", "nothing.example", "", "" },
		/* errors */
		{ "192.0.2.1", SPAN("h"), SPAN("a@ask.example"), SPF_MAILFROM, "temperror", "ask.example", "",
		  "TXT look-up of ask.example failed" },
		{ "192.0.2.1", SPAN("h"), SPAN("a@later.example"), SPF_MAILFROM, "temperror", "later.example",
		  "a:down.example", "A look-up of down.example failed" },
		{ "192.0.2.1", SPAN("h"), SPAN("a@half.example"), SPF_MAILFROM, "temperror", "half.example", "+mx",
		  "A look-up of down.example failed" },
		{ "192.0.2.1", SPAN("h"), SPAN("a@two.example"), SPF_MAILFROM, "permerror", "two.example", "",
		  "more than one policy at two.example" },
		{ "192.0.2.1", SPAN("h"), SPAN("a@moo.example"), SPF_MAILFROM, "permerror", "moo.example", "",
		  "syntax error in the policy of moo.example: mo\"o??" },
		{ "192.0.2.1", SPAN("h"), SPAN("a@nul.example"), SPF_MAILFROM, "permerror", "nul.example", "",
		  "syntax error in the policy of nul.example: a:x?.example" },
		{ "192.0.2.1", SPAN("h"), SPAN("a@incnone.example"), SPF_MAILFROM, "permerror", "incnone.example",
		  "include:nothing.example", "no policy at the included nothing.example" },
		{ "192.0.2.1", SPAN("h"), SPAN("a@incshort.example"), SPF_MAILFROM, "permerror", "incshort.example",
		  "include:%{l}", "no policy at the included a" },
		{ "192.0.2.1", SPAN("h"), SPAN("a@loop.example"), SPF_MAILFROM, "permerror", "loop.example",
		  "include:loop.example", "more than 10 terms look up" },
		/* limits */
		{ "192.0.2.1", SPAN("h"), SPAN("a@void.example"), SPF_MAILFROM, "permerror", "void.example",
		  "a:n3.void.example", "more than 2 look-ups without answer" },
		{ "192.0.2.1", SPAN("h"), SPAN("a@voidmx.example"), SPF_MAILFROM, "fail", "voidmx.example", "-all", "" },
		{ "192.0.2.1", SPAN("h"), SPAN("a@voidmx3.example"), SPF_MAILFROM, "permerror", "voidmx3.example",
		  "mx:six.example", "more than 2 look-ups without answer" },
		/* what the client's own names do not find is not the policy's fault */
		{ "192.0.2.1", SPAN("h"), SPAN("a@ptr.example"), SPF_MAILFROM, "fail", "ptr.example", "-all", "" },
		{ "198.51.100.7", SPAN("h"), SPAN("a@ptr.example"), SPF_MAILFROM, "permerror", "ptr.example",
		  "a:n2.example", "more than 2 look-ups without answer" },
		/* %{p} is a term of its own: eleven */
		{ "192.0.2.1", SPAN("h"), SPAN("a@p.example"), SPF_MAILFROM, "permerror", "p.example", "a",
		  "more than 10 terms look up" },
		{ "192.0.2.77", SPAN("h"), SPAN("a@mx11.example"), SPF_MAILFROM, "pass", "mx11.example", "mx", "" },
		{ "192.0.2.79", SPAN("h"), SPAN("a@mx11.example"), SPF_MAILFROM, "permerror", "mx11.example", "mx",
		  "mx11.example has more than 10 MX records" },
		{ "192.0.2.1", SPAN("h"), SPAN("a@inc.example"), SPF_MAILFROM, "pass", "inc.example",
		  "include:good.example", "" },
		{ "198.51.100.1", SPAN("h"), SPAN("a@inc.example"), SPF_MAILFROM, "softfail", "inc.example", "~all", "" },
		{ "198.51.100.1", SPAN("h"), SPAN("a@redir.example"), SPF_MAILFROM, "fail", "redir.example", "-all", "" },
		{ "192.0.2.1", SPAN("a..b"), SPAN("a@odd.example"), SPF_MAILFROM, "fail", "odd.example", "-all", "" },
		{ "192.0.2.1", SPAN(""), SPAN("a@odd.example"), SPF_MAILFROM, "fail", "odd.example", "-all", "" },
	};
	struct arena *arena = arena_new(NULL);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct spf_settings settings = SPF_STANDARD_SETTINGS;
		struct test_lookup dns;
		struct spf_verdict v = judge(arena, &dns, &settings, rows[i].ip, rows[i].helo, rows[i].mail_from,
		                             rows[i].identity);
		struct span result = spf_result_name(v.result);

		if (!span_equal(result, span_of(rows[i].result)) || !span_equal(v.domain, span_of(rows[i].domain)) ||
		    !span_equal(v.mechanism, span_of(rows[i].mechanism)) ||
		    !span_equal(v.reason, span_of(rows[i].reason)))
			fail_msg("%s " SPAN_FMT " " SPAN_FMT ": " SPAN_FMT " \"" SPAN_FMT "\" \"" SPAN_FMT "\" \"" SPAN_FMT
			         "\"", rows[i].ip, SPAN_ARG(rows[i].helo), SPAN_ARG(rows[i].mail_from), SPAN_ARG(result),
			         SPAN_ARG(v.domain), SPAN_ARG(v.mechanism), SPAN_ARG(v.reason));
		assert_true(dns.asked < 40);
	}
	arena_free(arena);
}

static void no_address_is_no_client(void **state)
{
	struct arena *arena = arena_new(NULL);
	struct spf_settings settings = SPF_STANDARD_SETTINGS;
	struct spf_client client = { .ip.storage.ss_family = AF_UNIX, .helo = SPAN("good.example") };
	struct test_lookup dns = { .rows = world, .count = COUNT_OF(world) };
	struct lookup lookup = test_lookup(&dns);
	struct spf_verdict v;

	(void)state;
	spf_check(&client, SPF_HELO, &lookup, arena, &settings, &v);
	assert_int_equal(v.result, SPF_NONE);
	assert_int_equal(dns.asked, 0);
	arena_free(arena);
}

static void settings_bound_the_work(void **state)
{
	struct arena *arena = arena_new(NULL);
	struct spf_settings settings = SPF_STANDARD_SETTINGS;
	struct test_lookup dns;
	struct spf_verdict v;

	(void)state;
	settings.most_record_bytes = 20;
	v = judge(arena, &dns, &settings, "192.0.2.1", span_lit("h"), span_lit("a@good.example"), SPF_MAILFROM);
	assert_int_equal(v.result, SPF_PERMERROR);
	assert_span(v.reason, "too long a policy at good.example");
	settings = (struct spf_settings)SPF_STANDARD_SETTINGS;
	settings.most_terms = 0;
	v = judge(arena, &dns, &settings, "192.0.2.1", span_lit("h"), span_lit("a@inc.example"), SPF_MAILFROM);
	assert_int_equal(v.result, SPF_PERMERROR);
	assert_int_equal(dns.asked, 1);
	settings.most_terms = 10;
	settings.most_void_terms = 0;
	v = judge(arena, &dns, &settings, "192.0.2.1", span_lit("h"), span_lit("a@void.example"), SPF_MAILFROM);
	assert_int_equal(v.result, SPF_PERMERROR);
	assert_int_equal(dns.asked, 2);
	assert_int_equal(dns.expected, 3);
	settings.most_expected = 2;
	settings.most_names = 0;
	v = judge(arena, &dns, &settings, "192.0.2.77", span_lit("h"), span_lit("a@mx11.example"), SPF_MAILFROM);
	assert_int_equal(v.result, SPF_PERMERROR);
	v = judge(arena, &dns, &settings, "192.0.2.1", span_lit("h"), span_lit("a@void.example"), SPF_MAILFROM);
	assert_int_equal(dns.expected, 2);
	arena_free(arena);
}

static void explanations(void **state)
{
	struct arena *arena = arena_new(NULL);
	struct spf_settings settings = SPF_STANDARD_SETTINGS;
	struct test_lookup dns;
	struct spf_verdict v;

	(void)state;
	settings.explanation = span_lit("go\raway");
	v = judge(arena, &dns, &settings, "192.0.2.1", span_lit("x\r\n250 y"), span_lit("\303\244@fail.example"),
	          SPF_MAILFROM);
	assert_span(v.explanation, "??@fail.example at x??250 y may not");
	assert_true(v.is_explained);
	settings.most_explanation_bytes = 7;
	v = judge(arena, &dns, &settings, "192.0.2.1", span_lit("h"), span_lit("a@fail.example"), SPF_MAILFROM);
	assert_span(v.explanation, "a@fail.");
	settings.wants_explanation = false;
	v = judge(arena, &dns, &settings, "192.0.2.1", span_lit("h"), span_lit("a@fail.example"), SPF_MAILFROM);
	assert_span(v.explanation, "go?away");
	assert_false(v.is_explained);
	assert_int_equal(dns.asked, 1);
	arena_free(arena);
}

static void received_spf_is_written(void **state)
{
	static const struct {
		struct spf_verdict verdict;
		const char        *helo, *mail_from, *text;
	} rows[] = {
		{ { .result = SPF_PASS, .domain = SPAN("a.example"), .mechanism = SPAN("ip4:192.0.2.0/24") }, "h.example",
		  "joe@a.example",
		  "Received-SPF: pass (mx.example.org: domain of joe@a.example designates\n"
		  " 192.0.2.1 as permitted sender) receiver=mx.example.org; client-ip=192.0.2.1;\n"
		  "\tidentity=mailfrom; envelope-from=\"joe@a.example\"; helo=h.example;\n"
		  "\tmechanism=\"ip4:192.0.2.0/24\";\n" },
		{ { .result = SPF_PERMERROR, .identity = SPF_HELO, .domain = SPAN("h.example"),
		    .reason = SPAN("what \"is\" this") },
		  "h.example", "",
		  "Received-SPF: permerror (mx.example.org: policy of domain of h.example cannot\n"
		  " be used) receiver=mx.example.org; client-ip=192.0.2.1; identity=helo;\n"
		  "\thelo=h.example; problem=\"what \\\"is\\\" this\";\n" },
		{ { .result = SPF_FAIL, .domain = SPAN("x"), .mechanism = SPAN("-all") }, "a)\r\nX: \"(", "\"a b\\\"\"@x",
		  "Received-SPF: fail (mx.example.org: domain of 'a b/''@x does not designate\n"
		  " 192.0.2.1 as permitted sender) receiver=mx.example.org; client-ip=192.0.2.1;\n"
		  "\tidentity=mailfrom; envelope-from=\"\\\"a b\\\\\\\"\\\"@x\"; helo=\"a)??X: \\\"(\";\n"
		  "\tmechanism=-all;\n" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct spf_client client = { .helo = span_of(rows[i].helo), .mail_from = span_of(rows[i].mail_from) };
		struct buf out;

		assert_true(net_address_parse(span_lit("192.0.2.1"), 0, &client.ip));
		buf_init(&out, 4096);
		spf_received_add(&out, &client, &rows[i].verdict, span_lit("mx.example.org"), span_lit("\n"));
		assert_span(buf_span(&out), rows[i].text);
		buf_free(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(policies_are_parsed),
		cmocka_unit_test(faults_are_named),
		cmocka_unit_test(macros_are_expanded),
		cmocka_unit_test(names_are_made),
		cmocka_unit_test(verdicts),
		cmocka_unit_test(no_address_is_no_client),
		cmocka_unit_test(settings_bound_the_work),
		cmocka_unit_test(explanations),
		cmocka_unit_test(received_spf_is_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
