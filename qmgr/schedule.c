/* SPDX-License-Identifier: ISC */
/* schedule.c - which delivery comes next (schedule.h tells the rules)
 *
 * A destination stands in exactly one place: its transport's ready list (it has a job and may take it), the waiting
 * list (rate delay), the schedule's dead list (jobs to be taken back), or none; settle() puts it there after each
 * change. */
#include "qmgr/schedule.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"

struct sender {
	struct list node;	/* in destination.senders, those with jobs */
	struct list jobs;
	char       *key;
	size_t      key_len;
};

struct destination {
	struct list       node;
	struct transport *transport;
	struct hash      *by_sender;
	struct list       senders;
	char             *nexthop;
	size_t            nexthop_len;
	char             *dead_reason;	/* set while dead, or given up */
	uint64_t          dead_until_us;
	uint64_t          rate_until_us;
	double            failed_cohorts;
	unsigned          window;
	unsigned          in_flight;
	size_t            jobs;
};

static void *make(size_t size)
{
	void *memory = calloc(1, size);

	if (memory == NULL)
		log_fatal("out of memory");
	return memory;
}

static char *copy(struct span s)
{
	char *bytes = make(s.len + 1);

	if (s.len > 0)
		memcpy(bytes, s.ptr, s.len);
	return bytes;
}

struct span destination_nexthop(const struct destination *d)
{
	return span_make(d->nexthop, d->nexthop_len);
}

struct transport *destination_transport(const struct destination *d)
{
	return d->transport;
}

/* ---- transports and destinations ---- */

void schedule_init(struct schedule *s,
                   void (*limits_of)(void *user, const char *transport, struct schedule_limits *out), void *user)
{
	memset(s, 0, sizeof(*s));
	list_init(&s->transports);
	list_init(&s->dead);
	s->by_name = hash_new();
	s->limits_of = limits_of;
	s->user = user;
}

static void free_sender(void *sender)
{
	struct sender *q = sender;
	struct list *node;

	while ((node = list_pop_front(&q->jobs)) != NULL)
		free(CONTAINER_OF(node, struct job, node));
	free(q->key);
	free(q);
}

static void free_destination(void *destination)
{
	struct destination *d = destination;

	list_remove(&d->node);
	hash_free(d->by_sender, free_sender);
	free(d->nexthop);
	free(d->dead_reason);
	free(d);
}

static void free_transport(void *transport)
{
	struct transport *t = transport;

	hash_free(t->destinations, free_destination);
	free(t->name);
	free(t);
}

void schedule_free(struct schedule *s)
{
	hash_free(s->by_name, free_transport);
}

struct transport *schedule_transport(struct schedule *s, struct span name)
{
	struct transport *t = hash_get(s->by_name, name);

	if (t != NULL)
		return t;
	t = make(sizeof(*t));
	t->name = copy(name);
	t->destinations = hash_new();
	list_init(&t->ready);
	list_init(&t->waiting);
	s->limits_of(s->user, t->name, &t->limits);
	list_push_back(&s->transports, &t->node);
	(void)hash_put(s->by_name, name, t);
	return t;
}

static struct destination *find_destination(struct transport *t, struct span nexthop)
{
	struct destination *d = hash_get(t->destinations, nexthop);

	if (d != NULL)
		return d;
	d = make(sizeof(*d));
	list_init(&d->node);
	list_init(&d->senders);
	d->transport = t;
	d->nexthop = copy(nexthop);
	d->nexthop_len = nexthop.len;
	d->by_sender = hash_new();
	d->window = t->limits.initial_concurrency > 0 ? t->limits.initial_concurrency : 1;
	if (t->limits.concurrency > 0 && d->window > t->limits.concurrency)
		d->window = t->limits.concurrency;
	(void)hash_put(t->destinations, nexthop, d);
	return d;
}

/* settle - put d where it belongs now, or free it when nothing is left to remember. */
static void settle(struct schedule *s, struct destination *d, uint64_t now_us)
{
	struct transport *t = d->transport;
	unsigned most = t->limits.rate_delay_us > 0 ? 1 : d->window;

	list_remove(&d->node);
	if (d->jobs == 0) {
		if (d->in_flight == 0 && d->dead_reason == NULL && d->rate_until_us <= now_us) {
			(void)hash_remove(t->destinations, destination_nexthop(d));
			free_destination(d);
		}
	} else if (d->dead_reason != NULL) {
		list_push_back(&s->dead, &d->node);
	} else if (d->rate_until_us > now_us) {
		list_push_back(&t->waiting, &d->node);
	} else if (d->in_flight < most) {
		list_push_back(&t->ready, &d->node);
	}
}

