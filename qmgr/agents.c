/* SPDX-License-Identifier: ISC */
/* agents.c - connections to the delivery agents: requests out, results in, checkpoints
 *
 * A transport has a few connections, each with two tasks: one sends (it alone waits when an agent does not read), one
 * receives.  Results find their delivery by the request id: a slot and how often it was used.  An agent that is
 * lost, or silent past the watchdog, gives back its deliveries and all it stored since its last checkpoint; they go
 * again as possible repeats. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/ipc/packet.h"
#include "qmgr/qmgr.h"

enum {
	SEND_PATIENCE_S = 60,
	CONNECT_PATIENCE_S = 10,
	CHECKPOINT_PATIENCE_S = 60,
	RETRY_MIN_US = 100 * 1000,
	RETRY_MAX_US = 5 * 1000 * 1000,
	LOSSES_MAX = 3,			/* agents one message may lose in a row */
	GIVE_UP_AFTER = 12,		/* failed connects: about a minute */
	SLOT_BITS = 16,
	CHECKPOINT_ID = 1,		/* request id of checkpoints; deliveries have slot + 2 in the low bits */
};

struct delivery {
	struct job *job;
	uint64_t    generation;
	uint64_t    deadline_us;
	uint32_t    open;	/* recipients without a result */
	bool        host_failed;
	char       *failure;	/* of the host */
};

struct stored {
	struct message *message;
	size_t          recipient;
};

struct stored_list {
	struct stored *members;
	size_t         count, capacity;
};

struct agent {
	struct list          node;
	struct transport    *transport;
	struct packet_sender sender;
	struct delivery     *slots;
	uint32_t            *free_slots;
	size_t               free_count, slot_count;
	uint32_t            *outbox;		/* slots to be sent, a ring */
	size_t               outbox_head, outbox_count;
	struct task_waitlist outbox_work;
	struct stored_list   stored, covered;	/* since the last checkpoint; by the one under way */
	uint64_t             checkpoint;
	uint64_t             checkpoint_deadline_us;	/* 0: none under way */
	bool                 wants_checkpoint;
	bool                 is_up, is_wanted, receiver_is_done;
	unsigned             failures;
};

struct agents {
	struct list  all;	/* of struct agent */
	uint64_t     watchdog_us;
};

/* ---- limits ---- */

static unsigned long long transport_number(const char *transport, const char *suffix)
{
	struct arena *arena = arena_new(NULL);
	const char *text = conf_transport_value(qmgr->conf, transport, suffix, arena);
	unsigned long long value = 0;

	if (text == NULL || !conf_parse_time(span_of(text), 's', &value))
		value = 0;
	arena_free(arena);
	return value;
}

void limits_of(void *user, const char *transport, struct schedule_limits *out)
{
	const struct conf *conf = ((struct qmgr *)user)->conf;

	out->concurrency = (unsigned)transport_number(transport, "destination_concurrency_limit");
	out->initial_concurrency = (unsigned)conf->initial_destination_concurrency;
	out->recipients = (unsigned)transport_number(transport, "destination_recipient_limit");
	out->failed_cohorts = (unsigned)transport_number(transport, "destination_concurrency_failed_cohort_limit");
	out->rate_delay_us = transport_number(transport, "destination_rate_delay") * CLOCK_SECOND_US;
	out->dead_us = conf->minimal_backoff_time * CLOCK_SECOND_US;
}

/* ---- what was stored ---- */

static void stored_add(struct stored_list *list, struct message *m, size_t recipient)
{
	if (list->count == list->capacity) {
		list->capacity = list->capacity == 0 ? 256 : 2 * list->capacity;
		list->members = realloc(list->members, list->capacity * sizeof(*list->members));
		if (list->members == NULL)
			log_fatal("out of memory");
	}
	list->members[list->count++] = (struct stored){ m, recipient };
}

/* stored_end - the fate of all in list: durable, or to be delivered again. */
static void stored_end(struct stored_list *list, bool is_durable)
{
	for (size_t i = 0; i < list->count; i++) {
		struct message *m = list->members[i].message;
		size_t r = list->members[i].recipient;

		m->active->stored_count--;
		if (is_durable) {
			message_recipient_over(m, r, RECIPIENT_SENT);
		} else {
			m->may_be_repeat = true;
			run_of(m, r)->phase = PHASE_IDLE;
		}
		message_step(m);
	}
	list->count = 0;
}

/* ---- results ---- */

