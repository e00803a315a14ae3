/* SPDX-License-Identifier: ISC */
/* maildir_deliver.c - put one message into new/, once
 *
 * The name is made of queue id and recipient number, so a repeat after a crash meets its first attempt:
 * whole, it is left alone (where the user may have read it meanwhile); torn by the crash, it is written anew
 * over the old name.  Four system calls in the common case: open, writev, close, rename. */
#include "lib/mailbox/maildir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/fs.h"

enum { NAME_SIZE = 256, COPY_CHUNK = 64 * 1024 };

static enum outcome failed(struct why *why, const char *step, const char *name)
{
	const char *dsn = errno == EDQUOT ? "4.2.2" : errno == ENOSPC ? "4.3.1" : "4.3.0";

	return why_errno(why, DEFER, dsn, "cannot %s maildir file %s", step, name);
}

static bool make_name(const struct maildir_delivery *d, char name[NAME_SIZE], size_t *prefix_length)
{
	uint64_t length = d->file < 0 ? d->content.len : d->content_length;
	char last = 0;
	uint64_t wire = d->file < 0 ? maildir_virtual_size(d->content, &last) : length;
	int n = snprintf(name, NAME_SIZE, "%llu.Q" SPAN_FMT "R%u.", (unsigned long long)d->arrival_s,
	                 SPAN_ARG(d->queue_id), d->recipient);
	int m;

	if (n < 0 || n >= NAME_SIZE)
		return false;
	*prefix_length = (size_t)n;
	m = snprintf(name + n, (size_t)(NAME_SIZE - n), "%s,S=%llu,W=%llu", maildir_host(),
	             (unsigned long long)(d->trace.len + length),
	             (unsigned long long)(d->trace.len + wire));
	return m > 0 && m < NAME_SIZE - n && span_find(span_of(name), '/') == SPAN_NOT_FOUND;
}

/* ---- an earlier attempt ---- */

struct search {
	struct span prefix;
	char        found[NAME_SIZE];
};

static bool stop_at_prefix(void *user, struct span name)
{
	struct search *s = user;

	if (!span_starts(name, s->prefix) || name.len >= sizeof(s->found))
		return true;
	memcpy(s->found, name.ptr, name.len);
	s->found[name.len] = '\0';
	return false;
}

/* The directory that has it (its name in s->found), or -1; errno is 0 when it just is not there. */
static int find_earlier(const struct maildir *md, struct search *s)
{
	/* In this order: a reader may move the file from new to cur, but never back. */
	const int dirs[] = { md->new_mail, md->cur };

	for (size_t i = 0; i < COUNT_OF(dirs); i++) {
		if (maildir_scan(dirs[i], stop_at_prefix, s) < 0)
			return -1;
		if (s->found[0] != '\0')
			return dirs[i];
	}
	errno = 0;
	return -1;
}

static bool is_whole(int dir_fd, const char *name)
{
	struct maildir_name parts;
	struct stat st;

	return maildir_name_parse(span_of(name), &parts) &&
	       fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       (uint64_t)st.st_size == parts.size;
}

/* ---- writing ---- */

/* copy_piecewise - for file systems between which the kernel does not copy. */
static int copy_piecewise(int to, int from, off_t offset, uint64_t length)
{
	char piece[COPY_CHUNK];

	while (length > 0) {
		size_t want = length < sizeof(piece) ? (size_t)length : sizeof(piece);

		if (fs_pread_all(from, piece, want, offset) < 0 || fs_write_all(to, piece, want) < 0)
			return -1;
		offset += (off_t)want;
		length -= want;
	}
	return 0;
}

static int copy_content(int to, int from, uint64_t offset, uint64_t length)
{
	off_t at = (off_t)offset;

	while (length > 0) {
		ssize_t n = copy_file_range(from, &at, to, NULL, (size_t)length, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EXDEV || errno == EINVAL || errno == EOPNOTSUPP || errno == ENOSYS))
			return copy_piecewise(to, from, at, length);
		if (n <= 0) {
			errno = n == 0 ? ENODATA : errno;
			return -1;
		}
		length -= (uint64_t)n;
	}
	return 0;
}

