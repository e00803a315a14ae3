/* SPDX-License-Identifier: ISC */
/* smtpd_server.c - what all sessions of a process share: lists, rules, limits
 *
 * Made before the sandbox, for it reads files; what it cannot read keeps the program from starting. */
#include <string.h>

#include "lib/base/log.h"
#include "lib/table/match.h"
#include "smtpd/client_table.h"
#include "smtpd/smtpd.h"

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

struct smtpd_server *smtpd_server_new(const struct conf *conf, const char *name, bool is_local,
                                      const char *clients_path)
{
	struct arena *arena = arena_new(NULL);
	struct smtpd_server *server = ARENA_NEW(arena, struct smtpd_server);

	server->conf = conf;
	server->arena = arena;
	server->name = name;
	server->is_local = is_local;
	server->mynetworks = load_list(server, "mynetworks", conf->mynetworks);
	server->unlimited = load_list(server, "smtpd_client_event_limit_exceptions",
	                              conf->smtpd_client_event_limit_exceptions);
	server->bare_newline = bare_newline(conf);
	server->bare_newline_excluded = load_list(server, "smtpd_forbid_bare_newline_exclusions",
	                                          conf->smtpd_forbid_bare_newline_exclusions);
	server->journal_limit = conf->journal_message_limit;
	server->clients = client_table_open(clients_path, (size_t)conf->smtpd_client_table_size);
	list_init(&server->idle);
	smtpd_refuse_unsafe(conf, is_local, arena);
	smtpd_access_load(server);
	smtpd_milter_load(server);
	return server;
}

void smtpd_server_free(struct smtpd_server *server)
{
	client_table_close(server->clients);
	arena_free(server->arena);
}
