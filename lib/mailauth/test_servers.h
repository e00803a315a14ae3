/* SPDX-License-Identifier: ISC */
/* test_servers.h - the DNS and each authoritative name server of it, for unit tests: two tables of rows */
#ifndef MAILAUTH_TEST_SERVERS_H
#define MAILAUTH_TEST_SERVERS_H

#include "lib/mailauth/dkim_published.h"
#include "lib/mailauth/test_lookup.h"

struct test_servers {
	struct test_lookup usual;
	struct test_lookup each;	/* names are "ADDRESS:PORT NAME"; without a row of any name: no answer */
};

static inline void test_servers_ask(void *user, struct span name, enum rr_type type, struct arena *arena,
                                    struct lookup_answer *answer)
{
	struct test_servers *t = user;

	test_lookup_ask(&t->usual, name, type, arena, answer);
}

static inline void test_servers_ask_one(void *user, struct span server, struct span name, enum rr_type type,
                                        struct arena *arena, struct lookup_answer *answer)
{
	struct test_servers *t = user;
	struct span both = arena_printf_span(arena, SPAN_FMT " " SPAN_FMT, SPAN_ARG(server), SPAN_ARG(name));

	test_lookup_ask(&t->each, both, type, arena, answer);
	if (answer->status != DNS_NO_NAME)
		return;
	answer->status = DNS_FAILED;
	for (size_t i = 0; i < t->each.count; i++)
		if (span_starts(span_of(t->each.rows[i].name), server))
			answer->status = DNS_NO_NAME;
}

static inline struct dkim_published_way test_servers_way(struct test_servers *t, struct dkim_crypto *crypto)
{
	return (struct dkim_published_way){
		.lookup = { .ask = test_servers_ask, .user = t }, .ask_server = test_servers_ask_one, .crypto = crypto,
		.port = 53, .limits = DKIM_PUBLISHED_STANDARD_LIMITS,
	};
}

#endif
