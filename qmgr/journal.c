/* SPDX-License-Identifier: ISC */
/* journal.c - the journal while the suite runs: batches, the next segment, retirement
 *
 * One task writes: all commits that waited while the last sync ran are one write and one fdatasync on an offload
 * thread, then all are answered.  A segment whose write failed is abandoned (reliability rules 2.1): the kernel has
 * dropped its dirty pages, and a second sync would lie.  Another task keeps the next segment ready, so that none is
 * made in the hot path.  Segments go oldest first, because a younger one may hold the DONE record of a message in it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/fs.h"
#include "lib/queue/reader.h"
#include "qmgr/qmgr.h"

enum {
	BATCH_MAX = 4 << 20,
	NOTES_MAX = 256 << 10,	/* bytes of notes in one batch */
	MOVE_MAX = 256,		/* messages moved to files in one go */
	RETRY_PREPARE_US = 500 * 1000,
};

static struct journal *journal(void)
{
	return &qmgr->journal;
}

/* ---- segments ---- */

struct preparing {
	int                    dir_fd;
	uint64_t               seq;
	uint32_t               size;
	struct journal_segment out;
	int                    error;
};

static void prepare_blocking(void *arg)
{
	struct preparing *p = arg;

	p->error = 0;
	if (journal_create(p->dir_fd, p->seq, p->size, 0, &p->out) < 0)
		p->error = errno;
}

static struct segment *segment_new(const struct journal_segment *file)
{
	struct segment *s = calloc(1, sizeof(*s));

	if (s == NULL)
		log_fatal("out of memory");
	s->file = *file;
	list_init(&s->node);
	list_init(&s->messages);
	return s;
}

static struct segment *prepare(void)
{
	struct journal *j = journal();
	struct preparing p = {
		.dir_fd = qmgr->store.journal_fd, .seq = j->next_seq++,
		.size = (uint32_t)qmgr->conf->journal_segment_size,
	};

	j->is_preparing = true;
	task_offload(prepare_blocking, &p);
	j->is_preparing = false;
	j->last_error = p.error;
	if (p.error != 0) {
		log_error("cannot make journal segment %llx: %s", (unsigned long long)p.seq, strerror(p.error));
		return NULL;
	}
	return segment_new(&p.out);
}

/* prepare_task - one segment ahead, always. */
static void prepare_task(void *arg)
{
	struct journal *j = journal();

	(void)arg;
	while (!task_is_cancelled()) {
		if (j->spare != NULL) {
			(void)task_wait(&j->spare_work, CLOCK_NEVER);
			continue;
		}
		j->spare = prepare();
		journal_kick();
		if (j->spare == NULL)
			(void)task_sleep_us(RETRY_PREPARE_US);
	}
}

static void close_current(void)
{
	struct journal *j = journal();

	if (j->current != NULL)
		j->current->is_closed = true;
	j->current = NULL;
}

/* take_spare - the next segment becomes the current one; false when there is none. */
static bool take_spare(void)
{
	struct journal *j = journal();

	close_current();
	if (j->spare == NULL)
		return false;
	j->current = j->spare;
	j->spare = NULL;
	list_push_back(&j->segments, &j->current->node);
	task_wake_all(&j->spare_work);
	return true;
}

/* ---- batches ---- */

struct writing {
	struct journal_segment *segment;
	struct list            *commits;
	struct span             notes;
	struct buf             *batch;
	int                     error;
};

static void add_commit(struct writing *w, struct commit *c)
{
	char head[8];
	struct span pieces[3] = { span_make(head, sizeof(head)), c->envelope, c->content };

	for (unsigned i = 0; i < 4; i++) {
		head[i] = (char)(c->flags >> 8 * i);
		head[4 + i] = (char)(c->envelope.len >> 8 * i);
	}
	c->length = (uint32_t)(sizeof(head) + c->envelope.len + c->content.len);
	c->offset = journal_record_add(w->batch, w->segment, JOURNAL_MESSAGE, c->id, pieces, 3);
}

static void add_notes(struct writing *w)
{
	struct reader r = { w->notes, false };

	while (r.rest.len > 0) {
		enum journal_type type = (enum journal_type)reader_u16(&r);
		struct span id = reader_span(&r), payload = reader_span(&r);

		(void)journal_record_add(w->batch, w->segment, type, id, &payload, 1);
	}
}

/* write_blocking - on an offload thread: encode, write, sync. */
static void write_blocking(void *arg)
{
	struct writing *w = arg;

	buf_clear(w->batch);
	/* Results first: they are about messages already here. */
	add_notes(w);
	LIST_EACH(node, w->commits)
		add_commit(w, CONTAINER_OF(node, struct commit, node));
	w->error = 0;
	if (journal_write(w->segment, buf_span(w->batch), !list_is_empty(w->commits)) < 0)
		w->error = errno != 0 ? errno : EIO;
}

static size_t commit_size(const struct commit *c)
{
	return journal_record_size(c->id.len, 8 + c->envelope.len + c->content.len);
}

