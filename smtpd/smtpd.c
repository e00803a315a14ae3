/* SPDX-License-Identifier: ISC */
/* smtpd.c - one SMTP conversation, from greeting to goodbye
 *
 * Runs as one task per connection, in an empty root and with no privileges.  Talks to: the client
 * (hostile), router, dns and auth (we ask), qmgr (leases us a descriptor to write to, and commits).
 * Opens no file.
 *
 * Rules kept here: RFC 5321 3.1 (greeting), 4.2 (replies), 4.5.3.2 (time-outs), RFC 2920 3.2 (replies of
 * pipelined commands leave in one write: lib/net/chat.h).  Verbs are in smtpd_verbs.c, one file per
 * extension in ext_*.c, access rules in smtpd_access.c and smtpd_rules.c. */
#include "smtpd/smtpd.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/hash.h"
#include "lib/base/log.h"
#include "lib/smtp/reply.h"
#include "lib/task/task.h"

/* A client that says nothing for so long is taken to be idle: its memory is given back. */
enum { BUSY_S = 2 };
/* Longest line of a SASL exchange (RFC 4954 4). */
enum { AUTH_LINE_MAX = 12288 };

bool smtpd_is_stressed(const struct smtpd_server *server)
{
	return server->session_count * 4 > (size_t)server->conf->smtpd_session_limit * 3;
}

uint64_t smtpd_deadline(const struct smtpd *s)
{
	uint64_t seconds = s->conf->smtpd_timeout;

	return clock_in_s(smtpd_is_stressed(s->server) && seconds >= 10 ? seconds / 10 : seconds);
}

struct span smtpd_protocol(const struct smtpd *s)
{
	static const struct span names[2][2][2] = {
		{ { SPAN("ESMTP"), SPAN("ESMTPA") }, { SPAN("ESMTPS"), SPAN("ESMTPSA") } },
		{ { SPAN("UTF8SMTP"), SPAN("UTF8SMTPA") }, { SPAN("UTF8SMTPS"), SPAN("UTF8SMTPSA") } },
	};
	bool utf8 = s->mail != NULL && (s->mail->flags & ENVELOPE_SMTPUTF8) != 0;

	if (!s->is_esmtp)
		return span_lit("SMTP");
	return names[utf8][s->has_tls][s->sasl_username.len > 0];
}

/* ---- replies ---- */

static void send_line(struct smtpd *s, unsigned code, bool is_last, struct span dsn, struct span text)
{
	char line[SMTP_REPLY_LINE_MAX + 2];

	chat_write(&s->chat, span_make(line, smtp_reply_format(line, code, is_last, dsn, text)));
}

static void count_error(struct smtpd *s, unsigned code)
{
	s->reply_code = code;
	if (code < 400)
		return;
	s->errors++;
	/* Slow down who keeps making errors; nobody else waits for it. */
	if (s->errors > (unsigned)s->conf->smtpd_soft_error_limit && s->conf->smtpd_error_sleep_time > 0)
		task_sleep_us(s->conf->smtpd_error_sleep_time * CLOCK_SECOND_US);
}

void smtpd_reply(struct smtpd *s, unsigned code, const char *dsn, const char *format, ...)
{
	char text[SMTP_REPLY_LINE_MAX + 1];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (n < 0)
		n = 0;
	count_error(s, code);
	send_line(s, code, true, span_of(dsn),
	          span_make(text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1));
}

void smtpd_reply_line(struct smtpd *s, unsigned code, bool is_last, struct span text)
{
	s->reply_code = code;
	send_line(s, code, is_last, span_lit(""), text);
}

void smtpd_reply_lines(struct smtpd *s, unsigned code, const struct span *lines, size_t count)
{
	count_error(s, code);
	for (size_t i = 0; i < count; i++)
		send_line(s, code, i + 1 == count, span_lit(""), lines[i]);
}

