/* SPDX-License-Identifier: ISC */
/* resolver.c - questions and answers through libunbound
 *
 * libunbound resolves in a thread of its own and rings its descriptor when answers are there; the pump
 * task then collects them.  Tasks with the same question share one query.  A query lives until the last of
 * them has its answer; each copies it to its own arena. */
#include "dns/resolver.h"

#include <errno.h>
#include <stdlib.h>
#include <unbound.h>

#include "lib/base/hash.h"
#include "lib/base/log.h"
#include "lib/net/libunbound.h"
#include "lib/task/task.h"

enum { CLASS_IN = 1 };

struct resolver {
	struct ub_ctx *ctx;
	struct hash   *queries;		/* under way, by question */
	struct task   *pump;
	uint64_t       timeout_s;
	size_t         most_queries;
};

struct query {
	struct task_waitlist asking;
	struct arena        *arena;
	struct span          key;	/* in the table until answered */
	struct dns_reply     reply;
	int                  id;	/* of libunbound */
	unsigned             users;
	bool                 is_answered;
	struct resolver     *resolver;
};

struct resolver *resolver_new(const struct conf *conf, struct why *why)
{
	struct resolver *r = calloc(1, sizeof(*r));

	if (r == NULL)
		log_fatal("no memory for the resolver");
	r->ctx = ub_ctx_create();
	if (r->ctx == NULL) {
		free(r);
		(void)why_set(why, REFUSE, "", "libunbound gives no context");
		return NULL;
	}
	if (libunbound_setup(r->ctx, conf, why) != DONE) {
		ub_ctx_delete(r->ctx);
		free(r);
		return NULL;
	}
	r->queries = hash_new();
	r->timeout_s = conf->dns_timeout;
	r->most_queries = (size_t)conf->dns_query_limit;
	return r;
}

static void pump(void *arg)
{
	struct resolver *r = arg;

	/* The wait comes first, so a ring from before is kept by the loop as an edge. */
	while (task_wait_fd(ub_fd(r->ctx), TASK_READABLE, CLOCK_NEVER) == 0) {
		int error = ub_process(r->ctx);

		if (error != 0)
			log_error("libunbound: %s", ub_strerror(error));
	}
	r->pump = NULL;
}

void resolver_start(struct resolver *r)
{
	r->pump = task_spawn(pump, r, "resolver");
	if (r->pump == NULL)
		log_fatal("cannot start the resolver's task");
}

static void finish(struct query *q)
{
	q->is_answered = true;
	hash_remove(q->resolver->queries, q->key);
	task_wake_all(&q->asking);
}

void resolver_stop(struct resolver *r)
{
	size_t cursor = 0;
	struct span key;
	void *value;

	while (hash_next(r->queries, &cursor, &key, &value)) {
		struct query *q = value;

		ub_cancel(r->ctx, q->id);
		dns_reply_fail(&q->reply, span_lit("the resolver ends"));
		finish(q);
	}
	if (r->pump != NULL)
		task_cancel(r->pump);
}

void resolver_free(struct resolver *r)
{
	hash_free(r->queries, NULL);
	ub_ctx_delete(r->ctx);
	free(r);
}

static void answered(void *arg, int error, struct ub_result *result)
{
	struct query *q = arg;

	libunbound_reply(q->arena, error, result, &q->reply);
	ub_resolve_free(result);
	finish(q);
}

static void free_it(void *resolver)
{
	resolver_free(resolver);
}

void resolver_end(struct resolver *r)
{
	resolver_stop(r);
	while (r->pump != NULL)
		task_yield();
	task_forget_fd(ub_fd(r->ctx));
	task_offload(free_it, r);	/* waits for libunbound's thread */
}

/* query_start - NULL when it cannot be asked now. */
static struct query *query_start(struct resolver *r, struct span key, struct span name, int rr_type)
{
	struct arena *arena = arena_new(NULL);
	struct query *q = ARENA_NEW(arena, struct query);

	q->arena = arena;
	q->resolver = r;
	q->key = arena_dup(arena, key);
	task_waitlist_init(&q->asking);
	hash_put(r->queries, q->key, q);
	if (ub_resolve_async(r->ctx, arena_cstr(arena, name), rr_type, CLASS_IN, q, answered, &q->id) == 0)
		return q;
	hash_remove(r->queries, q->key);
	arena_free(arena);
	return NULL;
}

static void query_leave(struct query *q)
{
	if (--q->users > 0)
		return;
	if (!q->is_answered) {
		ub_cancel(q->resolver->ctx, q->id);
		finish(q);
	}
	arena_free(q->arena);
}

static void copy_reply(const struct query *q, struct arena *arena, struct dns_reply *reply)
{
	*reply = q->reply;
	reply->canonical = arena_dup(arena, q->reply.canonical);
	reply->answers = arena_dup(arena, q->reply.answers);
	reply->reason = arena_dup(arena, q->reply.reason);
}

void resolver_ask(struct resolver *r, const struct dns_request *request, struct arena *arena,
                  struct dns_reply *reply)
{
	uint64_t deadline_us = clock_in_s(r->timeout_s);
	struct query *q;
	struct span name, key;

	dns_reply_no_name(reply);
	if (!libunbound_name(arena, request->name, &name) || request->rr_type == 0 || request->rr_type > UINT16_MAX)
		return;
	key = arena_printf_span(arena, "%u " SPAN_FMT, (unsigned)request->rr_type, SPAN_ARG(name));
	q = hash_get(r->queries, key);
	if (q == NULL && hash_count(r->queries) < r->most_queries)
		q = query_start(r, key, name, (int)request->rr_type);
	if (q == NULL) {
		dns_reply_fail(reply, span_lit("too many look-ups under way"));
		return;
	}
	q->users++;
	while (!q->is_answered) {
		if (task_wait(&q->asking, deadline_us) < 0)
			break;
	}
	if (q->is_answered)
		copy_reply(q, arena, reply);
	else
		dns_reply_fail(reply, span_lit("Host not found, try again"));
	query_leave(q);
}

size_t resolver_under_way(const struct resolver *r)
{
	return hash_count(r->queries);
}
