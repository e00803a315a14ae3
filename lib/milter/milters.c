/* SPDX-License-Identifier: ISC */
/* milters.c - the milters of one SMTP session: connection and envelope (message.c: the content)
 *
 * Packets are gathered: what needs no answer waits for the next that does, so an event costs one write and one read,
 * however many macros and unanswered steps go before it. */
#include <sys/socket.h>

#include "lib/base/log.h"
#include "lib/milter/milters_private.h"

enum {
	FLUSH_BYTES = 128 * 1024,	/* unanswered packets are not gathered without end */
	MACROS_MAX = 32 * 1024,		/* bytes of one macro packet */
	AUTH_RESULTS_MAX = 16 * 1024,
	PROGRESS_TIMES = 10,		/* as much longer than its time-out may a milter take that says it is busy */
};

/* ---- answers ---- */

void milter_refuse(struct milter_answer *answer, unsigned code, const struct span *line)
{
	answer->verdict = MILTER_REFUSE;
	answer->refusal = (struct milter_refusal){ .code = code, .lines = line, .count = 1 };
	answer->hang_up = code == 421 || code == 521;
}

void milter_apply_standing(const struct milter *m, struct milter_answer *answer)
{
	bool was_quarantined = answer->is_quarantined;
	struct span reason = answer->reason;

	if (m->state != MILTER_SETTLED)
		return;
	*answer = m->standing;
	if (was_quarantined) {
		answer->is_quarantined = true;
		answer->reason = reason;
	}
}

/* A copy that lives as long as the session. */
static struct milter_answer keep_answer(struct arena *arena, const struct milter_answer *answer)
{
	struct milter_answer kept = *answer;
	struct span *lines = ARENA_NEW_ARRAY(arena, struct span, answer->refusal.count);

	for (size_t i = 0; i < kept.refusal.count; i++)
		lines[i] = arena_dup(arena, answer->refusal.lines[i]);
	kept.refusal.lines = lines;
	kept.reason = arena_dup(arena, answer->reason);
	return kept;
}

void milter_settle(struct milters *ms, struct milter *m, const struct milter_answer *answer)
{
	m->standing = keep_answer(ms->arena, answer);
	m->state = MILTER_SETTLED;
	m->in_message = false;
	if (m->connection != NULL)
		milter_connection_quit(m->connection);
	m->connection = NULL;
}

void milter_fail(struct milters *ms, struct milter *m, struct milter_answer *answer)
{
	static const struct span unavailable = SPAN("5.5.0 Service unavailable"),
	                         later = SPAN("4.7.1 Service unavailable - try again later"),
	                         closing = SPAN("4.7.0 Server closing connection");
	struct milter_answer standing = { .verdict = MILTER_PASS };

	if (m->connection != NULL)
		milter_connection_drop(m->connection);
	m->connection = NULL;
	switch (m->settings->default_action) {
	case MILTER_DO_ACCEPT:
		break;
	case MILTER_DO_REJECT:
		milter_refuse(&standing, 550, &unavailable);
		break;
	case MILTER_DO_TEMPFAIL:
		milter_refuse(&standing, 451, &later);
		break;
	case MILTER_DO_QUARANTINE:
		standing.is_quarantined = true;
		standing.reason = arena_printf_span(ms->arena, "milter %s failed", m->settings->name);
		break;
	case MILTER_DO_SHUTDOWN:
		milter_refuse(&standing, 421, &closing);
		break;
	}
	milter_settle(ms, m, &standing);
	milter_apply_standing(m, answer);
}

/* ---- macros ---- */

static struct span without_braces(struct span name)
{
	if (span_starts(name, span_lit("{")) && span_ends(name, span_lit("}")) && name.len >= 2)
		return span_slice(name, 1, name.len - 2);
	return name;
}

