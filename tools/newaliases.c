/* SPDX-License-Identifier: ISC */
/* newaliases.c - rebuild the tables of $alias_database from their text */
#include <unistd.h>

#include "lib/base/log.h"
#include "tools/aliases_text.h"

int main(int argc, char **argv)
{
	static struct map_tool newaliases = {
		.name = "newaliases", .usage = "[-c config_dir]", .next_entry = aliases_next, .finish = aliases_finish,
	};
	struct span rest, table;
	int option;

	log_open(newaliases.name, LOG_TO_STDERR, -1);
	newaliases.arena = arena_new(NULL);
	/* Options of sendmail that old scripts pass change nothing. */
	opterr = 0;
	while ((option = getopt(argc, argv, "c:")) != -1)
		if (option == 'c')
			newaliases.config_dir = optarg;
	map_tool_load(&newaliases);
	rest = span_of(newaliases.conf->alias_database);
	while (conf_list_next(&rest, &table))
		map_tool_create(&newaliases, arena_cstr(newaliases.arena, table));
	return 0;
}
