/* SPDX-License-Identifier: ISC */
/* source.h - where each value came from: private to lib/conf and to postconf, which shows it */
#ifndef CONF_SOURCE_H
#define CONF_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/arena.h"
#include "lib/base/hash.h"
#include "lib/base/span.h"
#include "lib/conf/conf.h"
#include "lib/conf/params.h"

enum setting_origin { FROM_DEFAULT, FROM_MAIN_CF, FROM_OVERRIDE };

struct setting {
	const char             *name;
	const char             *raw;	/* not expanded */
	const struct param_row *row;	/* NULL: a name of the admin's own */
	enum setting_origin     origin;
	unsigned                line;
	struct setting         *next;	/* in the order of first appearance; those set only */
};

struct conf_source {
	struct arena   *arena;
	struct hash    *settings;	/* name to struct setting; defaults too */
	struct setting *first, **last;	/* those that are set */
	const char     *config_dir, *path;
	const char     *error;		/* of the value being expanded */
};

/* source_open - the defaults of all rows, then the settings of DIR/main.cf.  NULL: *error says why. */
struct conf_source *source_open(struct arena *arena, const char *config_dir, const char **error);
/* source_defaults - the defaults alone. */
struct conf_source *source_defaults(struct arena *arena, const char *config_dir);
/* source_parse - settings of text in the form of main.cf; path is for messages. */
MUST_USE bool source_parse(struct conf_source *s, const char *path, struct span text, const char **error);
/* source_set - set name; warns about another setting of the same name in the same place. */
void source_set(struct conf_source *s, struct span name, struct span value, enum setting_origin origin,
                unsigned line);
/* source_get - the setting or default of that name, or NULL. */
struct setting *source_get(const struct conf_source *s, struct span name);
/* source_expand - text with its references replaced, in arena; NULL: *error says why. */
const char *source_expand(const struct conf_source *s, struct span text, struct arena *arena, const char **error);
/* source_compute - give the parameters whose default depends on this host their values, where not set:
 * myhostname, mydomain, mynetworks; and read myorigin from the file it may name. */
void source_compute(struct conf_source *s);

/* conf_referenced_names - every name that a value of main.cf or master.cf (may be NULL) refers to; the caller frees it. */
struct hash *conf_referenced_names(const struct conf_source *s, const struct master_conf *master);
/* source_log_unused - conf_log_unused for main.cf alone. */
void source_log_unused(const struct conf_source *s);

/* compute_mynetworks - the networks of this host by mynetworks_style ("host", "subnet", "class"), limited to the
 * given inet_interfaces and inet_protocols; in arena. */
const char *compute_mynetworks(struct arena *arena, const char *style, const char *interfaces,
                               const char *protocols);

#endif
