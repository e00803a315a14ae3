/* SPDX-License-Identifier: ISC */
/* smtpd_mail.c - MAIL and RCPT: the envelope
 *
 * Each recipient is put to the router once; its verdict (known or not, transport, next hop) feeds the restrictions
 * and travels with the envelope, so that qmgr need not ask again.  RFC 5321 3.3, 4.1.1.2, 4.1.1.3. */
#include <stdio.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/ipc/services.h"
#include "lib/smtp/address.h"
#include "smtpd/smtpd.h"

/* The whole envelope travels in one message to qmgr; a recipient has a few bytes around its strings. */
enum { ENVELOPE_BYTES_MAX = IPC_MESSAGE_MAX - 16384, RECIPIENT_BYTES = 64 };

const char *smtpd_queue_id(const struct smtpd *s)
{
	return s->mail != NULL && s->mail->queue_id[0] != '\0' ? s->mail->queue_id : "NOQUEUE";
}

void smtpd_reset(struct smtpd *s)
{
	if (s->mail == NULL)
		return;
	smtpd_milter_abort(s);
	if (s->mail->content != NULL)
		smtpd_content_free(s, s->mail->content);
	arena_free(s->mail->arena);
	s->mail = NULL;
	s->state = SMTPD_GREETED;
	if (s->helo.len == 0)
		s->state = SMTPD_CONNECTED;
}

static struct smtpd_mail *mail_new(struct smtpd *s)
{
	struct arena *arena = arena_new(s->arena);
	struct smtpd_mail *m = ARENA_NEW(arena, struct smtpd_mail);

	m->arena = arena;
	m->arrival_us = clock_wall_us();
	m->sender = m->sender_given = m->envid = m->sasl_sender = m->prepended = span_lit("");
	return m;
}

/* ---- what MAIL and RCPT share ---- */

/* "FROM:" or "TO:", then the path (a blank between is tolerated unless strict). */
static bool cut_keyword(struct smtpd *s, struct span *args, struct span keyword)
{
	struct span text = span_trim_start(*args);

	if (!span_starts_ci(text, keyword))
		return false;
	text = span_skip(text, keyword.len);
	if (!s->conf->strict_rfc821_envelopes)
		text = span_trim_start(text);
	*args = span_trim_end(text);
	return true;
}

static unsigned path_flags(const struct smtpd *s)
{
	/* UTF-8 is parsed always and judged when the parameters are known: SMTPUTF8 stands behind the path. */
	return SMTP_PATH_BARE | SMTP_PATH_UTF8 | (s->conf->strict_rfc821_envelopes ? 0 : SMTP_PATH_LAX);
}

/* A local part alone is completed as the local host's (append_at_myorigin). */
static struct span complete(struct smtpd *s, struct arena *arena, const struct smtp_path *path)
{
	if (path->address.len == 0 || path->domain.len > 0)
		return path->address;
	return arena_printf_span(arena, SPAN_FMT "@%s", SPAN_ARG(path->address), s->conf->myorigin);
}

/* ---- MAIL ---- */

static enum smtpd_next bad_sender(struct smtpd *s, enum smtp_path_result result)
{
	if (result == SMTP_PATH_TOO_LONG)
		smtpd_reply(s, 501, "5.1.7", "Sender address is too long");
	else
		smtpd_reply(s, 501, "5.1.7", "Bad sender address syntax");
	return GO_ON;
}

/* The transaction is in s->mail; refused ones are reset. */
static bool accept_sender(struct smtpd *s, struct smtpd_mail *m)
{
	if (m->has_utf8 && (m->flags & ENVELOPE_SMTPUTF8) == 0) {
		smtpd_reply(s, 553, "5.6.7", "Must declare SMTPUTF8 to send unicode address");
		return false;
	}
	if (!smtpd_client_count(s, RATE_MESSAGE))
		return false;
	return smtpd_access_mail(s);
}

enum smtpd_next smtpd_mail(struct smtpd *s, struct span args)
{
	struct smtpd_mail *m;
	struct smtp_path path;
	enum smtp_path_result result;
	struct span words;

	if (!cut_keyword(s, &args, span_lit("FROM:"))) {
		smtpd_reply(s, 501, "5.5.4", "Syntax: MAIL FROM:<address>");
		return GO_ON;
	}
	words = args;
	m = s->mail = mail_new(s);
	result = smtp_path_parse(m->arena, args, path_flags(s) | SMTP_PATH_NULL, &path, &args);
	if (result != SMTP_PATH_OK) {
		smtpd_reset(s);
		return bad_sender(s, result);
	}
	m->sender_given = path.address;
	m->sender = complete(s, m->arena, &path);
	m->has_utf8 = path.has_utf8;
	if (!smtpd_take_params(s, m, NULL, args) || !accept_sender(s, m) || !smtpd_milter_mail(s, words)) {
		smtpd_reset(s);
		return GO_ON;
	}
	s->state = SMTPD_MAILING;
	smtpd_reply(s, 250, "2.1.0", "Ok");
	return GO_ON;
}

/* ---- RCPT ---- */

