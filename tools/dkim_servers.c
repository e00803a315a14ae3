/* SPDX-License-Identifier: ISC */
/* dkim_servers.c - ask the dns program of the running suite, over its private socket
 *
 * Only root (or who runs the suite) can reach it.  A call that failed costs the connection: a late answer would be taken
 * for that of the next question. */
#include <unistd.h>

#include "lib/ipc/services.h"
#include "tools/dkim_tool.h"

enum { SLACK_S = 5, CACHED_KEYS = 16 };

struct dkim_servers {
	struct dkim_tool          *tool;
	struct dkim_published_way  way;
	int                        fd;
};

static int open_socket(const struct dkim_servers *s)
{
	struct dkim_tool *t = s->tool;

	return ipc_connect_path(arena_printf(t->arena, "%s/private/%s", t->conf->queue_directory, SERVICE_DNS));
}

static void ask_server(void *user, struct span server, struct span name, enum rr_type rr_type, struct arena *arena,
                       struct lookup_answer *answer)
{
	struct dns_request request = { .name = name, .rr_type = rr_type, .server = server };
	struct dkim_servers *s = user;
	struct dns_reply reply;

	*answer = (struct lookup_answer){ .status = DNS_FAILED };
	if (s->fd < 0)
		s->fd = open_socket(s);
	if (s->fd < 0)
		return;
	if (ipc_blocking_call(s->fd, &dns_request_type, &request, &dns_reply_type, &reply, arena,
	                      (unsigned)s->tool->conf->dns_timeout + SLACK_S) == 0) {
		*answer = (struct lookup_answer){ (enum dns_status)reply.status, reply.is_secure, reply.answers };
		return;
	}
	(void)close(s->fd);
	s->fd = -1;
}

static void ask(void *user, struct span name, enum rr_type rr_type, struct arena *arena, struct lookup_answer *answer)
{
	ask_server(user, span_lit(""), name, rr_type, arena, answer);
}

struct dkim_servers *dkim_servers_open(struct dkim_tool *t)
{
	struct dkim_servers *s = ARENA_NEW(t->arena, struct dkim_servers);

	s->tool = t;
	s->fd = open_socket(s);
	if (s->fd < 0)
		return NULL;
	s->way = (struct dkim_published_way){
		.lookup = { .ask = ask, .user = s }, .ask_server = ask_server, .crypto = dkim_crypto_new(CACHED_KEYS),
		.port = (unsigned)t->conf->dkim_name_server_port, .limits = DKIM_PUBLISHED_STANDARD_LIMITS,
	};
	return s;
}

void dkim_servers_look(struct dkim_servers *s, struct span domain, const struct dkim_stored_key *key,
                       struct dkim_published *result)
{
	dkim_published_look(&s->way, s->tool->arena, key->selector, domain, &key->key, result);
}

void dkim_servers_close(struct dkim_servers *s)
{
	if (s->fd >= 0)
		(void)close(s->fd);
}
