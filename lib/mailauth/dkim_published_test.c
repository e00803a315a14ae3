/* SPDX-License-Identifier: ISC */
/* dkim_published_test.c - who is asked for a key's record, and when it counts as shown everywhere */
#include "lib/mailauth/test_servers.h"

#include "lib/mailauth/dkim_keydir.h"

#define NAME "k._domainkey.example.test"
#define NS(host) { "example.test", RR_NS, SPAN(host) }
#define A(host, address) { host, RR_A, SPAN(address) }
#define AAAA(host, address) { host, RR_AAAA, SPAN(address) }
#define SHOWS(server) { server " " NAME, RR_TXT, SPAN("THE KEY") }
#define SHOWS_OTHER(server) { server " " NAME, RR_TXT, SPAN("ANOTHER KEY") }
#define SHOWS_TEXT(server, text) { server " " NAME, RR_TXT, SPAN(text) }
#define IS_EMPTY(server) { server " other.test", RR_TXT, SPAN("x") }
#define FAILS(server) { server " " NAME, RR_TXT, SPAN("FAIL") }

enum { ROWS_MAX = 12 };

static struct arena *arena;
static struct dkim_crypto *crypto;
static struct dkim_signing_key key, other;

static int begin(void **state)
{
	struct why why;

	(void)state;
	arena = arena_new(NULL);
	crypto = dkim_crypto_new(4);
	return dkim_keydir_generate(DKIM_ED25519, 0, &key, &why) == DONE &&
	       dkim_keydir_generate(DKIM_ED25519, 0, &other, &why) == DONE ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	arena_free(arena);
	dkim_crypto_free(crypto);
	dkim_signing_key_free(&key);
	dkim_signing_key_free(&other);
	return 0;
}

/* fill - the rows up to the first without a name, with the records of keys in their places. */
static struct test_lookup fill(const struct test_lookup_row rows[ROWS_MAX])
{
	struct test_lookup_row *filled = ARENA_NEW_ARRAY(arena, struct test_lookup_row, ROWS_MAX);
	size_t count = 0;

	for (; count < ROWS_MAX && rows[count].name != NULL; count++) {
		filled[count] = rows[count];
		if (span_equal(filled[count].data, span_lit("THE KEY")))
			filled[count].data = dkim_key_record_text(arena, key.type, key.pkey);
		else if (span_equal(filled[count].data, span_lit("ANOTHER KEY")))
			filled[count].data = dkim_key_record_text(arena, other.type, other.pkey);
	}
	return (struct test_lookup){ .rows = filled, .count = count };
}

/* told - "everywhere zone: server address shown; ..." */
static struct span told(const struct dkim_published *p)
{
	static const char *const words[] = { "shown", "not shown", "no answer" };
	struct span text = arena_printf_span(arena, "%s" SPAN_FMT ":", p->is_everywhere ? "everywhere " : "",
	                                     SPAN_ARG(p->zone));

	for (size_t i = 0; i < p->count; i++)
		text = arena_printf_span(arena, SPAN_FMT "%s " SPAN_FMT " " SPAN_FMT " %s", SPAN_ARG(text), i > 0 ? ";" : "",
		                         SPAN_ARG(p->server[i].name), SPAN_ARG(p->server[i].address),
		                         words[p->server[i].shown]);
	if (p->problem != NULL)
		text = arena_printf_span(arena, SPAN_FMT " %s", SPAN_ARG(text), p->problem);
	return text;
}

