/* SPDX-License-Identifier: ISC */
/* scan.c - message files found at start, while mail is served already
 *
 * Threads read folders and preambles, a batch at a time; the loop then takes in what it does not know yet.  A file it
 * knows is a message that arrived meanwhile, moved, or has just gone. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "qmgr/qmgr.h"

enum {
	FOLDERS = 256,
	BATCH = 256,	/* files peeked at in one go */
};

static struct segment *segment_of(uint64_t seq)
{
	LIST_EACH(node, &qmgr->journal.segments)
		if (CONTAINER_OF(node, struct segment, node)->file.seq == seq)
			return CONTAINER_OF(node, struct segment, node);
	return NULL;
}

/* It may have been delivered just before the end. */
void message_resume(struct message *m)
{
	list_init(&m->node);
	list_init(&m->segment_node);
	m->may_be_repeat = true;
	if (m->mail.seq != 0) {
		m->segment = segment_of(m->mail.seq);
		list_push_back(&m->segment->messages, &m->segment_node);
	}
	if (m->mail.next_attempt_us > clock_wall_us())
		message_defer_until(m, m->mail.next_attempt_us);
	else
		message_wait(m);
}

struct found {
	char                    id[QUEUE_ID_MAX];
	enum store_file         state;
	int                     error;
	struct message_preamble preamble;
};

struct folder {
	unsigned      number;
	struct found *files;
	size_t        count, first;	/* first: of the batch */
	int           error;
};

static void add_name(void *user, const char *id)
{
	struct folder *f = user;

	if ((f->count & (f->count - 1)) == 0) {
		f->files = realloc(f->files, (f->count == 0 ? 1 : 2 * f->count) * sizeof(*f->files));
		if (f->files == NULL)
			abort();
	}
	memset(f->files[f->count].id, 0, QUEUE_ID_MAX);
	memcpy(f->files[f->count++].id, id, strlen(id));
}

static size_t batch_end(const struct folder *f)
{
	return f->count - f->first > BATCH ? f->first + BATCH : f->count;
}

static void peek_blocking(void *arg)
{
	struct folder *f = arg;

	for (size_t i = f->first; i < batch_end(f); i++) {
		f->files[i].state = store_peek_file(&qmgr->store, f->files[i].id, &f->files[i].preamble);
		f->files[i].error = errno;
	}
}

static void list_blocking(void *arg)
{
	struct folder *f = arg;

	f->error = store_each_file(&qmgr->store, f->number, add_name, f) < 0 ? errno : 0;
	peek_blocking(f);
}

/* take_in_torn - rare, so it may block the loop for a moment: to corrupt, or away. */
static void take_in_torn(const char *id)
{
	struct mail *mail;

	if (store_add_file(&qmgr->index, id, &mail) == STORE_FILE_CORRUPT)
		log_error("%s: incomplete message file, never acknowledged: kept in queue/corrupt", id);
	else if (mail != NULL)
		message_resume((struct message *)(void *)mail);
}

static void take_in(const struct found *file)
{
	struct span id = span_of(file->id);
	struct mail *mail;

	if (message_find(id) != NULL || hash_get(qmgr->publishing, id) != NULL || marks_are_pending(id))
		return;
	if (file->state == STORE_FILE_CORRUPT) {
		take_in_torn(file->id);
	} else if (file->state == STORE_FILE_ERROR) {
		log_error("%s: cannot read its file: %s", file->id, strerror(file->error));
	} else if (hash_get(qmgr->index.done, id) != NULL) {
		mark_removed(id);
	} else if (file->state == STORE_FILE_GOOD) {
		mail = store_adopt_file(&qmgr->index, file->id, &file->preamble);
		if (mail != NULL)
			message_resume((struct message *)(void *)mail);
	}
}

static void scan_folder(unsigned number)
{
	struct folder f = { .number = number };

	task_offload(list_blocking, &f);
	if (f.error != 0)
		log_error("read queue/message/%02x: %s", number, strerror(f.error));
	while (f.first < f.count) {
		for (size_t i = f.first; i < batch_end(&f); i++)
			take_in(&f.files[i]);
		f.first = batch_end(&f);
		if (f.first < f.count)
			task_offload(peek_blocking, &f);
	}
	free(f.files);
}

void scan_task(void *arg)
{
	(void)arg;
	for (unsigned folder = 0; folder < FOLDERS && !task_is_cancelled(); folder++)
		scan_folder(folder);
	qmgr->is_scanned = true;
	task_wake_all(&qmgr->scan_end);
}

void scan_await(void)
{
	while (!qmgr->is_scanned)
		if (task_wait(&qmgr->scan_end, CLOCK_NEVER) < 0)
			return;
}
