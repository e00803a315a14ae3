/* SPDX-License-Identifier: ISC */
/* milter_io.h - libmilter's calls of the kernel, which the linker leads here (--wrap): milter_io.c says why
 *
 * Each is as the call it stands for; on descriptors that accept did not give, it is that call. */
#ifndef MAILAUTH_MILTER_IO_H
#define MAILAUTH_MILTER_IO_H

#include <poll.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

int __wrap_accept(int fd, struct sockaddr *address, socklen_t *length);
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms);
ssize_t __wrap_read(int fd, void *bytes, size_t n);
ssize_t __wrap_writev(int fd, const struct iovec *parts, int count);
int __wrap_close(int fd);
/* What the compiler may make of poll and read, with the size of what is behind the pointer (_FORTIFY_SOURCE). */
int __wrap___poll_chk(struct pollfd *fds, nfds_t count, int timeout_ms, size_t room);
ssize_t __wrap___read_chk(int fd, void *bytes, size_t n, size_t room);

int __real_accept(int fd, struct sockaddr *address, socklen_t *length);
int __real_poll(struct pollfd *fds, nfds_t count, int timeout_ms);
ssize_t __real_read(int fd, void *bytes, size_t n);
ssize_t __real_writev(int fd, const struct iovec *parts, int count);
int __real_close(int fd);

#endif
