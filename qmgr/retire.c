/* SPDX-License-Identifier: ISC */
/* retire.c - the end of journal segments: what still lives in one moves to files of its own, then it goes
 *
 * Oldest first, because a younger segment may hold the DONE record of a message in it (QUEUE-INVARIANTS.md I12 to
 * I14).  Runs in the tick's task; what blocks is offloaded. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "qmgr/qmgr.h"

enum { MOVE_MAX = 256 };	/* messages moved to files in one go */

/* ---- the end of a segment ---- */

struct retiring {
	int      dir_fd, fd;
	uint64_t seq;
	bool     keep;
	int      result;
};

static void retire_blocking(void *arg)
{
	struct retiring *r = arg;
	char name[JOURNAL_NAME_MAX];

	close(r->fd);
	r->result = journal_retire(r->dir_fd, r->seq, r->keep);
	if (r->result < 0)
		log_error("retire journal segment %s: %s", journal_name(r->seq, name), strerror(errno));
}

/* retire - its name goes at once: under it a finished segment must not outlast a younger one, whose DONE records are
 * what keeps its messages from coming back. */
static void retire(struct segment *s)
{
	struct journal *j = &qmgr->journal;
	struct retiring r = { .dir_fd = qmgr->store.journal_fd, .fd = s->file.fd, .seq = s->file.seq,
		              .keep = !s->is_damaged && j->spare_count < COUNT_OF(j->spares) };

	list_remove(&s->node);
	free(s);
	task_offload(retire_blocking, &r);
	if (r.result == 1 && j->spare_count < COUNT_OF(j->spares))
		j->spares[j->spare_count++] = r.seq;
}

/* ---- moving out what stays ---- */

struct moved {
	struct mail mail;	/* a copy: the thread touches nothing else */
	int         error;
	bool        counts;	/* the message is its file now */
};

struct moving {
	int           segment_fd;
	struct moved *list;
	size_t        count;
	int           error;
};

static void move_one(struct moved *m, int segment_fd)
{
	struct arena *arena = arena_new(NULL);
	struct span id = span_of(m->mail.id);
	struct loaded l;

	m->error = 0;
	if (store_load(&qmgr->store, &m->mail, segment_fd, SIZE_MAX, false, arena, &l) < 0 ||
	    message_file_create(qmgr->store.message_fd, id, &l.queued, l.content) < 0)
		m->error = errno;
	arena_free(arena);
}

/* move_blocking - many files, one sync. */
static void move_blocking(void *arg)
{
	struct moving *m = arg;

	for (size_t i = 0; i < m->count; i++)
		move_one(&m->list[i], m->segment_fd);
	m->error = syncfs(qmgr->store.message_fd) < 0 ? errno : 0;
}

static bool may_move(const struct message *m, bool active_too)
{
	if (m->place == PLACE_LOADING)
		return false;
	return active_too || m->place == PLACE_DEFERRED || m->place == PLACE_HELD;
}

/* end_move - the file counts now; false when it must go again, as the message is gone by now, or has changed. */
static bool end_move(const struct moved *moved, int sync_error)
{
	struct message *m = message_find(span_of(moved->mail.id));
	int error = moved->error != 0 ? moved->error : sync_error;

	if (error != 0) {
		log_warning("%s: cannot move out of the journal: %s", moved->mail.id, strerror(error));
		return false;
	}
	if (m == NULL || m->mail.notes_len != moved->mail.notes_len || m->mail.flags != moved->mail.flags)
		return false;
	journal_leave(m);
	m->mail.seq = 0;
	free(m->mail.notes);
	m->mail.notes = NULL;
	m->mail.notes_len = 0;
	return true;
}

/* remove_blocking - files that do not count, before the next move may make them again. */
static void remove_blocking(void *arg)
{
	struct moving *m = arg;

	for (size_t i = 0; i < m->count; i++)
		if (!m->list[i].counts && message_file_remove(qmgr->store.message_fd, span_of(m->list[i].mail.id)) < 0 &&
		    errno != ENOENT)
			log_warning("%s: remove its file: %s", m->list[i].mail.id, strerror(errno));
}

/* choose - what may move of s, copied; to the scan their files are not there yet. */
static size_t choose(struct segment *s, bool active_too, struct moved *list)
{
	size_t count = 0;

	LIST_EACH(node, &s->messages) {
		struct message *m = CONTAINER_OF(node, struct message, segment_node);
		struct mail *copy = &list[count].mail;

		if (count == MOVE_MAX)
			break;
		if (!may_move(m, active_too))
			continue;
		*copy = m->mail;
		if (m->mail.notes_len > 0) {
			copy->notes = malloc(m->mail.notes_len);
			if (copy->notes == NULL)
				log_fatal("out of memory");
			memcpy(copy->notes, m->mail.notes, m->mail.notes_len);
		}
		(void)hash_put(qmgr->publishing, span_of(copy->id), s);
		count++;
	}
	return count;
}

static void move_out(struct segment *s, bool active_too)
{
	struct moved *list = calloc(MOVE_MAX, sizeof(*list));
	struct moving moving = { .segment_fd = s->file.fd, .list = list };
	bool all_count = true;

	if (list == NULL)
		log_fatal("out of memory");
	moving.count = choose(s, active_too, list);
	if (moving.count > 0)
		task_offload(move_blocking, &moving);
	for (size_t i = 0; i < moving.count; i++) {
		list[i].counts = end_move(&list[i], moving.error);
		all_count = all_count && list[i].counts;
	}
	if (!all_count)
		task_offload(remove_blocking, &moving);
	for (size_t i = 0; i < moving.count; i++) {
		(void)hash_remove(qmgr->publishing, span_of(list[i].mail.id));
		free(list[i].mail.notes);
	}
	free(list);
}

static size_t segment_count(void)
{
	size_t n = 0;

	LIST_EACH(node, &qmgr->journal.segments)
		n++;
	return n;
}

void journal_tick(void)
{
	struct journal *j = &qmgr->journal;

	journal_sync();
	while (!list_is_empty(&j->segments)) {
		struct segment *s = CONTAINER_OF(j->segments.next, struct segment, node);
		bool is_crowded = segment_count() > (size_t)qmgr->conf->journal_segment_limit;

		if (!s->is_closed || s->is_busy)
			return;
		if (!list_is_empty(&s->messages))
			move_out(s, is_crowded);
		if (!list_is_empty(&s->messages))
			return;
		retire(s);
	}
}
