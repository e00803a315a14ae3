/* SPDX-License-Identifier: ISC */
/* sockets.c - the sockets of a unit: opened once, kept over restarts and reloads
 *
 * So a client that connects while a worker is being replaced waits in the backlog and is not refused. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/net/address.h"
#include "master/master.h"

enum {
	BACKLOG = 1024,
	/* Workers of a killed master leave within a second; only then are their ports free. */
	ORPHAN_PATIENCE_S = 3,
	RETRY_US = 50 * 1000,
};

void sockets_close(struct unit *unit)
{
	for (size_t i = 0; i < unit->listener_count; i++)
		(void)close(unit->listeners[i]);
	unit->listener_count = 0;
}

static bool same_addresses(const struct unit *a, const struct unit *b, const struct conf *a_conf,
                           const struct conf *b_conf)
{
	return a->is_inet == b->is_inet && a->is_private == b->is_private && a->program->kind == b->program->kind &&
	       (!a->is_inet || (strcmp(a_conf->inet_interfaces, b_conf->inet_interfaces) == 0 &&
	                        strcmp(a_conf->inet_protocols, b_conf->inet_protocols) == 0));
}

static bool open_inet(struct unit *unit, const struct conf *conf, struct arena *arena, const char **error)
{
	uint64_t deadline_us = clock_in_s(ORPHAN_PATIENCE_S);

	while (net_listen(unit->name, conf->inet_interfaces, conf->inet_protocols, unit->listeners,
	                  UNIT_LISTENERS_MAX, &unit->listener_count) < 0) {
		int failure = errno;

		sockets_close(unit);
		if (failure != EADDRINUSE || clock_now_us() > deadline_us) {
			*error = arena_printf(arena, "cannot listen on %s: %s", unit->name, strerror(failure));
			return false;
		}
		(void)usleep(RETRY_US);
	}
	return true;
}

static int bind_path(const char *path, int kind)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int                fd;

	if (strlen(path) >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(address.sun_path, path, strlen(path) + 1);
	(void)unlink(path);
	fd = socket(AF_UNIX, kind | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 &&
	    chmod(path, 0666) == 0 && (kind == SOCK_DGRAM || listen(fd, BACKLOG) == 0))
		return fd;
	if (fd >= 0)
		(void)close(fd);
	return -1;
}

static bool open_unix(struct unit *unit, struct arena *arena, const char **error)
{
	const char *path = arena_printf(arena, "%s/%s", unit->is_private ? "private" : "public", unit->name);
	int         fd = bind_path(path, unit->program->kind);

	if (fd < 0) {
		*error = arena_printf(arena, "cannot listen on %s: %s", path, strerror(errno));
		return false;
	}
	unit->listeners[0] = fd;
	unit->listener_count = 1;
	return true;
}

bool sockets_open(struct unit *unit, struct unit *old, const struct conf *conf, const struct conf *old_conf,
                  struct arena *arena, const char **error)
{
	if (old != NULL && same_addresses(unit, old, conf, old_conf)) {
		memcpy(unit->listeners, old->listeners, sizeof(unit->listeners));
		unit->listener_count = old->listener_count;
		old->listener_count = 0;
		return true;
	}
	if (old != NULL)
		sockets_close(old);
	if ((unit->program->flags & PROGRAM_MAKES_SOCKET) != 0)
		return true;
	return unit->is_inet ? open_inet(unit, conf, arena, error) : open_unix(unit, arena, error);
}
