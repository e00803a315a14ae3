/* SPDX-License-Identifier: ISC */
/* configuration.c - from main.cf and master.cf to the units we run
 *
 * An unchanged master.cf of Postfix must run: entries whose work others do are passed over, what our suite
 * needs beside it (dns, auth ...) is added, an unknown daemon costs only its own service. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/ipc/services.h"
#include "master/master.h"

/* Services without which no mail moves; implied where master.cf does not name them. */
static const struct { const char *name, *command; } implied[] = {
	{ SERVICE_ROUTER, "router" },
	{ SERVICE_DNS,    "dns" },
	{ SERVICE_QMGR,   "qmgr" },
	{ SERVICE_AUTH,   "auth" },
	{ SERVICE_TLSMGR, "tlsmgr" },
};

/* Our filter, where a milter list names it and master.cf does not: one of Postfix never does. */
static bool wants_mailauth(const struct conf *conf)
{
	static const char socket[] = "unix:private/mailauth";

	return strstr(conf->smtpd_milters, socket) != NULL || strstr(conf->non_smtpd_milters, socket) != NULL;
}

static unsigned cores(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n > 0 ? (unsigned)n : 1;
}

/* How many workers: one per core (or as configured), within maxproc. */
static unsigned wanted_workers(const struct conf *conf, const struct program *program, unsigned most)
{
	unsigned n = conf->service_worker_limit > 0 ? (unsigned)conf->service_worker_limit : cores();

	if ((program->flags & PROGRAM_SINGLE) != 0)
		return 1;
	return most > 0 && most < n ? most : n;
}

/* The executable; NULL when it is not there. */
static const char *find_executable(const struct generation *g, const struct program *program)
{
	const char *path = arena_printf(g->arena, "%s/%s", g->daemon_directory, program->program);

	return access(path, X_OK) == 0 ? path : NULL;
}

/* postscreen's listener is an smtpd with the options of the "pass" entry behind it, then its own. */
static void take_overrides(struct unit *unit, const struct master_entry *entry, const struct master_conf *all,
                           struct arena *arena)
{
	const struct master_entry *pass = NULL;
	struct conf_override      *joined;

	unit->overrides = entry->overrides;
	unit->override_count = entry->override_count;
	for (size_t i = 0; i < all->count; i++)
		if (strcmp(all->entries[i].type, "pass") == 0 && strcmp(all->entries[i].command, "smtpd") == 0)
			pass = &all->entries[i];
	if (strcmp(entry->command, "postscreen") != 0 || pass == NULL)
		return;
	joined = ARENA_NEW_ARRAY(arena, struct conf_override, pass->override_count + entry->override_count + 1);
	if (pass->override_count > 0)
		memcpy(joined, pass->overrides, pass->override_count * sizeof(*joined));
	if (entry->override_count > 0)
		memcpy(joined + pass->override_count, entry->overrides, entry->override_count * sizeof(*joined));
	unit->overrides = joined;
	unit->override_count = pass->override_count + entry->override_count;
}

static void complain(struct generation *g, const char *line)
{
	g->complaints[g->complaint_count++] = line;
}

static struct unit *add_unit(struct generation *g, const char *name, const char *type,
                             const struct program *program)
{
	struct unit *unit = &g->units[g->count];
	const char  *path = find_executable(g, program);

	if (path == NULL) {
		complain(g, arena_printf(g->arena, "service %s: no program %s/%s: not started", name,
		                         g->daemon_directory, program->program));
		return NULL;
	}
	g->count++;
	*unit = (struct unit){ .name = name, .type = type, .program = program, .path = path,
		.is_inet = strcmp(type, "inet") == 0, .is_private = true };
	list_init(&unit->workers);
	return unit;
}

