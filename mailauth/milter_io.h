/* SPDX-License-Identifier: ISC */
/* milter_io.h - libmilter's calls of the kernel, which the linker leads here (--wrap): milter_io.c says why
 *
 * Each is as the call it stands for; on descriptors that __wrap_accept did not give, it is that call. */
#ifndef MAILAUTH_MILTER_IO_H
#define MAILAUTH_MILTER_IO_H

#include <poll.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

/* __wrap_accept - accept(2); what it gives is buffered until __wrap_close. */
int __wrap_accept(int fd, struct sockaddr *address, socklen_t *length);
/* __wrap_poll - poll(2).  Of one buffered descriptor: ready to read with bytes in the buffer, to write always. */
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms);
/* __wrap_read - read(2), out of the buffer first. */
ssize_t __wrap_read(int fd, void *bytes, size_t n);
/* __wrap_writev - writev(2), into the buffer; -1 with EPIPE: what was written before could not be sent. */
ssize_t __wrap_writev(int fd, const struct iovec *parts, int count);
/* __wrap_close - close(2), behind what is still to be sent. */
int __wrap_close(int fd);
/* __wrap___poll_chk, __wrap___read_chk - what the compiler may make of poll and read (_FORTIFY_SOURCE): room is that
 * behind the pointer, in bytes. */
int __wrap___poll_chk(struct pollfd *fds, nfds_t count, int timeout_ms, size_t room);
ssize_t __wrap___read_chk(int fd, void *bytes, size_t n, size_t room);

/* __real_accept and kin - the calls themselves; the linker's. */
int __real_accept(int fd, struct sockaddr *address, socklen_t *length);
/* __real_poll - poll(2). */
int __real_poll(struct pollfd *fds, nfds_t count, int timeout_ms);
/* __real_read - read(2). */
ssize_t __real_read(int fd, void *bytes, size_t n);
/* __real_writev - writev(2). */
ssize_t __real_writev(int fd, const struct iovec *parts, int count);
/* __real_close - close(2). */
int __real_close(int fd);

#endif
