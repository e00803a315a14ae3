/* SPDX-License-Identifier: ISC */
/* dmarc.c - the DMARC check of one message
 *
 * Rules kept here: RFC 7489 3.1 (alignment), 6.6.1 (several authors), 6.6.2 (pass or fail), 6.6.4 (sampling),
 * RFC 9989 4.7 (np=, t=), 4.10.2 (alignment by the tree walk). */
#include "lib/mailauth/dmarc.h"

static const char *const result_names[] = {
	[DMARC_NONE] = "none", [DMARC_PASS] = "pass", [DMARC_FAIL] = "fail",
	[DMARC_TEMPERROR] = "temperror", [DMARC_PERMERROR] = "permerror",
};

const char *dmarc_result_name(enum dmarc_result result)
{
	return result_names[result];
}

/* One author's domain being checked. */
struct check {
	struct dmarc_query         *query;
	const struct dmarc_message *message;
	size_t                      most_dkim;
	struct dmarc_place          place;
	struct dmarc_verdict       *verdict;
};

enum alignment {
	NOT_ALIGNED,
	ALIGNED,
	UNKNOWN,
};

/* align - does an identifier's domain stand for the author's (RFC 7489 3.1)? */
static enum alignment align(struct check *c, struct span name, bool is_strict)
{
	struct span domain, organization = c->place.organization;

	if (!dmarc_domain_normal(c->query->arena, name, &domain))
		return NOT_ALIGNED;
	if (span_equal(domain, c->verdict->author))
		return ALIGNED;
	if (is_strict)
		return NOT_ALIGNED;
	if (organization.len == 0)
		return UNKNOWN;
	/* An organisation is at or above all its names: one elsewhere needs no question. */
	if (!dmarc_domain_is_below(domain, organization))
		return NOT_ALIGNED;
	if (dmarc_query_organization(c->query, domain, &organization) == DMARC_FAILED)
		return UNKNOWN;
	return span_equal(organization, c->place.organization) ? ALIGNED : NOT_ALIGNED;
}

/* weigh - what one identifier contributes; UNKNOWN: it might be aligned, but the DNS did not tell. */
static enum alignment weigh(struct check *c, const struct dmarc_identifier *identifier, bool is_strict)
{
	enum alignment alignment;

	if (identifier->status == DMARC_AUTH_NO || identifier->domain.len == 0)
		return NOT_ALIGNED;
	alignment = align(c, identifier->domain, is_strict);
	return identifier->status == DMARC_AUTH_TEMPERROR && alignment == ALIGNED ? UNKNOWN : alignment;
}

/* weigh_dkim - the best of all signatures, those that pass looked at first. */
static enum alignment weigh_dkim(struct check *c, bool is_strict)
{
	static const enum dmarc_auth order[] = { DMARC_AUTH_PASS, DMARC_AUTH_TEMPERROR };
	const struct dmarc_message *m = c->message;
	enum alignment best = NOT_ALIGNED;
	size_t looked = 0;

	for (size_t pass = 0; pass < COUNT_OF(order); pass++) {
		for (size_t i = 0; i < m->dkim_count && looked < c->most_dkim; i++) {
			enum alignment a;

			if (m->dkim[i].status != order[pass])
				continue;
			looked++;
			a = weigh(c, &m->dkim[i], is_strict);
			if (a == ALIGNED)
				return ALIGNED;
			if (a == UNKNOWN)
				best = UNKNOWN;
		}
	}
	return best;
}

/* choose_policy - which tag of the record is for this author; false: the DNS did not tell whether it exists. */
static bool choose_policy(struct check *c)
{
	struct dmarc_verdict *v = c->verdict;
	const struct dmarc_record *r = &v->record;

	v->tag = DMARC_TAG_P;
	v->asked = r->p;
	if (span_equal(v->author, v->policy_domain))
		return true;
	if (r->has_np && r->np != r->sp) {
		switch (dmarc_query_exists(c->query, v->author)) {
		case DMARC_FAILED:
			return false;
		case DMARC_NOT_FOUND:
			v->tag = DMARC_TAG_NP;
			v->asked = r->np;
			return true;
		case DMARC_FOUND:
			break;
		}
	}
	v->asked = r->sp;
	if (r->has_sp)
		v->tag = DMARC_TAG_SP;
	return true;
}