void smtpd_log_event(struct smtpd *s, const char *kind, const char *stage, struct span to,
                     const char *text)
{
	/* What milters say of a whole message is cleanup's to log. */
	bool is_cleanup = strcmp(stage, "END-OF-MESSAGE") == 0 && strncmp(kind, "milter-", 7) == 0;
	struct buf line;

	if (to.len == 0 && s->mail != NULL && s->mail->recipient_count == 1)
		to = s->mail->recipients[0].address;
	buf_init(&line, BUF_NO_LIMIT);
	buf_addf(&line, "%s: %s: %s from " SPAN_FMT ": %s;", smtpd_queue_id(s), kind, stage, SPAN_ARG(s->peer.label),
	         text);
	if (s->mail != NULL)
		buf_addf(&line, " from=<" SPAN_FMT ">", SPAN_ARG(s->mail->sender_given));
	if (to.len > 0)
		buf_addf(&line, " to=<" SPAN_FMT ">", SPAN_ARG(to));
	buf_addf(&line, " proto=" SPAN_FMT, SPAN_ARG(s->is_esmtp ? span_lit("ESMTP") : span_lit("SMTP")));
	if (s->helo.len > 0)
		buf_addf(&line, " helo=<" SPAN_FMT ">", SPAN_ARG(s->helo));
	if (s->sasl_username.len > 0)
		buf_addf(&line, " sasl_username=<" SPAN_FMT ">", SPAN_ARG(s->sasl_username));
	if (is_cleanup)
		log_as("cleanup", LOG_LEVEL_NOTE, SPAN_FMT, SPAN_ARG(buf_span(&line)));
	else
		log_note(SPAN_FMT, SPAN_ARG(buf_span(&line)));
	buf_free(&line);
}

void smtpd_reject(struct smtpd *s, const char *stage, struct span to, unsigned code, const char *dsn,
                  const char *text)
{
	char line[WHY_TEXT_MAX + 32];

	s->refusal.code = code;
	snprintf(s->refusal.dsn, sizeof(s->refusal.dsn), "%s", dsn);
	snprintf(s->refusal.text, sizeof(s->refusal.text), "%s", text);
	snprintf(line, sizeof(line), "%u %s %s", code, dsn, text);
	smtpd_log_event(s, "reject", stage, to, line);
	smtpd_reply(s, code, dsn, "%s", text);
}

int smtpd_call_until(struct smtpd *s, const char *service, bool again_is_safe,
                     const struct ipc_type *request_type, const void *request,
                     const struct ipc_type *reply_type, void *reply, struct arena *arena, uint64_t deadline_us)
{
	const struct smtpd_backend *backend = &s->server->backend;
	int result = backend->call(backend->user, service, again_is_safe, request_type, request,
	                           reply_type, reply, arena, deadline_us);

	if (result < 0)
		log_warning("no answer from service %s: %m", service);
	return result;
}

int smtpd_call(struct smtpd *s, const char *service, bool again_is_safe,
               const struct ipc_type *request_type, const void *request,
               const struct ipc_type *reply_type, void *reply, struct arena *arena)
{
	return smtpd_call_until(s, service, again_is_safe, request_type, request, reply_type, reply, arena,
	                        clock_in_s(s->conf->smtpd_ask_time_limit));
}

/* ---- TLS ---- */

void smtpd_forget_greeting(struct smtpd *s)
{
	smtpd_reset(s);
	s->state = SMTPD_CONNECTED;
	s->helo = span_lit("");
	s->filters.knows_helo = false;
	s->is_esmtp = false;
	s->sasl_method = s->sasl_username = span_lit("");
}

