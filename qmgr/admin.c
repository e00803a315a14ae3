/* SPDX-License-Identifier: ISC */
/* admin.c - what the queue tools ask on the public socket
 *
 * Anyone may connect: the kernel says who it is.  Root and mail_owner may do all; others list and flush as
 * authorized_mailq_users and authorized_flush_users allow. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/ipc/queue_admin.h"
#include "qmgr/qmgr.h"

enum {
	LISTED_AT_ONCE = 64,
	SETTLE_S = 10,	/* so long an admin waits for a disk that takes nothing */
};

/* ---- who may ---- */

static bool is_owner(const struct ipc_request *request)
{
	uint64_t uid = ipc_peer_uid(request->peer);

	return uid == 0 || uid == geteuid();
}

static bool may(const struct ipc_request *request, enum allowed_list list)
{
	return is_owner(request) || allowed(list, ipc_peer_uid(request->peer));
}

/* ---- listing ---- */

static const char *state_of(const struct message *m)
{
	if (m->place == PLACE_HELD)
		return "hold";
	return m->place == PLACE_DEFERRED ? "deferred" : "active";
}

struct describing {
	struct mail   mail;
	int           segment_fd;
	struct arena *arena;
	struct loaded out;
	bool          failed;
};

static void describe_blocking(void *arg)
{
	struct describing *d = arg;

	d->failed = store_load(&qmgr->store, &d->mail, d->segment_fd, 0, false, d->arena, &d->out) < 0;
}

/* describe - envelope and state of a message that is not active.  Suspends. */
static bool describe(const struct message *m, struct describing *d)
{
	d->mail = m->mail;
	if (m->mail.notes_len > 0) {
		d->mail.notes = arena_alloc(d->arena, m->mail.notes_len);
		memcpy(d->mail.notes, m->mail.notes, m->mail.notes_len);
	}
	d->segment_fd = m->segment != NULL ? dup(m->segment->file.fd) : -1;
	task_offload(describe_blocking, d);
	if (d->segment_fd >= 0)
		close(d->segment_fd);
	return !d->failed;
}

static void add_recipients(struct buf *out, const struct queued *q)
{
	for (size_t i = 0; i < q->envelope.recipient_count; i++) {
		const struct envelope_recipient *r = &q->envelope.recipients[i];

		if (q->states[i].status != RECIPIENT_OPEN)
			continue;
		buf_add(out, r->address);
		buf_add_byte(out, '\0');
		buf_add(out, r->original.len > 0 ? r->original : r->address);
		buf_add_byte(out, '\0');
		buf_add(out, q->states[i].reason);
		buf_add_byte(out, '\0');
	}
}

static void reply_entry(struct ipc_request *request, const struct message *m, const struct queued *q, uint64_t size)
{
	struct queue_entry entry = {
		.queue_id = span_of(m->mail.id), .state = span_of(state_of(m)), .arrival_us = m->mail.arrival_us,
		.size = size, .is_forced_to_expire = (m->mail.flags & MESSAGE_EXPIRE) != 0, .sender = q->envelope.sender,
	};
	struct buf recipients;

	/* A list of thousands is cut: a packet has a limit. */
	buf_init(&recipients, IPC_MESSAGE_MAX - 4096);
	add_recipients(&recipients, q);
	entry.recipients = buf_span(&recipients);
	(void)ipc_reply(request, &queue_entry_type, &entry, true);
	buf_free(&recipients);
}

static void list_one(struct ipc_request *request, struct message *m)
{
	struct describing d = { .arena = NULL };
	char id[QUEUE_ID_MAX];

	if (m->active != NULL) {
		reply_entry(request, m, &m->active->queued, m->active->content_length);
		return;
	}
	memcpy(id, m->mail.id, sizeof(id));
	d.arena = arena_new(NULL);
	if (describe(m, &d) && message_find(span_of(id)) == m)
		reply_entry(request, m, &d.out.queued, d.out.content_length);
	if (!d.failed && d.out.fd >= 0)
		close(d.out.fd);
	arena_free(d.arena);
}

struct ids {
	char (*list)[QUEUE_ID_MAX];
	size_t count;
};

