/* SPDX-License-Identifier: ISC */
/* one_server.c - a question to one name server, past every cache
 *
 * For the rotation of DKIM keys, which waits until each authoritative server shows the new one.  Rare, so a context
 * of its own is made for it and thrown away; a few at a time.  Both are done by a thread of the pool: libunbound sets
 * itself up with buffers larger than the stack of a task, and its end waits for a thread. */
#include "dns/resolver.h"
#include "lib/base/log.h"
#include "lib/net/libunbound.h"
#include "lib/task/task.h"

enum { AT_ONCE_MAX = 4, WAIT_S = 5 };

static unsigned under_way;

static void ask_with(struct resolver *r, const struct dns_request *request, struct arena *arena,
                     struct dns_reply *reply)
{
	struct dns_request plain = *request;

	plain.server = span_lit("");
	resolver_start(r);
	resolver_ask(r, &plain, arena, reply);
	resolver_end(r);
}

struct setup {
	const struct conf *conf;
	struct resolver   *resolver;
	struct why         why;
};

static void set_up(void *arg)
{
	struct setup *s = arg;

	s->resolver = resolver_new(s->conf, &s->why);
}

void one_server_ask(const struct conf *conf, const struct dns_request *request, struct arena *arena,
                    struct dns_reply *reply)
{
	struct conf alone = *conf;
	struct setup setup = { .conf = &alone };

	dns_reply_fail(reply, span_lit("too many name servers are asked"));
	if (under_way == AT_ONCE_MAX)
		return;
	alone.dns_servers = arena_cstr(arena, request->server);
	alone.dns_validate = "no";	/* a server that is authoritative validates nothing */
	alone.dns_timeout = WAIT_S;
	dns_reply_fail(reply, span_lit("the name server cannot be asked"));
	under_way++;
	task_offload(set_up, &setup);
	if (setup.resolver != NULL)
		ask_with(setup.resolver, request, arena, reply);
	else
		log_warning("cannot ask " SPAN_FMT ": %s", SPAN_ARG(request->server), setup.why.text);
	under_way--;
}
