/* SPDX-License-Identifier: ISC */
/* params.h - the rows of the parameter table, for those that list it: conf_load, postconf, the manual */
#ifndef CONF_PARAMS_H
#define CONF_PARAMS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/span.h"

enum param_kind {
	PARAM_STR,	/* expanded text */
	PARAM_RAW,	/* text that its reader expands with names of its own ($user, $rbl_code) */
	PARAM_LIST,
	PARAM_BOOL,
	PARAM_INT,
	PARAM_SIZE,
	PARAM_TIME,
	PARAM_NO_EFFECT,	/* a Postfix parameter accepted for good without effect */
	PARAM_LATER,		/* one that Postern does not do yet */
};

struct param_row {
	const char     *name, *standard;
	const char     *read_by, *since;	/* NULL for the last two kinds */
	const char     *meaning;
	long long       least, most;
	size_t          offset;	/* of the member in struct conf */
	enum param_kind kind;
};

extern const struct param_row param_rows[];
extern const size_t param_row_count;

/* param_find - the row of that name, or NULL.  A walk over the table: for tools; conf_load has an index. */
const struct param_row *param_find(struct span name);
/* param_is_per_transport - NAME is TRANSPORT_suffix with a suffix that works for any transport. */
bool param_is_per_transport(struct span name);

#endif