/* milter_macro_defaults: "name=value", "{name}=value", "{ name = value }". */
static bool default_macro(struct span defaults, struct span name, struct span *value)
{
	struct span member, left;

	while (conf_list_next(&defaults, &member)) {
		if (!span_cut(&member, '=', &left) || !span_equal(without_braces(span_trim(left)), name))
			continue;
		*value = span_trim(member);
		return true;
	}
	return false;
}

static const struct span auth_results = SPAN("auth_results");

static bool find_macro(struct milters *ms, struct span name, struct span *value)
{
	if (span_equal(name, auth_results) && ms->header != NULL) {
		*value = milter_header_on_top(ms->header, span_lit("Authentication-Results"), AUTH_RESULTS_MAX,
		                              ms->per_event);
		return value->len > 0;
	}
	return ms->macro(ms->user, name, value) || default_macro(ms->list->macro_defaults, name, value);
}

static void add_macro(struct milters *ms, struct buf *out, size_t start, struct span name)
{
	struct span value;

	if (!find_macro(ms, without_braces(name), &value) || out->len - start + name.len + value.len + 2 > MACROS_MAX)
		return;
	milter_add_string(out, name);
	milter_add_string(out, value);
}

void milter_add_macros(struct milters *ms, struct milter *m, enum milter_stage stage, enum milter_command command)
{
	const struct milter_terms *terms = &m->connection->terms;
	bool is_negotiated = stage < MILTER_STAGES_NEGOTIATED && terms->has_macros[stage];
	struct span rest = is_negotiated ? terms->macros[stage] : ms->list->macros[stage], name;
	struct buf *out = &m->connection->out;
	bool wants_results = stage == MILTER_AT_EOM && !is_negotiated, *has_macros = &m->connection->has_macros[stage];
	size_t start = milter_packet_begin(out, MILTER_MACRO), names;

	buf_add_byte(out, (char)command);
	names = out->len;
	while (span_token(&rest, ", \t\r\n", &name)) {
		add_macro(ms, out, start, name);
		wants_results = wants_results && !span_equal(without_braces(name), auth_results);
	}
	if (wants_results)
		add_macro(ms, out, start, span_lit("{auth_results}"));
	/* A packet without macros says that those of an earlier message or session are no more. */
	if (out->len == names && !*has_macros)
		buf_truncate(out, start);
	else
		milter_packet_end(out, start);
	*has_macros = out->len > names;
}

/* ---- one event, one milter ---- */

uint64_t milter_deadline(const struct milter *m, const struct milter_event *event)
{
	return clock_in_s(event->is_content ? m->settings->content_timeout_s : m->settings->command_timeout_s);
}

bool milter_wants(struct milter *m, const struct milter_event *event)
{
	if (m->skipped != 0 && m->skipped != (int)event->command)
		m->skipped = 0;
	return m->skipped == 0 && (m->connection->not_sent & event->no) == 0;
}

/* These come before the message: what is decided there holds for the session. */
static bool is_of_session(enum milter_command command)
{
	return command == MILTER_CONNECT || command == MILTER_HELO;
}

static void accept_it(struct milters *ms, struct milter *m, const struct milter_event *event)
{
	const struct milter_answer pass = { .verdict = MILTER_PASS };

	if (event->command == MILTER_CONNECT && m->settings->accept_memory_s > 0 && ms->pool->accepted != NULL)
		milter_accepted_add(ms->pool->accepted, m->settings->name, ms->client, m->settings->accept_memory_s);
	if (is_of_session(event->command))
		milter_settle(ms, m, &pass);
	else
		m->state = MILTER_HAS_ACCEPTED;
}

static void refuse_it(struct milters *ms, struct milter *m, const struct milter_event *event,
                      const struct milter_refusal *refusal, struct milter_answer *answer)
{
	answer->verdict = MILTER_REFUSE;
	answer->refusal = *refusal;
	answer->hang_up = refusal->code == 421 || refusal->code == 521;
	if (is_of_session(event->command) || answer->hang_up)
		milter_settle(ms, m, answer);
}

