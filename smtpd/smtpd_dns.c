/* SPDX-License-Identifier: ISC */
/* smtpd_dns.c - questions to the resolver process; its silence is "failed", never "no such name" */
#include <errno.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/ipc/dns.h"
#include "lib/ipc/services.h"
#include "smtpd/smtpd.h"

enum smtpd_dns smtpd_dns(struct smtpd *s, struct span name, unsigned rr_type, struct span *answers,
                         uint64_t deadline_us)
{
	const struct smtpd_backend *backend = &s->server->backend;
	struct dns_request request = { .name = name, .rr_type = rr_type };
	struct dns_reply reply;
	struct arena *arena = s->mail != NULL ? s->mail->arena : s->per_command;

	if (name.len == 0 || name.len > 253)
		return SMTPD_DNS_NONE;
	if (backend->call(backend->user, SERVICE_DNS, true, &dns_request_type, &request, &dns_reply_type,
	                  &reply, arena, deadline_us) < 0)
		return SMTPD_DNS_FAILED;
	if (answers != NULL)
		*answers = reply.answers;
	if (reply.status == DNS_FOUND)
		return SMTPD_DNS_FOUND;
	return reply.status == DNS_FAILED ? SMTPD_DNS_FAILED : SMTPD_DNS_NONE;
}