static void revive(struct destination *d)
{
	free(d->dead_reason);
	d->dead_reason = NULL;
	d->failed_cohorts = 0;
}

/* ---- jobs ---- */

struct job *job_new(void *message, size_t count)
{
	struct job *job = make(sizeof(*job) + count * sizeof(job->recipients[0]));

	list_init(&job->node);
	job->message = message;
	job->count = (uint32_t)count;
	return job;
}

void job_free(struct job *job)
{
	free(job);
}

static struct sender *find_sender(struct destination *d, struct span key)
{
	struct sender *q = hash_get(d->by_sender, key);

	if (q != NULL)
		return q;
	q = make(sizeof(*q));
	list_init(&q->node);
	list_init(&q->jobs);
	q->key = copy(key);
	q->key_len = key.len;
	(void)hash_put(d->by_sender, key, q);
	return q;
}

void schedule_add(struct schedule *s, struct transport *t, struct span nexthop, struct span sender, struct job *job,
                  uint64_t now_us)
{
	struct destination *d = find_destination(t, nexthop);
	struct sender *q = find_sender(d, sender);

	if (d->dead_reason != NULL && d->dead_until_us <= now_us)
		revive(d);
	if (list_is_empty(&q->jobs))
		list_push_back(&d->senders, &q->node);
	list_push_back(&q->jobs, &job->node);
	job->destination = d;
	job->sender = q;
	d->jobs++;
	t->jobs++;
	s->jobs++;
	/* One that stands somewhere keeps its place in the round. */
	if (list_is_empty(&d->node))
		settle(s, d, now_us);
}

/* detach - job is no longer waiting; its sender, without jobs, is forgotten. */
static void detach(struct schedule *s, struct job *job)
{
	struct destination *d = job->destination;
	struct sender *q = job->sender;

	list_remove(&job->node);
	job->sender = NULL;
	d->jobs--;
	d->transport->jobs--;
	s->jobs--;
	if (list_is_empty(&q->jobs)) {
		list_remove(&q->node);
		(void)hash_remove(d->by_sender, span_make(q->key, q->key_len));
		free_sender(q);
	}
}

/* take - the next job of d: its senders take turns. */
static struct job *take(struct schedule *s, struct destination *d)
{
	struct sender *q = CONTAINER_OF(d->senders.next, struct sender, node);
	struct job *job = CONTAINER_OF(q->jobs.next, struct job, node);

	list_remove(&q->node);
	list_push_back(&d->senders, &q->node);
	detach(s, job);
	return job;
}

static void wake_waiting(struct schedule *s, struct transport *t, uint64_t now_us)
{
	LIST_EACH_SAFE(node, after, &t->waiting) {
		struct destination *d = CONTAINER_OF(node, struct destination, node);

		if (d->rate_until_us <= now_us)
			settle(s, d, now_us);
	}
}

struct job *schedule_next(struct schedule *s, uint64_t now_us)
{
	LIST_EACH_SAFE(node, after, &s->transports) {
		struct transport *t = CONTAINER_OF(node, struct transport, node);
		struct destination *d;
		struct job *job;

		if (t->room == 0)
			continue;
		if (!list_is_empty(&t->waiting))
			wake_waiting(s, t, now_us);
		if (list_is_empty(&t->ready))
			continue;
		d = CONTAINER_OF(t->ready.next, struct destination, node);
		job = take(s, d);
		d->in_flight++;
		t->room--;
		if (t->limits.rate_delay_us > 0)
			d->rate_until_us = now_us + t->limits.rate_delay_us;
		settle(s, d, now_us);
		list_remove(&t->node);
		list_push_back(&s->transports, &t->node);
		return job;
	}
	return NULL;
}

struct job *schedule_take_dead(struct schedule *s, const char **reason)
{
	while (!list_is_empty(&s->dead)) {
		struct destination *d = CONTAINER_OF(s->dead.next, struct destination, node);

		if (d->jobs == 0) {
			list_remove(&d->node);
			continue;
		}
		*reason = d->dead_reason;
		return take(s, d);
	}
	return NULL;
}

/* ---- what happened ---- */

static void grow(struct destination *d)
{
	unsigned limit = d->transport->limits.concurrency;

	d->failed_cohorts = 0;
	if (limit == 0 || d->window < limit)
		d->window++;
}

static void declare_dead(struct destination *d, const char *reason, uint64_t until_us)
{
	free(d->dead_reason);
	d->dead_reason = copy(span_of(reason));
	d->dead_until_us = until_us;
	d->window = d->transport->limits.initial_concurrency > 0 ? d->transport->limits.initial_concurrency : 1;
}