/* gather - waiting commits that fit, to batch; gives their size. */
static size_t gather(struct list *batch, size_t room)
{
	struct journal *j = journal();
	size_t size = 0;

	while (!list_is_empty(&j->commits)) {
		struct commit *c = CONTAINER_OF(j->commits.next, struct commit, node);
		size_t need = commit_size(c);

		if (size + need > room || (size > 0 && size + need > BATCH_MAX))
			break;
		list_remove(&c->node);
		list_push_back(batch, &c->node);
		size += need;
	}
	return size;
}

static void answer(struct list *batch, struct segment *segment, int error)
{
	struct list *node;

	while ((node = list_pop_front(batch)) != NULL) {
		struct commit *c = CONTAINER_OF(node, struct commit, node);

		c->segment = segment;
		journal()->commit_count--;
		c->done(c, error);
	}
}

/* take_notes - the first waiting notes, whole ones, that fit into room; gives the most bytes they take as records. */
static size_t take_notes(struct buf *taken, size_t room)
{
	struct journal *j = journal();
	struct reader r = { buf_span(&j->notes), false };
	size_t size = 0, length = 0;

	while (r.rest.len > 0 && length < NOTES_MAX) {
		size_t id, payload;

		(void)reader_u16(&r);
		id = reader_span(&r).len;
		payload = reader_span(&r).len;
		if (size + journal_record_size(id, payload) > room)
			break;
		size += journal_record_size(id, payload);
		length = j->notes.len - r.rest.len;
	}
	buf_add(taken, span_make(j->notes.ptr, length));
	buf_consume(&j->notes, length);
	return size;
}

/* answer_all - nothing can be written now. */
static void answer_all(int error)
{
	struct journal *j = journal();
	struct list failed, *node;

	list_init(&failed);
	while ((node = list_pop_front(&j->commits)) != NULL)
		list_push_back(&failed, node);
	answer(&failed, NULL, error);
}

/* give_up - after a failed write or sync a segment is only read. */
static void give_up(struct segment *s, int error)
{
	log_error("journal segment %llx is given up: %s", (unsigned long long)s->file.seq, strerror(error));
	if (journal()->current == s)
		close_current();
	journal()->last_error = error;
}

/* next_segment - the batch does not fit: go on in the spare one, or wait for it, or say that there is none. */
static void next_segment(void)
{
	struct journal *j = journal();

	if (take_spare())
		return;
	if (!j->is_preparing)
		answer_all(j->last_error != 0 ? j->last_error : ENOSPC);
	(void)task_wait(&j->work, CLOCK_NEVER);
}

static void write_batch(void)
{
	struct journal *j = journal();
	struct segment *s = j->current;
	size_t room = s->file.size - s->file.used;
	struct buf notes;
	struct list batch;
	struct writing w = { .segment = &s->file, .commits = &batch, .batch = &j->batch };

	list_init(&batch);
	buf_init(&notes, BUF_NO_LIMIT);
	room -= take_notes(&notes, room);
	if (gather(&batch, room) == 0 && notes.len == 0) {
		next_segment();
		return;
	}
	w.notes = buf_span(&notes);
	s->is_busy = true;
	task_offload(write_blocking, &w);
	if (list_is_empty(&batch))
		j->is_dirty = true;
	else if (w.error == 0)
		j->is_dirty = false;
	if (w.error != 0) {
		give_up(s, w.error);
		/* The notes may be on disk or not; written again they do no harm. */
		buf_add(&j->notes, w.notes);
	}
	buf_free(&notes);
	answer(&batch, s, w.error);
	s->is_busy = false;
}

static bool has_work(void)
{
	return !list_is_empty(&journal()->commits) || journal()->notes.len > 0;
}

static void writer_task(void *arg)
{
	struct journal *j = journal();

	(void)arg;
	while (!task_is_cancelled()) {
		if (!has_work()) {
			(void)task_wait(&j->work, CLOCK_NEVER);
			continue;
		}
		if (j->current == NULL)
			next_segment();
		else
			write_batch();
	}
}

void journal_commit(struct commit *commit)
{
	struct journal *j = journal();

	if (commit_size(commit) > qmgr->conf->journal_segment_size - JOURNAL_HEADER_SIZE) {
		commit->done(commit, EMSGSIZE);
		return;
	}
	list_push_back(&j->commits, &commit->node);
	j->commit_count++;
	task_wake_one(&j->work);
}

void journal_note(const struct message *m, enum journal_type type, struct span payload)
{
	struct journal *j = journal();

	buf_add_u16(&j->notes, (uint16_t)type);
	buf_add_counted(&j->notes, span_of(m->mail.id));
	buf_add_counted(&j->notes, payload);
	task_wake_one(&j->work);
}

void journal_kick(void)
{
	task_wake_all(&journal()->work);
}

void journal_leave(struct message *m)
{
	list_remove(&m->segment_node);
	m->segment = NULL;
}

/* ---- retirement ---- */

