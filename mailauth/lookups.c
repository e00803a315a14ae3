/* SPDX-License-Identifier: ISC */
/* lookups.c - questions of many threads to one asker
 *
 * A question belongs to its message and, until it is answered or was cancelled, to the asker too; the last of the two
 * frees it.  The asker's lock guards what both touch: users, is_answered and, until is_answered is set, the reply. */
#include "mailauth/lookups.h"

#include <stdlib.h>
#include <time.h>

#include "lib/base/clock.h"
#include "lib/base/hash.h"
#include "lib/base/log.h"
#include "lib/net/libunbound.h"

struct question {
	struct asker    *asker;
	struct arena    *arena;		/* of this and its reply */
	struct span      key;		/* type and name */
	pthread_cond_t   answered;
	struct dns_reply reply;
	int              value;		/* the asker's */
	unsigned         users;
	bool             is_answered;
	bool             is_given_up;	/* the message's: it waits no more */
};

struct lookups {
	struct asker *asker;
	struct arena *arena;		/* for one call */
	struct hash  *questions;
	uint64_t      left_us;
	size_t        most_questions;
};

/* ---- askers ---- */

void asker_init(struct asker *a, size_t most_under_way, struct answers *answers)
{
	pthread_mutex_init(&a->lock, NULL);
	a->under_way = 0;
	a->most_under_way = most_under_way;
	a->answers = answers;
}

void asker_end(struct asker *a)
{
	pthread_mutex_destroy(&a->lock);
}

size_t asker_under_way(struct asker *a)
{
	size_t count;

	pthread_mutex_lock(&a->lock);
	count = a->under_way;
	pthread_mutex_unlock(&a->lock);
	return count;
}

int *question_value(struct question *q)
{
	return &q->value;
}

/* ---- a question ---- */

static struct question *question_new(struct asker *a, struct span key)
{
	struct arena *arena = arena_new(NULL);
	struct question *q = ARENA_NEW(arena, struct question);
	pthread_condattr_t attributes;

	q->asker = a;
	q->arena = arena;
	q->key = arena_dup(arena, key);
	q->users = 1;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&q->answered, &attributes);
	pthread_condattr_destroy(&attributes);
	return q;
}

/* leave - one user less; the asker's leaving ends its being under way. */
static void leave(struct question *q, bool is_asker)
{
	struct asker *a = q->asker;
	unsigned left;

	pthread_mutex_lock(&a->lock);
	left = --q->users;
	if (is_asker)
		a->under_way--;
	pthread_mutex_unlock(&a->lock);
	if (left > 0)
		return;
	pthread_cond_destroy(&q->answered);
	arena_free(q->arena);
}

static void take_reply(struct question *q, const struct dns_reply *reply)
{
	q->reply = *reply;
	q->reply.answers = arena_dup(q->arena, reply->answers);
	q->reply.canonical = q->reply.reason = span_lit("");
	q->is_answered = true;
}

void question_answer(struct question *q, const struct dns_reply *reply)
{
	answers_put(q->asker->answers, q->key, reply);
	pthread_mutex_lock(&q->asker->lock);
	take_reply(q, reply);
	pthread_cond_signal(&q->answered);
	pthread_mutex_unlock(&q->asker->lock);
	leave(q, true);
}

/* begin_use - the asker's share of q; false when too much is under way. */
static bool begin_use(struct question *q)
{
	struct asker *a = q->asker;
	bool may;

	pthread_mutex_lock(&a->lock);
	may = a->under_way < a->most_under_way;
	if (may) {
		a->under_way++;
		q->users++;
	}
	pthread_mutex_unlock(&a->lock);
	return may;
}

static void send_question(struct question *q, struct span name, enum rr_type rr_type)
{
	if (!begin_use(q)) {
		q->is_given_up = true;
		return;
	}
	if (q->asker->send(q->asker, q, arena_cstr(q->arena, name), rr_type))
		return;
	q->is_given_up = true;
	leave(q, true);
}