static const struct look {
	struct test_lookup_row usual[ROWS_MAX], each[ROWS_MAX];
	const char            *want;
} looks[] = {
	{ { NS("a.test"), A("a.test", "192.0.2.1") }, { SHOWS("192.0.2.1:53") },
	  "everywhere example.test: a.test 192.0.2.1 shown" },
	{ { NS("a.test"), NS("b.test"), A("a.test", "192.0.2.1"), A("b.test", "192.0.2.2") },
	  { SHOWS("192.0.2.1:53"), IS_EMPTY("192.0.2.2:53") },
	  "example.test: a.test 192.0.2.1 shown; b.test 192.0.2.2 not shown" },
	{ { NS("b.test"), NS("a.test"), A("b.test", "192.0.2.2"), A("a.test", "192.0.2.1") },
	  { SHOWS("192.0.2.1:53"), SHOWS("192.0.2.2:53") },
	  "everywhere example.test: a.test 192.0.2.1 shown; b.test 192.0.2.2 shown" },
	/* A server that does not answer at any address; at one of two. */
	{ { NS("a.test"), NS("b.test"), A("a.test", "192.0.2.1"), A("b.test", "192.0.2.2") },
	  { SHOWS("192.0.2.1:53"), FAILS("192.0.2.2:53") },
	  "example.test: a.test 192.0.2.1 shown; b.test 192.0.2.2 no answer" },
	{ { NS("a.test"), NS("b.test"), A("a.test", "192.0.2.1"), A("b.test", "192.0.2.2"), AAAA("b.test", "2001:db8::2") },
	  { SHOWS("192.0.2.1:53"), SHOWS("[2001:db8::2]:53") },
	  "everywhere example.test: a.test 192.0.2.1 shown; b.test 192.0.2.2 no answer; b.test 2001:db8::2 shown" },
	{ { NS("a.test"), A("a.test", "192.0.2.1"), A("a.test", "192.0.2.2") },
	  { SHOWS("192.0.2.1:53"), IS_EMPTY("192.0.2.2:53") },
	  "example.test: a.test 192.0.2.1 shown; a.test 192.0.2.2 not shown" },
	/* A server without address, or with one that cannot be found now. */
	{ { NS("a.test"), NS("b.test"), A("a.test", "192.0.2.1") }, { SHOWS("192.0.2.1:53") },
	  "example.test: a.test 192.0.2.1 shown; b.test  no answer" },
	{ { NS("a.test"), A("a.test", "FAIL") }, { SHOWS("192.0.2.1:53") }, "example.test: a.test  no answer" },
	/* What is published must be the key, and no other key beside it. */
	{ { NS("a.test"), A("a.test", "192.0.2.1") }, { SHOWS_OTHER("192.0.2.1:53") },
	  "example.test: a.test 192.0.2.1 not shown" },
	{ { NS("a.test"), A("a.test", "192.0.2.1") }, { SHOWS("192.0.2.1:53"), SHOWS_OTHER("192.0.2.1:53") },
	  "example.test: a.test 192.0.2.1 not shown" },
	{ { NS("a.test"), A("a.test", "192.0.2.1") }, { SHOWS_OTHER("192.0.2.1:53"), SHOWS("192.0.2.1:53") },
	  "example.test: a.test 192.0.2.1 not shown" },
	{ { NS("a.test"), A("a.test", "192.0.2.1") }, { SHOWS_TEXT("192.0.2.1:53", "v=spf1 -all"), SHOWS("192.0.2.1:53") },
	  "everywhere example.test: a.test 192.0.2.1 shown" },
	{ { NS("a.test"), A("a.test", "192.0.2.1") }, { SHOWS_TEXT("192.0.2.1:53", "v=DKIM1; k=ed25519; p=") },
	  "example.test: a.test 192.0.2.1 not shown" },
	/* Zones below the domain, aliases. */
	{ { { "_domainkey.example.test", RR_NS, SPAN("c.test") }, NS("a.test"), A("a.test", "192.0.2.1"),
	    A("c.test", "192.0.2.3") },
	  { SHOWS("192.0.2.3:53") }, "everywhere _domainkey.example.test: c.test 192.0.2.3 shown" },
	{ { { NAME, RR_CNAME, SPAN("x.provider.test") }, { "x.provider.test", RR_CNAME, SPAN("y.provider.test") },
	    { "provider.test", RR_NS, SPAN("p.test") }, NS("a.test"), A("p.test", "192.0.2.4") },
	  { { "192.0.2.4:53 y.provider.test", RR_TXT, SPAN("THE KEY") } },
	  "everywhere provider.test: p.test 192.0.2.4 shown" },
	{ { { NAME, RR_CNAME, SPAN(NAME) } }, { { NULL, 0, SPAN("") } },
	  ": the key's name is an alias of too many aliases" },
	/* Doubt. */
	{ { { NULL, 0, SPAN("") } }, { { NULL, 0, SPAN("") } }, ": no name servers are known" },
	{ { { NAME, RR_CNAME, SPAN("FAIL") }, NS("a.test") }, { SHOWS("192.0.2.1:53") }, ": the DNS does not answer" },
	{ { { "_domainkey.example.test", RR_NS, SPAN("FAIL") }, NS("a.test"), A("a.test", "192.0.2.1") },
	  { SHOWS("192.0.2.1:53") }, ": the DNS does not answer" },
	/* The top-level domain's servers know nothing of it. */
	{ { { "test", RR_NS, SPAN("t.test") }, A("t.test", "192.0.2.9") }, { IS_EMPTY("192.0.2.9:53") },
	  "test: t.test 192.0.2.9 not shown" },
	/* Names that are the same; more than the limits below. */
	{ { NS("a.test"), NS("A.test"), A("a.test", "192.0.2.1") }, { SHOWS("192.0.2.1:53") },
	  "everywhere example.test: a.test 192.0.2.1 shown" },
	{ { NS("a.test"), NS("b.test"), NS("c.test"), A("a.test", "192.0.2.1"), A("b.test", "192.0.2.1") },
	  { SHOWS("192.0.2.1:53") },
	  "example.test: a.test 192.0.2.1 shown; b.test 192.0.2.1 shown there are too many name servers" },
	{ { NS("a.test"), A("a.test", "192.0.2.1"), A("a.test", "192.0.2.2"), A("a.test", "192.0.2.3"),
	    A("a.test", "192.0.2.4") },
	  { SHOWS("192.0.2.1:53"), SHOWS("192.0.2.2:53"), SHOWS("192.0.2.3:53"), SHOWS("192.0.2.4:53") },
	  "example.test: a.test 192.0.2.1 shown; a.test 192.0.2.2 shown; a.test 192.0.2.3 shown the name servers have too many "
	  "addresses" },
};

static void all_servers_are_asked(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(looks); i++) {
		struct test_servers servers = { .usual = fill(looks[i].usual), .each = fill(looks[i].each) };
		struct dkim_published_way way = test_servers_way(&servers, crypto);
		struct dkim_published found;

		way.limits = (struct dkim_published_limits){ .servers_max = 2, .addresses_max = 3, .aliases_max = 2 };
		dkim_published_look(&way, arena, span_lit("K"), span_lit("example.test"), &key, &found);
		assert_span(told(&found), looks[i].want);
	}
}

static void a_name_that_is_too_long_is_not_asked(void **state)
{
	static const struct test_lookup_row none[ROWS_MAX] = { { NULL, 0, SPAN("") } };
	struct test_servers servers = { .usual = fill(none), .each = fill(none) };
	struct dkim_published_way way = test_servers_way(&servers, crypto);
	struct dkim_published found;
	struct span domain = { memset(arena_alloc(arena, 250), 'a', 250), 250 };

	(void)state;
	dkim_published_look(&way, arena, span_lit("k"), domain, &key, &found);
	assert_false(found.is_everywhere);
	assert_non_null(found.problem);
	assert_int_equal(servers.usual.asked, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_servers_are_asked),
		cmocka_unit_test(a_name_that_is_too_long_is_not_asked),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