bool smtpd_start_tls(struct smtpd *s)
{
	struct tls_facts facts;
	struct why why;

	if (tls_server_start(s->server->tls, &s->stream, smtpd_deadline(s), &why) != DONE) {
		log_note("SSL_accept error from " SPAN_FMT ": %s", SPAN_ARG(s->peer.label), why.text);
		return false;
	}
	chat_discard_input(&s->chat);
	s->has_tls = true;
	if (tls_describe(&s->stream, &facts))
		log_note("%s", tls_log_line(s->per_command, &facts, "from",
		                            arena_cstr(s->per_command, s->peer.label)));
	return true;
}

/* ---- reading commands ---- */

/* Wait for the next command.  Idle sessions are on the server's list, so that the oldest can be asked to go. */
static enum chat_event next_line(struct smtpd *s, struct span *line)
{
	uint64_t deadline = smtpd_deadline(s), busy = clock_in_s(BUSY_S);
	enum chat_event event;

	arena_reset(s->per_command);
	if (s->server->is_stopping)
		return CHAT_CANCELLED;
	if (chat_has_input(&s->chat))
		return chat_line(&s->chat, line, deadline);
	list_push_back(&s->server->idle, &s->idle);
	event = chat_line(&s->chat, line, busy < deadline ? busy : deadline);
	if (event == CHAT_TIMEOUT && busy < deadline) {
		smtpd_milter_rest(s);
		arena_release(s->per_command);
		task_idle_memory();
		event = chat_line(&s->chat, line, deadline);
	}
	list_remove(&s->idle);
	return event;
}

/* Any bare LF in a command is the mark of a script, or of smuggled commands (reliability C2). */
static enum smtpd_next judge_bare_newline(struct smtpd *s)
{
	if (!s->chat.bare_lf_seen || s->server->bare_newline == BARE_NO ||
	    smtpd_match_peer(s->server->bare_newline_excluded, &s->peer))
		return GO_ON;
	if (!s->noted_bare_newline)
		log_note("bare <LF> received after %s from " SPAN_FMT, s->where, SPAN_ARG(s->peer.label));
	s->noted_bare_newline = true;
	if (s->server->bare_newline != BARE_REJECT)
		return GO_ON;
	smtpd_reply(s, 521, "5.5.2", "%s Error: bare <LF> received", s->conf->myhostname);
	return HANG_UP;
}

static enum smtpd_next obey_line(struct smtpd *s, struct span line)
{
	if (judge_bare_newline(s) == HANG_UP)
		return HANG_UP;
	if (smtpd_obey(s, line) == HANG_UP)
		return HANG_UP;
	if (s->hangs_up) {
		s->is_finished = true;
		return HANG_UP;
	}
	if (s->errors <= (unsigned)s->conf->smtpd_hard_error_limit)
		return GO_ON;
	s->is_finished = true;
	log_note("too many errors after %s from " SPAN_FMT, s->where, SPAN_ARG(s->peer.label));
	smtpd_reply(s, 421, "4.7.0", "%s Error: too many errors", s->conf->myhostname);
	return HANG_UP;
}

/* The wait ended without a line. */
static void end_of_input(struct smtpd *s, enum chat_event event)
{
	const char *what = event == CHAT_TIMEOUT ? "timeout" : "lost connection";

	if (event == CHAT_TIMEOUT)
		smtpd_reply(s, 421, "4.4.2", "%s Error: timeout exceeded", s->conf->myhostname);
	else if (event == CHAT_CANCELLED)
		smtpd_reply(s, 421, "4.3.2", "%s Service not available, closing transmission channel",
		            s->conf->myhostname);
	if (!s->is_finished && event != CHAT_CANCELLED)
		log_note("%s after %s from " SPAN_FMT, what, s->where, SPAN_ARG(s->peer.label));
}

static void converse(struct smtpd *s)
{
	for (;;) {
		struct span line;
		enum chat_event event;
		/* A SASL response may be longer than any other line. */
		bool may_auth = s->conf->smtpd_sasl_auth_enable && s->sasl_username.len == 0;

		s->chat.line_max = may_auth ? AUTH_LINE_MAX : (size_t)s->conf->smtpd_line_length_limit;
		event = next_line(s, &line);
		if (event == CHAT_TOO_LONG) {
			smtpd_reply(s, 500, "5.5.2", "Error: line too long");
		} else if (event != CHAT_LINE) {
			end_of_input(s, event);
			return;
		} else if (obey_line(s, line) == HANG_UP) {
			return;
		}
	}
}

