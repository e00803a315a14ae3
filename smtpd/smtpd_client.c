/* SPDX-License-Identifier: ISC */
/* smtpd_client.c - who the peer is, and how much it may ask of us
 *
 * Counts are kept in client_table.c, keyed by address prefix (/32, /84 by default). */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/net/rdata.h"
#include "lib/table/match.h"
#include "lib/task/task.h"
#include "smtpd/client_table.h"
#include "smtpd/smtpd.h"

_Static_assert((int)CLIENT_RATES == (int)SMTPD_RATES, "a count for each rate");

bool smtpd_match_peer(const struct match_list *list, const struct smtpd_peer *peer)
{
	struct arena *arena;
	bool found;

	if (list == NULL || match_list_is_empty(list) || peer->is_local_user)
		return false;
	arena = arena_new(NULL);
	found = match_client(list, peer->name, &peer->address, arena) == TABLE_FOUND;
	arena_free(arena);
	return found;
}

/* ---- identity ---- */

static void set_label(struct smtpd *s)
{
	s->peer.label = arena_printf_span(s->arena, SPAN_FMT "[" SPAN_FMT "]", SPAN_ARG(s->peer.name),
	                                  SPAN_ARG(s->peer.text));
}

static bool identify_local(struct smtpd *s)
{
	struct ucred who;
	socklen_t length = sizeof(who);

	if (getsockopt(s->stream.fd, SOL_SOCKET, SO_PEERCRED, &who, &length) < 0) {
		log_warning("who is at the other end of the local socket: %m");
		return false;
	}
	s->peer.is_local_user = true;
	s->peer.uid = who.uid;
	s->peer.name = s->peer.reverse_name = span_lit("localhost");
	s->peer.text = span_lit("127.0.0.1");
	s->peer.name_code = s->peer.reverse_code = 2;
	set_label(s);
	return true;
}

/* Who comes from one of our own addresses comes from this host: both ends of the connection are the same. */
static bool is_own_host(struct smtpd *s)
{
	struct net_address own = { .length = sizeof(own.storage) };
	char text[NET_ADDRESS_TEXT_MAX];

	if (net_address_is_loopback(&s->peer.address))
		return true;
	return getsockname(s->stream.fd, (struct sockaddr *)&own.storage, &own.length) == 0 &&
	       span_equal(span_of(net_address_text(&own, text)), s->peer.text);
}

bool smtpd_peer_identify(struct smtpd *s)
{
	char text[NET_ADDRESS_TEXT_MAX];
	struct smtpd_peer *p = &s->peer;

	if (s->server->is_local)
		return identify_local(s);
	p->address.length = sizeof(p->address.storage);
	if (getpeername(s->stream.fd, (struct sockaddr *)&p->address.storage, &p->address.length) < 0) {
		log_note("lost connection after CONNECT from unknown[unknown]");
		return false;
	}
	p->text = arena_dup(s->arena, span_of(net_address_text(&p->address, text)));
	p->name = p->reverse_name = span_lit("unknown");
	p->name_code = p->reverse_code = 5;
	set_label(s);
	p->in_mynetworks = smtpd_match_peer(s->server->mynetworks, p);
	p->is_own_host = is_own_host(s);
	return true;
}

/* Does name lead back to the client's address?  Anybody can claim any name in their own reverse zone. */
static enum smtpd_dns confirm_name(struct smtpd *s, struct span name, uint64_t deadline)
{
	unsigned rr_type = span_find(s->peer.text, ':') != SPAN_NOT_FOUND ? RR_AAAA : RR_A;
	struct span answers = span_lit(""), rdata;
	enum smtpd_dns found = smtpd_dns(s, name, rr_type, &answers, deadline);
	struct net_address address;
	char text[NET_ADDRESS_TEXT_MAX];

	if (found != SMTPD_DNS_FOUND)
		return found;
	while (rdata_next(&answers, &rdata))
		if (rdata_address(rdata, &address) &&
		    span_equal(span_of(net_address_text(&address, text)), s->peer.text))
			return SMTPD_DNS_FOUND;
	return SMTPD_DNS_NONE;
}

/* Only what can stand in a header and a log line is a host name. */
static bool is_host_name(struct span name)
{
	for (size_t i = 0; i < name.len; i++)
		if (!ascii_is_alnum(name.ptr[i]) && strchr("-._", name.ptr[i]) == NULL)
			return false;
	return name.len > 0 && name.len < 254;
}

