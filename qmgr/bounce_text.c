/* SPDX-License-Identifier: ISC */
/* bounce_text.c - the text of a delivery status notification: multipart/report (RFC 3462, RFC 3464)
 *
 * Values from mail are cleaned before they go into a header or a status field: no byte of them can begin a line. */
#include <stdio.h>
#include <string.h>

#include "qmgr/qmgr.h"

struct kind_text {
	const char *subject, *action, *about;
};

static const struct kind_text texts[] = {
	[BOUNCE_FAILURE] = { "Undelivered Mail Returned to Sender", "failed",
	                     "I'm sorry to have to tell you that your message could not be delivered\r\n"
	                     "to the recipients below.  It is attached." },
	[BOUNCE_DELAY] = { "Delayed Mail (still being retried)", "delayed",
	                   "Your message could not be delivered yet to the recipients below.\r\n"
	                   "It will be tried again: you need not send it again." },
	[BOUNCE_SUCCESS] = { "Successful Mail Delivery Report", "delivered",
	                     "Your message was delivered to the recipients below, or passed on to a\r\n"
	                     "system that may not tell more." },
};

/* add_clean - s on one line: control bytes become blanks. */
static void add_clean(struct buf *out, struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		buf_add_byte(out, (unsigned char)s.ptr[i] < 0x20 || s.ptr[i] == 0x7f ? ' ' : s.ptr[i]);
}

static void add_field(struct buf *out, const char *name, const char *type, struct span value)
{
	if (value.len == 0)
		return;
	buf_addf(out, "%s: %s", name, type);
	add_clean(out, value);
	buf_add_cstr(out, "\r\n");
}

static bool is_utf8(const struct message *m)
{
	return (m->active->queued.envelope.flags & ENVELOPE_SMTPUTF8) != 0;
}

static void add_header(struct buf *out, const struct message *m, enum bounce_kind kind, const char *id, struct span to)
{
	const struct conf *conf = qmgr->conf;
	char date[CLOCK_RFC5322_SIZE];

	buf_addf(out, "Received: by %s (%s)\r\n\tid %s; %s\r\n", conf->myhostname, conf->mail_name, id,
	         clock_rfc5322(clock_wall_us(), date));
	buf_addf(out, "Date: %s\r\nFrom: MAILER-DAEMON@%s (Mail Delivery System)\r\nSubject: %s\r\nTo: ", date,
	         conf->myorigin, texts[kind].subject);
	add_clean(out, to);
	buf_addf(out,
	         "\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
	         "Content-Type: multipart/report; report-type=%s;\r\n\tboundary=\"%s/%s\"\r\n"
	         "Content-Transfer-Encoding: 8bit\r\nMessage-Id: <%s@%s>\r\n\r\n"
	         "This is a MIME-encapsulated message.\r\n\r\n",
	         is_utf8(m) ? "global-delivery-status" : "delivery-status", id, conf->myhostname, id, conf->myhostname);
}

static void add_boundary(struct buf *out, const char *id, const char *end)
{
	buf_addf(out, "--%s/%s%s\r\n", id, qmgr->conf->myhostname, end);
}

static void add_people_part(struct buf *out, struct message *m, enum bounce_kind kind)
{
	buf_addf(out,
	         "Content-Description: Notification\r\nContent-Type: text/plain; charset=%s\r\n\r\n"
	         "This is the mail system at host %s.\r\n\r\n%s\r\n\r\n",
	         is_utf8(m) ? "utf-8" : "us-ascii", qmgr->conf->myhostname, texts[kind].about);
	for (size_t i = 0; i < m->active->queued.envelope.recipient_count; i++) {
		if (!bounce_tells(m, i, kind))
			continue;
		buf_add_cstr(out, "<");
		add_clean(out, m->active->queued.envelope.recipients[i].address);
		buf_add_cstr(out, ">: ");
		add_clean(out, m->active->queued.states[i].reason);
		buf_add_cstr(out, "\r\n");
	}
	buf_add_cstr(out, "\r\n");
}

