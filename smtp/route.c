/* SPDX-License-Identifier: ISC */
/* route.c - from next hop to hosts: RFC 5321 5.1, RFC 7505 (null MX)
 *
 * Answers come from strangers: at most MX_MAX exchangers of ADDRESSES_MAX addresses each are looked at.  An
 * exchanger that is ourselves cuts off itself and all that are no better, or mail would go round. */
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "lib/base/codec.h"
#include "lib/net/rdata.h"
#include "lib/smtp/address.h"
#include "lib/smtp/idn.h"
#include "smtp/smtp.h"

enum { MX_MAX = 20, ADDRESSES_MAX = 10 };

struct exchange {
	unsigned    preference;
	uint32_t    shuffle;
	struct span name;
};

struct search {
	struct delivery      *d;
	const struct nexthop *nexthop;
	struct hosts         *out;
	bool                  is_secure;	/* of the MX answer */
	bool                  some_failed;	/* a look-up failed for now */
	struct why            why;		/* of the last host without an address */
};

/* ---- the next hop's text ---- */

static bool port_number(struct span text, unsigned *port)
{
	unsigned long long number;
	static const struct {
		struct span name;
		unsigned    port;
	} known[] = {
		{ SPAN("smtp"), 25 }, { SPAN("lmtp"), 24 }, { SPAN("submission"), 587 },
		{ SPAN("submissions"), 465 }, { SPAN("smtps"), 465 },
	};

	if (span_u64(text, 65535, &number) && number > 0) {
		*port = (unsigned)number;
		return true;
	}
	for (size_t i = 0; i < COUNT_OF(known); i++) {
		if (span_equal_ci(text, known[i].name)) {
			*port = known[i].port;
			return true;
		}
	}
	return false;
}

enum outcome nexthop_parse(const struct client *client, struct arena *arena, struct span text,
                           struct nexthop *out, struct why *why)
{
	const struct conf *conf = client->conf;
	struct span port, standard = span_of(client->is_lmtp ? conf->lmtp_tcp_port : conf->smtp_tcp_port);
	bool is_bracketed;

	*out = (struct nexthop){ .text = text };
	if (span_starts_ci(text, span_lit("unix:"))) {
		out->is_unix = true;
		out->domain = span_skip(text, 5);
		if (!span_starts(out->domain, span_lit("/")))
			out->domain = arena_printf_span(arena, "%s/" SPAN_FMT, conf->queue_directory,
			                                SPAN_ARG(out->domain));
		return DONE;
	}
	if (span_starts_ci(text, span_lit("inet:")))
		text = span_skip(text, 5);
	if (!net_host_port(text, &out->domain, &port, &is_bracketed) ||
	    !port_number(port.len > 0 ? port : standard, &out->port))
		return why_set(why, DEFER, "4.3.5", "bad next hop " SPAN_FMT, SPAN_ARG(out->text));
	if (is_bracketed && span_starts_ci(out->domain, span_lit("ipv6:")))
		out->domain = span_skip(out->domain, 5);
	out->domain = idn_to_ascii(arena, out->domain);
	out->use_mx = !is_bracketed && !client->is_lmtp;
	return DONE;
}

/* ---- addresses of one host ---- */

static bool uses_dns(const struct conf *conf)
{
	return !conf->disable_dns_lookups &&
	       !span_equal_ci(span_of(conf->smtp_dns_support_level), span_lit("disabled"));
}

static bool speaks(const struct conf *conf, struct span family)
{
	struct span rest = span_of(conf->inet_protocols), word;

	while (conf_list_next(&rest, &word)) {
		if (span_equal_ci(word, family) || span_equal_ci(word, span_lit("all")))
			return true;
	}
	return false;
}

static void add_host(struct search *s, struct span name, const struct net_address *address,
                     unsigned preference, bool is_secure)
{
	struct host *h;

	if (s->out->count == HOSTS_MAX)
		return;
	h = &s->out->list[s->out->count++];
	*h = (struct host){ .name = arena_cstr(s->d->arena, name), .address = *address,
		            .preference = preference, .is_secure = is_secure };
	net_address_set_port(&h->address, s->nexthop->port);
}

/* add_known - numeric addresses and localhost, for which nobody is asked.  False: a look-up is needed. */
static bool add_known(struct search *s, struct span name, unsigned preference)
{
	const struct conf *conf = s->d->client->conf;
	struct net_address address;

	if (net_address_parse(name, s->nexthop->port, &address)) {
		add_host(s, name, &address, preference, false);
		return true;
	}
	if (!span_equal_ci(name, span_lit("localhost")))
		return false;
	if (speaks(conf, span_lit("ipv6")) && net_address_parse(span_lit("::1"), 0, &address))
		add_host(s, name, &address, preference, false);
	if (speaks(conf, span_lit("ipv4")) && net_address_parse(span_lit("127.0.0.1"), 0, &address))
		add_host(s, name, &address, preference, false);
	return true;
}