bool milter_decide(struct milters *ms, struct milter *m, const struct milter_event *event,
                   const struct milter_reply *reply, struct milter_answer *answer, bool *is_known)
{
	static const struct span rejected = SPAN("5.7.1 Command rejected"),
	                         later = SPAN("4.7.1 Service unavailable - try again later"),
	                         closing = SPAN("4.7.0 Server closing connection");
	static const struct milter_refusal reject = { 550, &rejected, 1 }, tempfail = { 451, &later, 1 },
	                                   shut = { 421, &closing, 1 };

	*is_known = true;
	if (reply->kind == MILTER_CONTINUE)
		return true;
	if (reply->kind == MILTER_ACCEPT) {
		accept_it(ms, m, event);
	} else if (reply->kind == MILTER_REJECT) {
		refuse_it(ms, m, event, &reject, answer);
	} else if (reply->kind == MILTER_TEMPFAIL) {
		refuse_it(ms, m, event, &tempfail, answer);
	} else if (reply->kind == MILTER_SHUTDOWN || reply->kind == MILTER_CONN_FAIL) {
		refuse_it(ms, m, event, &shut, answer);
	} else if (reply->kind == MILTER_REPLY_CODE) {
		refuse_it(ms, m, event, &reply->refusal, answer);
	} else if (reply->kind == MILTER_SKIP) {
		m->skipped = (int)event->command;
	} else if (reply->kind == MILTER_DISCARD && is_of_session(event->command)) {
		log_warning("milter %s: DISCARD action is not allowed for connect or helo", m->settings->name);
	} else if (reply->kind == MILTER_DISCARD) {
		m->state = MILTER_HAS_ACCEPTED;
		answer->verdict = MILTER_DROP;
	} else if (reply->kind == MILTER_QUARANTINE) {
		answer->is_quarantined = true;
		answer->reason = arena_dup(ms->per_event, reply->value);
		return false;
	} else {
		*is_known = false;
		return false;
	}
	return true;
}

/* Wait for the answer to an event that cannot change the message. */
static void wait_for_answer(struct milters *ms, struct milter *m, const struct milter_event *event,
                            struct milter_answer *answer)
{
	uint64_t begun = clock_now_us(), deadline = milter_deadline(m, event);
	uint64_t last = begun + (deadline - begun) * PROGRESS_TIMES;
	struct milter_reply reply;
	bool is_known = true;

	while (milter_connection_reply(m->connection, event->command, deadline, ms->per_event, &reply)) {
		if (reply.kind == MILTER_PROGRESS) {
			deadline = milter_deadline(m, event);
			deadline = deadline < last ? deadline : last;
			continue;
		}
		if (milter_decide(ms, m, event, &reply, answer, &is_known))
			return;
		if (!is_known) {
			log_warning("milter %s: unexpected filter response %s after event %s", m->settings->name,
			            milter_reply_name((unsigned)reply.kind), milter_command_name((unsigned)event->command));
			break;
		}
	}
	milter_fail(ms, m, answer);
}

void milter_hear(struct milters *ms, struct milter *m, const struct milter_event *event, struct milter_answer *answer)
{
	if ((m->connection->terms.steps & event->nr) == 0)
		wait_for_answer(ms, m, event, answer);
	else if (m->connection->out.len - m->connection->sent > FLUSH_BYTES &&
	         !milter_connection_flush(m->connection, milter_deadline(m, event)))
		milter_fail(ms, m, answer);
}

/* ---- one event, all milters ---- */

static void begin(struct milters *ms, struct milter_answer *answer)
{
	arena_reset(ms->per_event);
	*answer = (struct milter_answer){ .verdict = MILTER_PASS, .reason = span_lit("") };
}

