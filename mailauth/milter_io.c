/* SPDX-License-Identifier: ISC */
/* milter_io.c - libmilter's reads and writes, many in one call of the kernel
 *
 * For each packet libmilter calls the kernel five times: polls, reads the head, polls, reads the rest, and polls for the
 * next one.  A message is some twenty packets: these hundred calls cost several times what judging it does.  And
 * each packet of an answer is a write, and wakes the server.  So a connection has buffers here: what has come is read
 * at once and handed out in pieces, what is written is kept until libmilter waits for the server again.  (It has
 * smfi_progress wait too, which we do not use.)
 *
 * Invariant: who waits in the kernel for a connection has an empty buffer of input and has sent all output.  That
 * keeps libmilter's wait for all connections that no thread works for right: a thread gives one up only when
 * its poll found nothing.  One thread at a time uses a connection; libmilter hands it on under a lock. */
#include "mailauth/milter_io.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
	CONNECTIONS_MAX = 4096,		/* descriptors above it, and those without memory, are not buffered */
	INPUT_MAX = 16 * 1024,
	OUTPUT_MAX = 4 * 1024,
	SEND_LIMIT_MS = 60 * 1000,	/* for a server that does not take it */
};

struct connection {
	size_t at, end;		/* input[at] to input[end - 1] are still to be handed out */
	size_t written;		/* bytes in output */
	bool   is_broken;	/* output could not be sent */
	char   input[INPUT_MAX], output[OUTPUT_MAX];
};

static _Atomic(struct connection *) connections[CONNECTIONS_MAX];

static struct connection *connection_of(int fd)
{
	return fd >= 0 && fd < CONNECTIONS_MAX ? atomic_load(&connections[fd]) : NULL;
}

static bool wait_for_room(int fd)
{
	struct pollfd room = { .fd = fd, .events = POLLOUT };

	return __real_poll(&room, 1, SEND_LIMIT_MS) > 0;
}

static bool send_all(int fd, struct connection *c)
{
	size_t sent = 0;

	while (sent < c->written && !c->is_broken) {
		ssize_t n = send(fd, c->output + sent, c->written - sent, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n > 0)
			sent += (size_t)n;
		else if (errno != EINTR && (errno != EAGAIN || !wait_for_room(fd)))
			c->is_broken = true;
	}
	c->written = 0;
	return !c->is_broken;
}

/* True also for the end of input and for errors: the read that follows tells. */
static bool has_input(int fd, struct connection *c)
{
	ssize_t n;

	if (c->at < c->end)
		return true;
	n = recv(fd, c->input, INPUT_MAX, MSG_DONTWAIT);
	c->at = 0;
	c->end = n > 0 ? (size_t)n : 0;
	return n >= 0 || (errno != EAGAIN && errno != EINTR);
}

int __wrap_accept(int fd, struct sockaddr *address, socklen_t *length)
{
	int accepted = __real_accept(fd, address, length);
	struct connection *c;

	if (accepted < 0 || accepted >= CONNECTIONS_MAX)
		return accepted;
	c = malloc(sizeof(*c));
	if (c != NULL) {
		c->at = c->end = c->written = 0;
		c->is_broken = false;
	}
	atomic_store(&connections[accepted], c);
	return accepted;
}

int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
	struct connection *c = count == 1 ? connection_of(fds[0].fd) : NULL;

	if (c == NULL)
		return __real_poll(fds, count, timeout_ms);
	fds[0].revents = fds[0].events & (POLLIN | POLLOUT);
	if ((fds[0].events & POLLOUT) != 0)
		return 1;
	/* The server answers what it is sent now, if at all: there is nothing to read yet. */
	if (c->written == 0 ? has_input(fds[0].fd, c) : !send_all(fds[0].fd, c))
		return 1;
	return __real_poll(fds, count, timeout_ms);
}

ssize_t __wrap_read(int fd, void *bytes, size_t n)
{
	struct connection *c = connection_of(fd);

	if (c == NULL || (c->at == c->end && n >= INPUT_MAX))
		return __real_read(fd, bytes, n);
	if (c->at == c->end) {
		ssize_t got = __real_read(fd, c->input, INPUT_MAX);

		if (got <= 0)
			return got;
		c->at = 0;
		c->end = (size_t)got;
	}
	n = n < c->end - c->at ? n : c->end - c->at;
	memcpy(bytes, c->input + c->at, n);
	c->at += n;
	return (ssize_t)n;
}

int __wrap___poll_chk(struct pollfd *fds, nfds_t count, int timeout_ms, size_t room)
{
	if (count > room / sizeof(*fds))
		abort();
	return __wrap_poll(fds, count, timeout_ms);
}

ssize_t __wrap___read_chk(int fd, void *bytes, size_t n, size_t room)
{
	if (n > room)
		abort();
	return __wrap_read(fd, bytes, n);
}

static bool add_output(int fd, struct connection *c, struct iovec part)
{
	const char *from = part.iov_base;

	while (part.iov_len > 0 && !c->is_broken) {
		size_t room = OUTPUT_MAX - c->written, n = part.iov_len < room ? part.iov_len : room;

		memcpy(c->output + c->written, from, n);
		c->written += n;
		from += n;
		part.iov_len -= n;
		if (c->written == OUTPUT_MAX)
			(void)send_all(fd, c);
	}
	return !c->is_broken;
}

ssize_t __wrap_writev(int fd, const struct iovec *parts, int count)
{
	struct connection *c = connection_of(fd);
	ssize_t total = 0;

	if (c == NULL)
		return __real_writev(fd, parts, count);
	for (int i = 0; i < count; i++) {
		if (!add_output(fd, c, parts[i])) {
			errno = EPIPE;
			return -1;
		}
		total += (ssize_t)parts[i].iov_len;
	}
	return total;
}

int __wrap_close(int fd)
{
	struct connection *c = connection_of(fd);

	if (c != NULL) {
		(void)send_all(fd, c);
		atomic_store(&connections[fd], NULL);
		free(c);
	}
	return __real_close(fd);
}
