/* SPDX-License-Identifier: ISC */
/* ext_size.c - SIZE (RFC 1870): a message that is too large is refused before it is sent */
#include "lib/ipc/commit.h"
#include "lib/ipc/services.h"
#include "smtpd/smtpd.h"

extern const struct smtpd_extension smtpd_ext_size;

unsigned long long smtpd_size_limit(const struct smtpd *s)
{
	return s->conf->message_size_limit;
}

static bool announce(struct smtpd *s, struct buf *line)
{
	unsigned long long limit = smtpd_size_limit(s);

	return limit == 0 || buf_addf(line, " %llu", limit);
}

/* Is there room in the queue for what will not fit the journal?  No answer is no obstacle: the commit decides. */
static enum outcome ask_room(struct smtpd *s, unsigned long long size, struct why *why)
{
	struct room_request request = { .size = size };
	struct commit_reply reply;

	if (size <= s->server->journal_limit ||
	    smtpd_call(s, SERVICE_QMGR, true, &room_request_type, &request, &commit_reply_type, &reply,
	               s->per_command) < 0 || reply.status == DONE)
		return DONE;
	return why_set(why, DEFER, "4.3.1", "Insufficient system storage");
}

static enum outcome mail_param(struct smtpd *s, struct smtpd_mail *m, UNUSED struct envelope_recipient *r,
                               struct span value, struct why *why)
{
	unsigned long long limit = smtpd_size_limit(s);	/* 0: none (RFC 1870 3) */
	unsigned long long size;

	if (value.len == 0 || value.len > 20 || !span_all(value, ascii_is_digit))
		return why_set(why, REFUSE, "5.5.4", "Bad message size syntax");
	if (!span_u64(value, UINT64_MAX, &size) || (limit != 0 && size > limit))
		return why_set(why, REFUSE, "5.3.4", "Message size exceeds fixed limit");
	m->size = size;
	return ask_room(s, size, why);
}

static const struct smtpd_param params[] = { { SPAN("SIZE"), PARAM_VALUE, mail_param }, { .keyword = { NULL, 0 } } };

const struct smtpd_extension smtpd_ext_size = {
	.keyword = SPAN("SIZE"), .source = SPAN("RFC 1870 3"), .dialogue = "size",
	.announce = announce, .mail_params = params,
};
