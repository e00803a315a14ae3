/* SPDX-License-Identifier: ISC */
/* dmarc_query.c - finding the policy record and the organisation of a domain in the DNS
 *
 * Rules kept here: RFC 7489 6.6.3 (policy discovery), RFC 9989 4.10 (tree walk), 4.10.1 (policy discovery), 4.10.2
 * (organisation).  Every question counts against the message's share, and none is asked twice. */
#include "lib/mailauth/dmarc_domain.h"

enum { WALK_LABELS = 7, WALK_STEPS = 8, DNS_NAME_MAX = 253 };

struct dmarc_answer {
	struct span          name;	/* as asked */
	enum rr_type         type;
	enum dmarc_found     found;
	struct dmarc_record  record;
	struct dmarc_answer *next;
};

/* read_records - the one DMARC record among TXT answers. */
static enum dmarc_found read_records(struct dmarc_query *q, struct span records, struct dmarc_record *record)
{
	struct dmarc_record found;
	struct span rdata, text;
	size_t count = 0;

	while (rdata_next(&records, &rdata)) {
		if (!rdata_txt(q->arena, rdata, &text) || !dmarc_record_parse(q->text, text, &found))
			continue;
		*record = found;
		count++;
	}
	return count == 1 ? DMARC_FOUND : DMARC_NOT_FOUND;
}

/* ask - the answer to a question; remembered. */
static struct dmarc_answer *ask(struct dmarc_query *q, struct span name, enum rr_type type)
{
	struct lookup_answer reply = { .status = DNS_FAILED };
	struct dmarc_answer *a;

	for (a = q->answers; a != NULL; a = a->next)
		if (a->type == type && span_equal(a->name, name))
			return a;
	a = ARENA_NEW(q->arena, struct dmarc_answer);
	a->name = name;
	a->type = type;
	a->next = q->answers;
	q->answers = a;
	if (name.len > DNS_NAME_MAX) {
		a->found = DMARC_NOT_FOUND;
		return a;
	}
	a->found = DMARC_FAILED;
	if (q->asked == q->most)
		return a;
	q->asked++;
	q->lookup->ask(q->lookup->user, name, type, q->arena, &reply);
	if (reply.status == DNS_FOUND && type == RR_TXT)
		a->found = read_records(q, reply.records, &a->record);
	else if (reply.status != DNS_FAILED)
		a->found = reply.status == DNS_NO_NAME || type == RR_TXT ? DMARC_NOT_FOUND : DMARC_FOUND;
	return a;
}

static struct span record_name(struct dmarc_query *q, struct span domain)
{
	return arena_printf_span(q->arena, "_dmarc." SPAN_FMT, SPAN_ARG(domain));
}

enum dmarc_found dmarc_query_record(struct dmarc_query *q, struct span domain, const struct dmarc_record **record)
{
	struct dmarc_answer *a = ask(q, record_name(q, domain), RR_TXT);

	*record = &a->record;
	return a->found;
}

enum dmarc_found dmarc_query_exists(struct dmarc_query *q, struct span domain)
{
	return ask(q, domain, RR_A)->found;
}

/* ---- the tree walk ---- */

struct step {
	struct span                domain;
	const struct dmarc_record *record;
};

/* parent_of - where the walk goes on from name; empty at its end (RFC 9989 4.10, steps 4 and 7). */
static struct span parent_of(struct span name)
{
	size_t labels = dmarc_domain_labels(name);

	if (labels > WALK_LABELS)
		return dmarc_domain_last(name, WALK_LABELS);
	return labels > 1 ? dmarc_domain_last(name, labels - 1) : span_first(name, 0);
}

static void expect(struct dmarc_query *q, struct span domain)
{
	if (q->lookup->expect != NULL)
		q->lookup->expect(q->lookup->user, record_name(q, domain), RR_TXT);
}

/* hint - the questions that may follow, for the asker to fetch meanwhile. */
static void hint(struct dmarc_query *q, struct span domain)
{
	if (q->text == DMARC_RFC7489) {
		expect(q, domain);
		expect(q, dmarc_psl_organization(q->psl, q->arena, domain));
		return;
	}
	for (; domain.len != 0; domain = parent_of(domain))
		expect(q, domain);
}

