/* SPDX-License-Identifier: ISC */
/* spf.c - SPF from the client to the verdict (RFC 7208 2 and 4)
 *
 * spf_check judges an identity; spf_check_host is the check_host() of the RFC: policies are found and read here, their
 * mechanisms are in spf_match.c, their text in spf_record.c and spf_macro.c.  An included policy is judged by the same
 * function; the limit of look-ups bounds how deep that goes. */
#include "lib/mailauth/spf.h"

#include "lib/mailauth/spf_private.h"
#include "lib/mailauth/text.h"
#include "lib/smtp/address.h"
#include "lib/smtp/idn.h"

enum { REASON_MAX_BYTES = 300 };

struct span spf_result_name(enum spf_result result)
{
	static const struct span names[] = {
		[SPF_NONE] = SPAN("none"),
		[SPF_NEUTRAL] = SPAN("neutral"),
		[SPF_PASS] = SPAN("pass"),
		[SPF_FAIL] = SPAN("fail"),
		[SPF_SOFTFAIL] = SPAN("softfail"),
		[SPF_TEMPERROR] = SPAN("temperror"),
		[SPF_PERMERROR] = SPAN("permerror"),
	};

	return names[result];
}

struct span spf_identity_name(enum spf_identity identity)
{
	return identity == SPF_HELO ? span_lit("helo") : span_lit("mailfrom");
}

/* ---- check_host ---- */

bool spf_count_term(struct spf_check *c)
{
	if (++c->terms <= c->settings->most_terms)
		return true;
	c->reason = arena_printf_span(c->arena, "more than %u terms look up", c->settings->most_terms);
	return false;
}

/* select_policy - the one policy among the TXT records (RFC 7208 4.5): SPF_PASS and text, or what the lack of it means. */
static enum spf_result select_policy(struct spf_check *c, struct span domain, struct span records, struct span *text)
{
	struct span rdata, one;
	size_t found = 0;

	while (rdata_next(&records, &rdata)) {
		if (rdata_txt(c->arena, rdata, &one) && spf_record_is_policy(one)) {
			found++;
			*text = one;
		}
	}
	if (found == 0)
		return SPF_NONE;
	if (c->policy.len == 0)
		c->policy = *text;
	if (found == 1 && text->len <= c->settings->most_record_bytes)
		return SPF_PASS;
	c->reason = arena_printf_span(c->arena, "%s at " SPAN_FMT,
	                              found > 1 ? "more than one policy" : "too long a policy", SPAN_ARG(domain));
	return SPF_PERMERROR;
}

static enum spf_result find_policy(struct spf_check *c, struct span domain, struct span *text)
{
	struct lookup_answer answer;
	struct spf_name name;

	if (!spf_name_make(c->arena, domain, &name) || name.labels < 2)
		return SPF_NONE;
	c->lookup->ask(c->lookup->user, name.text, RR_TXT, c->arena, &answer);
	if (answer.status == DNS_FOUND)
		return select_policy(c, domain, answer.records, text);
	if (answer.status != DNS_FAILED)
		return SPF_NONE;
	c->reason = arena_printf_span(c->arena, "TXT look-up of " SPAN_FMT " failed", SPAN_ARG(domain));
	return SPF_TEMPERROR;
}

/* run_directives - the result of the first that matches; false when none does. */
static bool run_directives(struct spf_check *c, const struct spf_record *record, struct span domain,
                           struct spf_decision *decision, enum spf_result *result)
{
	for (size_t i = 0; i < record->count; i++) {
		const struct spf_directive *d = &record->directives[i];
		enum spf_match match = spf_match(c, d, domain);

		if (match == SPF_NO_MATCH)
			continue;
		decision->mechanism = d->text;
		*result = match == SPF_MATCH_LATER   ? SPF_TEMPERROR
		          : match == SPF_MATCH_NEVER ? SPF_PERMERROR
		                                     : d->result;
		return true;
	}
	return false;
}

/* redirected - where the redirect modifier leads (RFC 7208 6.1); false: nowhere, which is the policy's fault. */
static bool redirected(struct spf_check *c, struct span redirect, struct span domain, struct span *target)
{
	if (!spf_count_term(c))
		return false;
	switch (spf_expand(c, redirect, domain, target)) {
	case SPF_EXPANDED:
		return true;
	case SPF_NOT_EXPANDED:
		c->reason = arena_printf_span(c->arena, "nothing to redirect to from " SPAN_FMT, SPAN_ARG(domain));
		break;
	case SPF_LIMIT_PASSED:
		break;
	}
	return false;
}

/* run_policy - of one domain; true when it is redirected, domain then is where to. */
static bool run_policy(struct spf_check *c, struct span *domain, struct span text, struct spf_decision *decision,
                       enum spf_result *result)
{
	struct spf_record record;
	struct span fault;

	*decision = (struct spf_decision){ .domain = *domain };
	if (!spf_record_parse(c->arena, text, &record, &fault)) {
		c->reason = arena_printf_span(c->arena, "syntax error in the policy of " SPAN_FMT ": " SPAN_FMT,
		                              SPAN_ARG(*domain),
		                              SPAN_ARG(text_printable(c->arena, fault, REASON_MAX_BYTES)));
		*result = SPF_PERMERROR;
		return false;
	}
	decision->exp = record.exp;
	spf_expect(c, &record, *domain);
	if (run_directives(c, &record, *domain, decision, result))
		return false;
	decision->mechanism = span_lit("default");
	*result = SPF_NEUTRAL;
	if (record.redirect.len == 0)
		return false;
	*result = SPF_PERMERROR;
	return redirected(c, record.redirect, *domain, domain);
}

