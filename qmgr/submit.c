/* SPDX-License-Identifier: ISC */
/* submit.c - messages we make ourselves: bounces, and what owner- aliases split off
 *
 * Their ids are derived from the message they come from, so that a repeat after a crash finds the old one. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/crc32c.h"
#include "lib/base/fs.h"
#include "qmgr/qmgr.h"

void derived_id(const struct message *m, uint32_t kind, uint32_t number, char out[QUEUE_ID_MAX])
{
	static const char digits[] = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxy";
	struct span id = span_of(m->mail.id);
	uint64_t value = (uint64_t)crc32c(kind, id) << 32 | crc32c(number ^ 0x5a5a5a5a, id);
	size_t z = span_rfind(id, 'z');
	size_t n = z == SPAN_NOT_FOUND || z > 12 ? 0 : z;

	memcpy(out, id.ptr, n);
	out[n++] = 'z';
	for (int i = 0; i < 12; i++) {
		out[n++] = digits[value % 51];
		value /= 51;
	}
	out[n] = '\0';
}

struct waiting {
	struct commit        commit;
	struct task_waitlist wake;
	int                  error;
	bool                 is_over;
};

static void over(struct commit *commit, int error)
{
	struct waiting *w = CONTAINER_OF(commit, struct waiting, commit);

	w->error = error;
	w->is_over = true;
	if (error == 0)
		(void)message_accept(commit, false);
	task_wake_all(&w->wake);
}

/* submit_file - too large for the journal: a file of its own. */
struct filing {
	const char   *id;
	struct span   envelope, content;
	struct arena *arena;
	int           error;
};

static void file_blocking(void *arg)
{
	struct filing *f = arg;
	struct queued q;
	int fd = message_file_lease(qmgr->store.message_fd);

	f->error = 0;
	if (fd < 0 || !queued_decode(f->arena, f->envelope, &q) ||
	    fs_pwrite_all(fd, f->content.ptr, f->content.len, MESSAGE_FILE_CONTENT) < 0 ||
	    message_file_finish(fd, &q, f->content.len, crc32c(0, f->content)) < 0 ||
	    message_file_publish(fd, qmgr->store.message_fd, span_of(f->id), true) < 0)
		f->error = errno != 0 ? errno : EIO;
	if (fd >= 0)
		close(fd);
}

static int submit_file(const char *id, const struct envelope *e, struct span envelope, struct span content)
{
	struct filing f = { .id = id, .envelope = envelope, .content = content, .arena = arena_new(NULL) };

	(void)hash_put(qmgr->publishing, span_of(id), &f);
	task_offload(file_blocking, &f);
	(void)hash_remove(qmgr->publishing, span_of(id));
	arena_free(f.arena);
	if (f.error == 0)
		(void)message_adopt_file(span_of(id), e->arrival_us, content.len, 0);
	return f.error;
}

int submit(const char *id, const struct envelope *e, struct span content)
{
	struct waiting w = { .is_over = false };
	struct buf envelope;
	int error;

	if (message_find(span_of(id)) != NULL || hash_get(qmgr->index.done, span_of(id)) != NULL)
		return 0;
	buf_init(&envelope, BUF_NO_LIMIT);
	envelope_encode(&envelope, e);
	if (content.len > qmgr->conf->journal_message_limit) {
		error = submit_file(id, e, buf_span(&envelope), content);
	} else {
		task_waitlist_init(&w.wake);
		w.commit.id = span_of(id);
		w.commit.envelope = buf_span(&envelope);
		w.commit.content = content;
		w.commit.done = over;
		journal_commit(&w.commit);
		while (!w.is_over)
			if (task_wait(&w.wake, CLOCK_NEVER) < 0)
				task_yield();
		error = w.error;
	}
	buf_free(&envelope);
	return error;
}
