/* SPDX-License-Identifier: ISC */
/* libunbound_reply.c - questions and answers in the forms of libunbound and of lib/ipc/dns.h
 *
 * Names and records are bytes of strangers: they are passed on unread, and readers use lib/net/rdata.h. */
#include <stdint.h>
#include <unbound.h>

#include "lib/base/buf.h"
#include "lib/net/libunbound.h"
#include "lib/net/rdata.h"

enum { NAME_MAX_TEXT = 1010, ANSWERS_MAX_BYTES = 64 * 1024, RCODE_SERVFAIL = 2, RCODE_NXDOMAIN = 3 };
enum { PACKET_HEAD_BYTES = 12, QUESTION_TAIL_BYTES = 4, RECORD_HEAD_BYTES = 10 };
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

/* skip_name - the owner's name at the start of *packet; compressed ones end in a pointer. */
static bool skip_name(struct span *packet)
{
	for (;;) {
		size_t length = packet->len > 0 ? (unsigned char)packet->ptr[0] : 0;
		size_t step = length >= 0xc0 ? 2 : 1 + length;

		if (packet->len < step || packet->len == 0)
			return false;
		*packet = span_skip(*packet, step);
		if (length == 0 || length >= 0xc0)
			return true;
	}
}

static unsigned u16_at(struct span packet, size_t at)
{
	return (unsigned)(unsigned char)packet.ptr[at] << 8 | (unsigned char)packet.ptr[at + 1];
}

/* add_packet_record - the record at the start of *packet, when it is of that type and not empty. */
static bool add_packet_record(struct span *packet, unsigned rr_type, struct buf *out)
{
	unsigned type;
	size_t length;

	if (!skip_name(packet) || packet->len < RECORD_HEAD_BYTES)
		return false;
	type = u16_at(*packet, 0);
	length = u16_at(*packet, RECORD_HEAD_BYTES - 2);
	*packet = span_skip(*packet, RECORD_HEAD_BYTES);
	if (length > packet->len)
		return false;
	if (type == rr_type && length > 0) {
		buf_add_u16(out, (uint16_t)length);
		buf_add(out, span_first(*packet, length));
	}
	*packet = span_skip(*packet, length);
	return true;
}

/* salvage - TXT records of an answer that libunbound calls a failure because one of them is empty, as none should be
 * (RFC 1035 3.3.14).  The packet is libunbound's own; it says nothing of validation, so only why_bogus tells. */
static bool salvage(struct arena *arena, const struct ub_result *result, struct span *records)
{
	struct span packet = span_make(result->answer_packet, (size_t)result->answer_len);
	struct buf out;
	unsigned count;

	if (result->answer_packet == NULL || packet.len < PACKET_HEAD_BYTES || result->qtype != RR_TXT ||
	    result->rcode != RCODE_SERVFAIL || result->why_bogus != NULL || (packet.ptr[3] & 0xf) != 0 ||
	    u16_at(packet, 4) != 1)
		return false;
	count = u16_at(packet, 6);
	packet = span_skip(packet, PACKET_HEAD_BYTES);
	if (!skip_name(&packet))
		return false;
	packet = span_skip(packet, QUESTION_TAIL_BYTES);
	buf_init(&out, ANSWERS_MAX_BYTES);
	while (count > 0 && add_packet_record(&packet, RR_TXT, &out))
		count--;
	*records = arena_dup(arena, buf_span(&out));
	buf_free(&out);
	return count == 0 && records->len > 0;
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
	} else if (salvage(arena, result, &reply->answers)) {
		reply->status = DNS_FOUND;
		reply->rcode = 0;
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
