/* SPDX-License-Identifier: ISC */
/* loop.c - accept connections, a task each, until master says it is enough
 *
 * Descriptors may run out: then the spare one is used to accept and close a connection, so that
 * the client learns of it, and accepting pauses for 100 ms (reliability rules, section 3). */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/service/service_private.h"
#include "lib/task/task.h"

enum {
	ACCEPT_PAUSE_US = 100 * 1000,
	COMPLAIN_EVERY_S = 60,
};

/* One loop a process. */
static struct {
	struct service_run  *run;
	struct ipc_server   *server;
	struct task_waitlist room;	/* a connection has ended */
	uint64_t             deadline_us;
	bool                 is_stopping;
	int                  spare_fd;
	uint64_t             complain_us;	/* not again before */
} loop;

struct connection {
	int    fd;
	size_t listener;
	bool   is_ipc;
};

/* ---- connections ---- */

static int socket_kind(int fd)
{
	int       kind = 0;
	socklen_t length = sizeof(kind);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &kind, &length) == 0 ? kind : -1;
}

static void serve_connection(void *arg)
{
	struct connection c = *(struct connection *)arg;

	free(arg);
	if (c.is_ipc)
		ipc_serve(loop.server, c.fd);
	else
		loop.run->service->serve(loop.run, c.fd, c.listener);
	loop.run->connections--;
	task_wake_all(&loop.room);
}

void service_adopt(struct service_run *run, int fd, size_t listener)
{
	bool               is_ipc = socket_kind(fd) == SOCK_SEQPACKET;
	struct connection *c = malloc(sizeof(*c));

	if ((is_ipc && loop.server == NULL) || (!is_ipc && run->service->serve == NULL) || c == NULL) {
		free(c);
		task_close(fd);
		return;
	}
	*c = (struct connection){ fd, listener, is_ipc };
	run->connections++;
	if (task_spawn(serve_connection, c, run->name) != NULL)
		return;
	run->connections--;
	free(c);
	task_close(fd);
}

/* ---- listeners ---- */

static void complain(const char *what)
{
	if (clock_now_us() < loop.complain_us)
		return;
	loop.complain_us = clock_in_s(COMPLAIN_EVERY_S);
	log_warning("accept: %s: connections wait", what);
}

static void turn_one_away(int listener)
{
	int fd;

	if (loop.spare_fd >= 0)
		(void)close(loop.spare_fd);
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0)
		(void)close(fd);
	loop.spare_fd = fcntl(loop.run->control_fd, F_DUPFD_CLOEXEC, 0);
}

/* False when this listener has come to its end. */
static bool after_failed_accept(int listener)
{
	switch (errno) {
	case EMFILE:
	case ENFILE:
		complain("too many open files");
		turn_one_away(listener);
		return task_sleep_us(ACCEPT_PAUSE_US) == 0;
	case ENOBUFS:
	case ENOMEM:
		complain("no memory");
		return task_sleep_us(ACCEPT_PAUSE_US) == 0;
	case EBADF:
	case EINVAL:
	case ENOTSOCK:
	case ECANCELED:
		return false;
	default:
		return true;	/* what the network did to that one connection (accept(2)) */
	}
}

static bool await_room(struct service_run *run)
{
	while (run->connection_limit > 0 && run->connections >= run->connection_limit && !run->draining)
		if (task_wait(&loop.room, CLOCK_NEVER) < 0)
			return false;
	return !run->draining;
}

static void accept_connections(void *arg)
{
	struct service_run *run = loop.run;
	size_t              listener = (size_t)((int *)arg - run->listeners);
	int                 fd = run->listeners[listener];

	while (await_room(run)) {
		int connection = task_accept(fd, NULL, NULL, CLOCK_NEVER);

		if (connection >= 0)
			service_adopt(run, connection, listener);
		else if (!after_failed_accept(fd))
			return;
	}
}

static void open_listeners(struct service_run *run)
{
	for (size_t i = 0; i < run->listener_count; i++) {
		int flags = fcntl(run->listeners[i], F_GETFL);

		if (flags >= 0)
			(void)fcntl(run->listeners[i], F_SETFL, flags | O_NONBLOCK);
		if (socket_kind(run->listeners[i]) == SOCK_DGRAM)
			continue;	/* its program reads it */
		if (task_spawn(accept_connections, &run->listeners[i], "accept") == NULL)
			log_fatal("cannot listen: no task");
	}
}

/* ---- the end ---- */

static void finish(void *arg)
{
	struct service_run *run = arg;

	while (run->connections > 0) {
		if (clock_now_us() < loop.deadline_us)
			(void)task_wait(&loop.room, loop.deadline_us);
		else if (loop.is_stopping)
			break;
		else
			service_stop(run, run->conf->service_stop_time_limit);
	}
	task_stop();
}

void service_drain(struct service_run *run)
{
	if (run->draining)
		return;
	run->draining = true;
	loop.deadline_us = clock_in_s(run->conf->service_drain_time_limit);
	if (run->service->drain != NULL)
		run->service->drain(run);
	/* Other workers have the same sockets: only our copies go. */
	for (size_t i = 0; i < run->listener_count; i++)
		task_close(run->listeners[i]);
	ipc_serve_drain();
	task_wake_all(&loop.room);
	if (task_spawn(finish, run, "finish") == NULL)
		task_stop();
}

void service_stop(struct service_run *run, uint64_t patience_s)
{
	uint64_t deadline_us = clock_in_s(patience_s);

	service_drain(run);
	if (!loop.is_stopping || deadline_us < loop.deadline_us)
		loop.deadline_us = deadline_us;
	if (!loop.is_stopping && run->service->stop != NULL)
		run->service->stop(run);
	loop.is_stopping = true;
	task_wake_all(&loop.room);
}

static void on_terminate(int signo)
{
	(void)signo;
	service_stop(loop.run, loop.run->conf->service_stop_time_limit);
}

static void begin(void *arg)
{
	struct service_run *run = arg;

	task_waitlist_init(&loop.room);
	loop.spare_fd = fcntl(run->control_fd, F_DUPFD_CLOEXEC, 0);
	task_on_signal(SIGTERM, on_terminate);
	service_control_open(run);
	if (run->service->start != NULL)
		run->service->start(run);
	if (run->service->ipc != NULL)
		loop.server = run->service->ipc(run);
	open_listeners(run);
	service_control_ready(run);
}

void service_loop(struct service_run *run)
{
	loop.run = run;
	task_main(begin, run);
}
