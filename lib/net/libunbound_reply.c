/* SPDX-License-Identifier: ISC */
/* libunbound_reply.c - questions and answers in the forms of libunbound and of lib/ipc/dns.h
 *
 * Names and records are bytes of strangers: they are passed on unread, and readers use lib/net/rdata.h. */
#include <stdint.h>
#include <unbound.h>

#include "lib/base/buf.h"
#include "lib/net/libunbound.h"

enum { NAME_MAX_TEXT = 1010, ANSWERS_MAX_BYTES = 64 * 1024, RCODE_SERVFAIL = 2, RCODE_NXDOMAIN = 3 };
enum { TTL_MAX_S = 86400, TTL_NEGATIVE_MAX_S = 900 };

static struct span without_dot(struct span name)
{
	return span_ends(name, span_lit(".")) ? span_first(name, name.len - 1) : name;
}

static bool is_name_char(char c)
{
	return ascii_is_print(c) && c != ' ';
}

/* is_askable - could be a name at all: labels of 1 to 63 (escapes counted as written, so never too strict). */
static bool is_askable(struct span name)
{
	struct span label;

	if (name.len == 0 || name.len > NAME_MAX_TEXT || !span_all(name, is_name_char))
		return false;
	while (name.len > 0) {
		span_cut(&name, '.', &label);
		if (label.len == 0 || label.len > 4 * 63)
			return false;
	}
	return true;
}

bool libunbound_name(struct arena *arena, struct span name, struct span *asked)
{
	name = without_dot(name);
	if (!is_askable(name))
		return false;
	*asked = arena_lower(arena, name);
	return true;
}

void dns_reply_fail(struct dns_reply *reply, struct span reason)
{
	*reply = (struct dns_reply){ .status = DNS_FAILED, .rcode = RCODE_SERVFAIL, .reason = reason };
}

void dns_reply_no_name(struct dns_reply *reply)
{
	*reply = (struct dns_reply){ .status = DNS_NO_NAME, .rcode = RCODE_NXDOMAIN,
	                             .reason = SPAN("not a domain name") };
}

/* pack_answers - RDATA behind RDATA as lib/ipc/dns.h says; whole records only. */
static struct span pack_answers(struct arena *arena, const struct ub_result *result)
{
	struct buf out;
	struct span packed;

	buf_init(&out, ANSWERS_MAX_BYTES);
	for (size_t i = 0; result->data != NULL && result->data[i] != NULL; i++) {
		struct span rdata = span_make(result->data[i], (size_t)result->len[i]);

		if (out.len + 2 + rdata.len > ANSWERS_MAX_BYTES)
			break;
		buf_add_u16(&out, (uint16_t)rdata.len);
		buf_add(&out, rdata);
	}
	packed = arena_dup(arena, buf_span(&out));
	buf_free(&out);
	return packed;
}

/* bounded_ttl - a "no" is believed for a quarter of an hour at most, whatever its SOA record says. */
static uint64_t bounded_ttl(const struct ub_result *result)
{
	int most = result->havedata ? TTL_MAX_S : TTL_NEGATIVE_MAX_S;

	if (result->ttl <= 0)
		return 0;
	return (uint64_t)(result->ttl < most ? result->ttl : most);
}

/* classify - what the answer means; the texts are what mail logs have always said. */
static void classify(struct arena *arena, const struct ub_result *result, struct dns_reply *reply)
{
	*reply = (struct dns_reply){
		.rcode = (uint64_t)result->rcode,
		.ttl_s = bounded_ttl(result),
		.is_secure = result->secure != 0,
		.is_bogus = result->bogus != 0,
	};
	if (result->bogus) {
		reply->status = DNS_FAILED;
		reply->reason = arena_printf_span(arena, "DNSSEC validation failed: %.200s",
		                                  result->why_bogus != NULL ? result->why_bogus : "bogus");
	} else if (result->rcode == 0 && result->havedata) {
		reply->status = DNS_FOUND;
		reply->answers = pack_answers(arena, result);
	} else if (result->rcode == 0) {
		reply->status = DNS_NO_DATA;
		reply->reason = span_lit("Host found but no data record of requested type");
	} else if (result->nxdomain) {
		reply->status = DNS_NO_NAME;
		reply->reason = span_lit("Host not found");
	} else {
		reply->status = DNS_FAILED;
		reply->reason = span_lit("Host not found, try again");
	}
	reply->canonical = arena_dup(arena, without_dot(span_of(result->canonname != NULL ? result->canonname
	                                                                                   : result->qname)));
}

void libunbound_reply(struct arena *arena, int error, const struct ub_result *result, struct dns_reply *reply)
{
	if (error == UB_SYNTAX)
		dns_reply_no_name(reply);
	else if (error != 0 || result == NULL)
		dns_reply_fail(reply, span_lit("Host not found, try again"));
	else
		classify(arena, result, reply);
}
