/* SPDX-License-Identifier: ISC */
/* transaction.c - one mail transaction: MAIL, RCPT, DATA and the answer to each (RFC 5321 3.3, RFC 2920)
 *
 * Commands have numbers: 0 is MAIL, then one RCPT for each recipient, DATA is last.  With PIPELINING up to
 * WINDOW of them are under way, without it one: the same loop does both. */
#include "lib/smtp/address.h"
#include "lib/smtp/reply.h"
#include "lib/smtp/xtext.h"
#include "smtp/smtp.h"

enum { WINDOW = 100 };

struct run {
	struct delivery   *d;
	struct session    *s;
	struct recipient **list;	/* those open when it began */
	size_t             count;
	size_t             accepted;
	bool               has_answer;	/* to MAIL */
	bool               mail_failed;
	bool               goes_on;	/* DATA: 354 */
	bool               has_ended;	/* the final dot was answered: nothing is left to reset */
};

/* settle - r is answered finally, or keeps the reason for now. */
static void settle(struct run *t, struct recipient *r, enum outcome outcome, const struct why *why)
{
	r->why = *why;
	r->host_failed = false;
	if (outcome == REFUSE)
		report_recipient(t->d, r, DELIVER_BOUNCED, why);
	else if (outcome == DONE)
		report_recipient(t->d, r, DELIVER_SENT, why);
}

static void settle_all(struct run *t, enum outcome outcome, const struct why *why, bool only_accepted)
{
	for (size_t i = 0; i < t->count; i++) {
		if (t->list[i]->is_open && (!only_accepted || t->list[i]->is_accepted))
			settle(t, t->list[i], outcome, why);
	}
}

static bool lost(struct run *t, const struct why *why)
{
	settle_all(t, DEFER, why, false);
	for (size_t i = 0; i < t->count; i++)
		t->list[i]->host_failed = true;
	return t->has_answer;
}

/* ---- before MAIL: what cannot go to this server ---- */

/* header_has_8bit - in the header, as far as it is at hand: a large message was checked when it came in. */
static bool header_has_8bit(const struct deliver_request *q)
{
	size_t end = span_search(q->content, span_lit("\r\n\r\n"));

	return smtp_has_8bit(end == SPAN_NOT_FOUND ? q->content : span_first(q->content, end));
}

static bool needs_utf8(const struct run *t)
{
	if ((t->d->envelope.flags & ENVELOPE_SMTPUTF8) == 0)
		return false;
	if (smtp_has_8bit(t->d->envelope.sender) || header_has_8bit(t->d->request))
		return true;
	for (size_t i = 0; i < t->count; i++) {
		if (smtp_has_8bit(t->list[i]->facts->address))
			return true;
	}
	return false;
}

static enum outcome suits(const struct run *t, struct why *why)
{
	unsigned long long size = t->d->request->content_length;
	const struct session *s = t->s;

	if (needs_utf8(t) && (s->features & HAS_SMTPUTF8) == 0)
		return why_set(why, REFUSE, "5.6.7", "SMTPUTF8 is required, but was not offered by host %s",
		               s->peer);
	if (s->size_limit > 0 && size > s->size_limit)
		return why_set(why, REFUSE, "5.3.4", "message size %llu exceeds size limit %llu of server %s",
		               size, s->size_limit, s->peer);
	return DONE;
}

/* ---- commands ---- */

/* path - an address as the wire has it; what could end the command early has no place there. */
static struct span path(struct arena *arena, struct span address)
{
	struct span local, domain;

	smtp_address_split(address, &local, &domain);
	if (domain.len == 0)
		return address;
	if (!span_starts(local, span_lit("\"")))
		local = smtp_quote_local(arena, local);
	return arena_printf_span(arena, SPAN_FMT "@" SPAN_FMT, SPAN_ARG(local), SPAN_ARG(domain));
}

static bool is_sendable(struct span address)
{
	return span_find(address, '\r') == SPAN_NOT_FOUND && span_find(address, '\n') == SPAN_NOT_FOUND &&
	       span_find(address, '\0') == SPAN_NOT_FOUND;
}