/* walk - the records found from domain upwards, longest name first, until one says psd=y or psd=n. */
static enum dmarc_found walk(struct dmarc_query *q, struct span domain, struct step steps[WALK_STEPS],
                             size_t *count)
{
	*count = 0;
	for (struct span at = domain; at.len != 0; at = parent_of(at)) {
		struct step *s = &steps[*count];

		switch (dmarc_query_record(q, at, &s->record)) {
		case DMARC_FAILED:
			return DMARC_FAILED;
		case DMARC_NOT_FOUND:
			continue;
		case DMARC_FOUND:
			break;
		}
		s->domain = at;
		++*count;
		if (s->record->psd != DMARC_PSD_UNKNOWN)
			break;
	}
	return DMARC_FOUND;
}

/* select_organization - RFC 9989 4.10.2, among what a walk from domain found. */
static struct span select_organization(struct span domain, const struct step *steps, size_t count)
{
	const struct step *last = &steps[count - (count != 0)];

	if (count == 0)
		return domain;
	/* Only the last can have psd=: the walk stops there.  It also has the fewest labels. */
	if (last->record->psd == DMARC_PSD_YES && last->domain.len != domain.len)
		return dmarc_domain_last(domain, dmarc_domain_labels(last->domain) + 1);
	return last->domain;
}

static enum dmarc_found walk_policy(struct dmarc_query *q, struct span domain, struct dmarc_place *place)
{
	struct step steps[WALK_STEPS];
	size_t count;

	if (walk(q, domain, steps, &count) == DMARC_FAILED)
		return DMARC_FAILED;
	place->organization = select_organization(domain, steps, count);
	if (place->record != NULL)
		return DMARC_FOUND;
	for (size_t i = 0; i < count; i++) {
		/* The organisation's own, else that of the suffix above it: no other below counts. */
		if (steps[i].domain.len > place->organization.len)
			continue;
		place->policy_domain = steps[i].domain;
		place->record = steps[i].record;
		return DMARC_FOUND;
	}
	return DMARC_NOT_FOUND;
}

/* list_policy - the same by the public suffix list (RFC 7489 6.6.3). */
static enum dmarc_found list_policy(struct dmarc_query *q, struct span domain, struct dmarc_place *place)
{
	const struct dmarc_record *record;
	enum dmarc_found found;

	place->organization = dmarc_psl_organization(q->psl, q->arena, domain);
	if (place->record != NULL)
		return DMARC_FOUND;
	if (place->organization.len == domain.len)
		return DMARC_NOT_FOUND;
	found = dmarc_query_record(q, place->organization, &record);
	if (found == DMARC_FOUND) {
		place->policy_domain = place->organization;
		place->record = record;
	}
	return found;
}

enum dmarc_found dmarc_query_organization(struct dmarc_query *q, struct span domain, struct span *organization)
{
	struct step steps[WALK_STEPS];
	size_t count;

	if (q->text == DMARC_RFC7489) {
		*organization = dmarc_psl_organization(q->psl, q->arena, domain);
		return DMARC_FOUND;
	}
	hint(q, domain);
	if (walk(q, domain, steps, &count) == DMARC_FAILED)
		return DMARC_FAILED;
	*organization = select_organization(domain, steps, count);
	return DMARC_FOUND;
}

enum dmarc_found dmarc_query_policy(struct dmarc_query *q, struct span domain, struct dmarc_place *place)
{
	enum dmarc_found own, found;

	*place = (struct dmarc_place){ .organization = span_first(domain, 0) };
	hint(q, domain);
	own = dmarc_query_record(q, domain, &place->record);
	if (own == DMARC_FAILED)
		return own;
	if (own == DMARC_FOUND)
		place->policy_domain = domain;
	else
		place->record = NULL;
	found = q->text == DMARC_BIS ? walk_policy(q, domain, place) : list_policy(q, domain, place);
	/* With a record of the domain itself a failure further up leaves only the organisation unknown. */
	return own == DMARC_FOUND ? DMARC_FOUND : found;
}
