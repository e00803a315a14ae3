/* SPDX-License-Identifier: ISC */
/* master_text.h - how a line of master.cf is split; for the parser and for postconf -M, which edits it */
#ifndef CONF_MASTER_TEXT_H
#define CONF_MASTER_TEXT_H

#include <stdbool.h>

#include "lib/base/span.h"
#include "lib/conf/conf.h"

enum master_field {
	MASTER_NAME,
	MASTER_TYPE,
	MASTER_PRIVATE,
	MASTER_UNPRIVILEGED,
	MASTER_CHROOT,
	MASTER_WAKEUP,
	MASTER_LIMIT,
	MASTER_COMMAND,
	MASTER_FIELDS,
};

/* master_split_fields - take the eight fields off *text; what is left are the arguments.  False when there
 * are fewer. */
MUST_USE bool master_split_fields(struct span *text, struct span fields[MASTER_FIELDS]);
/* master_next_argument - next argument of *text; { } around one protect blanks and are taken off. */
bool master_next_argument(struct span *text, struct span *arg);
/* master_conf_parse - as master_conf_load, from text; path is for messages. */
const struct master_conf *master_conf_parse(struct arena *arena, const char *path, struct span text,
                                            const struct conf *conf, const char **error);

#endif
