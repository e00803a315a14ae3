/* SPDX-License-Identifier: ISC */
/* maildir.c - directories of a Maildir folder: open, make, list, tidy up */
#include "lib/mailbox/maildir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/fs.h"
#include "lib/base/log.h"

enum { SCAN_BUFFER = 256 * 1024 };

/* Ours alone (or root looks), and nobody else can write there: reliability 2.3. */
static bool is_ours(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return false;
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0 || (geteuid() != 0 && st.st_uid != geteuid())) {
		errno = EPERM;
		return false;
	}
	return true;
}

static int open_dir(int parent_fd, const char *name, bool create)
{
	int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(parent_fd, name, flags);

	if (fd < 0 && errno == ENOENT && create) {
		if (mkdirat(parent_fd, name, 0700) < 0 && errno != EEXIST)
			return -1;
		fd = openat(parent_fd, name, flags);
	}
	if (fd >= 0 && !is_ours(fd)) {
		int saved = errno;

		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

static void close_one(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void maildir_close(struct maildir *md)
{
	close_one(&md->dir);
	close_one(&md->tmp);
	close_one(&md->new_mail);
	close_one(&md->cur);
}

int maildir_open(struct maildir *md, int parent_fd, const char *path, unsigned flags)
{
	*md = (struct maildir){ -1, -1, -1, -1 };
	if ((md->dir = open_dir(parent_fd, path, (flags & MAILDIR_CREATE) != 0)) >= 0 &&
	    (md->cur = open_dir(md->dir, "cur", true)) >= 0 &&
	    (md->new_mail = open_dir(md->dir, "new", true)) >= 0 &&
	    (md->tmp = open_dir(md->dir, "tmp", true)) >= 0)
		return 0;
	int saved = errno;

	maildir_close(md);
	errno = saved;
	return -1;
}

static bool is_self_or_parent(const char *name)
{
	return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

/* One pass over the entries of fd, from where it stands. */
static int scan(int fd, char *buffer, bool (*each)(void *user, struct span name), void *user)
{
	long n;

	while ((n = syscall(SYS_getdents64, fd, buffer, SCAN_BUFFER)) > 0)
		for (long at = 0; at < n;) {
			const struct dirent64 *entry = (const void *)(buffer + at);

			at += entry->d_reclen;
			if (!is_self_or_parent(entry->d_name) && !each(user, span_of(entry->d_name)))
				return 0;
		}
	return n < 0 ? -1 : 0;
}

/* With a descriptor of its own: where a scan stands is part of what was opened, and several threads may scan at once. */
int maildir_scan(int dir_fd, bool (*each)(void *user, struct span name), void *user)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), result, error;
	char *buffer;

	if (fd < 0)
		return -1;
	buffer = malloc(SCAN_BUFFER);
	if (buffer == NULL)
		log_fatal("out of memory");
	result = scan(fd, buffer, each, user);
	error = errno;
	free(buffer);
	(void)close(fd);
	errno = error;
	return result;
}

struct tidy {
	int    tmp;
	time_t before;
};

static bool remove_if_old(void *user, struct span name)
{
	const struct tidy *t = user;
	struct stat st;

	if (fstatat(t->tmp, name.ptr, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	    st.st_mtime < t->before && st.st_ctime < t->before &&
	    fs_unlink_at(t->tmp, name.ptr) < 0 && errno != ENOENT)
		log_warning("cannot remove old %s in a tmp folder: %s", name.ptr, strerror(errno));
	return true;
}

void maildir_clean_tmp(const struct maildir *md, uint64_t older_than_s)
{
	struct tidy t = { md->tmp, time(NULL) - (time_t)older_than_s };

	if (maildir_scan(md->tmp, remove_if_old, &t) < 0)
		log_warning("cannot read a tmp folder: %s", strerror(errno));
}
