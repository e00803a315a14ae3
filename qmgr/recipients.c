/* SPDX-License-Identifier: ISC */
/* recipients.c - recipients of an active message: from routed to queued, and what one try made of them */
#include <stdio.h>
#include <string.h>

#include "lib/base/clock.h"
#include "qmgr/qmgr.h"

enum { ANCESTORS_MAX = 100 };	/* an expansion deeper than that is a loop */

struct run *run_of(struct message *m, size_t i)
{
	return &m->active->runs[i];
}

/* sender_key - who shares: the authenticated user, else the client, else the sender. */
static struct span sender_key(const struct envelope *e)
{
	if (e->sasl_username.len > 0)
		return e->sasl_username;
	return e->client_address.len > 0 ? e->client_address : e->sender;
}

/* ---- the built-in transports: error, retry, discard ---- */

/* split_dsn - "5.1.1 text" into both; without a code, the given one. */
static void split_dsn(struct span text, struct span standard, struct span *dsn, struct span *reason)
{
	struct span rest = text, first;

	*dsn = standard;
	*reason = text;
	if (span_cut(&rest, ' ', &first) && first.len >= 5 && first.ptr[1] == '.' &&
	    (first.ptr[0] == '4' || first.ptr[0] == '5')) {
		*dsn = first;
		*reason = rest;
	}
}

static bool obey_built_in(struct message *m, size_t i)
{
	struct run *run = run_of(m, i);
	struct span dsn, reason;

	if (span_equal(run->transport, span_lit("error"))) {
		split_dsn(run->nexthop, span_lit("5.0.0"), &dsn, &reason);
		recipient_log(m, i, "error", dsn, qmgr->conf->soft_bounce ? "SOFTBOUNCE" : "bounced", reason);
		recipient_failed(m, i, dsn, reason);
	} else if (span_equal(run->transport, span_lit("retry"))) {
		split_dsn(run->nexthop, span_lit("4.0.0"), &dsn, &reason);
		recipient_log(m, i, "error", dsn, "deferred", reason);
		recipient_deferred(m, i, dsn, reason);
	} else if (span_equal(run->transport, span_lit("discard"))) {
		recipient_log(m, i, "discard", span_lit("2.0.0"), "sent",
		              run->nexthop.len > 0 ? run->nexthop : span_lit("discarded"));
		recipient_sent(m, i, true);
	} else {
		return false;
	}
	return true;
}

/* ---- making jobs ---- */

static bool same_destination(struct message *m, size_t i, size_t k)
{
	return span_equal(run_of(m, i)->nexthop, run_of(m, k)->nexthop) &&
	       span_equal(run_of(m, i)->transport, run_of(m, k)->transport);
}

/* queue_from - one job of recipient first and those behind it that go to the same destination. */
static void queue_from(struct message *m, size_t first)
{
	struct active *a = m->active;
	size_t total = a->queued.envelope.recipient_count, count = 0;
	struct transport *t = schedule_transport(&qmgr->schedule, run_of(m, first)->transport);
	size_t most = t->limits.recipients > 0 ? t->limits.recipients : SIZE_MAX;
	const char *dead = schedule_dead_reason(&qmgr->schedule, t, run_of(m, first)->nexthop, clock_now_us());
	struct span destination = run_of(m, first)->nexthop;
	struct job *job = job_new(m, total - first < most ? total - first : most);

	for (size_t i = first; i < total && count < most; i++) {
		if (run_of(m, i)->phase != PHASE_IDLE || !same_destination(m, i, first))
			continue;
		run_of(m, i)->phase = PHASE_QUEUED;
		job->recipients[count++] = (uint32_t)i;
	}
	job->count = (uint32_t)count;
	a->queued_count += count;
	if (t->limits.recipients == 1)
		destination = a->queued.envelope.recipients[first].address;
	if (dead != NULL && t->limits.recipients != 1) {
		jobs_defer(job, span_lit("4.4.1"), dead);
		return;
	}
	schedule_add(&qmgr->schedule, t, destination, sender_key(&a->queued.envelope), job, clock_now_us());
	dispatch_kick();
}

void recipients_queue(struct message *m)
{
	/* The count may grow while we walk: not here, but in what a built-in transport sets off. */
	for (size_t i = 0; i < m->active->queued.envelope.recipient_count; i++)
		if (run_of(m, i)->phase == PHASE_IDLE && !obey_built_in(m, i))
			queue_from(m, i);
}

/* ---- the end of a try ---- */

void jobs_defer(struct job *job, struct span dsn, const char *reason)
{
	struct message *m = job->message;
	char text[512];

	snprintf(text, sizeof(text), "delivery temporarily suspended: %s", reason);
	for (uint32_t i = 0; i < job->count; i++) {
		recipient_log(m, job->recipients[i], "error", dsn, "deferred", span_of(text));
		m->active->queued_count--;
		recipient_deferred(m, job->recipients[i], dsn, span_of(text));
	}
	job_free(job);
}

void jobs_of_dead(void)
{
	const char *reason;
	struct job *job;

	while ((job = schedule_take_dead(&qmgr->schedule, &reason)) != NULL) {
		struct message *m = job->message;

		jobs_defer(job, span_lit("4.4.1"), reason);
		message_step(m);
	}
}

static void set_reason(struct message *m, size_t i, struct span dsn, struct span reason)
{
	struct recipient_state *state = &m->active->queued.states[i];

	state->dsn = arena_dup(m->active->queued.arena, dsn);
	state->reason = arena_dup(m->active->queued.arena, reason);
}

