/* SPDX-License-Identifier: ISC */
/* conf.c - main.cf into struct conf
 *
 * Runs at the start of every process, so it does no more than needed: a value without '$' that nobody set
 * stays the literal of the table.  Rules: postfix-compat 1; whatever Postfix accepts must load. */
#include "lib/conf/conf.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/conf/expand.h"
#include "lib/conf/source.h"
#include "lib/conf/values.h"

/* The newest compatibility_level whose defaults the table knows. */
static const struct span newest_level = SPAN("3.12");

/* store - expand the value of one row and store it in conf. */
static bool store(struct conf *conf, const struct param_row *row, const char **error)
{
	const struct setting *setting = source_get(conf->source, span_of(row->name));
	const char *value = setting->raw, *problem = NULL;

	if (row->kind != PARAM_RAW && strchr(value, '$') != NULL)
		value = source_expand(conf->source, span_of(value), conf->arena, &problem);
	if (value != NULL)
		problem = values_store(row, value, conf, conf->arena);
	else
		problem = arena_printf(conf->arena, "%s: %s: \"%s\"", row->name, problem, setting->raw);
	if (problem == NULL)
		return true;
	if (setting->origin == FROM_MAIN_CF)
		problem = arena_printf(conf->arena, "%s, line %u: %s", conf->source->path, setting->line, problem);
	*error = problem;
	return false;
}

static bool apply_overrides(struct conf *conf, const struct conf_override *overrides, size_t count,
                            const char **error)
{
	for (size_t i = 0; i < count; i++) {
		struct span name = span_of(overrides[i].name);

		if (span_is_empty(name)) {
			*error = arena_printf(conf->arena, "missing attribute name: \"=%s\"", overrides[i].value);
			return false;
		}
		source_set(conf->source, name, span_trim(span_of(overrides[i].value)), FROM_OVERRIDE, 0);
	}
	return true;
}

/* check_level - above our own level is a warning: we then use the newest defaults we have. */
static bool check_level(struct conf *conf, const char **error)
{
	int order;

	if (!expand_level_compare(span_of(conf->compatibility_level), newest_level, &order)) {
		*error = arena_printf(conf->arena, "%s: malformed compatibility level syntax: \"%s\"",
		                      conf->source->path, conf->compatibility_level);
		return false;
	}
	if (order > 0)
		log_warning("compatibility_level %s is above %.*s, the newest that is known here",
		            conf->compatibility_level, SPAN_ARG(newest_level));
	return true;
}

const struct conf *conf_load(struct arena *arena, const char *config_dir,
                             const struct conf_override *overrides, size_t count, const char **error)
{
	struct conf *conf = ARENA_NEW(arena, struct conf);

	*error = NULL;
	conf->arena = arena;
	conf->source = source_open(arena, config_dir, error);
	if (conf->source == NULL || !apply_overrides(conf, overrides, count, error))
		return NULL;
	/* First of all: many defaults ask for it, and a bad one would be blamed on them. */
	if (!store(conf, source_get(conf->source, span_lit("compatibility_level"))->row, error) ||
	    !check_level(conf, error))
		return NULL;
	source_compute(conf->source);
	for (size_t i = 0; i < param_row_count; i++) {
		const struct param_row *row = &param_rows[i];

		if (row->kind != PARAM_NO_EFFECT && row->kind != PARAM_LATER && !store(conf, row, error))
			return NULL;
	}
	return conf;
}

const char *conf_expand(const struct conf *conf, const char *text, struct arena *arena)
{
	const char *error = NULL;
	const char *value = source_expand(conf->source, span_of(text), arena, &error);

	if (value == NULL)
		log_warning("%s: \"%s\"", error, text);
	return value != NULL ? value : "";
}

const char *conf_value(const struct conf *conf, const char *name, struct arena *arena)
{
	const struct setting *setting = source_get(conf->source, span_of(name));

	if (setting == NULL)
		return NULL;
	if (setting->row != NULL && setting->row->kind == PARAM_RAW)
		return setting->raw;
	return conf_expand(conf, setting->raw, arena);
}

const char *conf_transport_value(const struct conf *conf, const char *transport, const char *suffix,
                                 struct arena *arena)
{
	const char *value = conf_value(conf, arena_printf(arena, "%s_%s", transport, suffix), arena);

	if (value == NULL)
		value = conf_value(conf, arena_printf(arena, "default_%s", suffix), arena);
	return value;
}

bool conf_is_set(const struct conf *conf, const char *name)
{
	const struct setting *setting = source_get(conf->source, span_of(name));

	return setting != NULL && setting->origin != FROM_DEFAULT;
}

const char *conf_daemon_directory(const struct conf *conf)
{
	static const char *const ours[] = { "router", "smtpd" };	/* Postfix has no router */
	char path[PATH_MAX];

	for (size_t i = 0; i < COUNT_OF(ours); i++) {
		int length = snprintf(path, sizeof(path), "%s/%s", conf->daemon_directory, ours[i]);

		if (length < 0 || length >= (int)sizeof(path) || access(path, X_OK) < 0)
			return DAEMON_DIR;
	}
	return conf->daemon_directory;
}

const char *conf_own_addresses(const struct conf *conf, struct arena *arena)
{
	return compute_mynetworks(arena, "host", conf->inet_interfaces, conf->inet_protocols);
}

void conf_each(const struct conf *conf, void (*fn)(void *user, const char *name), void *user)
{
	struct span name;
	void *value;
	size_t cursor = 0;

	while (hash_next(conf->source->settings, &cursor, &name, &value))
		fn(user, ((const struct setting *)value)->name);
}
