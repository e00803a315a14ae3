/* SPDX-License-Identifier: ISC */
/* map_tool.h - what postmap, postalias and newaliases share: options, queries, changes, whole tables */
#ifndef TOOLS_MAP_TOOL_H
#define TOOLS_MAP_TOOL_H

#include <stdbool.h>

#include "lib/base/arena.h"
#include "lib/conf/conf.h"
#include "lib/conf/lines.h"
#include "lib/table/table.h"

enum map_duplicates { DUPLICATES_WARN, DUPLICATES_REPLACE, DUPLICATES_IGNORE };

struct map_tool {
	const char *name, *options, *usage;	/* of the program; options for getopt */
	bool        colon;			/* -s prints "key:<TAB>value" */
	/* next_entry - next entry of the source text; false at its end.  What is no entry is skipped with a warning. */
	bool (*next_entry)(struct map_tool *tool, struct conf_lines *lines, struct span *key, struct span *value);
	/* finish - entries that the tool adds to a whole table; may be NULL. */
	void (*finish)(struct map_tool *tool, const struct table_writes *writes, void *db);

	struct arena       *arena;
	const struct conf  *conf;
	const char         *config_dir, *query, *remove;
	enum map_duplicates duplicates;
	bool                is_dump, is_increment, is_json, keeps_case, keeps_root, plain_mode, values_are_files;
};

/* map_tool_main - all of main() of postmap and postalias. */
int map_tool_main(struct map_tool *tool, int argc, char **argv);
/* map_tool_load - read main.cf; ends the program when it cannot be used. */
void map_tool_load(struct map_tool *tool);
/* map_tool_create - make the table of spec ("hash:/etc/aliases") anew from its source text. */
void map_tool_create(struct map_tool *tool, const char *spec);

#endif
