/* SPDX-License-Identifier: ISC */
/* message.c - a message shown to each milter in turn, and what they make of it
 *
 * Header, body and end go to one milter, then to the next, which sees what the first left.  Headers, and body pieces
 * that a milter does not answer, leave in large writes.  Changes are done as they come; once one cannot be done the
 * rest is only read, up to the milter's verdict, so that it stays in step. */
#include <errno.h>
#include <string.h>

#include "lib/base/log.h"
#include "lib/milter/milters_private.h"

enum {
	PROGRESS_TIMES = 10,
	EDITS_A_TURN = 64,	/* then others may run */
};

/* One milter looks at the message. */
struct showing {
	struct milters        *ms;
	struct milter         *m;
	struct milter_message *message;
	struct milter_answer  *answer;
};

static bool is_over(const struct showing *s)
{
	return s->m->state != MILTER_ASKED || s->answer->verdict != MILTER_PASS;
}

/* ---- refusals of our own ---- */

static void refuse_for(struct milters *ms, enum outcome outcome, const struct why *why, struct milter_answer *answer)
{
	struct span *line = ARENA_NEW(ms->per_event, struct span);
	unsigned code = outcome == REFUSE ? 554 : 451;

	if (strcmp(why->dsn, "4.3.1") == 0)
		code = 452;
	else if (strcmp(why->dsn, "5.3.4") == 0)
		code = 552;
	*line = arena_printf_span(ms->per_event, "%s %s", why->dsn, why->text);
	milter_refuse(answer, code, line);
}

/* ---- header ---- */

/* Folds as milters know them: a LF alone.  What is too long for a packet is cut: a milter that broke off would not see
 * the message at all. */
static void add_value(struct buf *out, struct span value, size_t room)
{
	struct span line;
	bool more = true;

	value = span_first(value, room);
	while (more) {
		more = span_cut(&value, '\n', &line);
		if (more && span_ends(line, span_lit("\r")))
			line.len--;
		milter_add_string(out, line);
		if (more)
			out->ptr[out->len - 1] = '\n';
	}
}

static void show_field(struct showing *s, struct span name, struct span value)
{
	static const struct milter_event event = { MILTER_HEADER, MILTER_NO_HEADERS, MILTER_NR_HEADER, true };
	const struct milter_terms *terms = &s->m->connection->terms;
	struct buf *out = &s->m->connection->out;
	size_t start;

	if (!milter_wants(s->m, &event))
		return;
	if ((terms->steps & MILTER_LEADING_SPACE) == 0 && span_starts(value, span_lit(" ")))
		value = span_skip(value, 1);
	name = span_first(name, MILTER_DATA_MAX - 2);
	start = milter_packet_begin(out, MILTER_HEADER);
	milter_add_string(out, name);
	add_value(out, value, MILTER_DATA_MAX - 2 - name.len);
	milter_packet_end(out, start);
	milter_hear(s->ms, s->m, &event, s->answer);
}

static void show_header(struct showing *s)
{
	static const struct milter_event end = { MILTER_EOH, MILTER_NO_EOH, MILTER_NR_EOH, true };
	struct span name, value;
	size_t cursor = 0;

	/* With the first field, not behind the last: "i" is of use all the while. */
	milter_add_macros(s->ms, s->m, MILTER_AT_EOH, MILTER_EOH);
	while (!is_over(s) && milter_header_next(&s->message->header, &cursor, &name, &value))
		show_field(s, name, value);
	if (is_over(s) || !milter_wants(s->m, &end))
		return;
	milter_packet(&s->m->connection->out, MILTER_EOH);
	milter_hear(s->ms, s->m, &end, s->answer);
}

/* ---- body ---- */

/* One packet of it; false: it could not be read, the answer is set. */
static bool add_chunk(struct showing *s, uint64_t offset, size_t n)
{
	struct buf *out = &s->m->connection->out;
	size_t start = milter_packet_begin(out, MILTER_BODY);
	char *room = buf_reserve(out, n);
	struct why why;
	enum outcome outcome = s->message->read_body(s->message->user, offset, room, n, &why);

	if (outcome != DONE) {
		buf_truncate(out, start);
		refuse_for(s->ms, outcome, &why, s->answer);
		return false;
	}
	buf_commit(out, n);
	milter_packet_end(out, start);
	return true;
}

