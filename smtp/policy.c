/* SPDX-License-Identifier: ISC */
/* policy.c - how much TLS a destination must have (smtp_tls_security_level, smtp_tls_policy_maps) */
#include <string.h>

#include "lib/net/rdata.h"
#include "smtp/smtp.h"

enum { TLSA_MAX = 16 };

static enum outcome standard_level(const struct conf *conf, enum tls_level *level, struct why *why)
{
	const char *text = conf->smtp_tls_security_level;

	if (text[0] == '\0')
		text = conf->smtp_use_tls ? "may" : "none";
	if (!tls_level_parse(text, level))
		return why_set(why, DEFER, "4.7.5", "unknown smtp_tls_security_level %s", text);
	return DONE;
}

/* match_list - names of a policy's match attribute or of a _cert_match parameter, for one destination. */
static const char *const *match_list(struct arena *arena, struct span names, struct span nexthop,
                                     const char *host_name)
{
	enum { NAMES_MAX = 32 };
	const char **list = ARENA_NEW_ARRAY(arena, const char *, NAMES_MAX + 1);
	struct span name;
	size_t count = 0;

	while (count < NAMES_MAX && span_token(&names, ":, \t", &name)) {
		if (span_equal_ci(name, span_lit("nexthop")))
			list[count++] = arena_cstr(arena, nexthop);
		else if (span_equal_ci(name, span_lit("dot-nexthop")))
			list[count++] = arena_printf(arena, "." SPAN_FMT, SPAN_ARG(nexthop));
		else if (span_equal_ci(name, span_lit("hostname")))
			list[count++] = host_name;
		else
			list[count++] = arena_cstr(arena, name);
	}
	return list;
}

/* apply_entry - "level match=... servername=..." of a policy table. */
static enum outcome apply_entry(struct delivery *d, struct span entry, struct tls_client_policy *policy,
                                struct span *match, struct why *why)
{
	struct span word, name;

	if (!span_token(&entry, " \t,", &word) || !tls_level_parse(arena_cstr(d->arena, word), &policy->level))
		return why_set(why, DEFER, "4.7.5", "bad entry in smtp_tls_policy_maps: " SPAN_FMT, SPAN_ARG(word));
	while (span_token(&entry, " \t,", &word)) {
		if (!span_cut(&word, '=', &name))
			continue;
		if (span_equal_ci(name, span_lit("match")))
			*match = word;
		else if (span_equal_ci(name, span_lit("servername")))
			policy->server_name = arena_cstr(d->arena, word);
	}
	return DONE;
}

static enum outcome look_up(struct delivery *d, const struct nexthop *nexthop,
                            struct tls_client_policy *policy, struct span *match, struct why *why)
{
	struct span entry;

	if (d->client->conf->smtp_tls_policy_maps[0] == '\0')
		return DONE;
	switch (ask_map(d, "smtp_tls_policy_maps", nexthop->use_mx ? nexthop->domain : nexthop->text,
	                LOOKUP_DOMAIN, &entry)) {
	case LOOKUP_FOUND:
		return apply_entry(d, entry, policy, match, why);
	case LOOKUP_NOT_FOUND:
		return DONE;
	case LOOKUP_FAILED:
	default:
		return why_set(why, DEFER, "4.7.5", "TLS policy look-up failed for " SPAN_FMT,
		               SPAN_ARG(nexthop->domain));
	}
}

/* read_tlsa - the usable records of an answer (RFC 7672 3.1: usages 2 and 3 only). */
static void read_tlsa(struct arena *arena, struct span answers, struct tls_client_policy *policy)
{
	struct tls_tlsa *list = ARENA_NEW_ARRAY(arena, struct tls_tlsa, TLSA_MAX);
	struct span rdata, data;
	unsigned usage, selector, matching;

	while (policy->tlsa_count < TLSA_MAX && rdata_next(&answers, &rdata)) {
		if (!rdata_tlsa(rdata, &usage, &selector, &matching, &data) || (usage != 2 && usage != 3))
			continue;
		list[policy->tlsa_count++] = (struct tls_tlsa){ (unsigned char)usage, (unsigned char)selector,
			                                        (unsigned char)matching, data };
	}
	policy->tlsa = list;
}

/* apply_dane - RFC 7672 2.2: without a signed way to the host, or without TLSA records, as "may"; with records that
 * cannot be used, as "encrypt". */
static enum outcome apply_dane(struct delivery *d, const struct nexthop *nexthop, const struct host *host,
                               struct tls_client_policy *policy, struct why *why)
{
	struct dns_reply reply;
	struct span name = arena_printf_span(d->arena, "_%u._tcp.%s", nexthop->port, host->name);

	policy->level = TLS_MAY;
	if (!host->is_secure)
		return DONE;
	(void)ask_dns(d, name, RR_TLSA, &reply);
	if (reply.status == DNS_FAILED)
		return why_set(why, DEFER, "4.7.5", "TLSA lookup error for %s:%u", host->name, nexthop->port);
	if (reply.status != DNS_FOUND || !reply.is_secure)
		return DONE;
	read_tlsa(d->arena, reply.answers, policy);
	policy->level = policy->tlsa_count > 0 ? TLS_DANE : TLS_ENCRYPT;
	policy->server_name = host->name;
	return DONE;
}

/* apply_names - what the certificate must say for verify and secure. */
static void apply_names(struct delivery *d, const struct nexthop *nexthop, const struct host *host,
                        struct span match, struct tls_client_policy *policy)
{
	if (match.len == 0)
		match = policy->level == TLS_VERIFY ? span_lit("hostname")
		                                    : span_of(d->client->conf->smtp_tls_secure_cert_match);
	policy->match = match_list(d->arena, match, nexthop->domain, host->name);
	if (policy->server_name == NULL)
		policy->server_name = policy->match[0];
}

enum outcome policy_choose(struct delivery *d, const struct nexthop *nexthop, const struct host *host,
                           struct tls_choice *out, struct why *why)
{
	const struct client *client = d->client;
	struct tls_client_policy *policy = &out->policy;
	struct span match = { NULL, 0 };

	memset(out, 0, sizeof(*out));
	if (nexthop->is_unix)
		return DONE;
	if (standard_level(client->conf, &policy->level, why) != DONE ||
	    look_up(d, nexthop, policy, &match, why) != DONE)
		return DEFER;
	if (policy->level == TLS_DANE && apply_dane(d, nexthop, host, policy, why) != DONE)
		return DEFER;
	if (policy->level == TLS_NONE)
		return DONE;
	out->context = policy->level == TLS_MAY ? client->tls_any : client->tls_mandatory;
	if (out->context == NULL && policy->level > TLS_MAY)
		return why_set(why, DEFER, "4.7.5", "TLS is required, but our TLS engine is unavailable");
	if (policy->level == TLS_VERIFY || policy->level == TLS_SECURE)
		apply_names(d, nexthop, host, match, policy);
	return DONE;
}
