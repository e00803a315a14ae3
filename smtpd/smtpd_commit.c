/* SPDX-License-Identifier: ISC */
/* smtpd_commit.c - hand a whole message to qmgr
 *
 * Only DONE, which means stable storage, becomes 250 (reliability P1); whatever fails on our side is 4xx (P4). */
#include <stdio.h>

#include "lib/base/crc32c.h"
#include "lib/base/log.h"
#include "lib/ipc/commit.h"
#include "lib/ipc/services.h"
#include "lib/task/task.h"
#include "smtpd/smtpd.h"

enum { MESSAGE_OVERHEAD = 1024 };	/* names and numbers of a commit request */

static void fill_envelope(struct smtpd *s, struct envelope *e, char port[12])
{
	struct smtpd_mail *m = s->mail;
	struct smtpd_content *c = m->content;
	unsigned number = s->peer.is_local_user ? 0 : net_address_port(&s->peer.address);

	*e = (struct envelope){
		.arrival_us = m->arrival_us,
		.size = smtpd_bytes_length(&c->bytes),
		.flags = m->flags,
		.sender = m->sender,
		.envid = m->envid,
		.dsn_return = m->dsn_return,
		.client_name = s->peer.name,
		.client_address = s->peer.text,
		.client_helo = s->helo,
		.client_protocol = smtpd_protocol(s),
		.sasl_method = s->sasl_method,
		.sasl_username = s->sasl_username,
		.sasl_sender = m->sasl_sender,
		.message_id = c->header.message_id,
		.recipients = m->recipients,
		.recipient_count = m->recipient_count,
	};
	if (number != 0) {
		snprintf(port, 12, "%u", number);
		e->client_port = span_of(port);
	}
}

/* What does not fit beside the envelope goes by the leased file, however small. */
static bool make_fit(struct smtpd *s, size_t envelope_bytes)
{
	struct smtpd_content *c = s->mail->content;

	if (c->bytes.file.fd < 0 && envelope_bytes + c->bytes.buf.len > IPC_MESSAGE_MAX - MESSAGE_OVERHEAD)
		smtpd_content_spill(s);
	return c->code == 0;
}

/* Ask qmgr to take it; 0 or -1. */
static int send_commit(struct smtpd *s, struct commit_reply *reply)
{
	struct smtpd_mail *m = s->mail;
	struct smtpd_content *c = m->content;
	struct commit_request request = { .queue_id = span_of(m->queue_id), .is_held = m->is_held };
	struct envelope e;
	struct buf bytes;
	char port[12];
	int result = -1;

	fill_envelope(s, &e, port);
	buf_init(&bytes, BUF_NO_LIMIT);
	envelope_encode(&bytes, &e);
	request.envelope = buf_span(&bytes);
	if (make_fit(s, bytes.len)) {
		request.lease = c->bytes.file.lease;
		request.content_length = e.size;
		request.content_crc32c = c->bytes.file.crc;
		if (c->bytes.file.fd < 0) {
			request.content = buf_span(&c->bytes.buf);
			request.content_crc32c = crc32c(0, request.content);
		}
		/* Not again after a lost channel: the first try may have been committed. */
		result = smtpd_call(s, SERVICE_QMGR, false, &commit_request_type, &request,
		                    &commit_reply_type, reply, m->arena);
		if (result == 0 && reply->status == DONE)
			c->bytes.file.lease = 0;	/* it is the queue's now */
	}
	buf_free(&bytes);
	return result;
}

static void answer(struct smtpd *s, const struct commit_reply *reply)
{
	const char *dsn = arena_cstr(s->mail->arena, reply->dsn), *text;
	bool is_full = strcmp(dsn, "4.3.1") == 0;

	if (reply->pause_ms > 0)	/* qmgr asks for patience: intake runs ahead of delivery */
		task_sleep_us(reply->pause_ms * 1000);
	if (reply->status == DONE) {
		s->errors = s->junk = 0;
		smtpd_reply(s, 250, "2.0.0", "Ok: queued as %s", s->mail->queue_id);
		return;
	}
	text = reply->reason.len > 0 ? arena_cstr(s->mail->arena, reply->reason) : "Error: queue file write error";
	log_warning("%s: not queued: %s", s->mail->queue_id, text);
	if (reply->status == REFUSE)
		smtpd_reply(s, strcmp(dsn, "5.3.4") == 0 ? 552 : 554, dsn[0] == '5' ? dsn : "5.3.0", "%s", text);
	else
		smtpd_reply(s, is_full ? 452 : 451, is_full ? "4.3.1" : "4.3.0", "%s",
		            is_full ? "Insufficient system storage" : "Error: queue file write error");
}

void smtpd_commit(struct smtpd *s)
{
	struct commit_reply reply;

	if (s->mail->is_discarded) {
		smtpd_reply(s, 250, "2.0.0", "Ok: queued as %s", s->mail->queue_id);
		return;
	}
	if (send_commit(s, &reply) < 0)
		reply = (struct commit_reply){ .status = DEFER };
	answer(s, &reply);
}
