/* SPDX-License-Identifier: ISC */
/* postconf.h - what the files of postconf share */
#ifndef TOOLS_POSTCONF_H
#define TOOLS_POSTCONF_H

#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/conf/source.h"

enum { POSTCONF_COLUMNS = 80 };	/* where -f folds */

enum postconf_action { ACTION_SHOW, ACTION_EDIT, ACTION_REMOVE, ACTION_COMMENT };

struct postconf {
	struct arena        *arena;
	const char          *config_dir;
	bool                 has_config_dir;	/* by -c or the environment: then it is a setting, too */
	struct conf_source  *source;
	enum postconf_action action;
	bool only_defaults, only_set, is_expanded, no_name, no_value, is_folded;
	char *const *names;	/* arguments behind the options */
	size_t       count;
	size_t       override_count;
	struct conf_override overrides[64];
};

/* postconf_load - read main.cf into p->source (or the defaults alone). */
void postconf_load(struct postconf *p);
/* postconf_show_main - "name = value" lines. */
int postconf_show_main(struct postconf *p);
/* postconf_edit_main - p->action for the arguments. */
int postconf_edit_main(struct postconf *p);
enum postconf_master { MASTER_ENTRIES, MASTER_FIELD_VALUES, MASTER_PARAMETERS };	/* -M, -F, -P */
/* postconf_show_master, postconf_edit_master - what of master.cf the arguments name; the exit status. */
int postconf_show_master(struct postconf *p, enum postconf_master what);
int postconf_edit_master(struct postconf *p, enum postconf_master what);
/* postconf_print - a line, folded at 80 columns with -f. */
void postconf_print(const struct postconf *p, struct span line);
/* postconf_clean - value with runs of white space as one blank. */
const char *postconf_clean(struct arena *arena, const char *value);
/* postconf_read, postconf_write - a file of the configuration folder; the new one replaces it whole. */
struct span postconf_read(struct postconf *p, const char *name);
void postconf_write(struct postconf *p, const char *name, struct span text);

#endif
