/* SPDX-License-Identifier: ISC */
/* session.c - one connection to a server, from connect to QUIT; the server is a stranger
 *
 * RFC 5321 3.1 (opening), 4.2 (replies), RFC 3207 (STARTTLS: what was learnt before it is forgotten), RFC 2033
 * (LHLO).  Replies are bounded in line length and number of lines. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/smtp/reply.h"
#include "smtp/smtp.h"

enum { REPLY_TEXT_MAX = 4096 };

#define CANNOT_START "Cannot start TLS: "

/* ---- commands and replies ---- */

void session_send(struct session *s, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	chat_vprintf(&s->chat, format, args);
	va_end(args);
	chat_write(&s->chat, span_lit("\r\n"));
}

static bool lost(struct session *s, enum chat_event event, const char *doing, struct why *why)
{
	s->is_broken = true;
	if (event == CHAT_TIMEOUT)
		(void)why_set(why, DEFER, "4.4.2", "conversation with %s timed out while %s", s->peer, doing);
	else if (event == CHAT_TOO_LONG || event == CHAT_LINE)
		(void)why_set(why, DEFER, "4.5.0", "host %s sent no SMTP reply while %s", s->peer, doing);
	else
		(void)why_set(why, DEFER, "4.4.2", "lost connection with %s while %s", s->peer, doing);
	return false;
}

bool session_reply(struct session *s, struct arena *arena, uint64_t timeout_s, const char *doing,
                   struct reply *reply, struct why *why)
{
	uint64_t deadline_us = clock_in_s(timeout_s);
	struct smtp_reply_line parsed;
	struct buf text;

	*reply = (struct reply){ .code = 0 };
	buf_init(&text, REPLY_TEXT_MAX);
	for (long long lines = 0;; lines++) {
		struct span line;
		enum chat_event event = chat_line(&s->chat, &line, deadline_us);

		if (event != CHAT_LINE || !smtp_reply_line_parse(line, &parsed) ||
		    (reply->code != 0 && parsed.code != reply->code) ||
		    lines >= s->client->conf->smtp_reply_lines_limit) {
			buf_free(&text);
			return lost(s, event, doing, why);
		}
		if (reply->code == 0) {
			reply->code = parsed.code;
			reply->first_line = arena_dup(arena, parsed.text);
		}
		if (parsed.dsn.len > 0)
			reply->dsn = arena_cstr(arena, parsed.dsn);
		if (text.len > 0)
			buf_add_byte(&text, ' ');
		buf_add(&text, line);
		if (parsed.is_last)
			break;
	}
	reply->text = arena_cstr(arena, buf_span(&text));
	if (reply->dsn == NULL)
		reply->dsn = smtp_dsn_default(reply->code);
	buf_free(&text);
	return true;
}

enum outcome session_said(const struct session *s, const struct reply *reply, const char *command,
                          struct why *why)
{
	enum outcome outcome = smtp_outcome(reply->code);

	if (outcome == DONE) {	/* a yes where none was possible */
		return why_set(why, DEFER, "4.5.0", "host %s said: %s (in reply to %s)", s->peer, reply->text,
		               command);
	}
	return why_set(why, outcome, reply->dsn, "host %s said: %s (in reply to %s)", s->peer, reply->text,
	               command);
}

/* ---- what the server offers ---- */

static bool is_discarded(const struct client *client, struct span keyword)
{
	struct span rest = span_of(client->conf->smtp_discard_ehlo_keywords), word;

	while (conf_list_next(&rest, &word)) {
		if (span_equal_ci(word, keyword))
			return true;
	}
	return false;
}

