/* SPDX-License-Identifier: ISC */
/* control.c - the channel to master: beats, drain, introductions; its end means that master is gone */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/ipc/control.h"
#include "lib/service/service_private.h"
#include "lib/task/task.h"

enum { ORPHAN_PATIENCE_S = 1 };	/* what is being written may be finished, a session not */

static struct ipc_channel *control;

struct ipc_channel *service_control_channel(void)
{
	return control;
}

static void on_beat(struct ipc_request *r)
{
	const struct control_beat *beat = r->message;
	const struct service_run  *run = r->user;
	struct control_alive       alive = { beat->number, run->connections };

	if (ipc_channel_notify(control, &control_alive_type, &alive) < 0)
		log_debug("master does not read its control channel");
	sandbox_report();
}

static void on_drain(struct ipc_request *r)
{
	service_drain(r->user);
}

static void on_reopen(struct ipc_request *r)
{
	struct service_run *run = r->user;

	if (run->reopen != NULL)
		run->reopen(run);
}

static void on_connection(struct ipc_request *r)
{
	service_adopt(r->user, ((const struct control_connection *)r->message)->connection, 0);
}

static void on_lost(void *user)
{
	control = NULL;
	service_stop(user, ORPHAN_PATIENCE_S);
}

static const struct ipc_handler notices[] = {
	{ &control_beat_type,       on_beat,       false },
	{ &control_drain_type,      on_drain,      false },
	{ &control_reopen_type,     on_reopen,     false },
	{ &control_connection_type, on_connection, false },
};

void service_control_open(struct service_run *run)
{
	control = ipc_channel_open(run->control_fd, "master");
	if (control == NULL)
		log_fatal("control channel: no task");
	ipc_channel_on_notice(control, notices, COUNT_OF(notices), on_lost, run);
}

void service_control_ready(struct service_run *run)
{
	struct control_ready ready = { run->connections };

	if (control == NULL || ipc_channel_notify(control, &control_ready_type, &ready) < 0)
		log_warning("cannot tell master that this program is ready");
}

/* ---- programs without a loop ---- */

static int blocking_control_fd;

/* The end of the control channel is what all of them poll for: no signal is missed between a look and a wait. */
static void on_terminate(int signo)
{
	int error = errno;

	(void)signo;
	(void)shutdown(blocking_control_fd, SHUT_RD);
	errno = error;
}

void service_blocking_signals(struct service_run *run)
{
	struct sigaction action = { .sa_handler = on_terminate };

	blocking_control_fd = run->control_fd;
	(void)sigaction(SIGTERM, &action, NULL);
}

void service_blocking_ready(struct service_run *run)
{
	struct control_ready ready = { run->connections };

	if (ipc_blocking_send(run->control_fd, &control_ready_type, 0, 0, &ready) < 0)
		log_fatal("master is gone");
}

/* Answer one notice of master. */
static enum service_event obey(struct service_run *run, struct arena *arena)
{
	struct ipc_header   header;
	struct span         packet;
	int                 fds[IPC_FDS_MAX];
	size_t              fd_count;
	struct control_beat beat;

	if (ipc_blocking_receive(run->control_fd, arena, &header, &packet, fds, &fd_count) < 0)
		return SERVICE_STOP;
	for (size_t i = 0; i < fd_count; i++)
		(void)close(fds[i]);
	if (header.type == control_drain_type.number)
		run->draining = true;
	if (ipc_decode(packet, &control_beat_type, NULL, 0, &beat)) {
		struct control_alive alive = { beat.number, run->connections };

		if (ipc_blocking_send(run->control_fd, &control_alive_type, 0, 0, &alive) < 0)
			return SERVICE_STOP;
	}
	return run->draining ? SERVICE_DRAIN : SERVICE_GO_ON;
}

enum service_event service_blocking_control(struct service_run *run)
{
	enum service_event event = run->draining ? SERVICE_DRAIN : SERVICE_GO_ON;
	struct pollfd      p = { .fd = run->control_fd, .events = POLLIN };

	while (event != SERVICE_STOP && poll(&p, 1, 0) > 0) {
		struct arena *arena = arena_new(NULL);

		event = obey(run, arena);
		arena_free(arena);
	}
	return event;
}