/* give_up - wait no longer for it.  Where it cannot be cancelled, the answer is on its way, and leaves by itself. */
static void give_up(struct question *q)
{
	struct asker *a = q->asker;
	bool is_waiting;

	pthread_mutex_lock(&a->lock);
	is_waiting = !q->is_answered && !q->is_given_up;
	pthread_mutex_unlock(&a->lock);
	q->is_given_up = q->is_given_up || is_waiting;
	if (is_waiting && a->cancel != NULL && a->cancel(a, q))
		leave(q, true);
}

static bool wait_until(struct question *q, uint64_t deadline_us)
{
	struct timespec deadline = {
		.tv_sec = (time_t)(deadline_us / CLOCK_SECOND_US),
		.tv_nsec = (long)(deadline_us % CLOCK_SECOND_US) * 1000,
	};
	bool is_answered;

	pthread_mutex_lock(&q->asker->lock);
	while (!q->is_answered) {
		if (pthread_cond_timedwait(&q->answered, &q->asker->lock, &deadline) != 0)
			break;
	}
	is_answered = q->is_answered;
	pthread_mutex_unlock(&q->asker->lock);
	return is_answered;
}

/* ---- the look-ups of a message ---- */

struct lookups *lookups_new(struct asker *a, const struct lookups_limits *limits)
{
	struct arena *arena = arena_new(NULL);
	struct lookups *m = calloc(1, sizeof(*m));

	if (m == NULL)
		log_fatal("no memory for look-ups");
	m->asker = a;
	m->arena = arena;
	m->questions = hash_new();
	m->left_us = limits->wait_us;
	m->most_questions = limits->most_questions;
	return m;
}

static void forget(void *value)
{
	give_up(value);
	leave(value, false);
}

void lookups_free(struct lookups *m)
{
	hash_free(m->questions, forget);
	arena_free(m->arena);
	free(m);
}

/* find_or_send - the question, which is asked now when it is new and no message has lately had the answer; NULL when
 * no more may be asked. */
static struct question *find_or_send(struct lookups *m, struct span name, enum rr_type rr_type)
{
	struct span key = arena_printf_span(m->arena, "%u " SPAN_FMT, (unsigned)rr_type, SPAN_ARG(name));
	struct question *q = hash_get(m->questions, key);
	struct dns_reply known;

	if (q != NULL || hash_count(m->questions) >= m->most_questions || m->left_us == 0)
		return q;
	q = question_new(m->asker, key);
	hash_put(m->questions, key, q);
	if (answers_get(m->asker->answers, key, m->arena, &known))
		take_reply(q, &known);
	else
		send_question(q, name, rr_type);
	return q;
}

/* await - whether q has its answer, within what is left of the budget. */
static bool await(struct lookups *m, struct question *q)
{
	uint64_t started_us, spent_us;
	bool is_answered;

	if (q->is_given_up)
		return false;
	started_us = clock_now_us();
	is_answered = wait_until(q, started_us + m->left_us);
	spent_us = clock_now_us() - started_us;
	m->left_us = !is_answered || spent_us >= m->left_us ? 0 : m->left_us - spent_us;
	if (!is_answered)
		give_up(q);
	return is_answered;
}

static void ask(void *user, struct span name, enum rr_type rr_type, struct arena *arena, struct lookup_answer *answer)
{
	struct lookups *m = user;
	struct question *q;

	arena_reset(m->arena);
	*answer = (struct lookup_answer){ .status = DNS_NO_NAME };
	if (!libunbound_name(m->arena, name, &name))
		return;
	answer->status = DNS_FAILED;
	q = find_or_send(m, name, rr_type);
	if (q == NULL || !await(m, q))
		return;
	*answer = (struct lookup_answer){
		.status = (enum dns_status)q->reply.status,
		.is_secure = q->reply.is_secure,
		.records = arena_dup(arena, q->reply.answers),
	};
}

static void expect(void *user, struct span name, enum rr_type rr_type)
{
	struct lookups *m = user;

	arena_reset(m->arena);
	if (libunbound_name(m->arena, name, &name))
		(void)find_or_send(m, name, rr_type);
}

struct lookup lookups_lookup(struct lookups *m)
{
	return (struct lookup){ .ask = ask, .expect = expect, .user = m };
}
