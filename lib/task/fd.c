/* SPDX-License-Identifier: ISC */
/* fd.c - descriptors of the loop: one epoll set, edge-triggered, and the I/O calls that wait
 *
 * A descriptor is registered at its first wait and stays so until task_forget_fd or task_close.  Who waits
 * has tried the I/O just before and got EAGAIN, so an edge cannot be missed: it comes after the
 * try and before the next epoll_wait.  An edge nobody waited for is remembered all the same, for
 * callers that wait first; it then costs them one more try. */
#include "lib/task/task_private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "lib/base/log.h"

enum { EVENTS_A_TURN = 256 };

struct fd_entry {
	struct list readers, writers;
	void      (*watch)(void);
	bool        is_registered;
	bool        is_always_ready;	/* a file: epoll does not take it */
	unsigned    edges;	/* enum task_io: came while nobody waited */
};

/* Entries are allocated one by one: waiting tasks are linked to them, so they must not move. */
static struct fd_entry **entries;
static size_t entry_count;
static int epoll_fd = -1;

void fd_open(void)
{
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0)
		log_fatal("cannot make an epoll descriptor");
}

void fd_close(void)
{
	for (size_t i = 0; i < entry_count; i++)
		free(entries[i]);
	free(entries);
	entries = NULL;
	entry_count = 0;
	close(epoll_fd);
	epoll_fd = -1;
}

static void grow_to(size_t fd)
{
	size_t more = entry_count == 0 ? 64 : entry_count;
	struct fd_entry **grown;

	while (more <= fd)
		more *= 2;
	grown = reallocarray(entries, more, sizeof(struct fd_entry *));
	if (grown == NULL)
		log_fatal("no memory for descriptors");
	for (size_t i = entry_count; i < more; i++)
		grown[i] = NULL;
	entries = grown;
	entry_count = more;
}

static struct fd_entry *entry_if_known(int fd)
{
	return fd >= 0 && (size_t)fd < entry_count ? entries[fd] : NULL;
}

static struct fd_entry *entry_of(int fd)
{
	struct fd_entry *e = entry_if_known(fd);

	if (e != NULL)
		return e;
	if ((size_t)fd >= entry_count)
		grow_to((size_t)fd);
	e = calloc(1, sizeof(*e));
	if (e == NULL)
		log_fatal("no memory for a descriptor");
	list_init(&e->readers);
	list_init(&e->writers);
	entries[fd] = e;
	return e;
}

static int register_fd(int fd, struct fd_entry *e)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.fd = fd };

	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
		if (errno == EPERM)
			e->is_always_ready = true;
		else if (errno != EEXIST)
			return -1;
	}
	e->is_registered = true;
	return 0;
}

/* forget_stale - fd is new: what we know of that number is of one closed behind our back. */
static void forget_stale(int fd)
{
	struct fd_entry *e = entry_if_known(fd);

	if (e == NULL)
		return;
	loop_wake_all(&e->readers, EBADF);
	loop_wake_all(&e->writers, EBADF);
	e->is_registered = e->is_always_ready = false;
	e->edges = 0;
}

void task_forget_fd(int fd)
{
	struct fd_entry *e = entry_if_known(fd);

	if (e == NULL || !e->is_registered)
		return;
	if (!e->is_always_ready)
		epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	e->watch = NULL;
	forget_stale(fd);
}

int task_close(int fd)
{
	task_forget_fd(fd);
	return close(fd);
}

void fd_watch(int fd, void (*fn)(void))
{
	struct fd_entry *e = entry_of(fd);

	e->watch = fn;
	if (register_fd(fd, e) < 0)
		log_fatal("cannot watch a descriptor of the loop");
}

static void report(struct fd_entry *e, struct list *waiters, enum task_io what)
{
	if (!loop_wake_all(waiters, 0))
		e->edges |= what;
}

