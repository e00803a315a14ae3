/* SPDX-License-Identifier: ISC */
/* nested.h - tables made of tables; private to lib/table */
#ifndef TABLE_NESTED_H
#define TABLE_NESTED_H

#include "lib/table/table.h"

/* table_open_nested - as table_open, for a table within others. */
struct table *table_open_nested(struct span spec, const char *default_type, unsigned depth);
/* nested_is - the type has other tables in its name. */
bool nested_is(const struct table_type *type);
/* nested_members - the list inside { } of such a name. */
struct span nested_members(struct span name);

#endif