static void note_failure(struct search *s, struct span name, const char *type, const struct dns_reply *reply)
{
	bool for_now = reply->status == DNS_FAILED;

	s->some_failed |= for_now;
	(void)why_set(&s->why, for_now ? DEFER : REFUSE, for_now ? "4.4.3" : "5.4.4",
	              "Host or domain name not found. Name service error for name=" SPAN_FMT
	              " type=%s: " SPAN_FMT, SPAN_ARG(name), type, SPAN_ARG(reply->reason));
}

static void add_answers(struct search *s, struct span name, unsigned preference,
                        const struct dns_reply *reply, bool mx_is_secure)
{
	struct span answers = reply->answers, rdata;
	struct net_address address;

	for (size_t i = 0; i < ADDRESSES_MAX && rdata_next(&answers, &rdata); i++) {
		if (rdata_address(rdata, &address))
			add_host(s, name, &address, preference, mx_is_secure && reply->is_secure);
	}
}

/* add_native - what /etc/hosts says, when smtp_host_lookup names "native".  False: nothing. */
static bool add_native(struct search *s, struct span name, unsigned preference)
{
	const struct hosts *known = &s->d->client->known;
	size_t before = s->out->count;

	for (size_t i = 0; i < known->count; i++) {
		const struct host *h = &known->list[i];
		bool is_ipv6 = h->address.storage.ss_family == AF_INET6;

		if (span_equal_ci(span_of(h->name), name) &&
		    speaks(s->d->client->conf, is_ipv6 ? span_lit("ipv6") : span_lit("ipv4")))
			add_host(s, name, &h->address, preference, false);
	}
	return s->out->count > before;
}

static void add_by_name(struct search *s, struct span name, unsigned preference)
{
	static const struct {
		unsigned    type;
		const char *text;
		struct span family;
	} rows[] = { { RR_AAAA, "AAAA", SPAN("ipv6") }, { RR_A, "A", SPAN("ipv4") } };
	struct dns_reply reply;

	if (add_known(s, name, preference) || add_native(s, name, preference))
		return;
	if (!uses_dns(s->d->client->conf)) {
		(void)why_set(&s->why, REFUSE, "5.4.4", "unable to look up host " SPAN_FMT
		              ": DNS look-ups are disabled", SPAN_ARG(name));
		return;
	}
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		if (!speaks(s->d->client->conf, rows[i].family))
			continue;
		(void)ask_dns(s->d, name, rows[i].type, &reply);
		if (reply.status == DNS_FOUND)
			add_answers(s, name, preference, &reply, s->is_secure);
		else
			note_failure(s, name, rows[i].text, &reply);
	}
}

/* ---- mail exchangers ---- */

static int by_preference(const void *left, const void *right)
{
	const struct exchange *a = left, *b = right;

	if (a->preference != b->preference)
		return a->preference < b->preference ? -1 : 1;
	return a->shuffle < b->shuffle ? -1 : a->shuffle > b->shuffle;
}

static size_t read_exchanges(struct search *s, const struct dns_reply *reply, struct exchange *list)
{
	struct span answers = reply->answers, rdata;
	size_t count = 0;

	while (count < MX_MAX && rdata_next(&answers, &rdata)) {
		struct exchange *x = &list[count];

		if (!rdata_mx(s->d->arena, rdata, &x->preference, &x->name))
			continue;
		x->shuffle = (uint32_t)count;
		if (s->d->client->conf->smtp_randomize_addresses)
			random_bytes(&x->shuffle, sizeof(x->shuffle));
		count++;
	}
	qsort(list, count, sizeof(*list), by_preference);
	return count;
}

static bool is_own(const struct client *client, const struct host *h)
{
	if (span_equal_ci(span_of(h->name), span_of(client->conf->myhostname)))
		return true;
	for (size_t i = 0; i < client->own_count; i++) {
		if (net_address_same_host(&client->own[i], &h->address))
			return true;
	}
	return false;
}

/* cut_at_self - drop ourselves and what is no better (RFC 5321 5.1).  False: we are the best. */
static bool cut_at_self(struct search *s)
{
	const struct client *client = s->d->client;
	size_t keep = 0;

	if (s->nexthop->port != PORT_SMTP || client->is_lmtp)
		return true;	/* another service of this host may well be meant */
	for (size_t i = 0; i < s->out->count; i++) {
		if (!is_own(client, &s->out->list[i]))
			continue;
		while (s->out->list[keep].preference < s->out->list[i].preference)
			keep++;
		s->out->count = keep;
		return keep > 0;
	}
	return true;
}

