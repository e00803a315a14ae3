/* SPDX-License-Identifier: ISC */
/* journal.c - the journal while the suite runs: batches, the next segment, retirement
 *
 * One task writes: all commits that waited while the last sync ran are one write and one fdatasync on an offload
 * thread, then all are answered.  A segment whose write failed is abandoned (reliability rules 2.1): the kernel has
 * dropped its dirty pages, and a second sync would lie.  Another task keeps the next segment ready, so that none is
 * made in the hot path.  How segments end is in retire.c. */
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
	NOTES_WAITING_MAX = 8 << 20,
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
	uint64_t               spare;
	struct journal_segment out;
	int                    error;
};

static void prepare_blocking(void *arg)
{
	struct preparing *p = arg;

	p->error = 0;
	if (journal_create(p->dir_fd, p->seq, p->size, p->spare, &p->out) < 0)
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
		.spare = j->spare_count > 0 ? j->spares[--j->spare_count] : 0,
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

/* put_back - before those that came since: they may be on disk or not; written again in their order they do no harm. */
static void put_back(struct buf *notes)
{
	struct buf later = journal()->notes;

	buf_add(notes, buf_span(&later));
	journal()->notes = *notes;
	buf_free(&later);
	buf_init(notes, BUF_NO_LIMIT);
}

static void write_batch(void)
{
	struct journal *j = journal();
	struct segment *s = j->current;
	size_t room = s->file.size - s->file.used;
	bool was_behind = journal_is_behind();
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
		put_back(&notes);
	} else if (notes.len > 0) {
		j->notes_written += notes.len;
		task_wake_all(&j->notes_work);
	}
	buf_free(&notes);
	if (was_behind && !journal_is_behind()) {
		dispatch_kick();
		task_wake_all(&qmgr->load_work);
	}
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
	size_t before = j->notes.len;

	buf_add_u16(&j->notes, (uint16_t)type);
	buf_add_counted(&j->notes, span_of(m->mail.id));
	buf_add_counted(&j->notes, payload);
	j->notes_added += j->notes.len - before;
	task_wake_one(&j->work);
}

bool journal_settle(uint64_t deadline_us)
{
	struct journal *j = journal();
	uint64_t all = j->notes_added;

	while (j->notes_written < all)
		if (task_wait(&j->notes_work, deadline_us) < 0)
			return false;
	journal_sync();
	return true;
}

bool journal_is_behind(void)
{
	return journal()->notes.len > NOTES_WAITING_MAX;
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

struct syncing {
	int fd, error;
};

static void sync_blocking(void *arg)
{
	struct syncing *s = arg;

	s->error = fs_sync_data(s->fd) < 0 ? errno : 0;
}

void journal_sync(void)
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

void journal_start(struct qmgr *q)
{
	struct journal *j = &q->journal;

	task_waitlist_init(&j->work);
	task_waitlist_init(&j->spare_work);
	task_waitlist_init(&j->notes_work);
	list_init(&j->commits);
	buf_init(&j->notes, BUF_NO_LIMIT);
	buf_init(&j->batch, BUF_NO_LIMIT);
	j->spare_count = journal_spares(q->store.journal_fd, j->spares, COUNT_OF(j->spares));
	j->spare = prepare();
	if (task_spawn(prepare_task, NULL, "journal-prepare") == NULL ||
	    task_spawn(writer_task, NULL, "journal") == NULL)
		log_fatal("cannot start the journal: %s", strerror(errno));
}