static void send_mail(struct run *t)
{
	const struct envelope *e = &t->d->envelope;
	struct session *s = t->s;

	t->d->host_has_dsn = (s->features & HAS_DSN) != 0;
	chat_printf(&s->chat, "MAIL FROM:<" SPAN_FMT ">", SPAN_ARG(path(t->d->arena, e->sender)));
	if ((s->features & HAS_SIZE) != 0)
		chat_printf(&s->chat, " SIZE=%llu", (unsigned long long)t->d->request->content_length);
	if ((s->features & HAS_8BITMIME) != 0 && (e->flags & ENVELOPE_8BITMIME) != 0)
		chat_write(&s->chat, span_lit(" BODY=8BITMIME"));
	if ((s->features & HAS_SMTPUTF8) != 0 && needs_utf8(t))
		chat_write(&s->chat, span_lit(" SMTPUTF8"));
	if ((s->features & HAS_DSN) != 0) {
		if (e->dsn_return != DSN_RETURN_UNSET)
			chat_printf(&s->chat, " RET=%s", e->dsn_return == DSN_RETURN_FULL ? "FULL" : "HDRS");
		if (e->envid.len > 0)
			chat_printf(&s->chat, " ENVID=" SPAN_FMT, SPAN_ARG(e->envid));
	}
	session_send(s, "%s", "");
}

static void send_rcpt(struct run *t, const struct envelope_recipient *r)
{
	struct arena *arena = t->d->arena;
	struct session *s = t->s;

	chat_printf(&s->chat, "RCPT TO:<" SPAN_FMT ">", SPAN_ARG(path(arena, r->address)));
	if ((s->features & HAS_DSN) != 0) {
		struct span original = r->original.len > 0 ? r->original : r->address;

		if (r->notify != 0)
			chat_printf(&s->chat, " NOTIFY=" SPAN_FMT, SPAN_ARG(dsn_notify_text(arena, r->notify)));
		if (r->orcpt.len > 0)
			chat_printf(&s->chat, " ORCPT=" SPAN_FMT, SPAN_ARG(r->orcpt));
		else if (!smtp_has_8bit(original))
			chat_printf(&s->chat, " ORCPT=rfc822;" SPAN_FMT, SPAN_ARG(xtext_encode(arena, original)));
	}
	session_send(s, "%s", "");
}

static void send_command(struct run *t, size_t number)
{
	if (number == 0)
		send_mail(t);
	else if (number <= t->count)
		send_rcpt(t, t->list[number - 1]->facts);
	else
		session_send(t->s, "DATA");
}

/* may_send - whether the next command makes sense, as far as is known when all before 'answered' are. */
static bool may_send(const struct run *t, size_t number, size_t answered)
{
	if (t->mail_failed)
		return false;
	return number <= t->count || answered < number || t->accepted > 0;
}

/* ---- answers ---- */

static void mail_answered(struct run *t, const struct reply *reply)
{
	struct why why;
	enum outcome outcome = smtp_outcome(reply->code);

	t->has_answer = true;
	t->mail_failed = outcome != DONE || reply->code >= 300;
	if (t->mail_failed) {
		outcome = session_said(t->s, reply, "MAIL FROM command", &why);
		settle_all(t, outcome, &why, false);
	}
}

static void rcpt_answered(struct run *t, struct recipient *r, const struct reply *reply)
{
	struct why why;
	enum outcome outcome;

	if (t->mail_failed)
		return;	/* just an echo of that */
	if (reply->code / 100 == 2) {
		r->is_accepted = true;
		t->accepted++;
		return;
	}
	outcome = session_said(t->s, reply, "RCPT TO command", &why);
	if (reply->code == 552) {	/* RFC 5321 4.5.3.1.10: at many servers, too many recipients */
		outcome = DEFER;
		why.dsn[0] = '4';
	}
	settle(t, r, outcome, &why);
}

static void data_answered(struct run *t, const struct reply *reply)
{
	struct why why;
	enum outcome outcome;

	t->goes_on = reply->code == 354;
	if (t->goes_on || t->mail_failed || t->accepted == 0)
		return;
	outcome = session_said(t->s, reply, "DATA command", &why);
	settle_all(t, outcome, &why, true);
}

static bool read_answer(struct run *t, size_t number, struct why *why)
{
	const struct conf *conf = t->d->client->conf;
	struct reply reply;
	bool ok;

	if (number == 0) {
		ok = session_reply(t->s, t->d->arena, conf->smtp_mail_timeout, "sending MAIL FROM", &reply, why);
		if (ok)
			mail_answered(t, &reply);
	} else if (number <= t->count) {
		ok = session_reply(t->s, t->d->arena, conf->smtp_rcpt_timeout, "sending RCPT TO", &reply, why);
		if (ok)
			rcpt_answered(t, t->list[number - 1], &reply);
	} else {
		ok = session_reply(t->s, t->d->arena, conf->smtp_data_init_timeout, "sending DATA command", &reply,
		                   why);
		if (ok)
			data_answered(t, &reply);
	}
	return ok;
}