static enum outcome loops_back(const struct search *s, struct why *why)
{
	return why_set(why, REFUSE, "5.4.6", "mail for " SPAN_FMT " loops back to myself",
	               SPAN_ARG(s->nexthop->domain));
}

static enum outcome nothing_found(const struct search *s, struct why *why)
{
	*why = s->why;
	if (s->some_failed || s->d->client->conf->smtp_defer_if_no_mx_address_found) {
		why->dsn[0] = '4';
		return DEFER;
	}
	return REFUSE;
}

static enum outcome find_by_mx(struct search *s, const struct dns_reply *reply, struct why *why)
{
	struct exchange list[MX_MAX];
	size_t count = read_exchanges(s, reply, list);

	if (count == 1 && list[0].name.len == 0)
		return why_set(why, REFUSE, "5.1.10", "Domain " SPAN_FMT " does not accept mail (nullMX)",
		               SPAN_ARG(s->nexthop->domain));
	s->is_secure = reply->is_secure;
	for (size_t i = 0; i < count; i++)
		add_by_name(s, list[i].name, list[i].preference);
	if (count == 0)
		(void)why_set(&s->why, REFUSE, "5.4.4", "no usable mail exchanger of " SPAN_FMT,
		              SPAN_ARG(s->nexthop->domain));
	return DONE;
}

/* prefer_family - among hosts of equal preference, the family that smtp_address_preference names first. */
static void prefer_family(struct search *s)
{
	struct span wish = span_of(s->d->client->conf->smtp_address_preference);
	int family = span_equal_ci(wish, span_lit("ipv4")) ? AF_INET : AF_INET6;
	struct host *list = s->out->list;

	if (!span_equal_ci(wish, span_lit("ipv4")) && !span_equal_ci(wish, span_lit("ipv6")))
		return;
	for (size_t i = 1; i < s->out->count; i++) {	/* stable: insertion among equals */
		for (size_t k = i; k > 0 && list[k].preference == list[k - 1].preference &&
		                   list[k].address.storage.ss_family == family &&
		                   list[k - 1].address.storage.ss_family != family; k--) {
			struct host moved = list[k];

			list[k] = list[k - 1];
			list[k - 1] = moved;
		}
	}
}

static enum outcome unix_host(struct search *s, struct why *why)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct span path = s->nexthop->domain;
	struct host *h = &s->out->list[s->out->count++];

	if (path.len >= sizeof(address.sun_path))
		return why_set(why, DEFER, "4.3.5", "path too long: " SPAN_FMT, SPAN_ARG(path));
	memcpy(address.sun_path, path.ptr, path.len);
	memcpy(&h->address.storage, &address, sizeof(address));
	h->address.length = sizeof(address);
	h->name = s->d->client->conf->myhostname;
	return DONE;
}

enum outcome route_find(struct delivery *d, const struct nexthop *nexthop, struct hosts *out, struct why *why)
{
	struct search s = { .d = d, .nexthop = nexthop, .out = out };
	struct net_address numeric;
	struct dns_reply reply;

	*out = (struct hosts){ .list = ARENA_NEW_ARRAY(d->arena, struct host, HOSTS_MAX) };
	if (nexthop->is_unix)
		return unix_host(&s, why);
	if (!nexthop->use_mx || !uses_dns(d->client->conf) ||
	    span_equal_ci(nexthop->domain, span_lit("localhost")) ||
	    net_address_parse(nexthop->domain, 0, &numeric)) {
		add_by_name(&s, nexthop->domain, 0);
		prefer_family(&s);
		return out->count > 0 ? DONE : nothing_found(&s, why);
	}
	(void)ask_dns(d, nexthop->domain, RR_MX, &reply);
	if (reply.status == DNS_FOUND) {
		if (find_by_mx(&s, &reply, why) != DONE)
			return REFUSE;
	} else if (reply.status == DNS_NO_DATA ||
	           (reply.status == DNS_FAILED && d->client->conf->ignore_mx_lookup_error)) {
		s.is_secure = reply.is_secure;
		add_by_name(&s, nexthop->domain, 0);
	} else {
		note_failure(&s, nexthop->domain, "MX", &reply);
	}
	if (out->count == 0)
		return nothing_found(&s, why);
	prefer_family(&s);
	return cut_at_self(&s) ? DONE : loops_back(&s, why);
}