enum spf_result spf_check_host(struct spf_check *c, struct span domain, struct spf_decision *decision)
{
	struct span text;
	enum spf_result result = find_policy(c, domain, &text);

	*decision = (struct spf_decision){ 0 };
	while (result == SPF_PASS && run_policy(c, &domain, text, decision, &result)) {
		result = find_policy(c, domain, &text);
		if (result == SPF_NONE) {
			c->reason = arena_printf_span(c->arena, "no policy at " SPAN_FMT
			                              ", to which it is redirected", SPAN_ARG(domain));
			result = SPF_PERMERROR;
		}
	}
	return result;
}

/* ---- the explanation ---- */

/* find_explanation - exp= leads to exactly one TXT record of the right form (RFC 7208 6.2). */
static bool find_explanation(struct spf_check *c, const struct spf_decision *decision, struct span *text)
{
	struct lookup_answer answer;
	struct spf_name name;
	struct span target, rdata;

	if (decision->exp.len == 0 || spf_expand(c, decision->exp, decision->domain, &target) != SPF_EXPANDED ||
	    !spf_name_make(c->arena, target, &name))
		return false;
	c->lookup->ask(c->lookup->user, name.text, RR_TXT, c->arena, &answer);
	return answer.status == DNS_FOUND && rdata_next(&answer.records, &rdata) &&
	       rdata_txt(c->arena, rdata, text) && !rdata_next(&answer.records, &rdata) &&
	       text->len <= c->settings->most_record_bytes && spf_explanation_is_valid(*text) &&
	       spf_expand(c, *text, decision->domain, text) == SPF_EXPANDED;
}

static void explain(struct spf_check *c, const struct spf_decision *decision, struct spf_verdict *verdict)
{
	struct span text;

	c->is_explaining = true;
	verdict->is_explained = c->settings->wants_explanation && find_explanation(c, decision, &text);
	verdict->explanation = text_printable(c->arena, verdict->is_explained ? text : c->settings->explanation,
	                                 c->settings->most_explanation_bytes);
}

/* ---- identities ---- */

static struct span clean_domain(struct arena *arena, struct span domain)
{
	domain = idn_to_ascii(arena, domain);
	if (span_ends(domain, span_lit(".")))
		domain.len--;
	return domain;
}

static bool is_visible(char c)
{
	return ascii_is_print(c) && c != ' ';
}

/* is_judgeable - a domain that can have a policy (RFC 7208 4.3): of two labels, no address in whatever form. */
static bool is_judgeable(struct arena *arena, struct span domain)
{
	size_t dot = span_rfind(domain, '.');
	struct spf_name name;

	return span_all(domain, is_visible) && !span_starts(domain, span_lit("[")) && dot != SPAN_NOT_FOUND &&
	       spf_name_make(arena, domain, &name) && span_equal(name.text, domain) &&
	       !span_all(span_skip(domain, dot + 1), ascii_is_digit);
}

/* set_sender - local part and domain of the identity, "postmaster" where it has none (RFC 7208 2.4, 4.3). */
static void set_sender(struct spf_check *c, const struct spf_client *client, enum spf_identity identity)
{
	c->helo = clean_domain(c->arena, client->helo);
	c->sender_domain = c->helo;
	if (identity == SPF_MAILFROM && client->mail_from.len > 0) {
		smtp_address_split(client->mail_from, &c->local, &c->sender_domain);
		c->sender_domain = clean_domain(c->arena, c->sender_domain);
	}
	if (c->local.len == 0)
		c->local = span_lit("postmaster");
}

/* set_client - the address, an IPv4-mapped one as IPv4 (RFC 7208 5); false when it is none. */
static bool set_client(struct spf_check *c, const struct net_address *ip)
{
	char number[NET_ADDRESS_TEXT_MAX];

	c->is_ip6 = strchr(net_address_text(ip, number), ':') != NULL;
	return net_address_parse(span_of(number), 0, &c->ip);
}

void spf_check(const struct spf_client *client, enum spf_identity identity, const struct lookup *lookup,
               struct arena *arena, const struct spf_settings *settings, struct spf_verdict *verdict)
{
	struct spf_check c = { .arena = arena, .lookup = lookup, .settings = settings };
	struct spf_decision decision = { 0 };

	*verdict = (struct spf_verdict){ .result = SPF_NONE, .identity = identity };
	set_sender(&c, client, identity);
	if (!set_client(&c, &client->ip)) {
		verdict->reason = span_lit("the client has no IP address");
		return;
	}
	if (!is_judgeable(arena, c.sender_domain)) {
		verdict->reason = span_lit("there is no domain to judge");
		return;
	}
	verdict->domain = c.sender_domain;
	verdict->result = spf_check_host(&c, c.sender_domain, &decision);
	verdict->policy = c.policy;
	verdict->mechanism = text_printable(arena, decision.mechanism, REASON_MAX_BYTES);
	if (verdict->result == SPF_TEMPERROR || verdict->result == SPF_PERMERROR)
		verdict->reason = text_printable(arena, c.reason, REASON_MAX_BYTES);
	if (verdict->result == SPF_FAIL)
		explain(&c, &decision, verdict);
}
