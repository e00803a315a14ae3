/* SPDX-License-Identifier: ISC */
/* spf_match.c - the mechanisms (RFC 7208 5), and the validated names of the client
 *
 * What a mechanism looks up is bounded three times: by the terms that look up, by those that find nothing, and by the names
 * taken from one MX or PTR answer (RFC 7208 4.6.4).  A term counts as void once, whatever it asks. */
#include <stdlib.h>

#include "lib/mailauth/spf_private.h"

static struct span void_reason(const struct spf_check *c)
{
	return arena_printf_span(c->arena, "more than %u look-ups without answer", c->settings->most_void_terms);
}

/* note_void - the present term found nothing; false when that is one too many. */
static bool note_void(struct spf_check *c)
{
	if (c->term_is_void || c->is_explaining)
		return true;
	c->term_is_void = true;
	if (++c->void_terms <= c->settings->most_void_terms)
		return true;
	c->reason = void_reason(c);
	return false;
}

static enum rr_type address_type(const struct spf_check *c)
{
	return c->is_ip6 ? RR_AAAA : RR_A;
}

static const char *type_name(enum rr_type type)
{
	return type == RR_A ? "A" : type == RR_AAAA ? "AAAA" : type == RR_MX ? "MX" : "TXT";
}

/* look_up - records of a term: SPF_MATCH when there are some, else what the lack of them means. */
static enum spf_match look_up(struct spf_check *c, struct span name, enum rr_type type, struct lookup_answer *answer)
{
	c->lookup->ask(c->lookup->user, name, type, c->arena, answer);
	if (answer->status == DNS_FOUND)
		return SPF_MATCH;
	if (answer->status != DNS_FAILED)
		return note_void(c) ? SPF_NO_MATCH : SPF_MATCH_NEVER;
	c->reason = arena_printf_span(c->arena, "%s look-up of " SPAN_FMT " failed", type_name(type), SPAN_ARG(name));
	return SPF_MATCH_LATER;
}

/* has_client - an address of records is the client's, as far as the first bits go. */
static bool has_client(const struct spf_check *c, struct span records, unsigned bits)
{
	struct net_address address;
	struct net_cidr network;
	struct span rdata;

	while (rdata_next(&records, &rdata)) {
		if (rdata_address(rdata, &address) && net_cidr_of(&address, bits, &network) &&
		    net_cidr_has(&network, &c->ip))
			return true;
	}
	return false;
}

static enum spf_match match_addresses(struct spf_check *c, const struct spf_directive *d, struct span name)
{
	struct lookup_answer answer;
	enum spf_match match = look_up(c, name, address_type(c), &answer);

	if (match == SPF_MATCH && !has_client(c, answer.records, c->is_ip6 ? d->bits_ip6 : d->bits_ip4))
		return SPF_NO_MATCH;
	return match;
}

/* ---- mx ---- */

struct exchange {
	unsigned    preference;
	struct span name;
};

static int by_preference(const void *a, const void *b)
{
	const struct exchange *x = a, *y = b;

	if (x->preference != y->preference)
		return x->preference < y->preference ? -1 : 1;
	return span_compare(x->name, y->name);
}

/* read_exchanges - in an order that does not depend on the answer's.  The null MX (RFC 7505) is none. */
static struct exchange *read_exchanges(struct arena *arena, struct span records, size_t *count)
{
	struct exchange *list = ARENA_NEW_ARRAY(arena, struct exchange, records.len / 5 + 1);
	struct exchange *next = list;
	struct span rdata;

	while (rdata_next(&records, &rdata)) {
		if (rdata_mx(arena, rdata, &next->preference, &next->name) && next->name.len > 0)
			next++;
	}
	*count = (size_t)(next - list);
	qsort(list, *count, sizeof(*list), by_preference);
	return list;
}

static void expect(const struct spf_check *c, struct span name, enum rr_type type)
{
	if (c->lookup->expect != NULL)
		c->lookup->expect(c->lookup->user, name, type);
}

static enum spf_match match_exchanges(struct spf_check *c, const struct spf_directive *d, struct span name)
{
	struct lookup_answer answer;
	enum spf_match match = look_up(c, name, RR_MX, &answer);
	struct exchange *list;
	size_t count, most = c->settings->most_names;

	if (match != SPF_MATCH)
		return match;
	list = read_exchanges(c->arena, answer.records, &count);
	for (size_t i = 0; i < count && i < most; i++)
		expect(c, list[i].name, address_type(c));
	for (size_t i = 0; i < count && i < most; i++) {
		match = match_addresses(c, d, list[i].name);
		if (match != SPF_NO_MATCH)
			return match;
	}
	if (count <= most)
		return SPF_NO_MATCH;
	c->reason = arena_printf_span(c->arena, SPAN_FMT " has more than %zu MX records", SPAN_ARG(name), most);
	return SPF_MATCH_NEVER;
}

/* ---- ptr ---- */

/* load_names - what the client's address is said to be called, once a check.  Any failure means: nothing. */
static bool load_names(struct spf_check *c)
{
	struct lookup_answer answer;
	struct span rdata;
	enum spf_match match;

	if (c->has_names)
		return true;
	c->has_names = true;
	c->names = ARENA_NEW_ARRAY(c->arena, struct spf_client_name, c->settings->most_names);
	match = look_up(c, net_reverse_name(c->arena, &c->ip), RR_PTR, &answer);
	while (match == SPF_MATCH && c->name_count < c->settings->most_names && rdata_next(&answer.records, &rdata)) {
		if (rdata_name(c->arena, rdata, &c->names[c->name_count].name))
			c->name_count++;
	}
	return match != SPF_MATCH_NEVER;
}