static size_t recipient_index(const struct delivery *d, uint64_t number)
{
	const struct message *m = d->job->message;

	for (uint32_t i = 0; i < d->job->count; i++)
		if (m->active->queued.envelope.recipients[d->job->recipients[i]].number == number)
			return d->job->recipients[i];
	return SPAN_NOT_FOUND;
}

static void take_result(struct agent *a, struct delivery *d, const struct deliver_result *r)
{
	struct message *m = d->job->message;
	size_t i = recipient_index(d, r->recipient);

	if (i == SPAN_NOT_FOUND || run_of(m, i)->phase != PHASE_QUEUED)
		return;		/* twice, or none of ours */
	d->open--;
	m->active->queued_count--;
	run_of(m, i)->remote_mta = arena_dup(m->active->queued.arena, r->remote_mta);
	run_of(m, i)->diagnostic = arena_dup(m->active->queued.arena, r->diagnostic);
	if (r->host_failed && d->failure == NULL) {
		d->host_failed = true;
		d->failure = strndup(r->reason.len > 0 ? r->reason.ptr : "", r->reason.len);
	}
	switch ((enum deliver_status)r->status) {
	case DELIVER_SENT:
		recipient_sent(m, i, r->is_durable);
		if (r->reports_itself)
			run_of(m, i)->wants_success_dsn = false;
		if (!r->is_durable)
			stored_add(&a->stored, m, i);
		return;
	case DELIVER_BOUNCED:
		recipient_failed(m, i, r->dsn, r->reason);
		return;
	case DELIVER_EXPANDED:
		if (r->owner.len > 0)
			owner_start(m, i, r->owner, r->expansion);
		else
			recipient_expanded(m, i, r->expansion, EXPANDED_BY_AGENT);
		return;
	case DELIVER_DEFERRED:
		break;
	}
	recipient_deferred(m, i, r->dsn, r->reason);
}

static void free_slot(struct agent *a, struct delivery *d)
{
	d->job = NULL;
	d->generation++;
	free(d->failure);
	d->failure = NULL;
	d->host_failed = false;
	a->free_slots[a->free_count++] = (uint32_t)(d - a->slots);
	if (a->is_up)
		a->transport->room++;
}

/* no_result - recipients of a lost agent go again at once; of one that says nothing, or is lost again and again,
 * at the next attempt. */
static void no_result(struct delivery *d, bool is_lost)
{
	struct job *job = d->job;
	struct message *m = job->message;
	bool again = is_lost && ++m->active->losses <= LOSSES_MAX;

	m->may_be_repeat = true;
	for (uint32_t i = 0; i < job->count; i++) {
		size_t r = job->recipients[i];

		if (run_of(m, r)->phase != PHASE_QUEUED)
			continue;
		m->active->queued_count--;
		d->open--;
		if (again)
			run_of(m, r)->phase = PHASE_IDLE;
		else
			recipient_deferred(m, r, span_lit("4.3.0"), span_lit("delivery agent gave no result"));
	}
}

static void end_delivery(struct agent *a, struct delivery *d, enum job_end end)
{
	struct job *job = d->job;
	struct message *m = job->message;

	if (d->open > 0)
		no_result(d, end == JOB_LOST);
	schedule_end(&qmgr->schedule, job, d->host_failed ? JOB_HOST_FAILED : end, d->failure, clock_now_us());
	free_slot(a, d);
	job_free(job);
	message_step(m);
	jobs_of_dead();
	dispatch_kick();
}

static bool take_packet(struct agent *a, struct packet *packet)
{
	struct ipc_header header;
	struct deliver_result result;
	struct checkpoint_reply reply;
	struct delivery *d;
	size_t slot;

	if (!ipc_decode_header(packet->bytes, &header))
		return false;
	if (header.request == CHECKPOINT_ID) {
		if (!ipc_decode(packet->bytes, &checkpoint_reply_type, packet->fds, packet->fd_count, &reply))
			return false;
		a->checkpoint_deadline_us = 0;
		stored_end(&a->covered, !reply.failed && reply.number == a->checkpoint);
		return true;
	}
	slot = (size_t)(header.request & ((1U << SLOT_BITS) - 1)) - 2;
	if (slot >= a->slot_count)
		return false;
	d = &a->slots[slot];
	if (d->job == NULL || d->generation != header.request >> SLOT_BITS)
		return true;	/* too late */
	if (!ipc_decode(packet->bytes, &deliver_result_type, packet->fds, packet->fd_count, &result))
		return false;
	take_result(a, d, &result);
	if ((header.flags & IPC_MORE) == 0 || d->open == 0)
		end_delivery(a, d, JOB_HOST_WORKS);
	return true;
}