static void shrink(struct destination *d, const char *reason, uint64_t now_us)
{
	const struct schedule_limits *limits = &d->transport->limits;

	d->failed_cohorts += 1.0 / d->window;
	if (d->window > 1)
		d->window--;
	if (limits->failed_cohorts > 0 && d->failed_cohorts >= limits->failed_cohorts)
		declare_dead(d, reason, now_us + limits->dead_us);
}

void schedule_end(struct schedule *s, struct job *job, enum job_end end, const char *reason, uint64_t now_us)
{
	struct destination *d = job->destination;

	job->destination = NULL;
	d->in_flight--;
	if (end == JOB_HOST_WORKS)
		grow(d);
	else if (end == JOB_HOST_FAILED && d->dead_reason == NULL)
		shrink(d, reason, now_us);
	if (list_is_empty(&d->node) || d->dead_reason != NULL)
		settle(s, d, now_us);
}

const char *schedule_dead_reason(struct schedule *s, struct transport *t, struct span nexthop, uint64_t now_us)
{
	struct destination *d = hash_get(t->destinations, nexthop);

	(void)s;
	if (d == NULL || d->dead_reason == NULL || d->dead_until_us <= now_us)
		return NULL;
	return d->dead_reason;
}

void schedule_give_up(struct schedule *s, struct transport *t, const char *reason)
{
	size_t cursor = 0;
	struct span key;
	void *value;

	while (hash_next(t->destinations, &cursor, &key, &value)) {
		struct destination *d = value;

		if (d->jobs == 0)
			continue;
		declare_dead(d, reason, 0);
		settle(s, d, 0);
	}
}

static void each_destination(struct schedule *s, void (*fn)(struct schedule *, struct destination *, uint64_t),
                             uint64_t now_us)
{
	LIST_EACH(node, &s->transports) {
		struct transport *t = CONTAINER_OF(node, struct transport, node);
		size_t cursor = 0;
		struct span key;
		void *value;

		while (hash_next(t->destinations, &cursor, &key, &value))
			fn(s, value, now_us);
	}
}

static void forget_dead(struct schedule *s, struct destination *d, uint64_t now_us)
{
	if (d->dead_reason == NULL)
		return;
	revive(d);
	settle(s, d, now_us);
}

void schedule_flush(struct schedule *s)
{
	each_destination(s, forget_dead, CLOCK_NEVER);
}

static void sweep_one(struct schedule *s, struct destination *d, uint64_t now_us)
{
	if (d->dead_reason != NULL && d->dead_until_us <= now_us)
		revive(d);
	if (d->jobs == 0 || list_is_empty(&d->node))
		settle(s, d, now_us);
}

void schedule_sweep(struct schedule *s, uint64_t now_us)
{
	each_destination(s, sweep_one, now_us);
}

/* remove_from - the jobs of message that wait in q; gives how many recipients they had. */
static size_t remove_from(struct schedule *s, struct sender *q, const void *message)
{
	size_t removed = 0;
	bool is_last = false;

	for (struct list *node = q->jobs.next; !is_last && node != &q->jobs;) {
		struct job *job = CONTAINER_OF(node, struct job, node);

		node = node->next;
		if (job->message != message)
			continue;
		is_last = q->jobs.next->next == &q->jobs;	/* detach then frees q */
		detach(s, job);
		removed += job->count;
		job_free(job);
	}
	return removed;
}

size_t schedule_remove(struct schedule *s, const void *message)
{
	size_t removed = 0;

	LIST_EACH(node, &s->transports) {
		struct transport *t = CONTAINER_OF(node, struct transport, node);
		size_t cursor = 0;
		struct span key;
		void *value;

		while (hash_next(t->destinations, &cursor, &key, &value)) {
			struct destination *d = value;

			LIST_EACH_SAFE(at, after, &d->senders)
				removed += remove_from(s, CONTAINER_OF(at, struct sender, node), message);
			if (d->jobs == 0)
				settle(s, d, CLOCK_NEVER);
		}
	}
	return removed;
}

uint64_t schedule_wake_us(const struct schedule *s)
{
	uint64_t earliest = CLOCK_NEVER;

	LIST_EACH(node, &s->transports) {
		const struct transport *t = CONTAINER_OF(node, struct transport, node);

		LIST_EACH(at, &t->waiting) {
			const struct destination *d = CONTAINER_OF(at, struct destination, node);

			if (d->rate_until_us < earliest)
				earliest = d->rate_until_us;
		}
	}
	return earliest;
}