/* ---- the session ---- */

/* Make room: the session that has been idle longest goes, so that nobody can hold them all. */
static void evict_oldest(struct smtpd_server *server)
{
	struct list *oldest = list_pop_front(&server->idle);

	if (oldest != NULL) {
		struct smtpd *s = CONTAINER_OF(oldest, struct smtpd, idle);

		s->is_evicted = true;
		task_cancel(s->task);
	}
}

void smtpd_stop(struct smtpd_server *server)
{
	server->is_stopping = true;
	while (!list_is_empty(&server->idle))
		evict_oldest(server);
}

static void say_hello(struct smtpd *s)
{
	smtpd_reply(s, 220, "", "%s", s->conf->smtpd_banner);
}

static void learn_name(struct smtpd *s)
{
	smtpd_peer_resolve(s);
	if (!s->peer.is_local_user)
		log_note("connect from " SPAN_FMT, SPAN_ARG(s->peer.label));
}

/* Everything before the first command: TLS wrapper, limits, name, greeting; false: no session. */
static bool welcome(struct smtpd *s)
{
	if (s->server->session_count > (size_t)s->conf->smtpd_session_limit) {
		smtpd_reply(s, 421, "4.3.2", "%s All server ports are busy", s->conf->myhostname);
		return false;
	}
	if (!s->conf->smtpd_delay_reject || s->conf->smtpd_tls_wrappermode)
		learn_name(s);
	if (s->conf->smtpd_tls_wrappermode && (s->server->tls == NULL || !smtpd_start_tls(s)))
		return false;
	if (!smtpd_client_enter(s))
		return false;
	if (s->conf->smtpd_delay_reject && !s->conf->smtpd_tls_wrappermode) {
		/* The client may read the greeting while we look up its name. */
		say_hello(s);
		if (chat_flush(&s->chat, smtpd_deadline(s)) < 0)
			s->chat.failed = true;
		learn_name(s);
		return smtpd_access_connect(s);
	}
	if (!smtpd_access_connect(s) || !smtpd_milter_connect(s))
		return false;
	say_hello(s);
	return true;
}

static void session(struct smtpd *s)
{
	if (!smtpd_peer_identify(s))
		return;
	if (welcome(s))
		converse(s);
	smtpd_reset(s);
	smtpd_milter_end(s);
	if (chat_flush(&s->chat, clock_in_s(5)) < 0)
		s->chat.failed = true;	/* the peer is gone: nothing is left to say */
	smtpd_client_leave(s);
	if (!s->peer.is_local_user)
		log_note("disconnect from " SPAN_FMT SPAN_FMT, SPAN_ARG(s->peer.label),
		         SPAN_ARG(smtpd_counts_text(s, s->per_command)));
}

void smtpd_talk(struct smtpd_server *server, int fd)
{
	struct arena *arena = task_arena();
	struct smtpd *s = ARENA_NEW(arena, struct smtpd);

	s->server = server;
	s->conf = server->conf;
	s->arena = arena;
	s->per_command = arena_new(arena);
	s->state = SMTPD_CONNECTED;
	s->where = "CONNECT";
	s->task = task_self();
	list_init(&s->idle);
	stream_plain(&s->stream, fd);
	chat_init(&s->chat, &s->stream, (size_t)s->conf->smtpd_line_length_limit);
	server->session_count++;
	if (smtpd_is_stressed(server))
		evict_oldest(server);
	session(s);
	server->session_count--;
	list_remove(&s->idle);
	chat_free(&s->chat);
	stream_close(&s->stream);
}