/* apply - what remains of the policy after pct= (RFC 7489 6.6.4) or t= (RFC 9989 4.7): one step down. */
static void apply(struct check *c)
{
	struct dmarc_verdict *v = c->verdict;
	bool is_spared = v->record.is_test || c->message->random >= v->record.pct;

	v->applied = v->asked;
	if (!is_spared || v->asked == DMARC_POLICY_NONE)
		return;
	v->applied = v->asked == DMARC_POLICY_REJECT ? DMARC_POLICY_QUARANTINE : DMARC_POLICY_NONE;
	v->reason = v->record.is_test ? "policy in test mode" : "sampled out";
}

static void end(struct dmarc_verdict *v, enum dmarc_result result, const char *reason)
{
	v->result = result;
	v->reason = reason;
}

/* judge - pass or fail, the record being known (RFC 7489 6.6.2). */
static void judge(struct check *c)
{
	struct dmarc_verdict *v = c->verdict;
	enum alignment spf = weigh(c, &c->message->spf, v->record.aspf_strict);
	enum alignment dkim = weigh_dkim(c, v->record.adkim_strict);

	v->spf_aligned = spf == ALIGNED;
	v->dkim_aligned = dkim == ALIGNED;
	if (v->spf_aligned || v->dkim_aligned) {
		end(v, DMARC_PASS, v->dkim_aligned ? "DKIM aligned" : "SPF aligned");
		return;
	}
	if (spf == UNKNOWN || dkim == UNKNOWN) {
		end(v, DMARC_TEMPERROR, "an identifier could not be checked");
		return;
	}
	if (!choose_policy(c)) {
		v->asked = DMARC_POLICY_NONE;
		end(v, DMARC_TEMPERROR, "existence of the author's domain is not known");
		return;
	}
	end(v, DMARC_FAIL, "nothing that passed is aligned");
	apply(c);
}

static void check_author(struct check *c, struct span author)
{
	struct dmarc_verdict *v = c->verdict;

	*v = (struct dmarc_verdict){ .author = author };
	switch (dmarc_query_policy(c->query, author, &c->place)) {
	case DMARC_FAILED:
		end(v, DMARC_TEMPERROR, "the policy record could not be looked up");
		return;
	case DMARC_NOT_FOUND:
		v->organization = c->place.organization;
		end(v, DMARC_NONE, "no policy record");
		return;
	case DMARC_FOUND:
		break;
	}
	v->organization = c->place.organization;
	if (!c->place.record->is_usable) {
		end(v, DMARC_NONE, "the policy record is not usable");
		return;
	}
	v->policy_domain = c->place.policy_domain;
	v->record = *c->place.record;
	v->has_record = true;
	judge(c);
}

/* rank - which of several authors' results counts: a fail before all, by its policy; a pass only if all pass. */
static int rank(const struct dmarc_verdict *v)
{
	static const int ranks[] = {
		[DMARC_PASS] = 0, [DMARC_NONE] = 1, [DMARC_TEMPERROR] = 2, [DMARC_PERMERROR] = 3, [DMARC_FAIL] = 4,
	};

	return ranks[v->result] + (int)v->applied;
}

void dmarc_check(struct arena *arena, const struct dmarc_settings *settings, const struct lookup *lookup,
                 const struct dmarc_message *message, struct dmarc_verdict *verdict)
{
	struct dmarc_query query = {
		.arena = arena, .lookup = lookup, .text = settings->text, .psl = settings->psl,
		.most = settings->most_questions,
	};
	struct dmarc_verdict one;
	struct check c = {
		.query = &query, .message = message, .most_dkim = settings->most_dkim, .verdict = &one,
	};
	struct span *authors;
	size_t count;
	enum dmarc_from from = dmarc_from_domains(arena, message->from, message->from_count, settings->most_authors,
	                                          &authors, &count);

	*verdict = (struct dmarc_verdict){ .result = DMARC_PERMERROR, .reason = dmarc_from_text(from) };
	if (from != DMARC_FROM_OK)
		return;
	for (size_t i = 0; i < count; i++) {
		check_author(&c, authors[i]);
		if (i == 0 || rank(&one) > rank(verdict))
			*verdict = one;
	}
}