void recipient_sent(struct message *m, size_t i, bool is_durable)
{
	struct active *a = m->active;

	if ((a->queued.envelope.recipients[i].notify & NOTIFY_SUCCESS) != 0)
		run_of(m, i)->wants_success_dsn = true;
	if (is_durable) {
		message_recipient_over(m, i, RECIPIENT_SENT);
	} else {
		run_of(m, i)->phase = PHASE_STORED;
		a->stored_count++;
	}
}

void recipient_deferred(struct message *m, size_t i, struct span dsn, struct span reason)
{
	set_reason(m, i, dsn, reason);
	run_of(m, i)->phase = PHASE_DEFERRED;
}

void recipient_failed(struct message *m, size_t i, struct span dsn, struct span reason)
{
	if (qmgr->conf->soft_bounce) {
		recipient_deferred(m, i, dsn, reason);
		return;
	}
	set_reason(m, i, dsn, reason);
	run_of(m, i)->phase = PHASE_FAILED;
}

static bool is_ancestor(struct span ancestors, struct span address)
{
	struct span one;

	while (ancestors.len > 0) {
		(void)span_cut(&ancestors, '\0', &one);
		if (span_equal_ci(one, address))
			return true;
	}
	return false;
}

static size_t ancestor_count(struct span ancestors)
{
	size_t n = 0;

	for (size_t i = 0; i < ancestors.len; i++)
		n += ancestors.ptr[i] == '\0';
	return n;
}

/* has_sibling - this address is a recipient already: it gets the message once. */
static bool has_sibling(const struct queued *q, struct span address)
{
	for (size_t i = 0; i < q->envelope.recipient_count; i++)
		if (q->states[i].status != RECIPIENT_EXPANDED && span_equal_ci(q->envelope.recipients[i].address, address))
			return true;
	return false;
}

/* join - address becomes a recipient in the place of parent. */
static void join(struct message *m, size_t parent, struct span address, struct span ancestors)
{
	struct active *a = m->active;
	struct envelope_recipient r = a->queued.envelope.recipients[parent];
	size_t i;

	r.number = queued_number(&a->queued, r.number, address);
	r.original = r.original.len > 0 ? r.original : r.address;
	r.address = address;
	r.transport = r.nexthop = span_lit("");
	r.ancestors = ancestors;
	i = queued_add(&a->queued, &r);
	if (i >= a->run_capacity) {
		struct run *runs = ARENA_NEW_ARRAY(a->queued.arena, struct run, a->queued.capacity);

		memcpy(runs, a->runs, a->run_capacity * sizeof(*runs));
		a->runs = runs;
		a->run_capacity = a->queued.capacity;
	}
	memset(&a->runs[i], 0, sizeof(a->runs[i]));
	a->runs[i].phase = PHASE_IDLE;
}

bool recipient_is_own_ancestor(struct message *m, size_t i)
{
	const struct envelope_recipient *r = &m->active->queued.envelope.recipients[i];

	return is_ancestor(r->ancestors, r->address);
}

void recipient_expanded(struct message *m, size_t i, struct span addresses, enum expanded_by by)
{
	struct queued *q = &m->active->queued;
	struct envelope_recipient *r = &q->envelope.recipients[i];
	size_t first = q->envelope.recipient_count;
	struct buf ancestors;
	struct span address;

	if (ancestor_count(r->ancestors) >= ANCESTORS_MAX) {
		recipient_log(m, i, "error", span_lit("5.4.6"), "bounced", span_lit("alias expansion loop"));
		recipient_failed(m, i, span_lit("5.4.6"), span_lit("alias expansion loop"));
		return;
	}
	buf_init(&ancestors, BUF_NO_LIMIT);
	buf_add(&ancestors, r->ancestors);
	buf_add(&ancestors, r->address);
	buf_add_byte(&ancestors, '\0');
	q->states[i].status = RECIPIENT_EXPANDED;
	run_of(m, i)->phase = PHASE_OVER;
	while (addresses.len > 0) {
		(void)span_cut(&addresses, '\0', &address);
		if (address.len == 0 || has_sibling(q, address) ||
		    (by == EXPANDED_BY_AGENT && is_ancestor(buf_span(&ancestors), address)))
			continue;
		join(m, i, address, buf_span(&ancestors));
	}
	buf_free(&ancestors);
	message_note_expansion(m, i, first);
}

/* ---- the log line ---- */

void recipient_log(struct message *m, size_t i, const char *role, struct span dsn, const char *status,
                   struct span reason)
{
	const struct envelope_recipient *r = &m->active->queued.envelope.recipients[i];
	uint64_t now_us = clock_wall_us(), active_us = m->active->active_us;
	uint64_t arrival_us = m->mail.arrival_us;
	char total[CLOCK_DELAY_SIZE], before[CLOCK_DELAY_SIZE], inside[CLOCK_DELAY_SIZE];
	bool has_original = r->original.len > 0 && !span_equal(r->original, r->address);

	log_as(role, LOG_LEVEL_NOTE,
	       "%s: to=<" SPAN_FMT ">, %s" SPAN_FMT "%srelay=none, delay=%s, delays=%s/%s/0/0, dsn=" SPAN_FMT
	       ", status=%s (" SPAN_FMT ")",
	       m->mail.id, SPAN_ARG(r->address), has_original ? "orig_to=<" : "",
	       SPAN_ARG(has_original ? r->original : (struct span)SPAN("")), has_original ? ">, " : "",
	       clock_delay(arrival_us, now_us, total), clock_delay(arrival_us, active_us, before),
	       clock_delay(active_us, now_us, inside), SPAN_ARG(dsn), status, SPAN_ARG(reason));
}
