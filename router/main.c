/* SPDX-License-Identifier: ISC */
/* main.c - router: where does this address go, and what does this table say
 *
 * Answers lib/ipc/router.h to the programs that master introduces.  It alone holds lookup tables; who asks
 * names parameters, never files.  Reads what is below the folders of its tables and nothing else. */
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/service/service.h"
#include "router/router.h"

enum { REQUESTS_A_CONNECTION = 1000 };

static void handle_resolve(struct ipc_request *request)
{
	struct service_run *run = request->user;
	struct resolve_reply reply;

	router_resolve(run->user, request->message, request->arena, &reply);
	(void)ipc_reply(request, &resolve_reply_type, &reply, false);
}

static void handle_lookup(struct ipc_request *request)
{
	struct service_run *run = request->user;
	const struct lookup_request *asked = request->message;
	struct lookup_reply reply = { .status = LOOKUP_FAILED };
	const char *asker = ipc_peer_value(request->peer);

	if (router_may_ask(run->user, asker, asked->maps))
		router_lookup(run->user, asked, request->arena, &reply);
	else
		log_warning("%s asks for the table \"" SPAN_FMT "\", which is not for it",
		            asker != NULL ? asker : "a stranger", SPAN_ARG(asked->maps));
	(void)ipc_reply(request, &lookup_reply_type, &reply, false);
}

/* Only the first counts: what comes later could be the asker's own. */
static void handle_asker(struct ipc_request *request)
{
	const struct router_asker *notice = request->message;
	union { const char *in; void *out; } name = { router_asker_find(notice->program) };

	if (request->id == 0 && ipc_peer_value(request->peer) == NULL)
		ipc_peer_set_value(request->peer, name.out);
}

static struct ipc_server *server(struct service_run *run)
{
	static const struct ipc_handler handlers[] = {
		{ &resolve_request_type, handle_resolve, false },
		{ &lookup_request_type, handle_lookup, false },
		{ &router_asker_type, handle_asker, false },
	};
	static struct ipc_server answering = {
		.handlers = handlers, .count = COUNT_OF(handlers), .most_requests = REQUESTS_A_CONNECTION,
	};

	answering.user = run;
	return &answering;
}

/* allow_folder - the folder, not the file: a file that is replaced is another one to Landlock. */
static void allow_folder(void *user, const char *path)
{
	struct service_run *run = user;
	struct sandbox *s = &run->sandbox;
	struct arena *arena = run->conf->arena;
	size_t slash = span_rfind(span_of(path), '/');
	const char *folder = slash == SPAN_NOT_FOUND ? "."
	                     : arena_cstr(arena, span_first(span_of(path), slash == 0 ? 1 : slash));

	for (size_t i = 0; i < s->path_count; i++)
		if (strcmp(s->paths[i].path, folder) == 0)
			return;
	if (access(folder, F_OK) < 0)
		return;
	if (s->path_count == SANDBOX_PATHS_MAX) {
		log_warning("too many folders with tables: a change of %s will not be seen", path);
		return;
	}
	sandbox_allow(s, folder, false);
}

static void allow_list(void *user, const char *name, const char *value)
{
	struct service_run *run = user;

	(void)name;
	table_each_path(value, run->conf->default_database_type, allow_folder, run);
}

static void allow_smtpd_list(void *user, const char *name, const char *value)
{
	(void)name;
	table_each_path(value, SMTPD_TABLE_TYPE, allow_folder, user);
}

/* Each smtpd of master.cf has its own restrictions where -o says so. */
static void open_smtpd_tables(struct service_run *run)
{
	struct arena *arena = run->conf->arena;
	const char *error = NULL;
	const struct master_conf *master = master_conf_load(arena, run->config_dir, run->conf, &error);

	router_each_smtpd_list(run->conf, arena, allow_smtpd_list, run);
	for (size_t i = 0; master != NULL && i < master->count; i++) {
		const struct master_entry *e = &master->entries[i];
		const struct conf *own;

		if ((strcmp(e->command, "smtpd") != 0 && strcmp(e->command, "postscreen") != 0) ||
		    e->override_count == 0)
			continue;
		own = conf_load(arena, run->config_dir, e->overrides, e->override_count, &error);
		if (own == NULL)	/* that smtpd will not start either, and says why */
			continue;
		router_open_smtpd_tables(run->user, own);
		router_each_smtpd_list(own, arena, allow_smtpd_list, run);
	}
}

static void prepare(struct service_run *run)
{
	const char *error = NULL;

	run->user = router_open(run->conf->arena, run->conf, &error);
	if (run->user == NULL)
		log_fatal("%s", error);
	router_each_list(run->conf, run->conf->arena, allow_list, run);
	open_smtpd_tables(run);
}

static const struct service router_service = {
	.name = "router",
	.user = "router_owner",
	.root = SANDBOX_NO_ROOT,
	.may = MAY_ACCEPT | MAY_READ_FILES,
	.prepare = prepare,
	.ipc = server,
};

int main(int argc, char **argv)
{
	return service_main(&router_service, argc, argv);
}
