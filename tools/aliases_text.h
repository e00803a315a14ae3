/* SPDX-License-Identifier: ISC */
/* aliases_text.h - the text form of aliases(5), for postalias and newaliases */
#ifndef TOOLS_ALIASES_TEXT_H
#define TOOLS_ALIASES_TEXT_H

#include "tools/map_tool.h"

/* aliases_next, aliases_finish - the callbacks of a map_tool. */
bool aliases_next(struct map_tool *tool, struct conf_lines *lines, struct span *key, struct span *value);
void aliases_finish(struct map_tool *tool, const struct table_writes *writes, void *db);

#endif