static void add_entry(struct generation *g, const struct master_entry *entry, const struct master_conf *all)
{
	const struct program *program = program_find(entry->command);
	struct unit          *unit;

	if (program == NULL) {
		complain(g, arena_printf(g->arena, "master.cf: line %u: service %s: no daemon \"%s\" here: not started",
		                         entry->line, entry->name, entry->command));
		return;
	}
	if (program->program == NULL || strcmp(entry->type, "pass") == 0)
		return;
	unit = add_unit(g, entry->name, entry->type, program);
	if (unit == NULL)
		return;
	unit->is_private = entry->is_private;
	unit->verbose = entry->verbose;
	unit->wanted = wanted_workers(g->conf, program, entry->most_processes);
	take_overrides(unit, entry, all, g->arena);
	endpoints_read(g, unit);
}

static void add_missing(struct generation *g, const char *name, const char *command)
{
	const struct program *program = program_find(command);
	struct unit          *unit;

	if (configuration_unit(g, name) != NULL)
		return;
	unit = add_unit(g, name, "unix", program);
	if (unit == NULL)
		return;
	unit->is_private = (program->flags & PROGRAM_ASKS_TRANSPORTS) == 0;
	unit->wanted = wanted_workers(g->conf, program, 0);
}

static void add_implied(struct generation *g)
{
	for (size_t i = 0; i < COUNT_OF(implied); i++)
		add_missing(g, implied[i].name, implied[i].command);
	if (wants_mailauth(g->conf))
		add_missing(g, "mailauth", "mailauth");
}

/* postlogd first: the others then log to somebody who reads. */
static void put_log_first(struct generation *g)
{
	for (size_t i = 1; i < g->count; i++) {
		struct unit log = g->units[i];

		if (log.program->kind != SOCK_DGRAM)
			continue;
		memmove(&g->units[1], &g->units[0], i * sizeof(g->units[0]));
		g->units[0] = log;
	}
	for (size_t i = 0; i < g->count; i++)
		list_init(&g->units[i].workers);	/* they moved */
}

static void find_programs(struct generation *g)
{
	g->daemon_directory = conf_daemon_directory(g->conf);
	if (strcmp(g->daemon_directory, g->conf->daemon_directory) != 0)
		complain(g, arena_printf(g->arena, "daemon_directory = %s: these are not our programs, %s is used",
		                         g->conf->daemon_directory, g->daemon_directory));
}

static bool fill(struct generation *g, const char *config_dir, const char **error)
{
	struct conf_override      own = { "service_name", "master" };
	const struct master_conf *all;

	g->conf = conf_load(g->arena, config_dir, &own, 1, error);
	if (g->conf == NULL)
		return false;
	all = master_conf_load(g->arena, config_dir, g->conf, error);
	if (all == NULL)
		return false;
	g->entries = all;
	g->units = ARENA_NEW_ARRAY(g->arena, struct unit, all->count + COUNT_OF(implied) + 1);
	g->complaints = ARENA_NEW_ARRAY(g->arena, const char *, all->count + COUNT_OF(implied) + 2);
	find_programs(g);
	for (size_t i = 0; i < all->count; i++)
		add_entry(g, &all->entries[i], all);
	add_implied(g);
	put_log_first(g);
	return true;
}

struct generation *configuration_read(const char *config_dir, const char **error)
{
	static char        text[512];
	struct arena      *arena = arena_new(NULL);
	struct generation *g = ARENA_NEW(arena, struct generation);

	g->arena = arena;
	if (fill(g, config_dir, error))
		return g;
	(void)strncpy(text, *error, sizeof(text) - 1);
	*error = text;
	arena_free(arena);
	return NULL;
}

void configuration_log(const struct generation *g)
{
	for (size_t i = 0; i < g->complaint_count; i++)
		log_error("%s", g->complaints[i]);
	conf_log_unused(g->conf, g->entries);
}

void configuration_free(struct generation *g)
{
	arena_free(g->arena);
}

struct unit *configuration_unit(struct generation *g, const char *name)
{
	for (size_t i = 0; i < g->count; i++)
		if (!g->units[i].is_inet && strcmp(g->units[i].name, name) == 0)
			return &g->units[i];
	return NULL;
}
