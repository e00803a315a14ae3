/* SPDX-License-Identifier: ISC */
/* journal_file.c - journal segments on disk
 *
 * Order is the whole point (reliability rules 2.1): space and name of a segment are durable before its first record,
 * so that the hot path is one write and one fdatasync.  The file of a retired segment is used again: its blocks are
 * written already, and a sync then changes no metadata.  Between its lives it has a name that replay does not read,
 * and its old records count no more, since each life has a nonce of its own. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/codec.h"
#include "lib/base/fs.h"
#include "lib/queue/journal.h"
#include "lib/queue/journal_private.h"

enum { NAME_DIGITS = 16 };

const char *journal_name(uint64_t seq, char out[JOURNAL_NAME_MAX])
{
	snprintf(out, JOURNAL_NAME_MAX, "%016" PRIx64, seq);
	return out;
}

bool journal_name_seq(const char *name, uint64_t *seq)
{
	unsigned long long value;

	if (strlen(name) != NAME_DIGITS || !span_hex_u64(span_of(name), &value))
		return false;
	*seq = value;
	return value != 0;
}

static uint64_t fresh_nonce(void)
{
	uint64_t nonce = 0;

	while (nonce == 0)
		random_bytes(&nonce, sizeof(nonce));
	return nonce;
}

static int write_header(struct journal_segment *s)
{
	struct buf header;
	int result;

	buf_init(&header, JOURNAL_HEADER_SIZE);
	journal_header_add(&header, s->seq, s->nonce);
	result = fs_pwrite_all(s->fd, header.ptr, header.len, 0);
	buf_free(&header);
	return result;
}

/* allocate - all blocks now, so that ENOSPC comes here and not in a batch. */
static int allocate(int fd, uint32_t size)
{
	if (fallocate(fd, 0, 0, size) == 0)
		return 0;
	if (errno != EOPNOTSUPP && errno != ENOSYS)
		return -1;
	return ftruncate(fd, size);
}

/* ---- spares: files of retired segments ---- */

static const struct span spare_prefix = SPAN("spare.");

static const char *spare_name(uint64_t number, char out[JOURNAL_NAME_MAX])
{
	snprintf(out, JOURNAL_NAME_MAX, "spare.%016" PRIx64, number);
	return out;
}

/* is_shared - queue/corrupt has the file, too: it must not be written. */
static bool is_shared(int dir_fd, const char *name)
{
	struct stat st;

	return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_nlink != 1;
}

int journal_retire(int dir_fd, uint64_t seq, bool keep)
{
	char name[JOURNAL_NAME_MAX], spare[JOURNAL_NAME_MAX];
	bool is_kept;
	int result;

	journal_name(seq, name);
	is_kept = keep && !is_shared(dir_fd, name);
	if (is_kept)
		result = fs_rename_new(dir_fd, name, dir_fd, spare_name(seq, spare));
	else
		result = fs_unlink_at(dir_fd, name);
	if (result < 0 || fs_sync(dir_fd) < 0)
		return -1;
	return is_kept ? 1 : 0;
}

size_t journal_spares(int dir_fd, uint64_t *out, size_t most)
{
	int fd = fs_open_at(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	size_t count = 0;

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		struct span name = span_of(entry->d_name);
		uint64_t number;

		if (!span_starts(name, spare_prefix))
			continue;
		if (count < most && journal_name_seq(entry->d_name + spare_prefix.len, &number))
			out[count++] = number;
		else
			(void)!fs_unlink_at(dir_fd, entry->d_name);
	}
	if (dir != NULL)
		closedir(dir);
	return count;
}

/* take_name - the descriptor of a file of that name and size: a spare renamed, or a new file. */
static int take_name(int dir_fd, const char *name, uint64_t spare)
{
	char old[JOURNAL_NAME_MAX];

	if (spare == 0)
		return fs_open_at(dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fs_rename_new(dir_fd, spare_name(spare, old), dir_fd, name) < 0)
		return -1;
	return fs_open_at(dir_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0);
}

/* set_size - a spare may be of a time when segments had another size. */
static int set_size(int fd, uint32_t size)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -1;
	if (st.st_size > size && ftruncate(fd, size) < 0)
		return -1;
	return allocate(fd, size);
}

int journal_create(int dir_fd, uint64_t seq, uint32_t size, uint64_t spare, struct journal_segment *out)
{
	struct journal_segment s = { .seq = seq, .nonce = fresh_nonce(), .size = size, .used = JOURNAL_HEADER_SIZE };
	char name[JOURNAL_NAME_MAX];
	int saved;

	s.fd = take_name(dir_fd, journal_name(seq, name), spare);
	if (s.fd < 0 && spare == 0)
		return -1;
	if (s.fd >= 0 && set_size(s.fd, size) == 0 && write_header(&s) == 0 && fs_sync(s.fd) == 0 &&
	    fs_sync(dir_fd) == 0) {
		*out = s;
		return 0;
	}
	saved = errno;
	if (s.fd >= 0)
		close(s.fd);
	if (fs_unlink_at(dir_fd, name) < 0 && errno != ENOENT)
		saved = errno;
	errno = saved;
	return -1;
}

int journal_write(struct journal_segment *s, struct span batch, bool is_synced)
{
	if (fs_pwrite_all(s->fd, batch.ptr, batch.len, s->used) < 0)
		return -1;
	if (is_synced && fs_sync_data(s->fd) < 0)
		return -1;
	s->used += (uint32_t)batch.len;
	return 0;
}

int journal_open(int dir_fd, uint64_t seq, struct journal_segment *out)
{
	char name[JOURNAL_NAME_MAX];
	struct stat st;

	memset(out, 0, sizeof(*out));
	out->seq = seq;
	out->fd = fs_open_at(dir_fd, journal_name(seq, name), O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0);
	if (out->fd < 0)
		return -1;
	if (fstat(out->fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > UINT32_MAX) {
		close(out->fd);
		errno = EINVAL;
		return -1;
	}
	out->size = (uint32_t)st.st_size;
	return 0;
}
