/* SPDX-License-Identifier: ISC */
/* main.c - the smtpd program: what it may do, and what it opens before it may no more
 *
 * Certificates, match lists and access tables are read in prepare(), with the privileges of the start;
 * after that no file can be opened. */
#include "lib/base/hash.h"
#include "lib/base/log.h"
#include "lib/ipc/services.h"
#include "lib/service/service.h"
#include "lib/table/match.h"
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

static const struct match_list *load_list(struct smtpd_server *server, const char *parameter, const char *value)
{
	bool parents = match_list_has_parents(server->conf->parent_domain_matches_subdomains, parameter);
	const char *error = NULL;
	const struct match_list *list = match_list_open(server->arena, parameter, value, parents, "hash", &error);

	if (list == NULL)
		log_fatal("%s: %s", parameter, error);
	return list;
}

static enum smtpd_bare_newline bare_newline(const struct conf *conf)
{
	static const struct { const char *name; enum smtpd_bare_newline value; } names[] = {
		{ "no", BARE_NO }, { "note", BARE_NOTE }, { "yes", BARE_NORMALIZE },
		{ "normalize", BARE_NORMALIZE }, { "reject", BARE_REJECT },
	};

	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (strcmp(conf->smtpd_forbid_bare_newline, names[i].name) == 0)
			return names[i].value;
	log_fatal("smtpd_forbid_bare_newline: unknown value \"%s\"", conf->smtpd_forbid_bare_newline);
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

/* Bytes of content that travel inline: qmgr's parameter, known here by name only. */
static unsigned long long journal_limit(const struct conf *conf, struct arena *arena)
{
	const char *text = conf_value(conf, "journal_message_limit", arena);
	unsigned long long limit;

	if (text == NULL || !span_u64(span_of(text), IPC_MESSAGE_MAX / 2, &limit))
		limit = 65536;
	return limit;
}

static void prepare(struct service_run *run)
{
	struct arena *arena = arena_new(NULL);
	struct smtpd_server *server = ARENA_NEW(arena, struct smtpd_server);
	const struct conf *conf = run->conf;

	server->conf = conf;
	server->arena = arena;
	server->name = run->name;
	server->is_local = strcmp(run->type, "unix") == 0;
	server->backend = (struct smtpd_backend){ call_service, run };
	server->mynetworks = load_list(server, "mynetworks", conf->mynetworks);
	server->unlimited = load_list(server, "smtpd_client_event_limit_exceptions",
	                              conf->smtpd_client_event_limit_exceptions);
	server->bare_newline = bare_newline(conf);
	server->bare_newline_excluded = load_list(server, "smtpd_forbid_bare_newline_exclusions",
	                                          conf->smtpd_forbid_bare_newline_exclusions);
	server->journal_limit = journal_limit(conf, arena);
	server->clients = hash_new();
	list_init(&server->idle);
	smtpd_access_load(server);
	if (!server->is_local)
		load_tls(run, server);
	/* A few more than the limit, so that those above it are told so with a 421. */
	run->connection_limit = (size_t)conf->smtpd_session_limit + 64;
	run->user = server;
}

static void serve(struct service_run *run, int fd, UNUSED size_t listener)
{
	smtpd_talk(run->user, fd);
}

/* Idle clients are told to come back; those inside a message may finish it. */
static void drain(struct service_run *run)
{
	smtpd_drain(run->user);
}

static const char *const asks[] = {
	SERVICE_ROUTER, SERVICE_DNS, SERVICE_QMGR, SERVICE_AUTH, SERVICE_TLSMGR, NULL,
};

static const struct service smtpd_service = {
	.name = "smtpd",
	.user = "network_owner",
	.root = SANDBOX_EMPTY_ROOT,
	.may = MAY_ACCEPT,	/* no files, no DNS, no connections of its own */
	.asks = asks,
	.prepare = prepare,
	.serve = serve,
	.drain = drain,
};

int main(int argc, char **argv)
{
	return service_main(&smtpd_service, argc, argv);
}
