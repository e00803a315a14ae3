/* SPDX-License-Identifier: ISC */
/* dmarc_destination.c - where a domain's reports go
 *
 * A record may name anybody's address: without the check of RFC 7489 7.1 we would be a way to flood him. */
#include "lib/mailauth/dmarc_destination.h"

#include "lib/mailauth/dmarc_uri.h"

enum { URIS_PER_DESTINATION = 4, DNS_NAME_MAX = 253 };

struct choice {
	struct dmarc_query       *query;
	struct span               policy_domain, organization, tag;
	struct dmarc_destination *list;
	size_t                    count, most;
	bool                      is_open;	/* the DNS failed for some */
};

static void add(struct choice *c, struct span address, uint64_t limit)
{
	for (size_t i = 0; i < c->count; i++)
		if (span_equal(c->list[i].address, address))
			return;
	if (c->count < c->most)
		c->list[c->count++] = (struct dmarc_destination){ address, limit };
}

/* is_outside - does host belong to another organisation than the record? */
static bool is_outside(struct choice *c, struct span host)
{
	struct span organization;

	if (span_equal(host, c->policy_domain))
		return false;
	if (c->organization.len == 0 || dmarc_query_organization(c->query, host, &organization) == DMARC_FAILED) {
		c->is_open = true;
		return true;
	}
	return !span_equal(organization, c->organization);
}

/* add_agreed - an outside address has agreed: itself, or those of its own list that are at the same host. */
static void add_agreed(struct choice *c, struct span agreement, struct span host, struct span address, uint64_t limit)
{
	struct arena *arena = c->query->arena;
	struct span uris, domain;
	struct dmarc_uri uri;

	if (!dmarc_record_tag(agreement, c->tag, &uris) || !dmarc_uris_are_valid(uris)) {
		add(c, address, limit);
		return;
	}
	for (size_t looked = 0; looked < c->most * URIS_PER_DESTINATION && dmarc_uri_next(&uris, &uri); looked++)
		if (dmarc_uri_mailbox(arena, &uri, &address, &domain) && span_equal(domain, host))
			add(c, address, uri.limit_bytes);
}

/* ask_outside - does host agree to get reports on the policy domain (RFC 7489 7.1)? */
static void ask_outside(struct choice *c, struct span host, struct span address, uint64_t limit)
{
	struct dmarc_query *q = c->query;
	struct span name = arena_printf_span(q->arena, SPAN_FMT "._report._dmarc." SPAN_FMT, SPAN_ARG(c->policy_domain),
	                                     SPAN_ARG(host));
	struct lookup_answer answer = { .status = DNS_FAILED };
	struct span rdata, text, agreement = { NULL, 0 }, uris;

	if (name.len > DNS_NAME_MAX)
		return;
	if (q->asked < q->most) {
		q->asked++;
		q->lookup->ask(q->lookup->user, name, RR_TXT, q->arena, &answer);
	}
	c->is_open |= answer.status == DNS_FAILED;
	if (answer.status != DNS_FOUND)
		return;
	while (rdata_next(&answer.records, &rdata)) {
		if (!rdata_txt(q->arena, rdata, &text) || !dmarc_record_is_version(text))
			continue;
		if (agreement.len == 0 || !dmarc_record_tag(agreement, c->tag, &uris))
			agreement = text;
	}
	if (agreement.len != 0)
		add_agreed(c, agreement, host, address, limit);
}

enum outcome dmarc_destinations(struct dmarc_query *q, struct span policy_domain, struct span tag, struct span uris,
                                size_t most, struct dmarc_destination **list, size_t *count, struct why *why)
{
	struct choice c = {
		.query = q, .policy_domain = policy_domain, .tag = tag, .most = most,
		.list = ARENA_NEW_ARRAY(q->arena, struct dmarc_destination, most + 1),
	};
	struct span address, host;
	struct dmarc_uri uri;

	if (dmarc_query_organization(q, policy_domain, &c.organization) == DMARC_FAILED)
		c.organization = span_first(policy_domain, 0);
	for (size_t looked = 0; looked < most * URIS_PER_DESTINATION && c.count < most && dmarc_uri_next(&uris, &uri);
	     looked++) {
		if (!dmarc_uri_mailbox(q->arena, &uri, &address, &host))
			continue;
		if (is_outside(&c, host))
			ask_outside(&c, host, address, uri.limit_bytes);
		else
			add(&c, address, uri.limit_bytes);
	}
	*list = c.list;
	*count = c.count;
	if (c.is_open)
		return why_set(why, DEFER, "", "the DNS did not tell who agrees to get reports on " SPAN_FMT,
		               SPAN_ARG(policy_domain));
	return DONE;
}
