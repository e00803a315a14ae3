/* SPDX-License-Identifier: ISC */
/* ask.c - what smtp asks of the resolver and of the router */
#include "lib/ipc/services.h"
#include "lib/service/service.h"
#include "smtp/smtp.h"

enum { ROUTER_TIMEOUT_S = 30, DNS_MARGIN_S = 5 };

bool ask_dns(struct delivery *d, struct span name, unsigned rr_type, struct dns_reply *reply)
{
	struct dns_request request = { .name = name, .rr_type = rr_type };
	uint64_t deadline_us = clock_in_s(d->client->conf->dns_timeout + DNS_MARGIN_S);

	if (service_call(d->client->run, SERVICE_DNS, true, &dns_request_type, &request, &dns_reply_type, reply,
	                 d->arena, deadline_us) == 0)
		return true;
	*reply = (struct dns_reply){ .status = DNS_FAILED, .reason = SPAN("the resolver does not answer") };
	return false;
}

enum lookup_status ask_map(struct delivery *d, const char *maps, struct span key, enum lookup_how how,
                           struct span *value)
{
	struct lookup_request request = { .maps = span_of(maps), .key = key, .how = how };
	struct lookup_reply reply;

	if (service_call(d->client->run, SERVICE_ROUTER, true, &lookup_request_type, &request,
	                 &lookup_reply_type, &reply, d->arena, clock_in_s(ROUTER_TIMEOUT_S)) < 0)
		return LOOKUP_FAILED;
	*value = reply.value;
	return reply.status == LOOKUP_FOUND       ? LOOKUP_FOUND
	       : reply.status == LOOKUP_NOT_FOUND ? LOOKUP_NOT_FOUND
	                                          : LOOKUP_FAILED;
}