/* Report to m, with the macros of stage; words are the strings in the packet. */
static void report(struct milters *ms, struct milter *m, const struct milter_event *event, enum milter_stage stage,
                   const struct span *words, size_t count, struct milter_answer *answer)
{
	struct buf *out;
	size_t start;

	milter_apply_standing(m, answer);
	if (m->state != MILTER_ASKED)
		return;
	milter_add_macros(ms, m, stage, event->command);
	if (!milter_wants(m, event))
		return;
	out = &m->connection->out;
	start = milter_packet_begin(out, event->command);
	for (size_t i = 0; i < count; i++)
		milter_add_string(out, words[i]);
	milter_packet_end(out, start);
	milter_hear(ms, m, event, answer);
}

static void report_all(struct milters *ms, const struct milter_event *event, enum milter_stage stage,
                       const struct span *words, size_t count, struct milter_answer *answer)
{
	begin(ms, answer);
	for (size_t i = 0; i < ms->list->count && answer->verdict == MILTER_PASS; i++)
		report(ms, &ms->milters[i], event, stage, words, count, answer);
}

struct milters *milters_new(struct arena *arena, const struct milter_list *list, struct milter_pool *pool,
                            milter_macro *macro, void *user)
{
	struct arena *own = arena_new(arena);
	struct milters *ms = ARENA_NEW(own, struct milters);

	ms->arena = own;
	ms->per_event = arena_new(own);
	ms->list = list;
	ms->pool = pool;
	ms->macro = macro;
	ms->user = user;
	ms->milters = ARENA_NEW_ARRAY(own, struct milter, list->count);
	for (size_t i = 0; i < list->count; i++)
		ms->milters[i].settings = &list->milters[i];
	return ms;
}

void milters_end(struct milters *ms)
{
	milters_abort(ms);
	for (size_t i = 0; i < ms->list->count; i++) {
		struct milter *m = &ms->milters[i];

		if (m->connection != NULL)
			milter_connection_end(m->connection);
	}
	arena_free(ms->arena);
}

/* ---- the events ---- */

/* "[192.0.2.1]" for a client without a name, as Sendmail says it. */
static struct span client_name(struct milters *ms, const struct milter_client *client)
{
	if (!span_equal(client->name, span_lit("unknown")) || client->address.len == 0)
		return client->name;
	return arena_printf_span(ms->per_event, "[" SPAN_FMT "]", SPAN_ARG(client->address));
}

static void add_client(struct milters *ms, struct buf *out, const struct milter_client *client)
{
	size_t start = milter_packet_begin(out, MILTER_CONNECT);
	bool is_inet = client->family == AF_INET || client->family == AF_INET6;

	milter_add_string(out, client_name(ms, client));
	buf_add_byte(out, client->family == AF_INET ? '4' : client->family == AF_INET6 ? '6' : 'U');
	if (is_inet) {
		milter_add_u16(out, (uint16_t)client->port);
		milter_add_string(out, client->address);
	}
	milter_packet_end(out, start);
}

/* The milter has nothing to do for this client, it said so lately. */
static bool was_accepted(const struct milters *ms, const struct milter *m)
{
	return m->settings->accept_memory_s > 0 && ms->pool->accepted != NULL &&
	       milter_accepted_has(ms->pool->accepted, m->settings->name, ms->client);
}

void milters_connect(struct milters *ms, const struct milter_client *client, struct milter_answer *answer)
{
	static const struct milter_event event = { MILTER_CONNECT, MILTER_NO_CONNECT, MILTER_NR_CONNECT, false };
	const struct milter_answer pass = { .verdict = MILTER_PASS };

	ms->client = client->address;
	begin(ms, answer);
	for (size_t i = 0; i < ms->list->count && answer->verdict == MILTER_PASS; i++) {
		struct milter *m = &ms->milters[i];

		if (was_accepted(ms, m)) {
			milter_settle(ms, m, &pass);
			continue;
		}
		m->connection = milter_connection_get(ms->pool, m->settings, ms->list->packet_max);
		if (m->connection == NULL) {
			milter_fail(ms, m, answer);
			continue;
		}
		m->state = MILTER_ASKED;
		milter_add_macros(ms, m, MILTER_AT_CONNECT, MILTER_CONNECT);
		if (!milter_wants(m, &event))
			continue;
		add_client(ms, &m->connection->out, client);
		milter_hear(ms, m, &event, answer);
	}
}