/* is_validated - the name leads back to the client; one that cannot be looked up now is skipped.  What it does not find
 * is no fault of the policy, and is not counted. */
static bool is_validated(struct spf_check *c, struct spf_client_name *name)
{
	struct lookup_answer answer;

	if (name->state == SPF_UNTRIED) {
		c->lookup->ask(c->lookup->user, name->name, address_type(c), c->arena, &answer);
		name->state = answer.status == DNS_FOUND && has_client(c, answer.records, c->is_ip6 ? 128 : 32)
		                      ? SPF_VALIDATED
		                      : SPF_UNVALIDATED;
	}
	return name->state == SPF_VALIDATED;
}

static enum spf_match match_names(struct spf_check *c, const struct spf_directive *d, struct span target)
{
	(void)d;
	if (!load_names(c))
		return SPF_MATCH_NEVER;
	for (size_t i = 0; i < c->name_count; i++) {
		if (spf_name_is_in(c->names[i].name, target) && is_validated(c, &c->names[i]))
			return SPF_MATCH;
	}
	return SPF_NO_MATCH;
}

bool spf_validated_name(struct spf_check *c, struct span domain, struct span *name)
{
	struct spf_name here = { 0 };

	*name = span_lit("unknown");
	if (!c->has_names && !c->is_explaining && !spf_count_term(c))
		return false;
	if (!load_names(c))
		return false;
	(void)!spf_name_make(c->arena, domain, &here);
	for (unsigned choice = 0; choice < 3; choice++) {	/* the domain itself, one below it, any */
		for (size_t i = 0; i < c->name_count; i++) {
			struct span found = c->names[i].name;
			bool is_chosen = choice == 2 || (choice == 1 && spf_name_is_in(found, here.text)) ||
			                 span_equal_ci(found, here.text);

			if (is_chosen && is_validated(c, &c->names[i])) {
				*name = found;
				return true;
			}
		}
	}
	return true;
}

/* ---- the others ---- */

static enum spf_match match_existence(struct spf_check *c, const struct spf_directive *d, struct span name)
{
	struct lookup_answer answer;

	(void)d;
	return look_up(c, name, RR_A, &answer);	/* A whatever the client's family (RFC 7208 5.7) */
}

/* match_included - RFC 7208 5.2: only a pass there matches here. */
static enum spf_match match_included(struct spf_check *c, struct span target)
{
	struct spf_decision ignored;

	switch (spf_check_host(c, target, &ignored)) {
	case SPF_PASS:
		return SPF_MATCH;
	case SPF_TEMPERROR:
		return SPF_MATCH_LATER;
	case SPF_PERMERROR:
		return SPF_MATCH_NEVER;
	case SPF_NONE:
		c->reason = arena_printf_span(c->arena, "no policy at the included " SPAN_FMT, SPAN_ARG(target));
		return SPF_MATCH_NEVER;
	case SPF_FAIL:
	case SPF_SOFTFAIL:
	case SPF_NEUTRAL:
		break;
	}
	return SPF_NO_MATCH;
}

static enum spf_match match_target(struct spf_check *c, const struct spf_directive *d, struct span domain)
{
	static enum spf_match (*const functions[])(struct spf_check *c, const struct spf_directive *d,
	                                           struct span name) = {
		[SPF_A] = match_addresses,
		[SPF_MX] = match_exchanges,
		[SPF_PTR] = match_names,
		[SPF_EXISTS] = match_existence,
	};
	struct span target = domain;
	struct spf_name name;

	if (!spf_count_term(c))
		return SPF_MATCH_NEVER;
	if (d->target.len > 0) {
		switch (spf_expand(c, d->target, domain, &target)) {
		case SPF_EXPANDED:
			break;
		case SPF_NOT_EXPANDED:
			return SPF_NO_MATCH;
		case SPF_LIMIT_PASSED:
			return SPF_MATCH_NEVER;
		}
	}
	if (d->mechanism == SPF_INCLUDE)
		return match_included(c, target);
	/* RFC 7208 4.8: what is no name does not exist, and need not be asked. */
	return spf_name_make(c->arena, target, &name) ? functions[d->mechanism](c, d, name.text) : SPF_NO_MATCH;
}

enum spf_match spf_match(struct spf_check *c, const struct spf_directive *d, struct span domain)
{
	c->term_is_void = false;
	if (d->mechanism == SPF_ALL)
		return SPF_MATCH;
	if (d->mechanism == SPF_IP4 || d->mechanism == SPF_IP6)
		return net_cidr_has(&d->network, &c->ip) ? SPF_MATCH : SPF_NO_MATCH;
	return match_target(c, d, domain);
}

void spf_expect(struct spf_check *c, const struct spf_record *record, struct span domain)
{
	unsigned begun = 0;

	for (size_t i = 0; i < record->count && begun < c->settings->most_expected; i++) {
		const struct spf_directive *d = &record->directives[i];
		struct spf_name name;

		if (d->mechanism == SPF_ALL)
			return;
		if ((d->mechanism != SPF_INCLUDE && d->mechanism != SPF_A && d->mechanism != SPF_MX) ||
		    spf_has_macros(d->target) || !spf_name_make(c->arena, d->target.len > 0 ? d->target : domain, &name))
			continue;
		expect(c, name.text, d->mechanism == SPF_INCLUDE ? RR_TXT : d->mechanism == SPF_MX ? RR_MX
		                                                                                    : address_type(c));
		begun++;
	}
}