static void note_offer(struct session *s, struct span line)
{
	static const struct {
		struct span keyword;
		unsigned    feature;
	} rows[] = {
		{ SPAN("PIPELINING"), HAS_PIPELINING }, { SPAN("SIZE"), HAS_SIZE },
		{ SPAN("8BITMIME"), HAS_8BITMIME },     { SPAN("SMTPUTF8"), HAS_SMTPUTF8 },
		{ SPAN("DSN"), HAS_DSN },               { SPAN("STARTTLS"), HAS_STARTTLS },
		{ SPAN("AUTH"), HAS_AUTH },             { SPAN("XFORWARD"), HAS_XFORWARD },
	};
	struct span keyword;

	if (!span_token(&line, " =", &keyword) || is_discarded(s->client, keyword))
		return;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		if (!span_equal_ci(keyword, rows[i].keyword))
			continue;
		s->features |= rows[i].feature;
		if (rows[i].feature == HAS_SIZE && !span_u64(span_trim(line), UINT64_MAX, &s->size_limit))
			s->size_limit = 0;
		if (rows[i].feature == HAS_AUTH)
			s->mechanisms = arena_dup(s->arena, line);
		if (rows[i].feature == HAS_XFORWARD)
			s->forwards = arena_dup(s->arena, line);
	}
}

/* read_offers - the lines behind the first of an EHLO reply: "250-SIZE 100 250 DSN" joined by session_reply
 * would be ambiguous, so they are read here. */
static bool read_offers(struct session *s, const char *doing, struct reply *reply, struct why *why)
{
	uint64_t deadline_us = clock_in_s(s->client->conf->smtp_helo_timeout);
	struct smtp_reply_line parsed;

	for (long long lines = 0; lines < s->client->conf->smtp_reply_lines_limit; lines++) {
		struct span line;
		enum chat_event event = chat_line(&s->chat, &line, deadline_us);

		if (event != CHAT_LINE || !smtp_reply_line_parse(line, &parsed))
			return lost(s, event, doing, why);
		*reply = (struct reply){ .code = parsed.code, .text = arena_cstr(s->arena, line) };
		reply->dsn = parsed.dsn.len > 0 ? arena_cstr(s->arena, parsed.dsn)
		                                : smtp_dsn_default(parsed.code);
		if (lines > 0 && smtp_outcome(parsed.code) == DONE)
			note_offer(s, parsed.text);
		if (parsed.is_last)
			return true;
	}
	return lost(s, CHAT_TOO_LONG, doing, why);
}

static enum outcome refused_to_talk(const struct session *s, const struct reply *reply, struct why *why)
{
	return why_set(why, smtp_outcome(reply->code) == REFUSE ? REFUSE : DEFER, reply->dsn,
	               "host %s refused to talk to me: %s", s->peer, reply->text);
}

/* say_hello - EHLO or LHLO, and HELO where EHLO is not known. */
static enum outcome say_hello(struct session *s, struct why *why)
{
	const struct conf *conf = s->client->conf;
	const char *verb = s->client->is_lmtp ? "LHLO" : "EHLO";
	const char *doing = s->client->is_lmtp ? "performing the LHLO handshake"
	                                       : "performing the EHLO handshake";
	struct reply reply;

	s->features = 0;
	s->size_limit = 0;
	session_send(s, "%s %s", verb, conf->smtp_helo_name);
	if (!read_offers(s, doing, &reply, why))
		return DEFER;
	if (smtp_outcome(reply.code) == DONE)
		return DONE;
	if (s->client->is_lmtp || reply.code < 500)
		return refused_to_talk(s, &reply, why);
	session_send(s, "HELO %s", conf->smtp_helo_name);
	if (!session_reply(s, s->arena, conf->smtp_helo_timeout, "performing the HELO handshake", &reply, why))
		return DEFER;
	return smtp_outcome(reply.code) == DONE ? DONE : refused_to_talk(s, &reply, why);
}

static enum outcome greet(struct session *s, struct why *why)
{
	struct reply reply;

	if (!session_reply(s, s->arena, s->client->conf->smtp_helo_timeout,
	                   "receiving the initial server greeting", &reply, why))
		return DEFER;
	if (reply.code == 220)
		return DONE;
	(void)refused_to_talk(s, &reply, why);
	if (reply.code >= 500 && !s->client->conf->smtp_skip_5xx_greeting)
		return REFUSE;
	why->dsn[0] = '4';
	return DEFER;
}

