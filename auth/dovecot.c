/* SPDX-License-Identifier: ISC */
/* dovecot.c - Dovecot's auth client protocol, so that other mail servers can ask us
 *
 * One connection of a public socket carries many questions at once.  Each is a task of its own: a failure that is
 * held back holds no other back.  The peer is a local program, but its lines are checked as any remote input (C20). */
#include "auth/auth.h"

#include <stdlib.h>
#include <unistd.h>

#include "auth/conversation.h"
#include "auth/dovecot_line.h"
#include "lib/base/codec.h"
#include "lib/base/log.h"
#include "lib/net/chat.h"

enum { LINE_MAX_BYTES = 16 * 1024, MOST_QUESTIONS = 1024, PROTOCOL_MAJOR = 1 };

struct connection {
	struct auth         *auth;
	struct stream        stream;
	struct conversations conversations;
	size_t               busy;	/* question tasks under way */
	bool                 is_gone, is_writing, has_ended;
	struct task_waitlist idle, may_write;
};

struct question {
	struct connection  *connection;
	struct arena       *arena;
	struct dovecot_line line;
};

/* The reader or the last question, whichever ends later, takes the connection down. */
static void release(struct connection *c)
{
	if (!c->has_ended || c->busy != 0)
		return;
	conversations_free(&c->conversations);
	stream_close(&c->stream);
	free(c);
}

/* One whole line at a time: several tasks answer. */
static void send_line(struct connection *c, struct span line)
{
	while (c->is_writing && !c->is_gone) {
		if (task_wait(&c->may_write, CLOCK_NEVER) < 0)
			return;
	}
	if (c->is_gone)
		return;
	c->is_writing = true;
	if (stream_write(&c->stream, line.ptr, line.len, CLOCK_NEVER) < 0)
		c->is_gone = true;
	c->is_writing = false;
	task_wake_all(&c->may_write);
}

static void greet(struct connection *c)
{
	unsigned char cookie[16];
	struct arena *arena = arena_new(NULL);
	struct span rest = auth_mechanisms(c->auth, arena), name;
	char *text = arena_printf(arena, "VERSION\t%d\t2\n", PROTOCOL_MAJOR);

	while (span_token(&rest, " ", &name))
		text = arena_printf(arena, "%sMECH\t" SPAN_FMT "\t%s\n", text, SPAN_ARG(name),
		                    sasl_find(name)->dovecot_flags);
	random_bytes(cookie, sizeof(cookie));
	text = arena_printf(arena, "%sSPID\t%ld\nCUID\t%llu\nCOOKIE\t" SPAN_FMT "\nDONE\n", text, (long)getpid(),
	                    (unsigned long long)++c->auth->next_connection,
	                    SPAN_ARG(hex_encode(arena, span_make(cookie, sizeof(cookie)))));
	send_line(c, span_of(text));
	arena_free(arena);
}

/* ---- answers ---- */

static void send_challenge(const struct question *q, struct span challenge)
{
	send_line(q->connection, arena_printf_span(q->arena, "CONT\t%llu\t" SPAN_FMT "\n", q->line.id,
	                                           SPAN_ARG(base64_encode(q->arena, challenge))));
}

static void send_verdict(const struct question *q, const struct auth_verdict *v)
{
	bool is_ok = v->status == AUTH_OK;
	struct buf out;

	buf_init(&out, BUF_NO_LIMIT);
	buf_addf(&out, "%s\t%llu", is_ok ? "OK" : "FAIL", q->line.id);
	if (!span_is_empty(v->user))
		dovecot_add_field(&out, "user=", v->user);
	if (v->status == AUTH_UNAVAILABLE)
		buf_add_cstr(&out, "\ttemp");
	if (v->status == AUTH_BAD || v->status == AUTH_UNKNOWN_MECHANISM)
		dovecot_add_field(&out, "reason=", v->reason);
	buf_add_byte(&out, '\n');
	send_line(q->connection, buf_span(&out));
	buf_free(&out);
}

static struct conversation *begin_or_find(const struct question *q)
{
	const struct dovecot_line *line = &q->line;
	struct auth_facts facts = {
		line->service, line->mechanism, line->remote_address, line->local_address, line->is_secured,
	};
	struct connection *c = q->connection;

	if (line->verb == DOVECOT_CONT)
		return conversation_find(&c->conversations, line->id);
	if (conversation_find(&c->conversations, line->id) != NULL)
		return NULL;
	return conversation_new(c->auth, &c->conversations, line->id, &facts);
}

static void answer(void *arg)
{
	struct question *q = arg;
	struct connection *c = q->connection;
	struct conversation *one = begin_or_find(q);
	struct auth_verdict verdict = { .status = AUTH_BAD, .reason = SPAN("no such conversation or mechanism") };

	if (one != NULL && conversation_next(c->auth, &c->conversations, one, q->line.has_response, q->line.response,
	                                     q->arena, &verdict))
		send_challenge(q, one->exchange.challenge);
	else
		send_verdict(q, &verdict);
	if (q->line.response.len != 0)
		memory_wipe((void *)(uintptr_t)q->line.response.ptr, q->line.response.len);
	arena_free(q->arena);	/* holds q too */
	c->busy--;
	task_wake_all(&c->idle);
	release(c);
}

/* ---- the connection ---- */

static void cancel(struct connection *c, unsigned long long id)
{
	struct conversation *one = conversation_find(&c->conversations, id);

	if (one != NULL)
		conversation_end(&c->conversations, one);
}

static bool ask(struct connection *c, struct arena *arena, const struct dovecot_line *line)
{
	struct question *q = ARENA_NEW(arena, struct question);

	*q = (struct question){ c, arena, *line };
	while (c->busy >= MOST_QUESTIONS) {
		if (task_wait(&c->idle, CLOCK_NEVER) < 0)
			return false;
	}
	if (task_spawn(answer, q, "auth question") == NULL)
		return false;
	c->busy++;
	return true;
}

/* False: the connection ends.  The arena of a question lives on in its task. */
static bool obey(struct connection *c, struct span text)
{
	struct arena *arena = arena_new(NULL);
	struct dovecot_line line;
	bool go_on = true;

	dovecot_line_parse(arena, arena_dup(arena, text), &line);
	switch (line.verb) {
	case DOVECOT_AUTH:
	case DOVECOT_CONT:
		if (ask(c, arena, &line))
			return true;
		go_on = false;
		break;
	case DOVECOT_CANCEL:
		cancel(c, line.id);
		break;
	case DOVECOT_VERSION:
		go_on = line.version == PROTOCOL_MAJOR;
		break;
	case DOVECOT_BAD:
		go_on = false;
		break;
	case DOVECOT_IGNORE:
		break;
	}
	arena_free(arena);
	if (!go_on)
		log_warning("auth protocol: unusable line: closing the connection");
	return go_on;
}

void auth_dovecot_serve(struct auth *a, int fd)
{
	struct connection *c = calloc(1, sizeof(*c));
	struct chat chat;
	struct span line;

	if (c == NULL)
		log_fatal("out of memory");
	c->auth = a;
	stream_plain(&c->stream, fd);
	conversations_init(&c->conversations);
	task_waitlist_init(&c->idle);
	task_waitlist_init(&c->may_write);
	chat_init(&chat, &c->stream, LINE_MAX_BYTES);
	greet(c);
	while (!c->is_gone && chat_line(&chat, &line, CLOCK_NEVER) == CHAT_LINE && obey(c, line))
		;
	chat_free(&chat);
	c->is_gone = c->has_ended = true;
	task_wake_all(&c->may_write);
	release(c);
}