static int write_message(int fd, const struct maildir_delivery *d)
{
	struct iovec iov[2] = {
		{ (void *)(uintptr_t)d->trace.ptr, d->trace.len },
		{ (void *)(uintptr_t)d->content.ptr, d->content.len },
	};

	if (d->file < 0)
		return fs_writev_all(fd, iov, 2);
	if (fs_writev_all(fd, iov, 1) < 0)
		return -1;
	return copy_content(fd, d->file, d->content_offset, d->content_length);
}

static int open_draft(int tmp, const char *name)
{
	int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
	int fd = fs_open_at(tmp, name, flags, 0600);

	/* Left by a crash in the middle of this very delivery. */
	if (fd < 0 && errno == EEXIST && fs_unlink_at(tmp, name) == 0)
		fd = fs_open_at(tmp, name, flags, 0600);
	return fd;
}

static enum outcome write_draft(int tmp, const char *name, const struct maildir_delivery *d,
                                struct why *why)
{
	const char *step = NULL;
	int fd = open_draft(tmp, name), error;

	if (fd < 0)
		return failed(why, "create", name);
	if (write_message(fd, d) < 0)
		step = "write";
	else if (d->sync && fs_sync(fd) < 0)
		step = "sync";
	error = errno;
	if (close(fd) < 0 && step == NULL) {
		step = "close";
		error = errno;
	}
	if (step == NULL)
		return DONE;
	(void)unlinkat(tmp, name, 0);
	errno = error;
	return failed(why, step, name);
}

/* The crash left a torn file: put the whole one in its place, under the name it has now. */
static enum outcome replace_torn(const struct maildir *md, const char *draft, int dir_fd,
                                 const char *torn, const struct maildir_delivery *d, struct why *why)
{
	if (write_draft(md->tmp, draft, d, why) != DONE)
		return DEFER;
	if (fs_rename_over(md->tmp, draft, dir_fd, torn) < 0)
		return failed(why, "rename", torn);
	if (d->sync && fs_sync(dir_fd) < 0)
		return failed(why, "sync the folder of", torn);
	return DONE;
}

static enum outcome deliver_new(const struct maildir *md, const char *name,
                                const struct maildir_delivery *d, bool *exists, struct why *why)
{
	if (write_draft(md->tmp, name, d, why) != DONE)
		return DEFER;
	if (fs_rename_new(md->tmp, name, md->new_mail, name) < 0) {
		int error = errno;

		(void)unlinkat(md->tmp, name, 0);
		errno = error;
		*exists = error == EEXIST;
		return failed(why, "rename", name);
	}
	if (d->sync && fs_sync(md->new_mail) < 0)
		return failed(why, "sync the folder of", name);
	return DONE;
}

static enum outcome deliver_again(const struct maildir *md, const char *name, size_t prefix_length,
                                  const struct maildir_delivery *d, bool *was_there, struct why *why)
{
	struct search s = { { name, prefix_length }, "" };
	int dir_fd = find_earlier(md, &s);
	bool exists = false;

	if (dir_fd < 0 && errno != 0)
		return failed(why, "look for", name);
	if (dir_fd < 0) {
		enum outcome outcome = deliver_new(md, name, d, &exists, why);

		if (!exists)
			return outcome;
		/* It came between the look and the rename: a name is one message's, for ever. */
		dir_fd = md->new_mail;
		memcpy(s.found, name, strlen(name) + 1);
	}
	*was_there = true;
	if (!is_whole(dir_fd, s.found))
		return replace_torn(md, name, dir_fd, s.found, d, why);
	if (d->sync && fs_sync(dir_fd) < 0)
		return failed(why, "sync the folder of", s.found);
	return DONE;
}

enum outcome mailbox_deliver(const struct maildir *md, const struct maildir_delivery *d,
                             bool *was_there, struct why *why)
{
	char name[NAME_SIZE];
	size_t prefix_length;
	bool ignored, exists = false;
	enum outcome outcome;

	was_there = was_there != NULL ? was_there : &ignored;
	*was_there = false;
	if (!make_name(d, name, &prefix_length))
		return why_set(why, DEFER, "4.3.0", "cannot make a file name for this message");
	if (d->may_be_repeat)
		return deliver_again(md, name, prefix_length, d, was_there, why);
	outcome = deliver_new(md, name, d, &exists, why);
	return exists ? deliver_again(md, name, prefix_length, d, was_there, why) : outcome;
}
