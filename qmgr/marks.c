/* SPDX-License-Identifier: ISC */
/* marks.c - what became of a message that has a file of its own, written there off the loop
 *
 * Each change is a copy of what is to be written, so that the message may go on (or go) meanwhile.  The changes of a
 * file are written in their order, those of many files in one go on an offload thread.  A lost one costs a repeat, so
 * a failure is only told.  Nobody reads a file before its changes are written (marks_await), or takes it for a
 * message while it is to be removed (marks_are_pending). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/queue/reader.h"
#include "qmgr/qmgr.h"

enum { FILES_AT_ONCE = 64 };

enum change_kind {
	CHANGE_SLOT,	/* state of the recipient with that index */
	CHANGE_RETRY,
	CHANGE_FLAGS,
	CHANGE_TABLE,	/* recipients have joined */
};

struct change {
	struct list             node;
	enum change_kind        kind;
	size_t                  index;
	struct recipient_state *states;		/* one, or of all recipients */
	struct span             envelope;	/* of a table */
	struct queued           retry;		/* flags, attempts, next attempt */
};

/* The changes of one file. */
struct marks {
	struct list   node;		/* in waiting, or in the batch */
	char          id[QUEUE_ID_MAX];
	struct arena *arena;
	struct list   changes, writing;	/* the thread has the second list */
	bool          is_removed;	/* the file is to go */
	bool          is_removing;	/* and goes in this batch */
	int           error;
};

static struct {
	struct hash         *by_id;
	struct list          waiting;
	struct task_waitlist work, written;
} marks;

/* ---- on the thread ---- */

static int write_table(int fd, const struct change *c, struct message_preamble *p)
{
	struct arena *arena = arena_new(NULL);
	struct queued q;
	int result = -1;

	errno = EINVAL;
	if (queued_decode(arena, c->envelope, &q)) {
		q.states = c->states;
		q.flags = c->retry.flags;
		q.attempts = c->retry.attempts;
		q.next_attempt_us = c->retry.next_attempt_us;
		result = message_file_rewrite(fd, &q, p);
	}
	arena_free(arena);
	return result;
}

static int write_change(int fd, const struct change *c, struct message_preamble *p)
{
	struct queued q = c->retry;

	switch (c->kind) {
	case CHANGE_SLOT:
		errno = EINVAL;		/* its table could not be written */
		return c->index < p->recipient_count ? message_file_mark(fd, p, c->index, c->states) : -1;
	case CHANGE_FLAGS:
		q.attempts = p->attempts;
		q.next_attempt_us = p->next_attempt_us;
		return message_file_retry(fd, &q);
	case CHANGE_TABLE:
		return write_table(fd, c, p);
	case CHANGE_RETRY:
		break;
	}
	p->attempts = q.attempts;
	p->next_attempt_us = q.next_attempt_us;
	return message_file_retry(fd, &q);
}

static int write_file(struct marks *f)
{
	int fd = message_file_open(qmgr->store.message_fd, span_of(f->id));
	struct message_preamble p;
	int result = -1;

	if (fd < 0)
		return -1;
	if (message_file_preamble(fd, &p) == 0) {
		result = 0;
		LIST_EACH(node, &f->writing)
			if (write_change(fd, CONTAINER_OF(node, struct change, node), &p) < 0)
				result = -1;
	}
	close(fd);
	return result;
}

static void write_blocking(void *arg)
{
	LIST_EACH(node, (struct list *)arg) {
		struct marks *f = CONTAINER_OF(node, struct marks, node);

		f->error = 0;
		if (f->is_removing) {
			if (message_file_remove(qmgr->store.message_fd, span_of(f->id)) < 0 && errno != ENOENT)
				f->error = errno;
		} else if (write_file(f) < 0) {
			f->error = errno;
		}
	}
}

/* ---- on the loop ---- */

static void finish(struct marks *f)
{
	if (f->error != 0)
		log_warning("%s: cannot mark its file: %s", f->id, strerror(f->error));
	/* What came in while we wrote is still to be done. */
	if (!list_is_empty(&f->changes) || f->is_removed != f->is_removing) {
		list_push_back(&marks.waiting, &f->node);
		return;
	}
	(void)hash_remove(marks.by_id, span_of(f->id));
	arena_free(f->arena);
	free(f);
}

