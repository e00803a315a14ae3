/* SPDX-License-Identifier: ISC */
/* unbound.c - questions of many threads to one libunbound context
 *
 * libunbound resolves in a thread of its own and rings its descriptor when answers are there; the pump thread then
 * collects them.  A question belongs to its message and, until the answer is there or it was cancelled, to
 * libunbound too; the last of the two frees it.  One mutex guards what both touch: users, is_answered and,
 * until is_answered is set, the reply. */
#include "mailauth/unbound.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unbound.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/hash.h"
#include "lib/base/log.h"
#include "lib/net/libunbound.h"

enum { CLASS_IN = 1 };

struct unbound {
	struct ub_ctx  *ctx;
	pthread_mutex_t lock;
	pthread_t       pump;
	bool            has_pump;
	int             stop_fd;
	size_t          under_way, most_under_way;	/* with the lock */
};

struct question {
	struct unbound  *unbound;
	struct arena    *arena;		/* of this and its reply */
	pthread_cond_t   answered;
	struct dns_reply reply;
	int              id;		/* of libunbound; the message's */
	unsigned         users;
	bool             is_answered;
	bool             is_given_up;	/* the message's: it waits no more */
};

struct unbound_message {
	struct unbound *unbound;
	struct arena   *arena;		/* for one call */
	struct hash    *questions;
	uint64_t        left_us;
	size_t          most_questions;
};

/* ---- the context and its pump ---- */

struct unbound *unbound_new(const struct conf *conf, struct why *why)
{
	struct unbound *u = calloc(1, sizeof(*u));

	if (u == NULL)
		log_fatal("no memory for the resolver");
	pthread_mutex_init(&u->lock, NULL);
	u->most_under_way = (size_t)conf->dns_query_limit;
	u->stop_fd = eventfd(0, EFD_CLOEXEC);
	u->ctx = ub_ctx_create();
	if (u->ctx == NULL || u->stop_fd < 0)
		(void)why_set(why, REFUSE, "", "libunbound gives no context");
	else if (libunbound_setup(u->ctx, conf, why) == DONE)
		return u;
	unbound_free(u);
	return NULL;
}

static void *pump(void *arg)
{
	struct unbound *u = arg;
	struct pollfd fds[] = {
		{ .fd = ub_fd(u->ctx), .events = POLLIN },
		{ .fd = u->stop_fd, .events = POLLIN },
	};

	while (fds[1].revents == 0) {
		if (poll(fds, COUNT_OF(fds), -1) <= 0 || fds[0].revents == 0)
			continue;
		if (ub_process(u->ctx) != 0)
			log_error("libunbound cannot hand out its answers");
	}
	return NULL;
}

enum outcome unbound_start(struct unbound *u, struct why *why)
{
	sigset_t all, before;
	int error;

	sigfillset(&all);	/* signals are for the other threads */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&u->pump, NULL, pump, u);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error != 0)
		return why_set(why, DEFER, "", "no thread for the resolver: %s", strerror(error));
	u->has_pump = true;
	return DONE;
}

void unbound_free(struct unbound *u)
{
	if (u->has_pump) {
		(void)eventfd_write(u->stop_fd, 1);
		pthread_join(u->pump, NULL);
	}
	if (u->ctx != NULL)
		ub_ctx_delete(u->ctx);
	if (u->stop_fd >= 0)
		close(u->stop_fd);
	pthread_mutex_destroy(&u->lock);
	free(u);
}

size_t unbound_under_way(struct unbound *u)
{
	size_t count;

	pthread_mutex_lock(&u->lock);
	count = u->under_way;
	pthread_mutex_unlock(&u->lock);
	return count;
}

/* ---- a question ---- */

static struct question *question_new(struct unbound *u)
{
	struct arena *arena = arena_new(NULL);
	struct question *q = ARENA_NEW(arena, struct question);
	pthread_condattr_t attributes;

	q->unbound = u;
	q->arena = arena;
	q->users = 1;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&q->answered, &attributes);
	pthread_condattr_destroy(&attributes);
	return q;
}

/* leave - one user less; libunbound's leaving ends its being under way. */
static void leave(struct question *q, bool is_libunbound)
{
	struct unbound *u = q->unbound;
	unsigned left;

	pthread_mutex_lock(&u->lock);
	left = --q->users;
	if (is_libunbound)
		u->under_way--;
	pthread_mutex_unlock(&u->lock);
	if (left > 0)
		return;
	pthread_cond_destroy(&q->answered);
	arena_free(q->arena);
}

