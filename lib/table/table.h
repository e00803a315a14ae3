/* SPDX-License-Identifier: ISC */
/* table.h - lookup tables: "type:name", one file a type
 *
 * A type is a row (struct table_type) in a file of its own and one line in types.def.  A lookup has three
 * ends: found, not found, failed; failed is never taken for not found (postfix-compat 7).  A table whose
 * file was replaced is opened anew; one that cannot be opened fails its lookups until it can. */
#ifndef TABLE_TABLE_H
#define TABLE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/arena.h"
#include "lib/base/attributes.h"
#include "lib/base/span.h"

enum table_status { TABLE_FOUND, TABLE_NOT_FOUND, TABLE_FAILED };

enum table_flags {
	TABLE_CAN_WRITE = 1,	/* postmap makes it: 'writes' is set */
	TABLE_FOLDS = 2,	/* keys are folded to lower case */
	TABLE_IS_PATTERN = 4,	/* gets whole keys only: regexp, pcre, cidr */
	TABLE_IS_FILE = 8,	/* the name is a path (and 'suffix'): watched, and opened to the sandbox */
};

/* What a type's open gets.  It gives its state, or NULL with error set (in arena). */
struct table_opening {
	struct arena *arena;		/* of this content of the table: everything that open keeps lives here */
	const char   *name;		/* behind "type:" */
	const char   *default_type;
	unsigned      depth;		/* of tables within tables */
	const char   *error;
};

struct table_writes;

struct table_type {
	const char *name;
	unsigned    flags;
	const char *suffix;	/* of the file, or NULL */
	void *(*open)(struct table_opening *opening);
	/* find - the value of key in arena. */
	enum table_status (*find)(void *state, struct span key, struct arena *arena, struct span *value);
	void (*close)(void *state);	/* what the arena does not hold; may be NULL */
	const struct table_writes *writes;
	const char *text;	/* for the manual */
};

struct table;

/* table_open - gives a table for "type:name" ("proxy:type:name" is the same table; a bare name gets default_type).
 * Never NULL: table_error says why it cannot be used, and its lookups fail.  table_close gives it back. */
struct table *table_open(struct span spec, const char *default_type);
void table_close(struct table *t);
/* table_error - NULL, or why the table could not be opened. */
const char *table_error(const struct table *t);
const char *table_spec(const struct table *t);
unsigned table_flags(const struct table *t);
/* table_find - look key up; value is in arena.  TABLE_FAILED was logged. */
MUST_USE enum table_status table_find(struct table *t, struct span key, struct arena *arena,
                                      struct span *value);

/* table_recheck - let the next lookup look at the file, which is otherwise done once a second. */
void table_recheck(struct table *t);

/* table_ask_elsewhere - for a program that will have no files: tables opened from now on that read files are not
 * opened here; ask is called for each of their lookups (it may suspend).  NULL ends it. */
typedef enum table_status table_ask(void *user, const char *spec, struct span key, struct arena *arena,
                                    struct span *value);
void table_ask_elsewhere(table_ask *ask, void *user);
/* table_reads_files - does "type:name", or a table within it, read a file? */
bool table_reads_files(struct span spec, const char *default_type);

/* table_types - all of them, NULL-terminated.  table_type_find - by name, or NULL. */
extern const struct table_type *const table_types[];
const struct table_type *table_type_find(struct span name);

/* table_each_path - call add for each file that the tables in list (of a parameter) read, tables within tables
 * and plain files of match lists included. */
void table_each_path(const char *list, const char *default_type,
                     void (*add)(void *user, const char *path), void *user);

/* ---- several tables: the value of a parameter such as alias_maps ---- */

struct table_list {
	struct table **tables;
	size_t         count;
	const char    *title;	/* for messages: the parameter's name */
};

enum table_key { TABLE_WHOLE_KEY, TABLE_PART_OF_KEY };	/* a part is not shown to pattern tables */

/* table_list_open - the tables of list, closed when arena ends. */
struct table_list *table_list_open(struct arena *arena, const char *title, const char *list,
                                   const char *default_type);
/* table_list_find - the first table that has key; one that fails ends the search. */
MUST_USE enum table_status table_list_find(const struct table_list *list, struct span key, enum table_key part,
                                           struct arena *arena, struct span *value);

/* ---- writing, for postmap and postalias ---- */

enum table_access { TABLE_READ, TABLE_CREATE, TABLE_UPDATE };
enum table_put { TABLE_PUT_DONE, TABLE_PUT_EXISTS, TABLE_PUT_FAILED };

struct table_writes {
	/* open - the file for name.  TABLE_CREATE writes a new file that replaces the old one at commit.
	 * NULL with *error (in arena). */
	void *(*open)(const char *name, enum table_access access, mode_t mode, struct arena *arena,
	              const char **error);
	enum table_put (*put)(void *state, struct span key, struct span value, bool replace);
	enum table_status (*remove)(void *state, struct span key);
	/* next - walk all entries; key and value are valid until the next call. */
	enum table_status (*next)(void *state, struct span *key, struct span *value);
	/* commit - make it durable and visible; NULL or what went wrong.  close - always, after it or without. */
	const char *(*commit)(void *state);
	void (*close)(void *state);
};

#endif
