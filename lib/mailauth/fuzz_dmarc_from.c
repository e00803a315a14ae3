/* SPDX-License-Identifier: ISC */
/* fuzz_dmarc_from.c - authors are domain names in normal form, each once, and a whole check of any From ends within its
 * share of questions; a domain that only fails to resolve never makes a fail
 *
 * The first byte chooses the text and what the DNS says, the rest is the value of From. */
#include <stdint.h>
#include <stdlib.h>

#include "lib/mailauth/dmarc.h"
#include "lib/mailauth/test_dmarc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void check_authors(struct arena *a, struct span from)
{
	struct span *domains, again;
	size_t count;

	if (dmarc_from_domains(a, &from, 1, DMARC_AUTHORS_MAX, &domains, &count) != DMARC_FROM_OK)
		return;
	require(count >= 1 && count <= DMARC_AUTHORS_MAX);
	for (size_t i = 0; i < count; i++) {
		require(dmarc_domain_normal(a, domains[i], &again) && span_equal(domains[i], again));
		for (size_t k = 0; k < i; k++)
			require(!span_equal(domains[i], domains[k]));
	}
}

/* The DNS: the same answer to every question. */
struct everywhere {
	enum dns_status status;
	struct span     records;
	size_t          asked;
};

static void ask(void *user, struct span name, enum rr_type rr_type, struct arena *arena, struct lookup_answer *answer)
{
	struct everywhere *all = user;

	(void)rr_type;
	(void)arena;
	require(name.len <= 253);
	all->asked++;
	*answer = (struct lookup_answer){ .status = all->status, .records = all->records };
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct dmarc_psl *psl;
	struct why why;
	unsigned way = size != 0 ? data[0] : 0;
	struct span from = span_skip(span_make(data, size), 1);
	struct everywhere all = { .status = way & 2 ? DNS_FOUND : way & 4 ? DNS_FAILED : DNS_NO_NAME };
	struct lookup lookup = { .ask = ask, .user = &all };
	struct dmarc_identifier id = { way & 8 ? DMARC_AUTH_PASS : DMARC_AUTH_NO, from };
	struct dmarc_message message = { .from = &from, .from_count = 1, .spf = id, .dkim = &id, .dkim_count = 1 };
	struct dmarc_verdict verdict;
	struct arena *a = arena_new(NULL);
	struct buf records;

	if (psl == NULL && (psl = dmarc_psl_open(NULL, &why)) == NULL)
		abort();
	buf_init(&records, BUF_NO_LIMIT);
	test_add_txt(&records, way & 16 ? span_lit("v=DMARC1; p=reject; psd=n") : span_lit("v=DMARC1; p=reject"));
	all.records = buf_span(&records);
	check_authors(a, from);
	dmarc_check(a, &(struct dmarc_settings){ way & 1 ? DMARC_BIS : DMARC_RFC7489, psl, DMARC_AUTHORS_MAX,
	            DMARC_DKIM_MAX, DMARC_QUESTIONS_MAX }, &lookup, &message, &verdict);
	require(all.asked <= DMARC_QUESTIONS_MAX && verdict.reason != NULL);
	require(verdict.result == DMARC_FAIL || verdict.applied == DMARC_POLICY_NONE);
	require(all.status != DNS_FAILED || verdict.result == DMARC_TEMPERROR || verdict.result == DMARC_PERMERROR);
	buf_free(&records);
	arena_free(a);
	return 0;
}
