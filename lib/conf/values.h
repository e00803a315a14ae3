/* SPDX-License-Identifier: ISC */
/* values.h - text of main.cf to numbers, times and yes or no; private to lib/conf */
#ifndef CONF_VALUES_H
#define CONF_VALUES_H

#include <stdbool.h>

#include "lib/base/arena.h"
#include "lib/conf/params.h"

/* values_store - parse value as row's kind says, check its range and store it in the member of the struct conf at
 * base.  NULL, or what is wrong (in arena). */
const char *values_store(const struct param_row *row, const char *value, void *base, struct arena *arena);
/* values_time_unit - the unit that counts for a time parameter where none is written: that of its default. */
char values_time_unit(const struct param_row *row);

#endif