/* ---- sending ---- */

/* gather_delivery - the request for slot d. */
static bool gather_delivery(struct agent *a, struct delivery *d, struct arena *arena, struct wire_gather *g)
{
	struct message *m = d->job->message;
	struct active *active = m->active;
	struct envelope e = active->queued.envelope;
	struct buf bytes;
	struct deliver_request request;
	uint64_t id = d->generation << SLOT_BITS | (uint64_t)(d - a->slots + 2);

	e.recipients = ARENA_NEW_ARRAY(arena, struct envelope_recipient, d->job->count);
	e.recipient_count = d->job->count;
	for (uint32_t i = 0; i < d->job->count; i++)
		e.recipients[i] = active->queued.envelope.recipients[d->job->recipients[i]];
	buf_init(&bytes, BUF_NO_LIMIT);
	envelope_encode(&bytes, &e);
	request = (struct deliver_request){
		.queue_id = span_of(m->mail.id),
		.transport = span_of(a->transport->name),
		.nexthop = run_of(m, d->job->recipients[0])->nexthop,
		.envelope = arena_dup(arena, buf_span(&bytes)),
		.content = span_make(active->content, active->content != NULL ? active->content_length : 0),
		.file = active->content != NULL ? -1 : active->fd,
		.content_offset = active->content_offset,
		.content_length = active->content_length,
		.arrival_us = m->mail.arrival_us,
		.active_us = active->active_us,
		.flags = (m->may_be_repeat ? DELIVER_MAY_BE_REPEAT : 0U) |
		         ((e.flags & ENVELOPE_IS_BOUNCE) != 0 ? DELIVER_IS_BOUNCE : 0U),
	};
	buf_free(&bytes);
	return wire_gather(g, &deliver_request_type, 0, id, &request);
}

/* cannot_read - its content is not to be had: another attempt. */
static void cannot_read(struct agent *a, struct delivery *d)
{
	struct message *m = d->job->message;

	log_warning("%s: cannot read content: %s", m->mail.id, strerror(errno));
	for (uint32_t i = 0; i < d->job->count; i++) {
		d->open--;
		m->active->queued_count--;
		recipient_deferred(m, d->job->recipients[i], span_lit("4.3.0"), span_lit("queue file read error"));
	}
	end_delivery(a, d, JOB_LOST);
}

/* has_content - the content of d's message is at hand.  Suspends to read it: meanwhile the agent may be lost, and d
 * given back or even be another delivery. */
static bool has_content(struct agent *a, struct delivery *d)
{
	struct message *m = d->job->message;
	uint64_t generation = d->generation;
	int result;

	if (m->active->content != NULL || m->active->fd >= 0)
		return true;
	result = message_read_content(m);
	if (d->generation != generation) {
		message_step(m);
		return false;
	}
	if (result < 0)
		cannot_read(a, d);
	return result == 0;
}

/* send_delivery - 0, or -1 when the agent is lost. */
static int send_delivery(struct agent *a, struct delivery *d, struct arena *arena)
{
	struct wire_gather g;
	int result;

	if (!has_content(a, d))
		return 0;
	if (!gather_delivery(a, d, arena, &g))
		bug("delivery request is too long");
	result = packet_send(&a->sender, &g, clock_in_s(SEND_PATIENCE_S));
	arena_reset(arena);
	return result;
}

static int send_checkpoint(struct agent *a)
{
	struct checkpoint_request request = { .number = ++a->checkpoint };
	struct stored_list empty = a->covered;
	struct wire_gather g;

	a->wants_checkpoint = false;
	a->covered = a->stored;
	a->stored = empty;
	a->checkpoint_deadline_us = clock_in_s(CHECKPOINT_PATIENCE_S);
	if (!wire_gather(&g, &checkpoint_request_type, 0, CHECKPOINT_ID, &request))
		bug("checkpoint request is too long");
	return packet_send(&a->sender, &g, clock_in_s(SEND_PATIENCE_S));
}

