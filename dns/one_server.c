/* SPDX-License-Identifier: ISC */
/* one_server.c - a question to one name server, past every cache
 *
 * For the rotation of DKIM keys, which waits until each authoritative server shows the new one.  Rare, so a context
 * of its own is made for it and thrown away; a few at a time. */
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

void one_server_ask(const struct conf *conf, const struct dns_request *request, struct arena *arena,
                    struct dns_reply *reply)
{
	struct conf alone = *conf;
	struct resolver *r;
	struct why why;

	dns_reply_fail(reply, span_lit("too many name servers are asked"));
	if (under_way == AT_ONCE_MAX)
		return;
	alone.dns_servers = arena_cstr(arena, request->server);
	alone.dns_validate = "no";	/* a server that is authoritative validates nothing */
	alone.dns_timeout = WAIT_S;
	r = resolver_new(&alone, &why);
	if (r == NULL) {
		log_warning("cannot ask " SPAN_FMT ": %s", SPAN_ARG(request->server), why.text);
		return;
	}
	under_way++;
	ask_with(r, request, arena, reply);
	under_way--;
}