/* ---- TLS ---- */

static enum outcome start_tls(struct session *s, const struct tls_choice *choice, struct why *why)
{
	struct why reason;
	struct tls_facts facts;
	uint64_t deadline_us = clock_in_s(s->client->conf->smtp_starttls_timeout);

	(void)chat_discard_input(&s->chat);	/* RFC 3207 4.2: nothing said before counts */
	if (tls_client_start(choice->context, &s->stream, &choice->policy, deadline_us, &reason) != DONE) {
		bool is_untrusted = span_starts(span_of(reason.text), span_lit("Server certificate"));

		s->is_broken = true;
		return why_set(why, DEFER, "4.7.5", "%s%s", is_untrusted ? "" : CANNOT_START, reason.text);
	}
	if (s->client->conf->smtp_tls_loglevel > 0 && tls_describe(&s->stream, &facts))
		log_as(s->client->role, LOG_LEVEL_NOTE, "%s", tls_log_line(s->arena, &facts, "to", s->relay));
	return DONE;
}

static enum outcome ask_for_tls(struct session *s, const struct tls_choice *choice, struct why *why)
{
	struct reply reply;
	bool is_must = choice->policy.level > TLS_MAY;

	if ((s->features & HAS_STARTTLS) == 0) {
		if (is_must)
			return why_set(why, DEFER, "4.7.4", "TLS is required, but was not offered by host %s",
			               s->peer);
		return DONE;
	}
	session_send(s, "STARTTLS");
	if (!session_reply(s, s->arena, s->client->conf->smtp_starttls_timeout,
	                   "performing the STARTTLS handshake", &reply, why))
		return DEFER;
	if (reply.code != 220) {
		if (!is_must)
			return DONE;
		(void)why_set(why, DEFER, "4.7.4", "TLS is required, but host %s refused to start TLS: %s",
		              s->peer, reply.text);
		return DEFER;
	}
	if (start_tls(s, choice, why) != DONE)
		return DEFER;
	return say_hello(s, why);
}

/* ---- opening ---- */

static int bind_to(int fd, const struct conf *conf, int family)
{
	const char *text = family == AF_INET ? conf->smtp_bind_address : conf->smtp_bind_address6;
	struct net_address address;

	if (text[0] == '\0' || (family != AF_INET && family != AF_INET6))
		return 0;
	if (!net_address_parse(span_of(text), 0, &address) || address.storage.ss_family != family ||
	    bind(fd, (const struct sockaddr *)&address.storage, address.length) < 0)
		log_warning("cannot bind to %s", text);
	return 0;
}

static int connect_to(const struct client *client, const struct host *host)
{
	uint64_t timeout_s = client->conf->smtp_connect_timeout;
	uint64_t deadline_us = timeout_s > 0 ? clock_in_s(timeout_s) : CLOCK_NEVER;
	int family = host->address.storage.ss_family;
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (bind_to(fd, client->conf, family) == 0 &&
	    task_connect(fd, (const struct sockaddr *)&host->address.storage, host->address.length,
	                 deadline_us) == 0)
		return fd;
	timeout_s = (uint64_t)errno;
	task_close(fd);
	errno = (int)timeout_s;
	return -1;
}

static void name_peer(struct session *s, const struct nexthop *nexthop, const struct host *host)
{
	char address[NET_ADDRESS_TEXT_MAX];

	if (nexthop->is_unix) {
		s->peer = s->relay = arena_printf(s->arena, "%s[" SPAN_FMT "]", host->name,
		                                  SPAN_ARG(nexthop->domain));
		return;
	}
	s->peer = arena_printf(s->arena, "%s[%s]", host->name, net_address_text(&host->address, address));
	s->relay = arena_printf(s->arena, "%s:%u", s->peer, net_address_port(&host->address));
}