static void gather(struct list *batch)
{
	struct list *node, *change;

	for (int i = 0; i < FILES_AT_ONCE && (node = list_pop_front(&marks.waiting)) != NULL; i++) {
		struct marks *f = CONTAINER_OF(node, struct marks, node);

		list_init(&f->writing);
		while ((change = list_pop_front(&f->changes)) != NULL)
			list_push_back(&f->writing, change);
		f->is_removing = f->is_removed;
		list_push_back(batch, &f->node);
	}
}

static void marks_task(void *arg)
{
	struct list batch, *node;

	(void)arg;
	list_init(&batch);
	while (!task_is_cancelled()) {
		gather(&batch);
		if (list_is_empty(&batch)) {
			(void)task_wait(&marks.work, CLOCK_NEVER);
			continue;
		}
		task_offload(write_blocking, &batch);
		while ((node = list_pop_front(&batch)) != NULL)
			finish(CONTAINER_OF(node, struct marks, node));
		task_wake_all(&marks.written);
	}
}

void marks_start(void)
{
	marks.by_id = hash_new();
	list_init(&marks.waiting);
	task_waitlist_init(&marks.work);
	task_waitlist_init(&marks.written);
	if (task_spawn(marks_task, NULL, "marks") == NULL)
		log_fatal("cannot start: %s", strerror(errno));
}

static struct marks *marks_of(struct span id)
{
	struct marks *f = hash_get(marks.by_id, id);

	if (f != NULL)
		return f;
	f = calloc(1, sizeof(*f));
	if (f == NULL)
		log_fatal("out of memory");
	memcpy(f->id, id.ptr, id.len);
	f->arena = arena_new(NULL);
	list_init(&f->changes);
	list_push_back(&marks.waiting, &f->node);
	(void)hash_put(marks.by_id, id, f);
	return f;
}

static struct change *change_of(const struct message *m, enum change_kind kind)
{
	struct marks *f = marks_of(span_of(m->mail.id));
	struct change *c = ARENA_NEW(f->arena, struct change);

	c->kind = kind;
	c->retry.flags = m->mail.flags;
	if (m->active != NULL) {
		c->retry.attempts = m->active->queued.attempts;
		c->retry.next_attempt_us = m->active->queued.next_attempt_us;
	}
	list_push_back(&f->changes, &c->node);
	task_wake_one(&marks.work);
	return c;
}

static struct recipient_state *copy_states(struct arena *arena, const struct recipient_state *states, size_t count)
{
	struct recipient_state *copy = ARENA_NEW_ARRAY(arena, struct recipient_state, count);

	for (size_t i = 0; i < count; i++) {
		copy[i].status = states[i].status;
		copy[i].dsn = arena_dup(arena, states[i].dsn);
		copy[i].reason = arena_dup(arena, states[i].reason);
	}
	return copy;
}

void mark_recipient(const struct message *m, size_t i)
{
	struct change *c = change_of(m, CHANGE_SLOT);

	c->index = i;
	c->states = copy_states(marks_of(span_of(m->mail.id))->arena, &m->active->queued.states[i], 1);
}

void mark_retry(const struct message *m)
{
	const struct queued *q = &m->active->queued;

	for (size_t i = 0; i < q->envelope.recipient_count; i++)
		if (q->states[i].status == RECIPIENT_OPEN)
			mark_recipient(m, i);
	(void)change_of(m, CHANGE_RETRY);
}

void mark_flags(const struct message *m)
{
	(void)change_of(m, CHANGE_FLAGS);
}

void mark_table(const struct message *m)
{
	const struct queued *q = &m->active->queued;
	struct change *c = change_of(m, CHANGE_TABLE);
	struct arena *arena = marks_of(span_of(m->mail.id))->arena;
	struct buf bytes;

	buf_init(&bytes, BUF_NO_LIMIT);
	envelope_encode(&bytes, &q->envelope);
	c->envelope = arena_dup(arena, buf_span(&bytes));
	buf_free(&bytes);
	c->states = copy_states(arena, q->states, q->envelope.recipient_count);
}

void mark_removed(struct span id)
{
	marks_of(id)->is_removed = true;
	task_wake_one(&marks.work);
}

bool marks_are_pending(struct span id)
{
	return hash_get(marks.by_id, id) != NULL;
}

void marks_await(struct span id)
{
	while (marks_are_pending(id))
		if (task_wait(&marks.written, CLOCK_NEVER) < 0)
			return;
}
