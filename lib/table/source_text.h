/* SPDX-License-Identifier: ISC */
/* source_text.h - the text form of a table: "key white-space value" a logical line; for texthash: and postmap */
#ifndef TABLE_SOURCE_TEXT_H
#define TABLE_SOURCE_TEXT_H

#include "lib/conf/lines.h"

/* table_source_next - next entry, borrowed until the next call.  Blanks in "..." and behind a backslash belong to
 * the key, and so do the quotes (as Postfix has it: "john doe"@example.com).  What is no entry is skipped with a
 * warning.  False at the end. */
bool table_source_next(struct conf_lines *lines, struct span *key, struct span *value);

#endif
