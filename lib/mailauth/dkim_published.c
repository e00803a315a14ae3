/* SPDX-License-Identifier: ISC */
/* dkim_published.c - ask every authoritative name server for a key's record
 *
 * The zone is that of the first name with NS records, going up from the key's name; the key's name may be an alias (a
 * provider's record), then its target counts.  Any doubt about who the servers are ends the look: a key must not begin to
 * sign on a guess. */
#include "lib/mailauth/dkim_published.h"

#include <stdlib.h>


enum { RECORDS_MAX = 10 };

struct look {
	const struct dkim_published_way *way;
	struct arena                    *arena;
	const struct dkim_signing_key   *key;
	struct dkim_published           *result;
	struct span                      name;	/* of the record */
	size_t                           addresses;
};

static struct lookup_answer ask(struct look *l, struct span name, enum rr_type rr_type)
{
	struct lookup_answer answer = { .status = DNS_FAILED };

	l->way->lookup.ask(l->way->lookup.user, name, rr_type, l->arena, &answer);
	return answer;
}

static bool give_up(struct look *l, const char *problem)
{
	l->result->problem = problem;
	return false;
}

/* ---- who is asked ---- */

/* follow_aliases - l->name becomes the name behind its CNAME records. */
static bool follow_aliases(struct look *l)
{
	for (size_t i = 0; i <= l->way->limits.aliases_max; i++) {
		struct lookup_answer answer = ask(l, l->name, RR_CNAME);
		struct span rdata, target;

		if (answer.status == DNS_FAILED)
			return give_up(l, "the DNS does not answer");
		if (answer.status != DNS_FOUND)
			return true;
		if (!rdata_next(&answer.records, &rdata) || !rdata_name(l->arena, rdata, &target) || target.len == 0)
			return give_up(l, "the key's name is a broken alias");
		l->name = target;
	}
	return give_up(l, "the key's name is an alias of too many aliases");
}

/* find_zone - the NS records of the zone that l->name is in; the root's are never wanted. */
static bool find_zone(struct look *l, struct span *records)
{
	struct span zone = l->name, label;

	while (zone.len != 0) {
		struct lookup_answer answer = ask(l, zone, RR_NS);

		if (answer.status == DNS_FAILED)
			return give_up(l, "the DNS does not answer");
		if (answer.status == DNS_FOUND) {
			l->result->zone = zone;
			*records = answer.records;
			return true;
		}
		(void)span_cut(&zone, '.', &label);
	}
	return give_up(l, "no name servers are known");
}

/* ---- asking them ---- */

/* is_shown - some record is the key's, and none is another key's: receivers take any of them. */
static enum dkim_shown is_shown(struct look *l, struct span records)
{
	enum dkim_shown shown = DKIM_NOT_SHOWN;
	struct dkim_key_record record;
	struct span rdata, text;
	const char *reason;

	for (size_t i = 0; rdata_next(&records, &rdata); i++) {
		if (i == RECORDS_MAX)
			return DKIM_NOT_SHOWN;
		if (!rdata_txt(l->arena, rdata, &text))
			continue;
		if (dkim_key_record_is_of(l->way->crypto, l->arena, text, l->key->type, l->key->pkey))
			shown = DKIM_SHOWN;
		else if (dkim_key_record_read(l->arena, text, &record, &reason))
			return DKIM_NOT_SHOWN;
	}
	return shown;
}

static void ask_address(struct look *l, struct dkim_name_server *server, const struct net_address *address)
{
	struct lookup_answer answer = { .status = DNS_FAILED };
	char text[NET_ADDRESS_TEXT_MAX];
	struct span where;

	server->address = arena_dup(l->arena, span_of(net_address_text(address, text)));
	where = arena_printf_span(l->arena, span_find(server->address, ':') == SPAN_NOT_FOUND ? "%s:%u" : "[%s]:%u", text,
	                          l->way->port);
	l->way->ask_server(l->way->lookup.user, where, l->name, RR_TXT, l->arena, &answer);
	if (answer.status != DNS_FAILED)
		server->shown = answer.status == DNS_FOUND ? is_shown(l, answer.records) : DKIM_NOT_SHOWN;
}

static struct dkim_name_server *add_row(struct look *l, struct span name)
{
	struct dkim_name_server *server = &l->result->server[l->result->count++];

	*server = (struct dkim_name_server){ .name = name, .shown = DKIM_NO_ANSWER };
	return server;
}

/* ask_host - at each address of the server of that name.  False: there are too many. */
static bool ask_host(struct look *l, struct span name)
{
	static const enum rr_type families[] = { RR_A, RR_AAAA };
	size_t first = l->result->count;
	struct net_address address;
	struct span rdata;

	for (size_t i = 0; i < COUNT_OF(families); i++) {
		struct lookup_answer answer = ask(l, name, families[i]);

		while (answer.status == DNS_FOUND && rdata_next(&answer.records, &rdata)) {
			if (!rdata_address(rdata, &address))
				continue;
			if (l->addresses++ == l->way->limits.addresses_max)
				return give_up(l, "the name servers have too many addresses");
			ask_address(l, add_row(l, name), &address);
		}
	}
	if (l->result->count == first)
		(void)add_row(l, name);
	return true;
}

static bool is_known(const struct look *l, struct span name)
{
	for (size_t i = 0; i < l->result->count; i++)
		if (span_equal_ci(l->result->server[i].name, name))
			return true;
	return false;
}

static bool ask_all(struct look *l, struct span records)
{
	struct span rdata, name;
	size_t hosts = 0;

	while (rdata_next(&records, &rdata)) {
		if (!rdata_name(l->arena, rdata, &name) || is_known(l, name))
			continue;
		if (hosts++ == l->way->limits.servers_max)
			return give_up(l, "there are too many name servers");
		if (!ask_host(l, name))
			return false;
	}
	return hosts != 0 || give_up(l, "no name servers are known");
}

/* ---- the verdict ---- */

/* by_name - answers come in any order; what is told of them should not change with it. */
static int by_name(const void *left, const void *right)
{
	const struct dkim_name_server *a = left, *b = right;
	int order = span_compare(a->name, b->name);

	return order != 0 ? order : span_compare(a->address, b->address);
}

/* is_everywhere - no address shows something else, and every server answers at one at least. */
static bool is_everywhere(const struct dkim_published *result)
{
	for (size_t i = 0; i < result->count;) {
		struct span host = result->server[i].name;
		bool has_answered = false;

		for (; i < result->count && span_equal(result->server[i].name, host); i++) {
			if (result->server[i].shown == DKIM_NOT_SHOWN)
				return false;
			has_answered = has_answered || result->server[i].shown == DKIM_SHOWN;
		}
		if (!has_answered)
			return false;
	}
	return result->count != 0;
}

void dkim_published_look(const struct dkim_published_way *way, struct arena *arena, struct span selector,
                         struct span domain, const struct dkim_signing_key *key, struct dkim_published *result)
{
	struct look l = {
		.way = way, .arena = arena, .key = key, .result = result, .name = dkim_key_name(arena, selector, domain),
	};
	struct span records;

	*result = (struct dkim_published){ .zone = { "", 0 } };
	result->server = ARENA_NEW_ARRAY(arena, struct dkim_name_server,
	                                 way->limits.servers_max + way->limits.addresses_max);
	if (l.name.len == 0) {
		(void)give_up(&l, "the key has no name that the DNS could hold");
	} else if (follow_aliases(&l) && find_zone(&l, &records) && ask_all(&l, records)) {
		qsort(result->server, result->count, sizeof(result->server[0]), by_name);
		result->is_everywhere = is_everywhere(result);
	}
}