struct retiring {
	int      dir_fd;
	uint64_t seq;
	int      fd;
};

static void retire_blocking(void *arg)
{
	struct retiring *r = arg;
	char name[JOURNAL_NAME_MAX];

	close(r->fd);
	if (fs_unlink_at(r->dir_fd, journal_name(r->seq, name)) < 0)
		log_error("unlink journal segment %s: %s", name, strerror(errno));
}

/* retire - at once and by unlink: under its old name a finished segment must not outlast a younger one, whose DONE
 * records are what keeps its messages from coming back. */
static void retire(struct segment *s)
{
	struct retiring r = { qmgr->store.journal_fd, s->file.seq, s->file.fd };

	list_remove(&s->node);
	task_offload(retire_blocking, &r);
	free(s);
}

struct moved {
	struct message *message;
	struct mail     mail;		/* a copy: the thread touches nothing else */
	int             error;
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
	if (store_load(&qmgr->store, &m->mail, segment_fd, SIZE_MAX, false, arena, &l) < 0) {
		m->error = errno;
	} else if (message_file_create(qmgr->store.message_fd, id, &l.queued, l.content) < 0) {
		m->error = errno;
		/* Left by a move that did not count: the next one finds its place free. */
		if (errno == EEXIST && message_file_remove(qmgr->store.message_fd, id) < 0)
			m->error = errno;
	}
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

static void end_move(struct moved *moved, int sync_error)
{
	/* It may be gone by now, or have changed: then the file is not the truth. */
	struct message *m = message_find(span_of(moved->mail.id));

	if (m == NULL) {
		if (message_file_remove(qmgr->store.message_fd, span_of(moved->mail.id)) < 0 && errno != ENOENT)
			log_warning("%s: remove its file: %s", moved->mail.id, strerror(errno));
	} else if (moved->error != 0 || sync_error != 0) {
		log_warning("%s: cannot move out of the journal: %s", m->mail.id,
		            strerror(moved->error != 0 ? moved->error : sync_error));
	} else if (m->mail.notes_len != moved->mail.notes_len || m->mail.flags != moved->mail.flags) {
		if (message_file_remove(qmgr->store.message_fd, span_of(m->mail.id)) < 0)
			log_warning("%s: remove its file: %s", m->mail.id, strerror(errno));
	} else {
		journal_leave(m);
		m->mail.seq = 0;
		free(m->mail.notes);
		m->mail.notes = NULL;
		m->mail.notes_len = 0;
	}
}

static void move_out(struct segment *s, bool active_too)
{
	struct moved *list = calloc(MOVE_MAX, sizeof(*list));
	struct moving moving = { s->file.fd, list, 0, 0 };

	if (list == NULL)
		log_fatal("out of memory");
	LIST_EACH(node, &s->messages) {
		struct message *m = CONTAINER_OF(node, struct message, segment_node);

		if (moving.count == MOVE_MAX)
			break;
		if (!may_move(m, active_too))
			continue;
		list[moving.count].message = m;
		list[moving.count].mail = m->mail;
		if (m->mail.notes_len > 0) {
			list[moving.count].mail.notes = malloc(m->mail.notes_len);
			if (list[moving.count].mail.notes == NULL)
				log_fatal("out of memory");
			memcpy(list[moving.count].mail.notes, m->mail.notes, m->mail.notes_len);
		}
		moving.count++;
	}
	if (moving.count > 0)
		task_offload(move_blocking, &moving);
	for (size_t i = 0; i < moving.count; i++) {
		end_move(&list[i], moving.error);
		free(list[i].mail.notes);
	}
	free(list);
}

static size_t segment_count(void)
{
	size_t n = 0;

	LIST_EACH(node, &journal()->segments)
		n++;
	return n;
}

struct syncing {
	int fd, error;
};

static void sync_blocking(void *arg)
{
	struct syncing *s = arg;

	s->error = fs_sync_data(s->fd) < 0 ? errno : 0;
}

/* sync_notes - results of the last second survive a power cut, too: less is delivered twice. */
static void sync_notes(void)
{
	struct journal *j = journal();
	struct segment *s = j->current;
	struct syncing sync;

	if (!j->is_dirty || s == NULL)
		return;
	j->is_dirty = false;
	sync.fd = s->file.fd;
	task_offload(sync_blocking, &sync);
	if (sync.error != 0)
		give_up(s, sync.error);
}

void journal_tick(void)
{
	struct journal *j = journal();

	sync_notes();
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

void journal_start(struct qmgr *q)
{
	struct journal *j = &q->journal;

	task_waitlist_init(&j->work);
	task_waitlist_init(&j->spare_work);
	list_init(&j->commits);
	buf_init(&j->notes, BUF_NO_LIMIT);
	buf_init(&j->batch, BUF_NO_LIMIT);
	j->spare = prepare();
	if (task_spawn(prepare_task, NULL, "journal-prepare") == NULL ||
	    task_spawn(writer_task, NULL, "journal") == NULL)
		log_fatal("cannot start the journal: %s", strerror(errno));
}