void smtpd_peer_resolve(struct smtpd *s)
{
	uint64_t deadline = clock_in_s(s->conf->smtpd_peername_time_limit);
	struct span answers = span_lit(""), rdata, name;
	struct smtpd_peer *p = &s->peer;
	enum smtpd_dns found;

	if (p->is_local_user)
		return;
	if (net_address_is_loopback(&p->address)) {
		p->name = p->reverse_name = span_lit("localhost");
		p->name_code = p->reverse_code = 2;
		set_label(s);
		return;
	}
	if (!s->conf->smtpd_peername_lookup)
		return;
	found = smtpd_dns(s, net_reverse_name(s->per_command, &p->address), RR_PTR, &answers, deadline);
	p->name_code = p->reverse_code = found == SMTPD_DNS_FAILED ? 4 : 5;
	if (found != SMTPD_DNS_FOUND || !rdata_next(&answers, &rdata) ||
	    !rdata_name(s->arena, rdata, &name) || !is_host_name(name))
		return;
	p->reverse_name = name;
	p->reverse_code = 2;
	found = confirm_name(s, name, deadline);
	p->name_code = found == SMTPD_DNS_FOUND ? 2 : found == SMTPD_DNS_FAILED ? 4 : 5;
	if (found != SMTPD_DNS_FOUND)
		return;
	p->name = name;
	set_label(s);
}

/* ---- limits ---- */

/* The address cut to the prefix that counts as one client. */
static struct span client_key(struct smtpd *s)
{
	struct net_cidr cidr;
	unsigned bits;

	if (!net_cidr_parse(s->peer.text, &cidr))
		return s->peer.text;
	bits = (unsigned)(cidr.family == AF_INET ? s->conf->smtpd_client_ipv4_prefix_length
	                                         : s->conf->smtpd_client_ipv6_prefix_length);
	for (unsigned i = 0; i < sizeof(cidr.bytes); i++) {
		if (i * 8 >= bits)
			cidr.bytes[i] = 0;
		else if (bits - i * 8 < 8)
			cidr.bytes[i] &= (unsigned char)(0xffu << (8 - (bits - i * 8)));
	}
	return arena_dup(s->per_command, span_make(cidr.bytes, sizeof(cidr.bytes)));
}

/* What each rate is called in the log and to the client, and its limit. */
static long long rate_limit(const struct conf *conf, enum smtpd_rate rate)
{
	switch (rate) {
	case RATE_CONNECTION: return conf->smtpd_client_connection_rate_limit;
	case RATE_MESSAGE:    return conf->smtpd_client_message_rate_limit;
	case RATE_RECIPIENT:  return conf->smtpd_client_recipient_rate_limit;
	case RATE_AUTH:       return conf->smtpd_client_auth_rate_limit;
	case SMTPD_RATES:     break;
	}
	return 0;
}

static const struct {
	const char *log, *reply;
} rate_texts[SMTPD_RATES] = {
	[RATE_CONNECTION] = { "Connection rate", "too many connections from" },
	[RATE_MESSAGE]    = { "Message delivery request rate", "too much mail from" },
	[RATE_RECIPIENT]  = { "Recipient address rate", "too many recipients from" },
	[RATE_AUTH]       = { "AUTH command rate", "too many AUTH commands from" },
};

bool smtpd_client_count(struct smtpd *s, enum smtpd_rate rate)
{
	long long limit = rate_limit(s->conf, rate);
	unsigned count;

	if (s->client == NULL || limit <= 0)
		return true;
	count = client_count(s->client, rate, clock_now_us(), s->conf->anvil_rate_time_unit * CLOCK_SECOND_US);
	if (count <= limit)
		return true;
	log_warning("%s limit exceeded: %u from " SPAN_FMT " for service %s", rate_texts[rate].log, count,
	            SPAN_ARG(s->peer.label), s->server->name);
	smtpd_reply(s, rate == RATE_CONNECTION ? 421 : 450, "4.7.1", "Error: %s " SPAN_FMT,
	            rate_texts[rate].reply, SPAN_ARG(s->peer.text));
	return false;
}

bool smtpd_client_enter(struct smtpd *s)
{
	long long limit = s->conf->smtpd_client_connection_count_limit;
	unsigned count;

	if (s->peer.is_local_user || smtpd_match_peer(s->server->unlimited, &s->peer))
		return true;
	s->client = client_enter(s->server->clients, client_key(s));
	if (s->client == NULL)
		return true;
	count = client_connections(s->client);
	if (limit > 0 && count > limit) {
		log_warning("Connection concurrency limit exceeded: %u from " SPAN_FMT " for service %s", count,
		            SPAN_ARG(s->peer.label), s->server->name);
		smtpd_reply(s, 421, "4.7.0", "%s Error: too many connections from " SPAN_FMT,
		            s->conf->myhostname, SPAN_ARG(s->peer.text));
		return false;
	}
	return smtpd_client_count(s, RATE_CONNECTION);
}

void smtpd_client_leave(struct smtpd *s)
{
	if (s->client != NULL)
		client_leave(s->server->clients, s->client);
	s->client = NULL;
}

unsigned smtpd_client_connections(const struct smtpd *s)
{
	return s->client != NULL ? client_connections(s->client) : 0;
}