static void show_body(struct showing *s)
{
	static const struct milter_event event = { MILTER_BODY, MILTER_NO_BODY, MILTER_NR_BODY, true };
	uint64_t length = s->message->body_length;

	for (uint64_t at = 0; at < length && !is_over(s) && milter_wants(s->m, &event); at += MILTER_CHUNK_MAX) {
		size_t n = length - at < MILTER_CHUNK_MAX ? (size_t)(length - at) : MILTER_CHUNK_MAX;

		if (!add_chunk(s, at, n))
			return;
		milter_hear(s->ms, s->m, &event, s->answer);
	}
}

/* ---- changes ---- */

/* A change asked for.  All but the body's pieces wait for the verdict: a milter that fails before it has changed nothing. */
struct edit {
	struct edit            *next;
	enum milter_reply_kind  kind;
	uint32_t                index;
	struct span             name, value;
};

struct editing {
	struct showing *s;
	struct arena   *arena;
	struct edit    *first, **end;
	size_t          room;		/* bytes that may yet be kept */
	enum outcome    outcome;	/* of the first change that could not be done */
	struct why      why;
	bool            in_body;
	unsigned        count;
};

static void too_much(struct editing *e)
{
	e->outcome = why_set(&e->why, DEFER, "4.3.0", "Error: too many changes by a milter");
}

static void keep_edit(struct editing *e, const struct milter_reply *reply)
{
	size_t bytes = sizeof(struct edit) + reply->name.len + reply->value.len;
	struct edit *kept;

	if (bytes > e->room) {
		too_much(e);
		return;
	}
	e->room -= bytes;
	kept = ARENA_NEW(e->arena, struct edit);
	*kept = (struct edit){ .kind = reply->kind, .index = reply->index, .name = arena_dup(e->arena, reply->name),
		               .value = arena_dup(e->arena, reply->value) };
	*e->end = kept;
	e->end = &kept->next;
}

static void replace_body(struct editing *e, struct span piece)
{
	struct milter_message *message = e->s->message;

	if (!e->in_body)
		e->outcome = message->begin_body(message->user, &e->why);
	e->in_body = true;
	if (e->outcome == DONE)
		e->outcome = message->add_body(message->user, piece, &e->why);
}

/* True when it is a change.  Once one failed the rest is only recognised. */
static bool take_edit(struct editing *e, const struct milter_reply *reply)
{
	static const char edits[] = { MILTER_ADD_RCPT, MILTER_DELETE_RCPT, MILTER_ADD_RCPT_PAR, MILTER_CHANGE_FROM,
		                      MILTER_ADD_HEADER, MILTER_INSERT_HEADER, MILTER_CHANGE_HEADER };

	if (reply->kind == MILTER_REPLACE_BODY) {
		if (e->outcome == DONE)
			replace_body(e, reply->value);
		return true;
	}
	if (memchr(edits, (int)reply->kind, sizeof(edits)) == NULL)
		return false;
	if (e->outcome == DONE)
		keep_edit(e, reply);
	return true;
}

static void check(struct editing *e, enum milter_edit result)
{
	if (result == MILTER_EDIT_TOO_MUCH)
		too_much(e);
}

static void do_edit(struct editing *e, const struct edit *edit)
{
	struct milter_message *message = e->s->message;
	bool space = (e->s->m->connection->terms.steps & MILTER_LEADING_SPACE) == 0;

	if (edit->kind == MILTER_ADD_HEADER)
		check(e, milter_header_append(&message->header, edit->name, edit->value, space));
	else if (edit->kind == MILTER_INSERT_HEADER)
		check(e, milter_header_insert(&message->header, edit->index, edit->name, edit->value, space));
	else if (edit->kind == MILTER_CHANGE_HEADER)
		check(e, milter_header_change(&message->header, edit->index, edit->name, edit->value, space));
	else if (edit->kind == MILTER_CHANGE_FROM)
		e->outcome = message->change_sender(message->user, edit->name, edit->value, &e->why);
	else if (edit->kind == MILTER_DELETE_RCPT)
		e->outcome = message->delete_recipient(message->user, edit->name, &e->why);
	else
		e->outcome = message->add_recipient(message->user, edit->name, edit->value, &e->why);
}

