/* SPDX-License-Identifier: ISC */
/* fs.h - whole reads and writes, each result checked: the one thin module for file I/O
 *
 * Blocking.  In test builds the n-th call can be made to fail (fs_fail_at), so that every
 * caller's error path is run. */
#ifndef BASE_FS_H
#define BASE_FS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "lib/base/attributes.h"
#include "lib/base/buf.h"

/* All give 0 (or a descriptor) or -1 with errno; EINTR is retried, a short write is continued. */
MUST_USE int fs_open_at(int dir_fd, const char *name, int flags, mode_t mode);
MUST_USE int fs_write_all(int fd, const void *data, size_t n);
/* fs_writev_all - like writev for all of it; changes iov. */
MUST_USE int fs_writev_all(int fd, struct iovec *iov, int count);
MUST_USE int fs_pwrite_all(int fd, const void *data, size_t n, off_t offset);
/* fs_pread_all - exactly n bytes; -1 with errno ENODATA when the file ends before. */
MUST_USE int fs_pread_all(int fd, void *data, size_t n, off_t offset);
MUST_USE int fs_sync(int fd);
MUST_USE int fs_sync_data(int fd);
MUST_USE int fs_link_at(int from_dir, const char *from, int to_dir, const char *to);
/* fs_link_fd - give an O_TMPFILE file its name. */
MUST_USE int fs_link_fd(int fd, int to_dir, const char *to);
/* fs_rename_new - rename that refuses to replace (EEXIST). */
MUST_USE int fs_rename_new(int from_dir, const char *from, int to_dir, const char *to);
MUST_USE int fs_rename_over(int from_dir, const char *from, int to_dir, const char *to);
MUST_USE int fs_unlink_at(int dir_fd, const char *name);
/* fs_read_file - the whole file into out (appended); EFBIG past out's limit. */
MUST_USE int fs_read_file(int dir_fd, const char *name, struct buf *out);
/* fs_replace_file - write content under a temporary name, sync, rename over name, sync dir_fd. */
MUST_USE int fs_replace_file(int dir_fd, const char *name, struct span content, mode_t mode);
/* fs_make_dirs - like mkdir -p; parents are made with the same mode. */
MUST_USE int fs_make_dirs(const char *path, mode_t mode);

/* fs_fail_at - for tests: let the n-th call from now (1 = the next) fail with error; 0 stops it. */
void fs_fail_at(unsigned n, int error);

#endif