static void dispatch(const struct epoll_event *event)
{
	struct fd_entry *e = entry_if_known(event->data.fd);

	if (e == NULL || !e->is_registered)
		return;
	if (e->watch != NULL) {
		e->watch();
		return;
	}
	if ((event->events & (EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP)) != 0)
		report(e, &e->readers, TASK_READABLE);
	if ((event->events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0)
		report(e, &e->writers, TASK_WRITABLE);
}

void fd_poll(int timeout_ms)
{
	static struct epoll_event events[EVENTS_A_TURN];
	int n = epoll_wait(epoll_fd, events, EVENTS_A_TURN, timeout_ms);

	if (n < 0 && errno != EINTR)
		log_fatal("epoll_wait failed with error %d", errno);
	for (int i = 0; i < n; i++)
		dispatch(&events[i]);
}

/* wait_after_try - the I/O just said EAGAIN. */
static int wait_after_try(int fd, enum task_io what, uint64_t deadline_us)
{
	struct fd_entry *e = entry_of(fd);

	e->edges &= ~(unsigned)what;
	if (!e->is_registered && register_fd(fd, e) < 0)
		return -1;
	if (e->is_always_ready)
		return 0;
	return loop_wait(what == TASK_READABLE ? &e->readers : &e->writers, deadline_us);
}

int task_wait_fd(int fd, enum task_io what, uint64_t deadline_us)
{
	struct fd_entry *e = entry_if_known(fd);

	if (fd < 0) {
		errno = EBADF;
		return -1;
	}
	if (e != NULL && (e->edges & (unsigned)what) != 0 && !task_is_cancelled()) {
		e->edges &= ~(unsigned)what;
		return 0;
	}
	return wait_after_try(fd, what, deadline_us);
}

/* should_retry - after a call that failed: true when it may be tried again. */
static bool should_retry(int fd, enum task_io what, uint64_t deadline_us)
{
	if (errno == EINTR)
		return true;
	if (errno != EAGAIN && errno != EWOULDBLOCK)
		return false;
	return wait_after_try(fd, what, deadline_us) == 0;
}

ssize_t task_read(int fd, void *data, size_t n, uint64_t deadline_us)
{
	for (;;) {
		ssize_t got = read(fd, data, n);

		if (got >= 0) {
			loop_share();
			return got;
		}
		if (!should_retry(fd, TASK_READABLE, deadline_us))
			return -1;
	}
}

/* skip_written - drop the first n bytes of the vector. */
static void skip_written(struct iovec **iov, int *count, size_t n)
{
	while (*count > 0 && n >= (*iov)->iov_len) {
		n -= (*iov)->iov_len;
		(*iov)++;
		(*count)--;
	}
	if (*count > 0) {
		(*iov)->iov_base = (char *)(*iov)->iov_base + n;
		(*iov)->iov_len -= n;
	}
}

ssize_t task_writev(int fd, struct iovec *iov, int count, uint64_t deadline_us)
{
	size_t total = 0;

	skip_written(&iov, &count, 0);
	while (count > 0) {
		ssize_t put = writev(fd, iov, count < IOV_MAX ? count : IOV_MAX);

		if (put >= 0) {
			total += (size_t)put;
			skip_written(&iov, &count, (size_t)put);
			loop_share();
		} else if (!should_retry(fd, TASK_WRITABLE, deadline_us)) {
			return -1;
		}
	}
	return (ssize_t)total;
}

ssize_t task_write(int fd, const void *data, size_t n, uint64_t deadline_us)
{
	const char *next = data;
	size_t left = n;

	while (left > 0) {
		ssize_t put = write(fd, next, left);

		if (put >= 0) {
			next += put;
			left -= (size_t)put;
			loop_share();
		} else if (!should_retry(fd, TASK_WRITABLE, deadline_us)) {
			return -1;
		}
	}
	return (ssize_t)n;
}

ssize_t task_recvmsg(int fd, struct msghdr *message, int flags, uint64_t deadline_us)
{
	for (;;) {
		ssize_t got = recvmsg(fd, message, flags);

		if (got >= 0) {
			loop_share();
			return got;
		}
		if (!should_retry(fd, TASK_READABLE, deadline_us))
			return -1;
	}
}

ssize_t task_sendmsg(int fd, const struct msghdr *message, int flags, uint64_t deadline_us)
{
	for (;;) {
		ssize_t put = sendmsg(fd, message, flags | MSG_NOSIGNAL);

		if (put >= 0) {
			loop_share();
			return put;
		}
		if (!should_retry(fd, TASK_WRITABLE, deadline_us))
			return -1;
	}
}

int task_accept(int fd, struct sockaddr *address, socklen_t *length, uint64_t deadline_us)
{
	for (;;) {
		int connected = accept4(fd, address, length, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (connected >= 0) {
			forget_stale(connected);
			loop_share();
			return connected;
		}
		/* A client that left again before we came to it is no error of the listener. */
		if (errno == ECONNABORTED || errno == EPROTO)
			continue;
		if (!should_retry(fd, TASK_READABLE, deadline_us))
			return -1;
	}
}

/* connect_again - a UNIX listener's queue was full: there is no event for room in it. */
static int connect_again(int fd, const struct sockaddr *address, socklen_t length, uint64_t deadline_us)
{
	uint64_t pause_us = 1000;

	while (connect(fd, address, length) < 0) {
		if (errno != EAGAIN)
			return -1;
		if (clock_now_us() >= deadline_us) {
			errno = ETIMEDOUT;
			return -1;
		}
		if (task_sleep_us(pause_us) < 0)
			return -1;
		pause_us = pause_us < 64000 ? pause_us * 2 : pause_us;
	}
	return 0;
}

int task_connect(int fd, const struct sockaddr *address, socklen_t length, uint64_t deadline_us)
{
	int error = 0;
	socklen_t error_size = sizeof(error);

	forget_stale(fd);
	if (connect(fd, address, length) == 0)
		return 0;
	if (errno == EAGAIN)
		return connect_again(fd, address, length, deadline_us);
	if (errno != EINPROGRESS && errno != EINTR)
		return -1;
	if (wait_after_try(fd, TASK_WRITABLE, deadline_us) < 0)
		return -1;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_size) < 0)
		return -1;
	errno = error;
	return error == 0 ? 0 : -1;
}