/* send_all - until the agent is lost. */
static void send_all(struct agent *a, struct arena *arena)
{
	while (a->is_up) {
		int result = 0;

		if (a->wants_checkpoint) {
			result = send_checkpoint(a);
		} else if (a->outbox_count > 0) {
			struct delivery *d = &a->slots[a->outbox[a->outbox_head]];

			a->outbox_head = (a->outbox_head + 1) % a->slot_count;
			a->outbox_count--;
			result = send_delivery(a, d, arena);
		} else {
			(void)task_wait(&a->outbox_work, CLOCK_NEVER);
		}
		if (result < 0)
			break;
	}
}

/* ---- a connection's life ---- */

/* lose - the agent is gone: everything unfinished goes again. */
static void lose(struct agent *a)
{
	if (!a->is_up)
		return;
	a->is_up = false;
	a->transport->room -= (unsigned)a->free_count;
	a->outbox_count = 0;
	(void)shutdown(a->sender.fd, SHUT_RDWR);
	task_wake_all(&a->outbox_work);
	for (size_t i = 0; i < a->slot_count; i++)
		if (a->slots[i].job != NULL)
			end_delivery(a, &a->slots[i], JOB_LOST);
	a->checkpoint_deadline_us = 0;
	stored_end(&a->covered, false);
	stored_end(&a->stored, false);
}

static void receive_task(void *arg)
{
	struct agent *a = arg;
	struct packet packet;

	while (a->is_up && packet_await(a->sender.fd, &packet) == PACKET_CAME) {
		bool good = take_packet(a, &packet);

		packet_close_fds(&packet);
		if (!good) {
			log_error("malformed result from a %s agent: closing this connection", a->transport->name);
			break;
		}
	}
	lose(a);
	a->receiver_is_done = true;
	task_wake_all(&a->outbox_work);
}

static void come_up(struct agent *a, int fd)
{
	packet_prepare_socket(fd, true);
	packet_sender_init(&a->sender, fd);
	a->failures = 0;
	a->is_up = true;
	a->receiver_is_done = false;
	a->transport->room += (unsigned)a->free_count;
	dispatch_kick();
}

/* cannot_connect - after some time the waiting jobs are deferred: the messages must not wait for ever. */
static void cannot_connect(struct agent *a)
{
	uint64_t pause_us = (uint64_t)RETRY_MIN_US << (a->failures < 6 ? a->failures : 6);

	a->failures++;
	if (a->failures % GIVE_UP_AFTER == 0 && a->transport->room == 0) {
		log_warning("transport %s is not available", a->transport->name);
		schedule_give_up(&qmgr->schedule, a->transport, "mail transport unavailable");
		jobs_of_dead();
	}
	(void)task_sleep_us(pause_us < RETRY_MAX_US ? pause_us : RETRY_MAX_US);
}

static void agent_task(void *arg)
{
	struct agent *a = arg;
	struct arena *arena = arena_new(NULL);

	while (!task_is_cancelled()) {
		int fd;

		if (a->transport->jobs == 0 && a->failures == 0 && !a->is_wanted) {
			(void)task_wait(&a->outbox_work, CLOCK_NEVER);
			continue;
		}
		a->is_wanted = false;
		fd = service_connect(qmgr->run, a->transport->name, clock_in_s(CONNECT_PATIENCE_S));
		if (fd < 0) {
			cannot_connect(a);
			continue;
		}
		come_up(a, fd);
		if (task_spawn(receive_task, a, "agent-results") == NULL)
			a->receiver_is_done = true;
		else
			send_all(a, arena);
		lose(a);
		while (!a->receiver_is_done)
			(void)task_wait(&a->outbox_work, CLOCK_NEVER);
		task_close(fd);
	}
	arena_free(arena);
}

static struct agent *agent_new(struct transport *t)
{
	struct agent *a = calloc(1, sizeof(*a));
	size_t n = (size_t)qmgr->conf->qmgr_agent_delivery_limit;

	if (a == NULL)
		log_fatal("out of memory");
	a->transport = t;
	a->slot_count = a->free_count = n;
	a->slots = calloc(n, sizeof(*a->slots));
	a->free_slots = calloc(n, sizeof(*a->free_slots));
	a->outbox = calloc(n, sizeof(*a->outbox));
	if (a->slots == NULL || a->free_slots == NULL || a->outbox == NULL)
		log_fatal("out of memory");
	for (size_t i = 0; i < n; i++)
		a->free_slots[i] = (uint32_t)(n - 1 - i);
	task_waitlist_init(&a->outbox_work);
	if (task_spawn(agent_task, a, "agent") == NULL)
		log_fatal("cannot start: %s", strerror(errno));
	return a;
}