static int by_id(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* all_ids - of every message, oldest first: what we walk may change while we wait. */
static struct ids all_ids(struct span only)
{
	struct ids ids = { calloc(hash_count(qmgr->index.mails) + 1, QUEUE_ID_MAX), 0 };
	size_t cursor = 0;
	struct span key;
	void *value;

	if (ids.list == NULL)
		log_fatal("out of memory");
	while (hash_next(qmgr->index.mails, &cursor, &key, &value)) {
		const struct message *m = value;

		if (only.len == 0 || span_equal(only, key))
			memcpy(ids.list[ids.count++], m->mail.id, QUEUE_ID_MAX);
	}
	qsort(ids.list, ids.count, QUEUE_ID_MAX, by_id);
	return ids;
}

void handle_list(struct ipc_request *request)
{
	const struct queue_list_request *r = request->message;
	struct queue_entry last = { .queue_id = span_lit("") };
	struct ids ids;

	if (may(request, ALLOWED_MAILQ)) {
		ids = all_ids(r->queue_id);
		for (size_t i = 0; i < ids.count; i++) {
			struct message *m = message_find(span_of(ids.list[i]));

			if (m != NULL)
				list_one(request, m);
			if (i % LISTED_AT_ONCE == LISTED_AT_ONCE - 1)
				task_yield();
		}
		free(ids.list);
	}
	(void)ipc_reply(request, &queue_entry_type, &last, false);
}

/* ---- actions ---- */

static bool try_now(struct message *m)
{
	if (m->place != PLACE_DEFERRED)
		return false;
	heap_remove(&qmgr->deferred, m);
	message_wait(m);
	return true;
}

static bool delete(struct message *m)
{
	if (m->place == PLACE_LOADING)
		return false;	/* being read: the admin asks again */
	log_note("%s: removed", m->mail.id);
	if (m->active == NULL) {
		message_forget(m);
		return true;
	}
	m->active->queued_count -= schedule_remove(&qmgr->schedule, m);
	m->active->is_deleted = true;
	message_step(m);
	return true;
}

static bool hold(struct message *m)
{
	if ((m->mail.flags & MESSAGE_HELD) != 0)
		return false;
	message_set_flags(m, m->mail.flags | MESSAGE_HELD);
	log_note("%s: placed on hold", m->mail.id);
	if (m->place == PLACE_DEFERRED)
		heap_remove(&qmgr->deferred, m);
	if (m->place == PLACE_DEFERRED || m->place == PLACE_WAITING) {
		list_remove(&m->node);
		m->place = PLACE_HELD;
	}
	return true;
}

static bool release(struct message *m)
{
	if ((m->mail.flags & MESSAGE_HELD) == 0)
		return false;
	message_set_flags(m, m->mail.flags & ~(uint32_t)MESSAGE_HELD);
	log_note("%s: released from hold", m->mail.id);
	if (m->place == PLACE_HELD)
		message_wait(m);
	return true;
}

/* requeue - as if it had just come in: recipients that members of an expansion took the place of are tried again
 * themselves, whatever the tables say now; who has the message does not get it again. */
static bool requeue(struct message *m)
{
	message_start_over(m);
	log_note("%s: requeued", m->mail.id);
	if ((m->mail.flags & MESSAGE_HELD) != 0)
		(void)release(m);
	else
		(void)try_now(m);
	return true;
}

static bool expire(struct message *m)
{
	if ((m->mail.flags & MESSAGE_EXPIRE) != 0)
		return false;
	message_set_flags(m, m->mail.flags | MESSAGE_EXPIRE);
	log_note("%s: expired", m->mail.id);
	(void)try_now(m);
	return true;
}

static bool is_for_site(const struct message *m, struct span site)
{
	struct describing d = { .arena = arena_new(NULL) };
	bool found = false;

	if (describe(m, &d)) {
		for (size_t i = 0; !found && i < d.out.queued.envelope.recipient_count; i++) {
			struct span address = d.out.queued.envelope.recipients[i].address;
			size_t at = span_rfind(address, '@');

			found = at != SPAN_NOT_FOUND && span_equal_ci(span_skip(address, at + 1), site);
		}
		if (d.out.fd >= 0)
			close(d.out.fd);
	}
	arena_free(d.arena);
	return found;
}

static uint64_t act_on(const struct queue_action_request *r)
{
	static bool (*const actions[])(struct message *m) = {
		[QUEUE_FLUSH] = try_now, [QUEUE_DELETE] = delete,   [QUEUE_HOLD] = hold,
		[QUEUE_RELEASE] = release, [QUEUE_REQUEUE] = requeue, [QUEUE_EXPIRE] = expire,
	};
	struct ids ids = all_ids(r->queue_id);
	uint64_t count = 0;

	for (size_t i = 0; i < ids.count; i++) {
		struct message *m = message_find(span_of(ids.list[i]));

		if (m != NULL && r->site.len > 0 && (m->active != NULL || !is_for_site(m, r->site)))
			continue;
		m = message_find(span_of(ids.list[i]));
		if (m != NULL)
			count += actions[r->action](m);
		if (i % LISTED_AT_ONCE == LISTED_AT_ONCE - 1)
			task_yield();
	}
	/* What the admin is told has been done outlives a kill, and a power cut. */
	for (size_t i = 0; i < ids.count; i++)
		marks_await(span_of(ids.list[i]));
	if (!journal_settle(clock_in_s(SETTLE_S)))
		log_warning("the journal takes no record now: what was asked of %llu messages may not last",
		            (unsigned long long)count);
	free(ids.list);
	return count;
}

void handle_action(struct ipc_request *request)
{
	const struct queue_action_request *r = request->message;
	struct queue_action_reply reply = { .refused = true };

	if (r->action <= QUEUE_EXPIRE &&
	    (is_owner(request) || (r->action == QUEUE_FLUSH && may(request, ALLOWED_FLUSH)))) {
		reply.refused = false;
		scan_await();	/* what was asked of all is done to all, also just after a start */
		if (r->action == QUEUE_FLUSH)
			schedule_flush(&qmgr->schedule);
		reply.count = act_on(r);
	}
	(void)ipc_reply(request, &queue_action_reply_type, &reply, false);
}

/* ---- reading ---- */

void handle_read(struct ipc_request *request)
{
	const struct queue_read_request *r = request->message;
	struct queue_read_reply reply = { .file = -1 };
	struct message *m;
	struct describing d = { .arena = request->arena, .out = { .fd = -1 } };
	struct buf envelope;

	scan_await();
	m = is_owner(request) ? message_find(r->queue_id) : NULL;
	buf_init(&envelope, BUF_NO_LIMIT);
	if (m != NULL && describe(m, &d)) {
		envelope_encode(&envelope, &d.out.queued.envelope);
		reply.is_found = true;
		reply.envelope = buf_span(&envelope);
		reply.file = d.out.fd;
		reply.content_offset = d.out.content_offset;
		reply.content_length = d.out.content_length;
	}
	(void)ipc_reply(request, &queue_read_reply_type, &reply, false);
	if (d.out.fd >= 0)
		close(d.out.fd);
	buf_free(&envelope);
}