const struct resolve_reply *smtpd_resolve(struct smtpd *s, struct arena *arena, struct span address,
                                          uint64_t flags)
{
	struct resolve_request request = {
		.recipient = address,
		.sender = s->mail != NULL ? s->mail->sender : span_lit(""),
		.flags = flags,
	};
	struct resolve_reply *reply = ARENA_NEW(arena, struct resolve_reply);

	if (smtpd_call(s, SERVICE_ROUTER, true, &resolve_request_type, &request, &resolve_reply_type, reply,
	               arena) < 0)
		return NULL;
	return reply;
}

const struct resolve_reply *smtpd_sender_route(struct smtpd *s)
{
	if (s->mail->sender_route == NULL)
		s->mail->sender_route = smtpd_resolve(s, s->mail->arena, s->mail->sender,
		                                      ROUTE_FOR_CHECK | ROUTE_IS_SENDER);
	return s->mail->sender_route;
}

static struct envelope_recipient *recipient_new(struct smtpd_mail *m)
{
	if (m->recipient_count == m->recipient_room) {
		size_t room = m->recipient_room == 0 ? 2 : m->recipient_room * 4;
		struct envelope_recipient *grown =
			ARENA_NEW_ARRAY(m->arena, struct envelope_recipient, room);

		if (m->recipient_count > 0)
			memcpy(grown, m->recipients, m->recipient_count * sizeof(*grown));
		m->recipients = grown;
		m->recipient_room = room;
	}
	return &m->recipients[m->recipient_count];
}

/* The first recipient makes a transaction a message: from here on it has a queue id. */
static void name_message(struct smtpd *s)
{
	struct smtpd_mail *m = s->mail;
	struct buf line;

	if (m->queue_id[0] != '\0')
		return;
	queue_id_make(m->arrival_us, m->queue_id);
	if (s->peer.is_local_user) {
		log_as("pickup", LOG_LEVEL_NOTE, "%s: uid=%llu from=<" SPAN_FMT ">", m->queue_id,
		       (unsigned long long)s->peer.uid, SPAN_ARG(m->sender_given));
		return;
	}
	buf_init(&line, BUF_NO_LIMIT);
	if (s->sasl_username.len > 0)
		buf_addf(&line, ", sasl_method=" SPAN_FMT ", sasl_username=" SPAN_FMT,
		         SPAN_ARG(s->sasl_method), SPAN_ARG(s->sasl_username));
	if (m->sasl_sender.len > 0)
		buf_addf(&line, ", sasl_sender=" SPAN_FMT, SPAN_ARG(m->sasl_sender));
	log_note("%s: client=" SPAN_FMT SPAN_FMT, m->queue_id, SPAN_ARG(s->peer.label),
	         SPAN_ARG(buf_span(&line)));
	buf_free(&line);
}

/* Too many: 452 is what clients understand (RFC 5321 4.5.3.1.10); who goes far past it makes errors. */
static bool has_room(struct smtpd *s)
{
	struct smtpd_mail *m = s->mail;
	size_t limit = (size_t)s->conf->smtpd_recipient_limit;

	if (m->recipient_count < limit && m->envelope_bytes < ENVELOPE_BYTES_MAX)
		return true;
	if (m->overshoot++ < (size_t)s->conf->smtpd_recipient_overshoot_limit) {
		smtpd_reply_line(s, 452, true, span_lit("4.5.3 Error: too many recipients"));
		return false;
	}
	smtpd_reject(s, "RCPT", span_lit(""), 452, "4.5.3", "Error: too many recipients");
	return false;
}

/* The router's word on the address, kept with it. */
static void take_route(struct envelope_recipient *r, struct span given, const struct resolve_reply *route)
{
	r->address = route->address.len > 0 ? route->address : given;
	if (!span_equal(r->address, given))
		r->original = given;
	if (route->verdict == ROUTE_OK) {
		r->transport = route->transport;
		r->nexthop = route->nexthop;
	}
}

static void keep_recipient(struct smtpd_mail *m, const struct envelope_recipient *r)
{
	m->envelope_bytes += RECIPIENT_BYTES + r->address.len + r->original.len + r->orcpt.len +
	                     r->transport.len + r->nexthop.len;
	m->recipient_count++;
	m->last_number = r->number;
}

/* words: what stood behind "TO:"; args: the parameters in it. */
static bool check_recipient(struct smtpd *s, struct span given, struct span words, struct span args,
                            struct envelope_recipient *r)
{
	const struct resolve_reply *route;

	if (smtp_has_8bit(given) && (s->mail->flags & ENVELOPE_SMTPUTF8) == 0) {
		smtpd_reply(s, 553, "5.6.7", "Must declare SMTPUTF8 to send unicode address");
		return false;
	}
	if (!smtpd_take_params(s, s->mail, r, args) || !smtpd_client_count(s, RATE_RECIPIENT))
		return false;
	route = smtpd_resolve(s, s->mail->arena, given, ROUTE_FOR_CHECK);
	if (route == NULL)
		smtpd_reject(s, "RCPT", given, 451, "4.3.0", "Temporary lookup failure");
	if (route == NULL || !smtpd_access_rcpt(s, given, route)) {
		smtpd_milter_refused_rcpt(s, words, given);
		return false;
	}
	take_route(r, given, route);
	return smtpd_milter_rcpt(s, words, r, route);
}

