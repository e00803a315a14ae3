/* SPDX-License-Identifier: ISC */
/* postalias.c - make, ask and change alias tables: postmap for the text form of aliases(5) */
#include "tools/aliases_text.h"

int main(int argc, char **argv)
{
	static struct map_tool postalias = {
		.name = "postalias", .options = "c:d:fijnNopq:rsuvw", .colon = true,
		.usage = "[-fijnNoprsuvw] [-c config_dir] [-d key] [-q key] [map_type:]file...",
		.next_entry = aliases_next, .finish = aliases_finish,
	};

	return map_tool_main(&postalias, argc, argv);
}
