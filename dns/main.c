/* SPDX-License-Identifier: ISC */
/* main.c - dns: the one resolver of the suite
 *
 * Answers lib/ipc/dns.h to the programs master introduces.  It alone parses DNS (with libunbound), holds no
 * secret, opens no file once it runs, and asks only what it is asked.  Names and records are bytes of
 * strangers: they are passed on unread, and readers use lib/net/rdata.h. */
#include "dns/resolver.h"
#include "lib/base/log.h"
#include "lib/service/service.h"

enum { REQUESTS_A_CONNECTION = 1000 };

static void handle(struct ipc_request *request)
{
	struct service_run *run = request->user;
	struct dns_reply reply;

	if (((const struct dns_request *)request->message)->server.len > 0)
		one_server_ask(run->conf, request->message, request->arena, &reply);
	else
		resolver_ask(run->user, request->message, request->arena, &reply);
	(void)ipc_reply(request, &dns_reply_type, &reply, false);
}

static struct ipc_server *server(struct service_run *run)
{
	static const struct ipc_handler handlers[] = { { &dns_request_type, handle, true } };
	static struct ipc_server answering = {
		.handlers = handlers, .count = COUNT_OF(handlers), .most_requests = REQUESTS_A_CONNECTION,
	};

	answering.user = run;
	return &answering;
}

static void prepare(struct service_run *run)
{
	struct why why;

	run->user = resolver_new(run->conf, &why);
	if (run->user == NULL)
		log_fatal("%s", why.text);
}

static void start(struct service_run *run)
{
	resolver_start(run->user);
}

static const struct service dns_service = {
	.name = "dns",
	.user = "resolver_owner",
	.root = SANDBOX_EMPTY_ROOT,
	.may = MAY_ACCEPT | MAY_CONNECT_INET | MAY_BIND_INET,
	.prepare = prepare,
	.start = start,
	.ipc = server,
};

int main(int argc, char **argv)
{
	return service_main(&dns_service, argc, argv);
}
