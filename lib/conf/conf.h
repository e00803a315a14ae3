/* SPDX-License-Identifier: ISC */
/* conf.h - main.cf and master.cf, and the one table of parameters
 *
 * The rows of lib/conf/params/ (one .def file a subject, all included by params.def) give the members of
 * struct conf, defaults, ranges, postconf and postconf(5).  A program gets a const struct conf *;
 * there are no globals.  conf is read once, at the start of a process. */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/attributes.h"
#include "lib/base/span.h"

/* Kinds of parameters and the C type of their member.  TIME is in seconds, SIZE in bytes. */
#define CONF_C_TYPE_STR  const char *		/* expanded; never NULL, may be "" */
#define CONF_C_TYPE_RAW  const char *		/* as written: the reader expands it with names of its own (expand.h) */
#define CONF_C_TYPE_LIST const char *		/* expanded; members by conf_list_next */
#define CONF_C_TYPE_BOOL bool
#define CONF_C_TYPE_INT  long long
#define CONF_C_TYPE_SIZE unsigned long long
#define CONF_C_TYPE_TIME unsigned long long

#define PARAM_MAX 9223372036854775807LL	/* the most of a range without an end */

struct conf_source;	/* raw settings, files and lines; private */

struct conf {
#define PARAM(kind, name, standard, least, most, read_by, since, meaning) CONF_C_TYPE_##kind name;
#define ACCEPTED(tier, name, standard, meaning)
#include "lib/conf/params.def"
#undef PARAM
#undef ACCEPTED
	struct conf_source *source;
	struct arena       *arena;
};

struct conf_override {
	const char *name, *value;
};

/* conf_load - read DIR/main.cf, apply overrides (-o of master.cf and command line; $name in them is expanded),
 * check kinds and ranges.  NULL when the file cannot be used; *error then says why with file and line
 * (in arena).  Warnings go to the log. */
const struct conf *conf_load(struct arena *arena, const char *config_dir,
                             const struct conf_override *overrides, size_t count, const char **error);
/* conf_value - the expanded value of any name: ours, Postfix's or the admin's own.  NULL when undefined. */
const char *conf_value(const struct conf *conf, const char *name, struct arena *arena);
/* conf_transport_value - the value of TRANSPORT_suffix, else of default_suffix ("destination_concurrency_limit"). */
const char *conf_transport_value(const struct conf *conf, const char *transport, const char *suffix,
                                 struct arena *arena);
/* conf_expand - expand $name and kin in text. */
const char *conf_expand(const struct conf *conf, const char *text, struct arena *arena);
/* conf_list_next - next member of a list: split at commas and white space, { } protects (and is taken off). */
bool conf_list_next(struct span *rest, struct span *member);
/* conf_parse_time - "300s", "5d", "2"; unit (one of smhdw) counts where none is written.  False when bad. */
MUST_USE bool conf_parse_time(struct span text, char unit, unsigned long long *seconds);

/* conf_own_addresses - the addresses of this host that inet_interfaces and inet_protocols leave in, as a match list. */
const char *conf_own_addresses(const struct conf *conf, struct arena *arena);
/* conf_each - call fn for every name that has a value, those of the table and the admin's own. */
void conf_each(const struct conf *conf, void (*fn)(void *user, const char *name), void *user);
/* conf_daemon_directory - where our programs are: daemon_directory, unless it is another system's (a main.cf of Postfix
 * may name Postfix's own) and has none of ours; then where they were installed. */
const char *conf_daemon_directory(const struct conf *conf);
/* conf_is_set - whether main.cf or an override sets name (it may still be empty). */
bool conf_is_set(const struct conf *conf, const char *name);
/* conf_log_unused - a line "unused parameter: NAME=VALUE" for each setting of main.cf and master.cf (may be NULL)
 * that nobody reads: not ours, not named by another value, no transport's.  For master's start and for tools. */
struct master_conf;
void conf_log_unused(const struct conf *conf, const struct master_conf *master);

/* One service of master.cf. */
struct master_entry {
	const char *name, *type;		/* "smtp", "inet" */
	bool        is_private, is_unprivileged, is_chrooted;
	unsigned    wakeup_s;			/* 0: none */
	bool        wakeup_only_if_used;	/* "N?" */
	unsigned    most_processes;		/* 0: no limit */
	const char *command;			/* program name */
	const char *const *args;		/* behind it, -o excluded; NULL-terminated */
	const struct conf_override *overrides;
	size_t      override_count;
	unsigned    verbose;
	unsigned    line;
};

struct master_conf {
	struct master_entry *entries;
	size_t               count;
};

/* master_conf_load - the services of DIR/master.cf, in arena; of two with the same name and type the last.  NULL:
 * *error says why with file and line. */
const struct master_conf *master_conf_load(struct arena *arena, const char *config_dir,
                                           const struct conf *conf, const char **error);

#endif
