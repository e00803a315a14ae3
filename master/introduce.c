/* SPDX-License-Identifier: ISC */
/* introduce.c - connect one program with another
 *
 * A program that serves connections on its loop gets its end passed, in turn with the other workers of
 * its service; until one is ready, and for programs that accept themselves, the listener's backlog
 * holds the connection. */
#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/ipc/control.h"
#include "lib/ipc/router.h"
#include "master/master.h"

/* The ready worker whose turn it is, or NULL. */
static struct worker *next_worker(struct unit *unit)
{
	struct worker *first = NULL;
	unsigned       ready = 0;

	LIST_EACH(node, &unit->workers) {
		struct worker *w = worker_of(node);

		if (w->state != WORKER_READY || w->peer == NULL)
			continue;
		if (first == NULL)
			first = w;
		if (ready++ == unit->next_worker) {
			unit->next_worker++;
			return w;
		}
	}
	unit->next_worker = 1;
	return first;
}

static int pass_connection(struct unit *unit)
{
	struct worker            *w = next_worker(unit);
	struct control_connection notice;
	int                       pair[2];

	if (w == NULL || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	notice.connection = pair[1];
	if (ipc_peer_notify(w->peer, &control_connection_type, &notice) < 0) {
		(void)close(pair[0]);
		pair[0] = -1;
	}
	(void)close(pair[1]);
	return pair[0];
}

static int connect_to_listener(const struct unit *unit)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int                length = snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s",
	                                     unit->is_private ? "private" : "public", unit->name);
	int                fd;

	if (length >= (int)sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = socket(AF_UNIX, unit->program->kind | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		int error = errno;

		(void)close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

/* The first message on the connection, from us: the asker cannot say it is another. */
static int name_asker(const struct program *asker, int fd)
{
	struct router_asker notice = { span_of(asker->program) };

	if (fd < 0 || ipc_blocking_send(fd, &router_asker_type, 0, 0, &notice) == 0)
		return fd;
	(void)close(fd);
	errno = EAGAIN;
	return -1;
}

int introduce(struct generation *g, const struct program *asker, const char *asker_name, const char *service)
{
	struct unit *unit = configuration_unit(g, service);
	int          fd = -1;

	if (endpoint_is_named(service))
		return endpoint_connect(g, asker, asker_name, service);
	if (unit == NULL) {
		errno = ENOENT;
		return -1;
	}
	if (!program_may_ask(asker, service, unit->program)) {
		errno = EACCES;
		return -1;
	}
	if (unit->program->kind == SOCK_SEQPACKET && (unit->program->flags & PROGRAM_ACCEPTS_ITSELF) == 0)
		fd = pass_connection(unit);
	if (fd < 0 && !unit->is_private) {
		/* qmgr takes whoever comes by its public socket for a stranger: the asker must try again. */
		errno = EAGAIN;
		return -1;
	}
	if (fd < 0)
		fd = connect_to_listener(unit);
	return (unit->program->flags & PROGRAM_KNOWS_ASKERS) != 0 ? name_asker(asker, fd) : fd;
}