/* answered - libunbound's callback, in the pump thread. */
static void answered(void *arg, int error, struct ub_result *result)
{
	struct question *q = arg;

	pthread_mutex_lock(&q->unbound->lock);
	libunbound_reply(q->arena, error, result, &q->reply);
	q->is_answered = true;
	pthread_cond_signal(&q->answered);
	pthread_mutex_unlock(&q->unbound->lock);
	ub_resolve_free(result);
	leave(q, true);
}

/* begin_use - libunbound's share of q; false when too much is under way. */
static bool begin_use(struct question *q)
{
	struct unbound *u = q->unbound;
	bool may;

	pthread_mutex_lock(&u->lock);
	may = u->under_way < u->most_under_way;
	if (may) {
		u->under_way++;
		q->users++;
	}
	pthread_mutex_unlock(&u->lock);
	return may;
}

static void send_question(struct question *q, struct span name, enum rr_type rr_type)
{
	if (!begin_use(q)) {
		q->is_given_up = true;
		return;
	}
	if (ub_resolve_async(q->unbound->ctx, arena_cstr(q->arena, name), (int)rr_type, CLASS_IN, q, answered,
	                     &q->id) == 0)
		return;
	q->is_given_up = true;
	leave(q, true);
}

/* give_up - wait no longer for it.  Where it cannot be cancelled, the callback is on its way, and leaves by itself. */
static void give_up(struct question *q)
{
	bool is_waiting;

	pthread_mutex_lock(&q->unbound->lock);
	is_waiting = !q->is_answered && !q->is_given_up;
	pthread_mutex_unlock(&q->unbound->lock);
	q->is_given_up = q->is_given_up || is_waiting;
	if (is_waiting && ub_cancel(q->unbound->ctx, q->id) == UB_NOERROR)
		leave(q, true);
}

static bool wait_until(struct question *q, uint64_t deadline_us)
{
	struct timespec deadline = {
		.tv_sec = (time_t)(deadline_us / CLOCK_SECOND_US),
		.tv_nsec = (long)(deadline_us % CLOCK_SECOND_US) * 1000,
	};
	bool is_answered;

	pthread_mutex_lock(&q->unbound->lock);
	while (!q->is_answered) {
		if (pthread_cond_timedwait(&q->answered, &q->unbound->lock, &deadline) != 0)
			break;
	}
	is_answered = q->is_answered;
	pthread_mutex_unlock(&q->unbound->lock);
	return is_answered;
}

/* ---- the look-ups of a message ---- */

struct unbound_message *unbound_message_new(struct unbound *u, const struct unbound_limits *limits)
{
	struct arena *arena = arena_new(NULL);
	struct unbound_message *m = calloc(1, sizeof(*m));

	if (m == NULL)
		log_fatal("no memory for look-ups");
	m->unbound = u;
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

void unbound_message_free(struct unbound_message *m)
{
	hash_free(m->questions, forget);
	arena_free(m->arena);
	free(m);
}

/* find_or_send - the question, which is asked now when it is new; NULL when no more may be asked. */
static struct question *find_or_send(struct unbound_message *m, struct span name, enum rr_type rr_type)
{
	struct span key = arena_printf_span(m->arena, "%u " SPAN_FMT, (unsigned)rr_type, SPAN_ARG(name));
	struct question *q = hash_get(m->questions, key);

	if (q != NULL || hash_count(m->questions) >= m->most_questions || m->left_us == 0)
		return q;
	q = question_new(m->unbound);
	hash_put(m->questions, key, q);
	send_question(q, name, rr_type);
	return q;
}

/* await - whether q has its answer, within what is left of the budget. */
static bool await(struct unbound_message *m, struct question *q)
{
	uint64_t started_us = clock_now_us();
	uint64_t spent_us;
	bool is_answered;

	if (q->is_given_up)
		return false;
	is_answered = wait_until(q, started_us + m->left_us);
	spent_us = clock_now_us() - started_us;
	m->left_us = !is_answered || spent_us >= m->left_us ? 0 : m->left_us - spent_us;
	if (!is_answered)
		give_up(q);
	return is_answered;
}

static void ask(void *user, struct span name, enum rr_type rr_type, struct arena *arena, struct lookup_answer *answer)
{
	struct unbound_message *m = user;
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
	struct unbound_message *m = user;

	arena_reset(m->arena);
	if (libunbound_name(m->arena, name, &name))
		(void)find_or_send(m, name, rr_type);
}

struct lookup unbound_message_lookup(struct unbound_message *m)
{
	return (struct lookup){ .ask = ask, .expect = expect, .user = m };
}