/* The milter has spoken its verdict.  A change that cannot be done outweighs all but a temporary refusal. */
static void finish_edits(struct editing *e, struct milter_answer *answer)
{
	struct milter_message *message = e->s->message;

	if (answer->verdict == MILTER_DROP || (answer->verdict == MILTER_REFUSE && answer->refusal.code < 500))
		return;
	for (const struct edit *edit = e->first; edit != NULL && e->outcome == DONE; edit = edit->next) {
		do_edit(e, edit);
		if (++e->count % EDITS_A_TURN == 0)
			task_yield();
	}
	if (e->in_body && e->outcome == DONE)
		e->outcome = message->end_body(message->user, &e->why);
	if (e->outcome != DONE)
		refuse_for(e->s->ms, e->outcome, &e->why, answer);
}

/* True when the event is over: the verdict is there, or the milter failed. */
static bool take_reply(struct editing *e, const struct milter_event *event, const struct milter_reply *reply)
{
	struct showing *s = e->s;
	bool is_known;

	if (milter_decide(s->ms, s->m, event, reply, s->answer, &is_known)) {
		if (s->m->connection != NULL)
			finish_edits(e, s->answer);
		return true;
	}
	if (is_known)
		return false;
	if (take_edit(e, reply)) {
		if (++e->count % EDITS_A_TURN == 0)
			task_yield();
		return false;
	}
	log_warning("milter %s: unexpected filter response %s after event %s", s->m->settings->name,
	            milter_reply_name((unsigned)reply->kind), milter_command_name((unsigned)event->command));
	milter_fail(s->ms, s->m, s->answer);
	return true;
}

static void end_message(struct showing *s)
{
	static const struct milter_event event = { MILTER_EOM, 0, 0, true };
	uint64_t begun = clock_now_us(), deadline = milter_deadline(s->m, &event);
	uint64_t last = begun + (deadline - begun) * PROGRESS_TIMES;
	struct arena *per_reply = arena_new(s->ms->per_event);
	struct editing e = { .s = s, .outcome = DONE, .arena = arena_new(s->ms->per_event),
		             .room = s->ms->list->added_max * 4 };
	struct milter_reply reply;
	bool done = false;

	e.end = &e.first;
	s->ms->header = &s->message->header;
	milter_add_macros(s->ms, s->m, MILTER_AT_EOM, MILTER_EOM);
	s->ms->header = NULL;
	milter_packet(&s->m->connection->out, MILTER_EOM);
	while (!done && milter_connection_reply(s->m->connection, MILTER_EOM, deadline, per_reply, &reply)) {
		deadline = milter_deadline(s->m, &event);
		deadline = deadline < last ? deadline : last;
		if (reply.kind != MILTER_PROGRESS)
			done = take_reply(&e, &event, &reply);
		if (!done)
			arena_reset(per_reply);
	}
	if (!done)
		milter_fail(s->ms, s->m, s->answer);
	arena_free(e.arena);
	s->m->in_message = false;
}

/* ---- all of it ---- */

static void show(struct showing *s)
{
	milter_apply_standing(s->m, s->answer);
	if (is_over(s))
		return;
	show_header(s);
	if (!is_over(s))
		show_body(s);
	if (!is_over(s))
		end_message(s);
}

void milters_message(struct milters *ms, struct milter_message *message, struct milter_answer *answer)
{
	arena_reset(ms->per_event);
	*answer = (struct milter_answer){ .verdict = MILTER_PASS, .reason = span_lit("") };
	for (size_t i = 0; i < ms->list->count && answer->verdict == MILTER_PASS; i++) {
		struct showing s = { .ms = ms, .m = &ms->milters[i], .message = message, .answer = answer };

		show(&s);
	}
}
