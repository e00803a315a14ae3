/* SPDX-License-Identifier: ISC */
/* simple.c - static:, fail:, environ:, unix: types that need no file of their own */
#include <errno.h>
#include <stdlib.h>

#include "lib/base/accounts.h"
#include "lib/base/buf.h"
#include "lib/base/log.h"
#include "lib/table/nested.h"

extern const struct table_type table_static, table_fail, table_environ, table_unix;

/* ---- static: always the same value ---- */

static void *static_open(struct table_opening *o)
{
	struct span *value = ARENA_NEW(o->arena, struct span);

	*value = arena_dup(o->arena, span_trim(nested_members(span_of(o->name))));
	return value;
}

static enum table_status static_find(void *state, struct span key, struct arena *arena, struct span *value)
{
	(void)key;
	*value = arena_dup(arena, *(const struct span *)state);
	return TABLE_FOUND;
}

const struct table_type table_static = {
	.name = "static", .open = static_open, .find = static_find,
	.text = "static:value or static:{value with blanks}: the same value for every key.",
};

/* ---- fail: every lookup fails, for tests ---- */

static void *fail_open(struct table_opening *o)
{
	return ARENA_NEW(o->arena, char);
}

static enum table_status fail_find(void *state, struct span key, struct arena *arena, struct span *value)
{
	(void)state, (void)key, (void)arena, (void)value;
	return TABLE_FAILED;
}

const struct table_type table_fail = {
	.name = "fail", .open = fail_open, .find = fail_find,
	.text = "fail:name: every lookup fails; for tests.",
};

/* ---- environ: the environment ---- */

static enum table_status environ_find(void *state, struct span key, struct arena *arena, struct span *value)
{
	const char *text = getenv(arena_cstr(arena, key));

	(void)state;
	if (text == NULL)
		return TABLE_NOT_FOUND;
	*value = arena_dup(arena, span_of(text));
	return TABLE_FOUND;
}

const struct table_type table_environ = {
	.name = "environ", .open = fail_open, .find = environ_find,
	.text = "environ:name: variables of the environment.",
};

/* ---- unix: users and groups ---- */

#define ENTRY_BYTES_MAX ((size_t)1 << 20)

struct unix_table {
	bool is_group;
};

/* An entry that does not fit its buffer is asked for again with a larger one. */
static char *larger(struct arena *arena, size_t *size)
{
	*size = *size == 0 ? 4096 : 4 * *size;
	return *size <= ENTRY_BYTES_MAX ? arena_alloc(arena, *size) : NULL;
}

static enum table_status status_of(int error)
{
	return error == 0 ? TABLE_FOUND : error == ENOENT ? TABLE_NOT_FOUND : TABLE_FAILED;
}

static enum table_status find_user(const char *name, struct arena *arena, struct span *value)
{
	struct passwd entry;
	size_t size = 0;
	char *room;
	int error = ERANGE;

	while (error == ERANGE && (room = larger(arena, &size)) != NULL)
		error = accounts_user(name, &entry, room, size);
	if (error == 0)
		*value = arena_printf_span(arena, "%s:%s:%lu:%lu:%s:%s:%s", entry.pw_name, entry.pw_passwd,
		                           (unsigned long)entry.pw_uid, (unsigned long)entry.pw_gid,
		                           entry.pw_gecos, entry.pw_dir, entry.pw_shell);
	return status_of(error);
}

static enum table_status find_group(const char *name, struct arena *arena, struct span *value)
{
	struct group entry;
	size_t size = 0;
	struct buf text;
	char *room;
	int error = ERANGE;

	while (error == ERANGE && (room = larger(arena, &size)) != NULL)
		error = accounts_group(name, &entry, room, size);
	if (error != 0)
		return status_of(error);
	buf_init(&text, ENTRY_BYTES_MAX);
	buf_addf(&text, "%s:%s:%lu:", entry.gr_name, entry.gr_passwd, (unsigned long)entry.gr_gid);
	for (size_t i = 0; entry.gr_mem[i] != NULL; i++)
		buf_addf(&text, i > 0 ? ",%s" : "%s", entry.gr_mem[i]);
	*value = arena_dup(arena, buf_span(&text));
	buf_free(&text);
	return TABLE_FOUND;
}

static enum table_status unix_find(void *state, struct span key, struct arena *arena, struct span *value)
{
	const struct unix_table *t = state;
	const char *name = arena_cstr(arena, key);

	if (strlen(name) != key.len || key.len == 0)
		return TABLE_NOT_FOUND;
	return t->is_group ? find_group(name, arena, value) : find_user(name, arena, value);
}

static void *unix_open(struct table_opening *o)
{
	struct unix_table *t = ARENA_NEW(o->arena, struct unix_table);
	struct span value;

	t->is_group = strcmp(o->name, "group.byname") == 0;
	if (!t->is_group && strcmp(o->name, "passwd.byname") != 0) {
		o->error = arena_printf(o->arena, "unknown map name: %s:%s", "unix", o->name);
		return NULL;
	}
	/* The name services load their libraries at the first call: that must happen before the sandbox. */
	if (unix_find(t, span_lit("root"), o->arena, &value) == TABLE_FAILED)
		log_warning("unix:%s: the name service fails: %s", o->name, strerror(errno));
	return t;
}

const struct table_type table_unix = {
	.name = "unix", .flags = TABLE_FOLDS, .open = unix_open, .find = unix_find,
	.text = "unix:passwd.byname and unix:group.byname: the users and groups of the system.",
};
