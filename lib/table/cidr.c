/* SPDX-License-Identifier: ISC */
/* cidr.c - cidr: networks, tried in order */
#include "lib/net/address.h"
#include "lib/table/rules.h"

extern const struct table_type table_cidr;

static void *compile(struct span *text, struct arena *arena, const char **error)
{
	struct net_cidr *cidr = ARENA_NEW(arena, struct net_cidr);
	struct span network;

	if (!span_token(text, " \t\r\n", &network) || !net_cidr_parse(network, cidr)) {
		*error = arena_printf(arena, "bad net/mask pattern (or host bits set): \"" SPAN_FMT "\"",
		                      SPAN_ARG(network));
		return NULL;
	}
	return cidr;
}

static enum table_status try(const void *pattern, struct span key, struct rule_match *match)
{
	struct net_address address;

	(void)match;
	if (!net_address_parse(key, 0, &address))
		return TABLE_NOT_FOUND;
	return net_cidr_has(pattern, &address) ? TABLE_FOUND : TABLE_NOT_FOUND;
}

static const struct rule_methods methods = { .type = "cidr", .compile = compile, .try = try };

static void *cidr_open(struct table_opening *o)
{
	return rules_open(o, &methods);
}

const struct table_type table_cidr = {
	.name = "cidr", .flags = TABLE_IS_PATTERN | TABLE_IS_FILE, .open = cidr_open, .find = rules_find,
	.close = rules_close,
	.text = "cidr:/file: networks (192.0.2.0/24, 2001:db8::/32), first match; !, if and endif.",
};
