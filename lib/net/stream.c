/* SPDX-License-Identifier: ISC */
/* stream.c - the plain stream, and the calls of all streams */
#include "lib/net/stream.h"

#include <errno.h>
#include <sys/socket.h>

#include "lib/task/task.h"

static ssize_t plain_read(struct stream *s, void *data, size_t n, uint64_t deadline_us)
{
	return task_read(s->fd, data, n, deadline_us);
}

/* Not task_write: a peer that is gone must give EPIPE, never SIGPIPE. */
static ssize_t plain_write(struct stream *s, const void *data, size_t n, uint64_t deadline_us)
{
	const char *next = data;
	size_t left = n;

	while (left > 0) {
		struct iovec part = { (char *)(uintptr_t)next, left };
		struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
		ssize_t put = task_sendmsg(s->fd, &message, MSG_NOSIGNAL, deadline_us);

		if (put < 0)
			return -1;
		next += put;
		left -= (size_t)put;
	}
	return (ssize_t)n;
}

static int plain_wait_readable(struct stream *s, uint64_t deadline_us)
{
	char c;

	/* The loop reports edges: what is there already must be looked for. */
	while (recv(s->fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) < 0) {
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN && errno != EWOULDBLOCK)
			return -1;
		if (task_wait_fd(s->fd, TASK_READABLE, deadline_us) < 0)
			return -1;
	}
	return 0;
}

static void plain_shutdown(struct stream *s)
{
	shutdown(s->fd, SHUT_WR);
}

static void plain_close(struct stream *s)
{
	(void)s;
}

static const struct stream_methods plain = {
	.read = plain_read,
	.write = plain_write,
	.wait_readable = plain_wait_readable,
	.shutdown = plain_shutdown,
	.close = plain_close,
};

void stream_plain(struct stream *s, int fd)
{
	*s = (struct stream){ .methods = &plain, .fd = fd };
}

ssize_t stream_read(struct stream *s, void *data, size_t n, uint64_t deadline_us)
{
	return s->methods->read(s, data, n, deadline_us);
}

ssize_t stream_write(struct stream *s, const void *data, size_t n, uint64_t deadline_us)
{
	return s->methods->write(s, data, n, deadline_us);
}

int stream_wait_readable(struct stream *s, uint64_t deadline_us)
{
	return s->methods->wait_readable(s, deadline_us);
}

void stream_close(struct stream *s)
{
	if (s->methods == NULL)
		return;
	s->methods->shutdown(s);
	s->methods->close(s);
	if (s->fd >= 0)
		task_close(s->fd);
	*s = (struct stream){ .fd = -1 };
}
