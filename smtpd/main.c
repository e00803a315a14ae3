/* SPDX-License-Identifier: ISC */
/* main.c - the smtpd program: what it may do, and what it opens before it may no more
 *
 * Certificates are read in prepare(), with the privileges of the start; after that no file can be opened.
 * Tables in restrictions and match lists are read by the router, which is asked for each key. */
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/ipc/services.h"
#include "lib/service/service.h"
#include "lib/table/table.h"
#include "lib/tls/tls_signer.h"
#include "smtpd/smtpd.h"

static int call_service(void *user, const char *service, bool again_is_safe,
                        const struct ipc_type *request_type, const void *request,
                        const struct ipc_type *reply_type, void *reply, struct arena *arena,
                        uint64_t deadline_us)
{
	return service_call(user, service, again_is_safe, request_type, request, reply_type, reply, arena,
	                    deadline_us);
}

static int connect_milter(void *user, const char *endpoint, uint64_t deadline_us)
{
	return service_connect(user, endpoint, deadline_us);
}

/* smtpd_tls_security_level wins; smtpd_enforce_tls and smtpd_use_tls are its elders (postfix-compat 16). */
static enum tls_level tls_level(const struct conf *conf)
{
	enum tls_level level = TLS_NONE;

	if (conf->smtpd_tls_security_level[0] != '\0') {
		if (!tls_level_parse(conf->smtpd_tls_security_level, &level))
			log_fatal("smtpd_tls_security_level: unknown value \"%s\"", conf->smtpd_tls_security_level);
		return level > TLS_ENCRYPT ? TLS_ENCRYPT : level;
	}
	return conf->smtpd_enforce_tls ? TLS_ENCRYPT : conf->smtpd_use_tls ? TLS_MAY : TLS_NONE;
}

static void load_tls(struct service_run *run, struct smtpd_server *server)
{
	struct tls_server_settings settings;
	struct why why;

	server->tls_level = tls_level(run->conf);
	if (run->conf->smtpd_tls_wrappermode && server->tls_level == TLS_NONE)
		server->tls_level = TLS_MAY;
	if (server->tls_level == TLS_NONE)
		return;
	if (!tls_server_smtpd(run->conf, server->tls_level == TLS_ENCRYPT, server->arena, &settings))
		why_set(&why, DEFER, "", "no certificate is configured");
	else
		server->tls = tls_server_new(&settings, tls_signer_tlsmgr(run), &why);
	if (server->tls != NULL)
		return;
	if (server->tls_level == TLS_ENCRYPT || run->conf->smtpd_tls_wrappermode)
		log_fatal("TLS is required but cannot be had: %s", why.text);
	log_warning("STARTTLS is not offered: %s", why.text);
}

/* A table of our restrictions and match lists: the router reads it, and sees when it changes. */
static enum table_status ask_router(void *user, const char *spec, struct span key, struct arena *arena,
                                    struct span *value)
{
	struct service_run *run = user;
	struct lookup_request request = { .maps = span_of(spec), .key = key, .how = LOOKUP_EXACT };
	struct lookup_reply reply;

	if (service_call(run, SERVICE_ROUTER, true, &lookup_request_type, &request, &lookup_reply_type, &reply,
	                 arena, clock_in_s(run->conf->smtpd_ask_time_limit)) < 0)
		return TABLE_FAILED;
	*value = reply.value;
	return reply.status == LOOKUP_FOUND ? TABLE_FOUND
	       : reply.status == LOOKUP_NOT_FOUND ? TABLE_NOT_FOUND : TABLE_FAILED;
}

/* The processes of one service count together, the old ones of a reload too. */
static const char *clients_path(struct service_run *run)
{
	char *path = arena_printf(run->conf->arena, "%s/smtpd-clients.%s", run->conf->data_directory, run->name);

	for (char *p = path + strlen(run->conf->data_directory) + 1; *p != '\0'; p++)
		if (*p == '/')
			*p = '_';
	return path;
}

static void prepare(struct service_run *run)
{
	bool is_local = strcmp(run->type, "unix") == 0;
	struct smtpd_server *server;

	table_ask_elsewhere(ask_router, run);
	server = smtpd_server_new(run->conf, run->name, is_local, is_local ? NULL : clients_path(run));

	server->backend = (struct smtpd_backend){ call_service, connect_milter, run };
	if (!server->is_local)
		load_tls(run, server);
	/* A few more than the limit, so that those above it are told so with a 421. */
	run->connection_limit = (size_t)run->conf->smtpd_session_limit + 64;
	run->user = server;
}

static void serve(struct service_run *run, int fd, UNUSED size_t listener)
{
	smtpd_talk(run->user, fd);
}

/* Sessions under way go on; connections to milters that none of them uses are not kept any longer. */
static void drain(struct service_run *run)
{
	struct smtpd_server *server = run->user;

	milter_pool_close(&server->milter_pool);
}

/* Clients are told to come back; those inside a message may finish it. */
static void stop(struct service_run *run)
{
	smtpd_stop(run->user);
}

static const char *const asks[] = {
	SERVICE_ROUTER, SERVICE_DNS, SERVICE_QMGR, SERVICE_AUTH, SERVICE_TLSMGR, NULL,
};

static const struct service smtpd_service = {
	.name = "smtpd",
	.user = "network_owner",
	.root = SANDBOX_EMPTY_ROOT,
	.may = MAY_ACCEPT,	/* no files, no DNS, no connections of its own: master makes those to milters */
	.asks = asks,
	.prepare = prepare,
	.serve = serve,
	.drain = drain,
	.stop = stop,
};

int main(int argc, char **argv)
{
	return service_main(&smtpd_service, argc, argv);
}