static bool run_commands(struct run *t, struct why *why)
{
	size_t window = (t->s->features & HAS_PIPELINING) != 0 ? WINDOW : 1;
	size_t total = t->count + 2, sent = 0, answered = 0;

	while (answered < total) {
		while (sent < total && sent - answered < window && may_send(t, sent, answered))
			send_command(t, sent++);
		if (sent == answered)
			break;
		if (!read_answer(t, answered++, why))
			return false;
	}
	return true;
}

/* ---- the message and its end ---- */

static bool read_final(struct run *t, struct recipient *r, struct why *why)
{
	struct reply reply;
	enum outcome outcome;

	if (!session_reply(t->s, t->d->arena, t->d->client->conf->smtp_data_done_timeout,
	                   "sending end of data -- message may be sent more than once", &reply, why))
		return false;
	t->has_ended = true;
	if (reply.code / 100 == 2)
		outcome = why_set(why, DONE, reply.dsn, "%s", reply.text);
	else
		outcome = session_said(t->s, &reply, "end of DATA command", why);
	if (r != NULL)
		settle(t, r, outcome, why);
	else
		settle_all(t, outcome, why, true);
	return true;
}

/* read_finals - one answer for all; from LMTP one for each accepted recipient, in order (RFC 2033 4.2). */
static bool read_finals(struct run *t, struct why *why)
{
	if (!t->d->client->is_lmtp)
		return read_final(t, NULL, why);
	for (size_t i = 0; i < t->count; i++) {
		if (t->list[i]->is_accepted && !read_final(t, t->list[i], why))
			return false;
	}
	return true;
}

static bool send_message(struct run *t, struct why *why)
{
	const struct conf *conf = t->d->client->conf;

	if (!content_send(t->d->request, &t->s->chat, (size_t)conf->smtp_line_length_limit)) {
		t->s->is_broken = true;	/* without the final dot nothing is delivered */
		(void)why_set(why, DEFER, "4.3.0", "message file cannot be read");
		return false;
	}
	session_send(t->s, ".");
	if (chat_flush(&t->s->chat, clock_in_s(conf->smtp_data_xfer_timeout)) < 0) {
		t->s->is_broken = true;
		(void)why_set(why, DEFER, "4.4.2", "lost connection with %s while sending message body",
		              t->s->peer);
		return false;
	}
	return read_finals(t, why);
}

/* end_empty - DATA was accepted though no recipient was: end it (RFC 2920 3.1). */
static bool end_empty(struct run *t, struct why *why)
{
	struct reply reply;

	session_send(t->s, ".");
	return session_reply(t->s, t->d->arena, t->d->client->conf->smtp_data_done_timeout,
	                     "sending end of data", &reply, why);
}

static void reset(struct run *t)
{
	struct reply reply;
	struct why why;

	session_send(t->s, "RSET");
	if (session_reply(t->s, t->d->arena, t->d->client->conf->smtp_rset_timeout, "sending RSET", &reply, &why) &&
	    reply.code / 100 != 2)
		t->s->is_broken = true;
}

static void collect_open(struct run *t)
{
	struct delivery *d = t->d;

	t->list = ARENA_NEW_ARRAY(d->arena, struct recipient *, d->envelope.recipient_count);
	for (size_t i = 0; i < d->envelope.recipient_count; i++) {
		struct recipient *r = &d->recipients[i];
		struct why why;

		r->is_accepted = false;
		if (!r->is_open)
			continue;
		if (is_sendable(r->facts->address) && is_sendable(d->envelope.sender)) {
			t->list[t->count++] = r;
		} else {
			(void)why_set(&why, REFUSE, "5.1.3", "address cannot be sent");
			report_recipient(d, r, DELIVER_BOUNCED, &why);
		}
	}
}

bool transaction_run(struct delivery *d, struct session *s)
{
	struct run t = { .d = d, .s = s };
	struct why why;

	collect_open(&t);
	if (t.count == 0)
		return true;
	if (suits(&t, &why) != DONE) {
		settle_all(&t, REFUSE, &why, false);
		return true;
	}
	d->connection_uses = ++s->uses;
	if (!xforward_tell(d, s, &why))
		return lost(&t, &why);
	if (!run_commands(&t, &why))
		return lost(&t, &why);
	if (t.goes_on && (t.accepted == 0 || t.mail_failed)) {
		if (!end_empty(&t, &why))
			return true;
	} else if (t.goes_on && !send_message(&t, &why)) {
		return lost(&t, &why);
	}
	if (!t.has_ended && !s->is_broken)
		reset(&t);
	return true;
}
