/* SPDX-License-Identifier: ISC */
/* fs.c - file I/O that finishes what it began, or says that it did not */
#include "lib/base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/codec.h"

enum { READ_CHUNK = 64 * 1024, PATH_BUFFER = 4096 };

static unsigned fail_in;	/* calls until the injected failure; 0: none */
static int fail_error;

void fs_fail_at(unsigned n, int error)
{
	fail_in = n;
	fail_error = error;
}

/* must_fail - count this call; true (errno set) when it is the one to fail. */
static bool must_fail(void)
{
	if (fail_in == 0 || --fail_in != 0)
		return false;
	errno = fail_error;
	return true;
}

int fs_open_at(int dir_fd, const char *name, int flags, mode_t mode)
{
	int fd;

	if (must_fail())
		return -1;
	do
		fd = openat(dir_fd, name, flags | O_CLOEXEC, mode);
	while (fd < 0 && errno == EINTR);
	return fd;
}

int fs_write_all(int fd, const void *data, size_t n)
{
	const char *p = data;

	if (must_fail())
		return -1;
	while (n > 0) {
		ssize_t written = write(fd, p, n);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -1;
		p += written;
		n -= (size_t)written;
	}
	return 0;
}

int fs_writev_all(int fd, struct iovec *iov, int count)
{
	if (must_fail())
		return -1;
	while (count > 0) {
		ssize_t written = writev(fd, iov, count);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -1;
		while (count > 0 && (size_t)written >= iov->iov_len) {
			written -= (ssize_t)iov->iov_len;
			iov++;
			count--;
		}
		if (count > 0) {
			iov->iov_base = (char *)iov->iov_base + written;
			iov->iov_len -= (size_t)written;
		}
	}
	return 0;
}

int fs_pwrite_all(int fd, const void *data, size_t n, off_t offset)
{
	const char *p = data;

	if (must_fail())
		return -1;
	while (n > 0) {
		ssize_t written = pwrite(fd, p, n, offset);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -1;
		p += written;
		n -= (size_t)written;
		offset += written;
	}
	return 0;
}

int fs_pread_all(int fd, void *data, size_t n, off_t offset)
{
	char *p = data;

	if (must_fail())
		return -1;
	while (n > 0) {
		ssize_t got = pread(fd, p, n, offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0) {
			errno = ENODATA;
			return -1;
		}
		p += got;
		n -= (size_t)got;
		offset += got;
	}
	return 0;
}

/* A failed sync is never repeated: the kernel has dropped the pages and would say yes. */
int fs_sync(int fd)
{
	return must_fail() ? -1 : fsync(fd);
}

int fs_sync_data(int fd)
{
	return must_fail() ? -1 : fdatasync(fd);
}

int fs_link_at(int from_dir, const char *from, int to_dir, const char *to)
{
	return must_fail() ? -1 : linkat(from_dir, from, to_dir, to, 0);
}

int fs_link_fd(int fd, int to_dir, const char *to)
{
	char path[64];

	if (must_fail())
		return -1;
	/* AT_EMPTY_PATH needs a capability that we give up; /proc is not there after chroot. */
	if (linkat(fd, "", to_dir, to, AT_EMPTY_PATH) == 0)
		return 0;
	if (errno != ENOENT && errno != EPERM)
		return -1;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, path, to_dir, to, AT_SYMLINK_FOLLOW);
}

int fs_rename_new(int from_dir, const char *from, int to_dir, const char *to)
{
	if (must_fail())
		return -1;
	if (renameat2(from_dir, from, to_dir, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	if (linkat(from_dir, from, to_dir, to, 0) < 0)
		return -1;
	return unlinkat(from_dir, from, 0);
}

int fs_rename_over(int from_dir, const char *from, int to_dir, const char *to)
{
	return must_fail() ? -1 : renameat(from_dir, from, to_dir, to);
}

int fs_unlink_at(int dir_fd, const char *name)
{
	return must_fail() ? -1 : unlinkat(dir_fd, name, 0);
}

static int read_to_end(int fd, struct buf *out)
{
	for (;;) {
		size_t room = out->limit - out->len < READ_CHUNK ? out->limit - out->len : READ_CHUNK;
		char past_limit;
		char *at = room != 0 ? buf_reserve(out, room) : &past_limit;
		ssize_t got = read(fd, at, room != 0 ? room : 1);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return (int)got;
		if (room == 0) {
			errno = EFBIG;
			return -1;
		}
		buf_commit(out, (size_t)got);
	}
}

int fs_read_file(int dir_fd, const char *name, struct buf *out)
{
	int fd = fs_open_at(dir_fd, name, O_RDONLY, 0);
	int result, error;

	if (fd < 0)
		return -1;
	result = read_to_end(fd, out);
	error = errno;
	(void)close(fd);
	errno = error;
	return result;
}

int fs_replace_file(int dir_fd, const char *name, struct span content, mode_t mode)
{
	char draft[PATH_BUFFER];
	uint64_t random;
	int fd, error;

	random_bytes(&random, sizeof(random));
	if (snprintf(draft, sizeof(draft), "%s.tmp.%016llx", name, (unsigned long long)random) >=
	    (int)sizeof(draft)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = fs_open_at(dir_fd, draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
	if (fd < 0)
		return -1;
	if (fs_write_all(fd, content.ptr, content.len) < 0 || fs_sync(fd) < 0)
		goto failed;
	if (close(fd) < 0) {
		fd = -1;
		goto failed;
	}
	fd = -1;
	if (fs_rename_over(dir_fd, draft, dir_fd, name) < 0)
		goto failed;
	if (dir_fd != AT_FDCWD)
		return fs_sync(dir_fd);
	return 0;
failed:
	error = errno;
	if (fd >= 0)
		(void)close(fd);
	(void)unlinkat(dir_fd, draft, 0);
	errno = error;
	return -1;
}

int fs_make_dirs(const char *path, mode_t mode)
{
	char partial[PATH_BUFFER];
	size_t len = strlen(path);

	if (len >= sizeof(partial)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(partial, path, len + 1);
	for (size_t i = 1; i <= len; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		partial[i] = '\0';
		if (mkdir(partial, mode) < 0 && errno != EEXIST)
			return -1;
		partial[i] = path[i];
	}
	return 0;
}
