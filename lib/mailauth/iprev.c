/* SPDX-License-Identifier: ISC */
/* iprev.c - from an address to its names and back (RFC 8601 3) */
#include "lib/mailauth/iprev.h"

struct span iprev_result_name(enum iprev_result result)
{
	static const struct span names[] = {
		[IPREV_PASS] = SPAN("pass"),
		[IPREV_FAIL] = SPAN("fail"),
		[IPREV_TEMPERROR] = SPAN("temperror"),
		[IPREV_PERMERROR] = SPAN("permerror"),
	};

	return names[result];
}

static bool has_address(struct span records, const struct net_address *ip)
{
	struct net_address address;
	struct span rdata;

	while (rdata_next(&records, &rdata)) {
		if (rdata_address(rdata, &address) && net_address_same_host(&address, ip))
			return true;
	}
	return false;
}

/* try_name - PASS when it leads back; what its failure means for the whole, otherwise. */
static enum iprev_result try_name(const struct net_address *ip, bool is_ip6, const struct lookup *lookup,
                                  struct arena *arena, struct span name)
{
	struct lookup_answer answer;

	lookup->ask(lookup->user, name, is_ip6 ? RR_AAAA : RR_A, arena, &answer);
	if (answer.status == DNS_FAILED)
		return IPREV_TEMPERROR;
	return answer.status == DNS_FOUND && has_address(answer.records, ip) ? IPREV_PASS : IPREV_FAIL;
}

/* try_names - the best of them: one that leads back, else one that could not be looked up now. */
static void try_names(const struct net_address *ip, bool is_ip6, const struct lookup *lookup, struct arena *arena,
                      struct span records, size_t most_names, struct iprev_verdict *verdict)
{
	struct span rdata, name;

	for (size_t i = 0; i < most_names && rdata_next(&records, &rdata); i++) {
		enum iprev_result result;

		if (!rdata_name(arena, rdata, &name) || name.len == 0)
			continue;
		result = try_name(ip, is_ip6, lookup, arena, name);
		if (result == IPREV_PASS || verdict->name.len == 0)
			verdict->name = name;
		if (result == IPREV_PASS || verdict->result == IPREV_PERMERROR || result == IPREV_TEMPERROR)
			verdict->result = result;
		if (result == IPREV_PASS)
			return;
	}
}

void iprev_check(const struct net_address *ip, const struct lookup *lookup, struct arena *arena, size_t most_names,
                 struct iprev_verdict *verdict)
{
	struct span reverse = net_reverse_name(arena, ip);
	struct lookup_answer answer;

	*verdict = (struct iprev_verdict){ .result = IPREV_PERMERROR };
	if (reverse.len == 0)
		return;
	lookup->ask(lookup->user, reverse, RR_PTR, arena, &answer);
	if (answer.status == DNS_FAILED)
		verdict->result = IPREV_TEMPERROR;
	else if (answer.status == DNS_FOUND)
		try_names(ip, span_ends(reverse, span_lit(".ip6.arpa")), lookup, arena, answer.records, most_names,
		          verdict);
}
