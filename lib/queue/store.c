/* SPDX-License-Identifier: ISC */
/* store.c - the queue's folders; reading a message wherever it is */
#include "lib/queue/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/fs.h"
#include "lib/base/log.h"
#include "lib/queue/reader.h"

static int open_folder(const char *parent, const char *name, bool make)
{
	char path[4096];

	if (snprintf(path, sizeof(path), "%s/%s", parent, name) >= (int)sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if (make && mkdir(path, 0700) < 0 && errno != EEXIST)
		return -1;
	return fs_open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW, 0);
}

/* sync_parent - the folders' own names survive a power cut. */
static int sync_parent(const char *queue_directory)
{
	int fd = fs_open_at(AT_FDCWD, queue_directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	int result = fd < 0 ? -1 : fs_sync(fd);

	if (fd >= 0)
		close(fd);
	return result;
}

static int take_lock(struct store *s)
{
	s->lock_fd = fs_open_at(s->journal_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->lock_fd < 0)
		return -1;
	return flock(s->lock_fd, LOCK_EX | LOCK_NB);
}

int store_open(struct store *s, const char *queue_directory, bool make, bool lock)
{
	int saved;

	*s = (struct store){ -1, -1, -1, -1 };
	s->journal_fd = open_folder(queue_directory, "journal", make);
	s->message_fd = open_folder(queue_directory, "message", make);
	s->corrupt_fd = open_folder(queue_directory, "corrupt", make);
	if (s->journal_fd >= 0 && s->message_fd >= 0 && s->corrupt_fd >= 0 &&
	    (!make || (message_file_make_dirs(s->message_fd) == 0 && sync_parent(queue_directory) == 0)) &&
	    (!lock || take_lock(s) == 0))
		return 0;
	saved = errno;
	store_close(s);
	errno = saved;
	return -1;
}

void store_close(struct store *s)
{
	int *const fds[] = { &s->journal_fd, &s->message_fd, &s->corrupt_fd, &s->lock_fd };

	for (size_t i = 0; i < COUNT_OF(fds); i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
}

/* ---- reading ---- */

static int bad(void)
{
	errno = EBADMSG;
	return -1;
}

/* inline_content - bytes of fd at offset, into the arena. */
static int inline_content(struct loaded *l, struct arena *arena, int fd)
{
	char *bytes = arena_alloc(arena, (size_t)l->content_length + 1);

	if (fs_pread_all(fd, bytes, (size_t)l->content_length, (off_t)l->content_offset) < 0)
		return -1;
	l->content = span_make(bytes, (size_t)l->content_length);
	return 0;
}

static int load_file(const struct store *s, struct span id, size_t inline_max, bool check, struct arena *arena,
                     struct loaded *out)
{
	int saved;

	out->fd = message_file_open(s->message_fd, id);
	if (out->fd < 0)
		return -1;
	out->is_file = true;
	if (message_file_read(out->fd, arena, &out->preamble, &out->queued) < 0)
		goto failed;
	if (check && message_file_check(out->fd, &out->preamble) < 0)
		goto failed;
	out->content_offset = MESSAGE_FILE_CONTENT;
	out->content_length = out->preamble.content_length;
	if (out->content_length <= inline_max && inline_content(out, arena, out->fd) < 0)
		goto failed;
	return 0;
failed:
	saved = errno;
	close(out->fd);
	out->fd = -1;
	errno = saved;
	return -1;
}

/* read_record - the whole MESSAGE record of m; its payload is given, or an empty span with errno. */
static struct span read_record(const struct mail *m, int segment_fd, struct arena *arena)
{
	struct span id = span_of(m->id), none = { NULL, 0 };
	size_t before = JOURNAL_RECORD_SIZE + id.len, size = before + m->length;
	char *bytes = arena_alloc(arena, size);

	if (fs_pread_all(segment_fd, bytes, size, (off_t)(m->offset - before)) < 0)
		return none;
	errno = EBADMSG;
	return journal_record_is_whole(span_make(bytes, size), id.len, m->length) ? span_make(bytes + before, m->length)
	                                                                          : none;
}

static int load_record(const struct mail *m, int segment_fd, size_t inline_max, struct arena *arena,
                       struct loaded *out)
{
	struct span payload = read_record(m, segment_fd, arena);
	struct reader r = { payload, false };
	struct span envelope;

	if (payload.len == 0)
		return -1;
	(void)reader_u32(&r);	/* flags: m has them */
	envelope = reader_span(&r);
	if (r.failed || !queued_decode(arena, envelope, &out->queued))
		return bad();
	/* A malformed note is a lost one: at worst a second delivery. */
	(void)!notes_apply(&out->queued, span_make(m->notes, m->notes_len));
	out->queued.flags = m->flags;
	out->content_offset = m->offset + (uint64_t)(r.rest.ptr - payload.ptr);
	out->content_length = r.rest.len;
	if (out->content_length <= inline_max) {
		out->content = r.rest;
		return 0;
	}
	out->fd = dup(segment_fd);
	return out->fd < 0 ? -1 : 0;
}

int store_load(const struct store *s, const struct mail *m, int segment_fd, size_t inline_max, bool check,
               struct arena *arena, struct loaded *out)
{
	struct span id = span_of(m->id);

	memset(out, 0, sizeof(*out));
	out->fd = -1;
	if (m->seq == 0)
		return load_file(s, id, inline_max, check, arena, out);
	if (check && load_file(s, id, inline_max, true, arena, out) == 0)
		return 0;
	memset(out, 0, sizeof(*out));
	out->fd = -1;
	return load_record(m, segment_fd, inline_max, arena, out);
}

int store_set_aside(const struct store *s, struct span id)
{
	char name[MESSAGE_FILE_NAME_MAX];

	message_file_name(id, name);
	return fs_rename_over(s->message_fd, name, s->corrupt_fd, name + 3);
}