enum smtpd_next smtpd_rcpt(struct smtpd *s, struct span args)
{
	struct smtpd_mail *m = s->mail;
	struct envelope_recipient *r;
	struct smtp_path path;
	enum smtp_path_result result;
	struct span words;

	if (!cut_keyword(s, &args, span_lit("TO:"))) {
		smtpd_reply(s, 501, "5.5.4", "Syntax: RCPT TO:<address>");
		return GO_ON;
	}
	words = args;
	result = smtp_path_parse(m->arena, args, path_flags(s), &path, &args);
	if (result != SMTP_PATH_OK) {
		smtpd_reply(s, 501, "5.1.3", result == SMTP_PATH_TOO_LONG ? "Recipient address is too long"
		                                                         : "Bad recipient address syntax");
		return GO_ON;
	}
	if (!has_room(s))
		return GO_ON;
	r = recipient_new(m);
	*r = (struct envelope_recipient){ .number = m->last_number + 1 };
	if (!check_recipient(s, path.address, words, args, r))
		return GO_ON;
	name_message(s);
	keep_recipient(m, r);
	s->state = SMTPD_ADDRESSED;
	smtpd_reply(s, 250, "2.1.5", "Ok");
	return GO_ON;
}

/* ---- what milters change ---- */

/* As they write addresses: with <> or without; false: it is none. */
static bool parse_foreign(struct smtpd *s, struct span text, unsigned flags, const char *what, struct smtp_path *path)
{
	struct span rest;

	text = span_trim(text);
	if (smtp_path_parse(s->mail->arena, text, flags | SMTP_PATH_BARE | SMTP_PATH_UTF8 | SMTP_PATH_LAX, path, &rest) ==
	            SMTP_PATH_OK && span_trim(rest).len == 0)
		return true;
	log_warning("%s: a milter's %s is no address: \"" SPAN_FMT "\"", smtpd_queue_id(s), what, SPAN_ARG(text));
	return false;
}

static void take_foreign_args(struct smtpd *s, struct envelope_recipient *r, struct span args)
{
	struct span kept = arena_dup(s->mail->arena, args);
	struct why why;

	if (smtpd_parse_params(s, s->mail, r, kept, &why) != DONE)
		log_warning("%s: a milter's parameters \"" SPAN_FMT "\": %s", smtpd_queue_id(s),
		            SPAN_ARG(span_first(args, 100)), why.text);
}

enum outcome smtpd_change_sender(struct smtpd *s, struct span address, struct span args, UNUSED struct why *why)
{
	struct smtpd_mail *m = s->mail;
	struct smtp_path path;

	if (!parse_foreign(s, address, SMTP_PATH_NULL, "sender", &path))
		return DONE;
	m->sender_given = path.address;
	m->sender = complete(s, m->arena, &path);
	m->sender_route = NULL;
	take_foreign_args(s, NULL, args);
	return DONE;
}

static bool is_recipient(const struct envelope_recipient *r, struct span address)
{
	struct span own = r->original.len > 0 ? r->original : r->address;
	struct span local, domain, other_local, other_domain;

	smtp_address_split(own, &local, &domain);
	smtp_address_split(address, &other_local, &other_domain);
	return span_equal(local, other_local) && span_equal_ci(domain, other_domain);
}

static bool has_recipient(const struct smtpd_mail *m, struct span address)
{
	for (size_t i = 0; i < m->recipient_count; i++)
		if (is_recipient(&m->recipients[i], address))
			return true;
	return false;
}

/* No access rule is asked: the admin's own filter wants it. */
enum outcome smtpd_add_recipient(struct smtpd *s, struct span address, struct span args, struct why *why)
{
	struct smtpd_mail *m = s->mail;
	const struct resolve_reply *route;
	struct envelope_recipient *r;
	struct smtp_path path;

	if (!parse_foreign(s, address, 0, "recipient", &path) || has_recipient(m, path.address))
		return DONE;
	if (m->envelope_bytes >= ENVELOPE_BYTES_MAX)
		return why_set(why, DEFER, "4.5.3", "Error: too many recipients");
	r = recipient_new(m);
	*r = (struct envelope_recipient){ .number = m->last_number + 1, .address = path.address };
	take_foreign_args(s, r, args);
	/* Without an answer qmgr asks again. */
	route = smtpd_resolve(s, m->arena, path.address, ROUTE_FOR_CHECK);
	if (route != NULL)
		take_route(r, path.address, route);
	keep_recipient(m, r);
	return DONE;
}

void smtpd_delete_recipient(struct smtpd *s, struct span address)
{
	struct smtpd_mail *m = s->mail;
	struct smtp_path path;
	size_t kept = 0;

	if (!parse_foreign(s, address, 0, "recipient", &path))
		return;
	for (size_t i = 0; i < m->recipient_count; i++)
		if (!is_recipient(&m->recipients[i], path.address))
			m->recipients[kept++] = m->recipients[i];
	m->recipient_count = kept;
}
