/* SPDX-License-Identifier: ISC */
/* route.c - where recipients go: asked of the router at each try, unless the receiver asked just now
 *
 * A few tasks ask, a message at a time, so that a slow table holds up those only.  No answer is a deferral: a failure
 * of ours is never a bounce. */
#include <errno.h>
#include <string.h>

#include "lib/ipc/router.h"
#include "lib/ipc/services.h"
#include "qmgr/qmgr.h"

enum {
	ROUTE_TASKS = 16,
	ROUTE_PATIENCE_S = 30,
};

static bool needs_route(struct message *m)
{
	for (size_t i = 0; i < m->active->queued.envelope.recipient_count; i++)
		if (run_of(m, i)->phase == PHASE_IDLE && run_of(m, i)->transport.len == 0)
			return true;
	return false;
}

void route_message(struct message *m)
{
	if (!needs_route(m)) {
		recipients_queue(m);
		message_step(m);
		return;
	}
	m->active->is_routing = true;
	list_push_back(&qmgr->to_route, &m->active->route_node);
	task_wake_one(&qmgr->route_work);
}

static void defer_quietly(struct message *m, size_t i, struct span dsn, struct span reason)
{
	recipient_log(m, i, "error", dsn, "deferred", reason);
	recipient_deferred(m, i, dsn, reason);
}

static void obey(struct message *m, size_t i, const struct resolve_reply *reply)
{
	struct arena *arena = m->active->queued.arena;
	struct run *run = run_of(m, i);

	switch ((enum route_verdict)reply->verdict) {
	case ROUTE_OK:
		if (reply->address.len > 0)
			m->active->queued.envelope.recipients[i].address = arena_dup(arena, reply->address);
		run->transport = arena_dup(arena, reply->transport);
		run->nexthop = arena_dup(arena, reply->nexthop);
		return;
	case ROUTE_EXPANDED:
		recipient_expanded(m, i, reply->expansion, EXPANDED_BY_ROUTER);
		return;
	case ROUTE_UNKNOWN:
	case ROUTE_ERROR:
		recipient_log(m, i, "error", reply->dsn, qmgr->conf->soft_bounce ? "SOFTBOUNCE" : "bounced", reply->reason);
		recipient_failed(m, i, reply->dsn, reply->reason);
		return;
	case ROUTE_DEFER:
		break;
	}
	defer_quietly(m, i, reply->dsn.len > 0 ? reply->dsn : (struct span)SPAN("4.3.0"),
	              reply->reason.len > 0 ? reply->reason : (struct span)SPAN("address look-up failed"));
}

/* route_one - suspends; the message stays ours (is_routing), so nothing frees it meanwhile. */
static void route_one(struct message *m, size_t i)
{
	const struct envelope *e = &m->active->queued.envelope;
	struct resolve_request request = {
		.recipient = e->recipients[i].address, .sender = e->sender,
		.flags = recipient_is_own_ancestor(m, i) ? ROUTE_NO_ALIASES : 0,
	};
	struct resolve_reply reply;
	struct arena *arena = arena_new(NULL);

	memset(&reply, 0, sizeof(reply));
	if (service_call(qmgr->run, SERVICE_ROUTER, true, &resolve_request_type, &request, &resolve_reply_type, &reply,
	                 arena, clock_in_s(ROUTE_PATIENCE_S)) < 0)
		defer_quietly(m, i, span_lit("4.3.0"), span_lit("address resolver is not available"));
	else
		obey(m, i, &reply);
	arena_free(arena);
}

static void route_all(struct message *m)
{
	/* Expansions add recipients behind: they are looked up in the same walk. */
	for (size_t i = 0; i < m->active->queued.envelope.recipient_count; i++)
		if (!m->active->is_deleted && run_of(m, i)->phase == PHASE_IDLE && run_of(m, i)->transport.len == 0)
			route_one(m, i);
	m->active->is_routing = false;
	if (!m->active->is_deleted)
		recipients_queue(m);
	message_step(m);
}

static void route_task(void *arg)
{
	(void)arg;
	while (!task_is_cancelled()) {
		struct list *node = list_pop_front(&qmgr->to_route);

		if (node == NULL) {
			(void)task_wait(&qmgr->route_work, CLOCK_NEVER);
			continue;
		}
		route_all(CONTAINER_OF(node, struct active, route_node)->owner);
	}
}

void route_start(struct qmgr *q)
{
	list_init(&q->to_route);
	task_waitlist_init(&q->route_work);
	for (int i = 0; i < ROUTE_TASKS; i++)
		if (task_spawn(route_task, NULL, "route") == NULL)
			log_fatal("cannot start: %s", strerror(errno));
}