static struct session *session_new(const struct client *client, const struct nexthop *nexthop,
                                   const struct host *host)
{
	struct arena *arena = arena_new(NULL);
	struct session *s = ARENA_NEW(arena, struct session);

	s->arena = arena;
	s->client = client;
	s->host_name = arena_cstr(arena, span_of(host->name));
	s->stream.fd = -1;
	s->opened_us = clock_now_us();
	name_peer(s, nexthop, host);
	return s;
}

static enum outcome converse(struct delivery *d, struct session *s, const struct nexthop *nexthop,
                             const struct tls_choice *tls, struct why *why)
{
	bool is_wrapped = d->client->conf->smtp_tls_wrappermode && tls->context != NULL;
	enum outcome outcome = DONE;

	if (is_wrapped)
		outcome = start_tls(s, tls, why);
	if (outcome == DONE)
		outcome = greet(s, why);
	if (outcome == DONE)
		outcome = say_hello(s, why);
	if (outcome == DONE && !is_wrapped && tls->context != NULL && tls->policy.level != TLS_NONE)
		outcome = ask_for_tls(s, tls, why);
	else if ((s->features & HAS_STARTTLS) != 0 && d->client->conf->smtp_tls_note_starttls_offer)
		log_as(d->client->role, LOG_LEVEL_NOTE, "Host offered STARTTLS: [%s]", s->host_name);
	if (outcome == DONE)
		outcome = sasl_login(d, s, nexthop, why);
	return outcome;
}

/* try_open - one connection; *tls_failed: it was the handshake that did not work. */
static struct session *try_open(struct delivery *d, const struct nexthop *nexthop, const struct host *host,
                                const struct tls_choice *tls, enum outcome *outcome, struct why *why)
{
	struct session *s = session_new(d->client, nexthop, host);
	int fd = connect_to(d->client, host);

	d->relay = arena_cstr(d->arena, span_of(s->relay));
	if (fd < 0) {
		const char *text = errno == ETIMEDOUT ? "Connection timed out" : strerror(errno);

		*outcome = why_set(why, DEFER, "4.4.1", "connect to %s: %s", s->relay, text);
		d->relay = "none";
		arena_free(s->arena);
		return NULL;
	}
	d->remote_host = arena_cstr(d->arena, span_of(s->host_name));
	stream_plain(&s->stream, fd);
	chat_init(&s->chat, &s->stream, (size_t)d->client->conf->smtp_reply_line_limit);
	s->chat.write_timeout_s = (unsigned)d->client->conf->smtp_data_xfer_timeout;
	*outcome = converse(d, s, nexthop, tls, why);
	if (*outcome == DONE)
		return s;
	session_close(s);
	return NULL;
}

struct session *session_open(struct delivery *d, const struct nexthop *nexthop, const struct host *host,
                             enum outcome *outcome, struct why *why)
{
	struct tls_choice tls;
	struct session *s;

	*outcome = policy_choose(d, nexthop, host, &tls, why);
	if (*outcome != DONE)
		return NULL;
	s = try_open(d, nexthop, host, &tls, outcome, why);
	/* Opportunistic TLS must not cost the mail (RFC 7435): try once more without it. */
	if (s == NULL && tls.policy.level == TLS_MAY && span_starts(span_of(why->text), span_lit(CANNOT_START))) {
		tls.policy.level = TLS_NONE;
		s = try_open(d, nexthop, host, &tls, outcome, why);
	}
	return s;
}

void session_close(struct session *s)
{
	if (!s->is_broken && !s->chat.failed) {
		session_send(s, "QUIT");
		/* The answer is of no interest, and the server may take its time. */
		(void)chat_flush(&s->chat, clock_in_s(s->client->conf->smtp_quit_timeout));
	}
	chat_free(&s->chat);
	stream_close(&s->stream);
	arena_free(s->arena);
}