void milters_helo(struct milters *ms, struct span name, struct milter_answer *answer)
{
	static const struct milter_event event = { MILTER_HELO, MILTER_NO_HELO, MILTER_NR_HELO, false };

	report_all(ms, &event, MILTER_AT_HELO, &name, 1, answer);
}

void milters_mail(struct milters *ms, const struct span *words, size_t count, struct milter_answer *answer)
{
	static const struct milter_event event = { MILTER_MAIL, MILTER_NO_MAIL, MILTER_NR_MAIL, false };

	begin(ms, answer);
	for (size_t i = 0; i < ms->list->count && answer->verdict == MILTER_PASS; i++) {
		ms->milters[i].in_message = ms->milters[i].state == MILTER_ASKED;
		report(ms, &ms->milters[i], &event, MILTER_AT_MAIL, words, count, answer);
	}
}

void milters_rcpt(struct milters *ms, const struct span *words, size_t count, bool is_refused,
                  struct milter_answer *answer)
{
	static const struct milter_event event = { MILTER_RCPT, MILTER_NO_RCPT, MILTER_NR_RCPT, false };

	begin(ms, answer);
	for (size_t i = 0; i < ms->list->count && answer->verdict == MILTER_PASS; i++) {
		struct milter *m = &ms->milters[i];

		if (!is_refused || (m->connection != NULL && (m->connection->terms.steps & MILTER_RCPT_REJ) != 0))
			report(ms, m, &event, MILTER_AT_RCPT, words, count, answer);
	}
}

void milters_data(struct milters *ms, struct milter_answer *answer)
{
	static const struct milter_event event = { MILTER_DATA, MILTER_NO_DATA, MILTER_NR_DATA, false };

	report_all(ms, &event, MILTER_AT_DATA, NULL, 0, answer);
}

/* libmilter takes no header after it, but data: without that the message would end the milter's part. */
static bool may_tell_unknown(const struct milter *m)
{
	return !m->in_message || m->connection == NULL || (m->connection->not_sent & MILTER_NO_DATA) == 0;
}

void milters_unknown(struct milters *ms, struct span line, struct milter_answer *answer)
{
	static const struct milter_event event = { MILTER_UNKNOWN, MILTER_NO_UNKNOWN, MILTER_NR_UNKNOWN, false };

	begin(ms, answer);
	for (size_t i = 0; i < ms->list->count && answer->verdict == MILTER_PASS; i++)
		if (may_tell_unknown(&ms->milters[i]))
			report(ms, &ms->milters[i], &event, MILTER_AT_UNKNOWN, &line, 1, answer);
}

void milters_abort(struct milters *ms)
{
	static const struct milter_event event = { MILTER_ABORT, 0, 0, false };

	for (size_t i = 0; i < ms->list->count; i++) {
		struct milter *m = &ms->milters[i];
		struct milter_answer ignored = { .verdict = MILTER_PASS };

		m->skipped = 0;
		if (m->state == MILTER_HAS_ACCEPTED)
			m->state = MILTER_ASKED;
		if (!m->in_message)
			continue;
		m->in_message = false;
		milter_packet(&m->connection->out, MILTER_ABORT);
		if (!milter_connection_flush(m->connection, milter_deadline(m, &event)))
			milter_fail(ms, m, &ignored);
	}
}

void milters_standing(const struct milters *ms, struct milter_answer *answer)
{
	*answer = (struct milter_answer){ .verdict = MILTER_PASS, .reason = span_lit("") };
	for (size_t i = 0; i < ms->list->count && answer->verdict == MILTER_PASS; i++)
		milter_apply_standing(&ms->milters[i], answer);
}
