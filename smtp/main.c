/* SPDX-License-Identifier: ISC */
/* main.c - smtp: delivers to other hosts, by SMTP and (under a service name with "lmtp" in it) by LMTP
 *
 * Answers deliver_request (lib/ipc/deliver.h).  Servers are strangers; it opens no file: a large message comes
 * as a descriptor, passwords come from the router one by one, names from the resolver. */
#include <ifaddrs.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/ipc/services.h"
#include "lib/service/service.h"
#include "smtp/smtp.h"

enum { DELIVERIES_A_CONNECTION = 2000 };

static struct client client;

static void send_result(struct delivery *d, const struct deliver_result *result, bool more)
{
	(void)ipc_reply(d->user, &deliver_result_type, result, more);
}

static void handle_delivery(struct ipc_request *ipc)
{
	const struct deliver_request *request = ipc->message;
	struct delivery d = { .client = &client, .request = request, .arena = ipc->arena,
		              .result = send_result, .user = ipc };

	deliver(&d);
	if (request->file >= 0)
		close(request->file);
}

/* handle_checkpoint - what we delivered is the other host's; nothing here waits for a disk. */
static void handle_checkpoint(struct ipc_request *ipc)
{
	const struct checkpoint_request *request = ipc->message;
	struct checkpoint_reply reply = { .number = request->number };

	(void)ipc_reply(ipc, &checkpoint_reply_type, &reply, false);
}

static struct ipc_server *server(struct service_run *run)
{
	static const struct ipc_handler handlers[] = {
		{ &deliver_request_type, handle_delivery, true },
		{ &checkpoint_request_type, handle_checkpoint, false },
	};
	static struct ipc_server answering = {
		.handlers = handlers, .count = COUNT_OF(handlers), .most_requests = DELIVERIES_A_CONNECTION,
	};

	answering.user = run;
	return &answering;
}

static void add_own(const struct net_address *address)
{
	if (client.own_count < OWN_ADDRESSES_MAX)
		client.own[client.own_count++] = *address;
}

static void add_own_list(const char *list)
{
	struct span rest = span_of(list), word;
	struct net_address address;

	while (conf_list_next(&rest, &word)) {
		if (span_starts(word, span_lit("[")) && span_ends(word, span_lit("]")))
			word = span_slice(word, 1, word.len - 2);
		if (net_address_parse(word, 0, &address))
			add_own(&address);
	}
}

/* find_own_addresses - mail for these must not be sent there: it would come back. */
static void find_own_addresses(const struct conf *conf)
{
	struct ifaddrs *list;

	add_own_list(conf->proxy_interfaces);
	add_own_list(conf->inet_interfaces);
	if (client.own_count > 0 && strcmp(conf->inet_interfaces, "all") != 0)
		return;
	if (getifaddrs(&list) < 0)
		return;
	for (const struct ifaddrs *i = list; i != NULL; i = i->ifa_next) {
		struct net_address address = { .length = 0 };

		if (i->ifa_addr == NULL)
			continue;
		if (i->ifa_addr->sa_family == AF_INET)
			address.length = sizeof(struct sockaddr_in);
		else if (i->ifa_addr->sa_family == AF_INET6)
			address.length = sizeof(struct sockaddr_in6);
		else
			continue;
		memcpy(&address.storage, i->ifa_addr, address.length);
		add_own(&address);
	}
	freeifaddrs(list);
}

static struct tls_context *tls_context(const struct conf *conf, bool is_mandatory)
{
	struct tls_client_settings settings;
	struct tls_context *context;
	struct why why;

	tls_client_smtp(conf, is_mandatory, &settings);
	context = tls_client_new(&settings, &why);
	if (context == NULL)
		log_warning("TLS cannot be used: %s", why.text);
	return context;
}

static bool list_has(const char *list, const char *wanted)
{
	struct span rest = span_of(list), word;

	while (conf_list_next(&rest, &word)) {
		if (span_equal_ci(word, span_of(wanted)))
			return true;
	}
	return false;
}

static bool wants_tls(const struct conf *conf)
{
	const char *level = conf->smtp_tls_security_level;

	return conf->smtp_use_tls || conf->smtp_tls_policy_maps[0] != '\0' ||
	       (level[0] != '\0' && strcmp(level, "none") != 0);
}

static void prepare(struct service_run *run)
{
	client.conf = run->conf;
	client.run = run;
	client.is_lmtp = strstr(run->name, "lmtp") != NULL;
	client.role = client.is_lmtp ? "lmtp" : "smtp";
	find_own_addresses(run->conf);
	if (list_has(run->conf->smtp_host_lookup, "native"))
		hosts_load(arena_new(NULL), "/etc/hosts", &client.known);
	if (wants_tls(run->conf)) {
		client.tls_any = tls_context(run->conf, false);
		client.tls_mandatory = tls_context(run->conf, true);
	}
}

static void drain(struct service_run *run)
{
	(void)run;
	client.is_draining = true;
	cache_close_all();
}

static const char *const asks[] = { SERVICE_DNS, SERVICE_ROUTER, NULL };

static const struct service smtp_service = {
	.name = "smtp",
	.user = "network_owner",
	.root = SANDBOX_EMPTY_ROOT,
	.may = MAY_ACCEPT | MAY_CONNECT_INET | MAY_BIND_INET,
	.asks = asks,
	.prepare = prepare,
	.ipc = server,
	.drain = drain,
};

/* LMTP servers often listen on a UNIX socket, which an empty root would hide: Landlock alone keeps this one
 * from opening files. */
static const struct service lmtp_service = {
	.name = "lmtp",
	.user = "network_owner",
	.root = SANDBOX_NO_ROOT,
	.may = MAY_ACCEPT | MAY_CONNECT_INET | MAY_BIND_INET | MAY_CONNECT_UNIX,
	.asks = asks,
	.prepare = prepare,
	.ipc = server,
	.drain = drain,
};

/* is_lmtp - the service name among the arguments of master (service.h). */
static bool is_lmtp(int argc, char **argv)
{
	for (int i = 1; i + 1 < argc; i++) {
		if (strcmp(argv[i], "-n") == 0)
			return strstr(argv[i + 1], "lmtp") != NULL;
	}
	return false;
}

int main(int argc, char **argv)
{
	return service_main(is_lmtp(argc, argv) ? &lmtp_service : &smtp_service, argc, argv);
}
