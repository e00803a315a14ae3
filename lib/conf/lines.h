/* SPDX-License-Identifier: ISC */
/* lines.h - logical lines: the form main.cf, master.cf and table sources share
 *
 * A logical line starts in column 1; lines that start with white space continue it.  Comments (first
 * non-blank character '#') and blank lines are left out and do not end it (postfix-compat 1). */
#ifndef CONF_LINES_H
#define CONF_LINES_H

#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/base/span.h"

struct conf_lines {
	const char *file;	/* for warnings; borrowed */
	struct span rest;	/* of the file's content; borrowed */
	unsigned    line;	/* physical lines read so far */
	unsigned    first;	/* where the logical line starts and ends */
	unsigned    last;
	struct buf  joined;	/* holds a logical line of several physical ones */
};

/* conf_lines_init - walk content (borrowed); a UTF-8 byte order mark is skipped with a warning. */
void conf_lines_init(struct conf_lines *l, const char *file, struct span content);
void conf_lines_free(struct conf_lines *l);
/* conf_lines_next - next logical line, white space at its end dropped; valid until the next call.  One
 * that starts with white space continues nothing: skipped with a warning.  False at the end. */
bool conf_lines_next(struct conf_lines *l, struct span *line);

#endif