static void add_recipient_status(struct buf *out, struct message *m, size_t i, enum bounce_kind kind)
{
	const struct envelope_recipient *r = &m->active->queued.envelope.recipients[i];
	const struct recipient_state *state = &m->active->queued.states[i];
	const char *type = is_utf8(m) ? "utf-8; " : "rfc822; ";
	struct run *run = run_of(m, i);
	char date[CLOCK_RFC5322_SIZE];
	uint64_t until_us = m->mail.arrival_us + qmgr->conf->maximal_queue_lifetime * CLOCK_SECOND_US;
	bool is_relayed = kind == BOUNCE_SUCCESS && !span_equal(run->transport, span_lit("local")) &&
	                  !span_equal(run->transport, span_lit("virtual"));

	buf_add_cstr(out, "\r\n");
	if (r->orcpt.len > 0)
		add_field(out, "Original-Recipient", "", r->orcpt);
	else
		add_field(out, "Original-Recipient", type, r->original.len > 0 ? r->original : r->address);
	add_field(out, "Final-Recipient", type, r->address);
	buf_addf(out, "Action: %s\r\n", is_relayed ? "relayed" : texts[kind].action);
	add_field(out, "Status", "", kind == BOUNCE_SUCCESS ? (struct span)SPAN("2.0.0")
	                             : state->dsn.len > 0 ? state->dsn : (struct span)SPAN("4.0.0"));
	add_field(out, "Remote-MTA", "dns; ", run->remote_mta);
	if (run->diagnostic.len > 0)
		add_field(out, "Diagnostic-Code", "smtp; ", run->diagnostic);
	else
		add_field(out, "Diagnostic-Code", "X-Postfix; ", state->reason);
	if (kind == BOUNCE_DELAY)
		buf_addf(out, "Will-Retry-Until: %s\r\n", clock_rfc5322(until_us, date));
}

static void add_status_part(struct buf *out, struct message *m, enum bounce_kind kind)
{
	const struct envelope *e = &m->active->queued.envelope;
	char date[CLOCK_RFC5322_SIZE];

	buf_addf(out, "Content-Description: Delivery report\r\nContent-Type: message/%s\r\n\r\n",
	         is_utf8(m) ? "global-delivery-status" : "delivery-status");
	buf_addf(out, "Reporting-MTA: dns; %s\r\n", qmgr->conf->myhostname);
	add_field(out, "Original-Envelope-Id", "", e->envid);
	buf_addf(out, "X-Postfix-Queue-ID: %s\r\n", m->mail.id);
	add_field(out, "X-Postfix-Sender", is_utf8(m) ? "utf-8; " : "rfc822; ", e->sender);
	buf_addf(out, "Arrival-Date: %s\r\n", clock_rfc5322(m->mail.arrival_us, date));
	for (size_t i = 0; i < e->recipient_count; i++)
		if (bounce_tells(m, i, kind))
			add_recipient_status(out, m, i, kind);
	buf_add_cstr(out, "\r\n");
}

static void add_original_part(struct buf *out, const struct message *m, struct span original, bool headers_only)
{
	size_t end = span_search(original, span_lit("\r\n\r\n"));

	if (headers_only)
		original = span_first(original, end == SPAN_NOT_FOUND ? original.len : end + 2);
	buf_addf(out, "Content-Description: Undelivered Message%s\r\nContent-Type: %s\r\n%s\r\n",
	         headers_only ? " Headers" : "",
	         headers_only ? (is_utf8(m) ? "message/global-headers" : "text/rfc822-headers")
	                      : (is_utf8(m) ? "message/global" : "message/rfc822"),
	         headers_only || is_utf8(m) ? "" : "Content-Transfer-Encoding: 8bit\r\n");
	buf_add(out, original);
	buf_add_cstr(out, "\r\n");
}

void bounce_compose(struct message *m, enum bounce_kind kind, const char *id, struct span to, struct span original,
                    bool headers_only, struct buf *out)
{
	add_header(out, m, kind, id, to);
	add_boundary(out, id, "");
	add_people_part(out, m, kind);
	add_boundary(out, id, "");
	add_status_part(out, m, kind);
	add_boundary(out, id, "");
	add_original_part(out, m, original, headers_only);
	add_boundary(out, id, "--");
}
