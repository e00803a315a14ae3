/* SPDX-License-Identifier: ISC */
/* endpoints.c - filters outside the suite that our programs are connected to: those the configuration names
 *
 * A receiver has an empty root and makes no connection of its own.  It asks for a milter by the words of smtpd_milters or
 * non_smtpd_milters ("unix:PATH", "inet:HOST:PORT"), and gets one only when its own configuration has them.  Names of
 * hosts are looked up when the configuration is read, so that nothing waits for a name server later. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/net/address.h"
#include "master/master.h"

static const char *const parameters[] = { "smtpd_milters", "non_smtpd_milters" };

/* After "inet:", a host and a port. */
static bool inet_address(struct span text, struct arena *arena, struct net_address *out)
{
	struct span host, port;
	bool        is_bracketed;

	if (!net_host_port(text, &host, &port, &is_bracketed) || port.len == 0)
		return false;
	return net_resolve(arena_cstr(arena, host), arena_cstr(arena, port), out);
}

/* After "unix:", a path; a relative one is below queue_directory, where we are. */
static bool unix_address(struct span path, struct net_address *out)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (path.len == 0 || path.len >= sizeof(address.sun_path))
		return false;
	memcpy(address.sun_path, path.ptr, path.len);
	memcpy(&out->storage, &address, sizeof(address));
	out->length = sizeof(address);
	return true;
}

static bool endpoint_address(struct span text, struct arena *arena, struct net_address *out)
{
	struct span kind;

	if (!span_cut(&text, ':', &kind))
		return false;
	if (span_equal(kind, span_lit("inet")))
		return inet_address(text, arena, out);
	return (span_equal(kind, span_lit("unix")) || span_equal(kind, span_lit("local"))) && unix_address(text, out);
}

/* What the parameter is for this unit: its own -o, else main.cf's. */
static const char *value_for(const struct generation *g, const struct unit *unit, const char *name)
{
	const char *value = NULL;

	for (size_t i = 0; i < unit->override_count; i++)
		if (strcmp(unit->overrides[i].name, name) == 0)
			value = unit->overrides[i].value;
	return value != NULL ? conf_expand(g->conf, value, g->arena) : conf_value(g->conf, name, g->arena);
}

static void add(struct generation *g, struct unit *unit, struct span text)
{
	struct endpoint *e = ARENA_NEW(g->arena, struct endpoint);

	e->text = arena_dup(g->arena, text);
	e->is_usable = endpoint_address(e->text, g->arena, &e->address);
	e->next = unit->endpoints;
	unit->endpoints = e;
}

void endpoints_read(struct generation *g, struct unit *unit)
{
	if ((unit->program->flags & PROGRAM_ASKS_MILTERS) == 0)
		return;
	for (size_t i = 0; i < COUNT_OF(parameters); i++) {
		struct span rest = span_of(value_for(g, unit, parameters[i])), member, text;

		/* "{ inet:host:port, name=value ... }" begins with the endpoint. */
		while (conf_list_next(&rest, &member))
			if (conf_list_next(&member, &text))
				add(g, unit, text);
	}
}

bool endpoint_is_named(const char *service)
{
	return strchr(service, ':') != NULL;
}

int endpoint_connect(const struct generation *g, const struct program *asker, const char *asker_name,
                     const char *service)
{
	const struct endpoint *found = NULL;
	int                    fd, error;

	for (size_t i = 0; i < g->count; i++) {
		if (g->units[i].program != asker || strcmp(g->units[i].name, asker_name) != 0)
			continue;
		for (const struct endpoint *e = g->units[i].endpoints; e != NULL; e = e->next)
			if (span_equal(e->text, span_of(service)))
				found = e;
	}
	if (found == NULL || !found->is_usable) {
		errno = found == NULL ? EACCES : EADDRNOTAVAIL;
		return -1;
	}
	fd = socket(found->address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&found->address.storage, found->address.length) == 0 ||
	    errno == EINPROGRESS)
		return fd;	/* the asker waits for the end of the handshake */
	/* Nobody there is an answer; EAGAIN, a full backlog, means: ask again. */
	error = errno == ENOENT || errno == ECONNREFUSED ? EHOSTDOWN : errno;
	(void)close(fd);
	errno = error;
	return -1;
}