static struct agents *agents_of(struct transport *t)
{
	struct agents *all = t->agents;

	if (all != NULL)
		return all;
	all = calloc(1, sizeof(*all));
	if (all == NULL)
		log_fatal("out of memory");
	list_init(&all->all);
	all->watchdog_us = transport_number(t->name, "delivery_watchdog_time") * CLOCK_SECOND_US;
	if (all->watchdog_us == 0)
		all->watchdog_us = qmgr->conf->default_delivery_watchdog_time * CLOCK_SECOND_US;
	t->agents = all;
	for (long long i = 0; i < qmgr->conf->qmgr_agent_connections; i++)
		list_push_back(&all->all, &agent_new(t)->node);
	return all;
}

/* ---- dispatching ---- */

/* least_busy - the agent with the most free slots. */
static struct agent *least_busy(struct transport *t)
{
	struct agent *best = NULL;

	LIST_EACH(node, &agents_of(t)->all) {
		struct agent *a = CONTAINER_OF(node, struct agent, node);

		if (a->is_up && a->free_count > 0 && (best == NULL || a->free_count > best->free_count))
			best = a;
	}
	return best;
}

static void assign(struct job *job)
{
	struct transport *t = destination_transport(job->destination);
	struct agent *a = least_busy(t);
	uint32_t slot;
	struct delivery *d;

	if (a == NULL)
		bug("transport %s has room, but no agent", t->name);
	slot = a->free_slots[--a->free_count];
	d = &a->slots[slot];
	d->job = job;
	d->open = job->count;
	d->deadline_us = clock_now_us() + agents_of(t)->watchdog_us;
	a->outbox[(a->outbox_head + a->outbox_count) % a->slot_count] = slot;
	a->outbox_count++;
	task_wake_one(&a->outbox_work);
}

/* want_agents - a transport with jobs needs its connections. */
static void want_agents(void)
{
	LIST_EACH(node, &qmgr->schedule.transports) {
		struct transport *t = CONTAINER_OF(node, struct transport, node);

		if (t->jobs == 0)
			continue;
		LIST_EACH(at, &agents_of(t)->all) {
			struct agent *a = CONTAINER_OF(at, struct agent, node);

			if (!a->is_up && !a->is_wanted) {
				a->is_wanted = true;
				task_wake_all(&a->outbox_work);
			}
		}
	}
}

static void dispatch_task(void *arg)
{
	(void)arg;
	while (!task_is_cancelled()) {
		struct job *job;

		while (!journal_is_behind() && (job = schedule_next(&qmgr->schedule, clock_now_us())) != NULL)
			assign(job);
		if (qmgr->schedule.jobs > 0)
			want_agents();
		(void)task_wait(&qmgr->dispatch_work, schedule_wake_us(&qmgr->schedule));
	}
}

void dispatch_kick(void)
{
	task_wake_one(&qmgr->dispatch_work);
}

void agents_start(struct qmgr *q)
{
	task_waitlist_init(&q->dispatch_work);
	if (task_spawn(dispatch_task, NULL, "dispatch") == NULL)
		log_fatal("cannot start: %s", strerror(errno));
}

/* ---- once a second ---- */

static bool is_stuck(const struct agent *a, uint64_t now_us)
{
	if (a->checkpoint_deadline_us != 0 && a->checkpoint_deadline_us < now_us)
		return true;
	for (size_t i = 0; i < a->slot_count; i++)
		if (a->slots[i].job != NULL && a->slots[i].deadline_us < now_us)
			return true;
	return false;
}

static void agent_tick(struct agent *a, uint64_t now_us)
{
	if (!a->is_up)
		return;
	if (is_stuck(a, now_us)) {
		log_warning("a %s agent does not answer: its deliveries go to another", a->transport->name);
		lose(a);
		return;
	}
	if (a->stored.count > 0 && a->checkpoint_deadline_us == 0) {
		a->wants_checkpoint = true;
		task_wake_one(&a->outbox_work);
	}
}

void agents_tick(void)
{
	uint64_t now_us = clock_now_us();

	LIST_EACH(node, &qmgr->schedule.transports) {
		struct transport *t = CONTAINER_OF(node, struct transport, node);

		if (t->agents == NULL)
			continue;
		LIST_EACH(at, &agents_of(t)->all)
			agent_tick(CONTAINER_OF(at, struct agent, node), now_us);
	}
}
