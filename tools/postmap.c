/* SPDX-License-Identifier: ISC */
/* postmap.c - make, ask and change lookup tables */
#include "lib/table/source_text.h"
#include "tools/map_tool.h"

static bool next_entry(struct map_tool *tool, struct conf_lines *lines, struct span *key, struct span *value)
{
	(void)tool;
	return table_source_next(lines, key, value);
}

int main(int argc, char **argv)
{
	static struct map_tool postmap = {
		.name = "postmap", .options = "c:d:fFijnNopq:rsuUvw",
		.usage = "[-fFijnNoprsuUvw] [-c config_dir] [-d key] [-q key] [map_type:]file...",
		.next_entry = next_entry,
	};

	return map_tool_main(&postmap, argc, argv);
}
