/* SPDX-License-Identifier: ISC */
/* table.c - lookup tables: open, find, watch, several in a row
 *
 * Used by router and by programs before their sandbox.  Tables belong to the admin; keys come from the
 * network.  Rules: postfix-compat 7. */
#include "lib/table/table.h"

#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/conf/conf.h"
#include "lib/table/nested.h"

#define TABLE_TYPE(name) extern const struct table_type table_##name;
#include "lib/table/types.def"
#undef TABLE_TYPE

const struct table_type *const table_types[] = {
#define TABLE_TYPE(name) &table_##name,
#include "lib/table/types.def"
#undef TABLE_TYPE
	NULL,
};

/* Tables within tables (unionmap of pipemap of ...). */
enum { DEPTH_MAX = 8 };

/* What tells one version of a file from another. */
struct stamp {
	dev_t           device;
	ino_t           inode;
	off_t           size;
	struct timespec changed;
};

struct table {
	struct arena            *arena;
	const struct table_type *type;	/* NULL: unknown */
	const char              *spec, *name, *path;	/* path: NULL unless TABLE_IS_FILE */
	const char              *default_type, *error;
	unsigned                 depth;
	struct arena            *content;	/* of the state */
	void                    *state;
	struct stamp             stamp;
	uint64_t                 next_check_us;
	bool                     is_elsewhere;
};

static struct {
	table_ask *ask;	/* NULL: files are read here */
	void      *user;
} elsewhere;

void table_ask_elsewhere(table_ask *ask, void *user)
{
	elsewhere.ask = ask;
	elsewhere.user = user;
}

const struct table_type *table_type_find(struct span name)
{
	for (size_t i = 0; table_types[i] != NULL; i++)
		if (span_equal(span_of(table_types[i]->name), name))
			return table_types[i];
	return NULL;
}

/* split_spec - "type:name" in two; a bare name (or an absolute path) gets the default type. */
static void split_spec(struct span spec, const char *default_type, struct span *type, struct span *name)
{
	while (span_starts(spec, span_lit("proxy:")))
		spec = span_skip(spec, 6);
	*name = spec;
	if (spec.len > 0 && spec.ptr[0] != '/' && span_cut(name, ':', type))
		return;
	*type = span_of(default_type);
	*name = spec;
}

static bool stamp_of(const char *path, struct stamp *stamp)
{
	struct stat st;

	if (path == NULL || stat(path, &st) < 0)
		return false;
	*stamp = (struct stamp){ st.st_dev, st.st_ino, st.st_size, st.st_mtim };
	return true;
}

static bool stamp_equal(const struct stamp *a, const struct stamp *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size &&
	       a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

/* load - open the content; on failure the old one, if any, stays in use. */
static bool load(struct table *t)
{
	struct table_opening opening = {
		.arena = arena_new(t->arena), .name = t->name, .default_type = t->default_type, .depth = t->depth,
	};
	void *state;

	stamp_of(t->path, &t->stamp);	/* before the open: a change during it is seen next time */
	state = t->type->open(&opening);
	if (state == NULL) {
		t->error = arena_cstr(t->arena, span_of(opening.error));
		arena_free(opening.arena);
		return false;
	}
	if (t->state != NULL && t->type->close != NULL)
		t->type->close(t->state);
	if (t->content != NULL)
		arena_free(t->content);
	t->content = opening.arena;
	t->state = state;
	t->error = NULL;
	return true;
}

/* reopen_changed - true: the file has been replaced, and the new one is open. */
static bool reopen_changed(struct table *t)
{
	struct stamp stamp;

	if (t->path == NULL || !stamp_of(t->path, &stamp) || stamp_equal(&stamp, &t->stamp))
		return false;
	if (!load(t)) {
		log_warning("%s has changed and cannot be opened: %s; using the old one", t->spec, t->error);
		return false;
	}
	log_note("%s has changed: opened anew", t->spec);
	return true;
}

/* refresh - at most once a second: has the file been replaced, can a missing one be opened now? */
static void refresh(struct table *t)
{
	uint64_t now = clock_now_us();

	if (now < t->next_check_us || t->type == NULL)
		return;
	t->next_check_us = now + CLOCK_SECOND_US;
	if (t->state == NULL)
		load(t);
	else
		reopen_changed(t);
}

/* ---- which files ---- */

static void add_path(struct span name, const char *suffix, void (*add)(void *user, const char *path), void *user)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), SPAN_FMT "%s", SPAN_ARG(name), suffix != NULL ? suffix : "") < PATH_MAX)
		add(user, path);
}

static void each_path_of(struct span spec, const char *default_type, unsigned depth,
                         void (*add)(void *user, const char *path), void *user)
{
	const struct table_type *type;
	struct span type_name, name;

	if (span_starts(spec, span_lit("!")))
		spec = span_skip(spec, 1);
	split_spec(spec, default_type, &type_name, &name);
	if (span_starts(spec, span_lit("/")))
		add_path(name, NULL, add, user);	/* a file of a match list, or a table of the default type */
	else if (span_find(spec, ':') == SPAN_NOT_FOUND)
		return;
	type = table_type_find(type_name);
	if (type == NULL || depth > DEPTH_MAX)
		return;
	if (nested_is(type)) {
		struct span rest = nested_members(name), member;

		while (conf_list_next(&rest, &member))
			each_path_of(member, default_type, depth + 1, add, user);
	} else if (type == &table_unix) {
		add(user, "/etc/passwd");
		add(user, "/etc/group");
		add(user, "/etc/nsswitch.conf");
	} else if (type->flags & TABLE_IS_FILE && !span_starts(name, span_lit("{"))) {
		add_path(name, type->suffix, add, user);
	}
}

static void note_path(void *user, const char *path)
{
	(void)path;
	*(bool *)user = true;
}

bool table_reads_files(struct span spec, const char *default_type)
{
	bool reads = false;

	each_path_of(spec, default_type, 0, note_path, &reads);
	return reads;
}

void table_each_path(const char *list, const char *default_type,
                     void (*add)(void *user, const char *path), void *user)
{
	struct span rest = span_of(list), member;

	while (conf_list_next(&rest, &member))
		each_path_of(member, default_type, 0, add, user);
}

/* ---- open and close ---- */

struct table *table_open_nested(struct span spec, const char *default_type, unsigned depth)
{
	struct arena *arena = arena_new(NULL);
	struct table *t = ARENA_NEW(arena, struct table);
	struct span type, name;

	split_spec(spec, default_type, &type, &name);
	t->arena = arena;
	t->spec = arena_printf(arena, SPAN_FMT ":" SPAN_FMT, SPAN_ARG(type), SPAN_ARG(name));
	t->name = arena_cstr(arena, name);
	t->default_type = arena_cstr(arena, span_of(default_type));
	t->type = table_type_find(type);
	t->depth = depth;
	if (t->type == NULL)
		t->error = arena_printf(arena, "unsupported dictionary type: " SPAN_FMT, SPAN_ARG(type));
	else if (depth > DEPTH_MAX)
		t->error = "too many tables within tables";
	t->is_elsewhere = t->error == NULL && elsewhere.ask != NULL && table_reads_files(spec, default_type);
	if (t->error != NULL || t->is_elsewhere)
		return t;
	if (t->type->flags & TABLE_IS_FILE && t->name[0] != '{')
		t->path = arena_printf(arena, "%s%s", t->name, t->type->suffix != NULL ? t->type->suffix : "");
	t->next_check_us = clock_now_us() + CLOCK_SECOND_US;
	load(t);
	return t;
}

struct table *table_open(struct span spec, const char *default_type)
{
	return table_open_nested(spec, default_type, 0);
}

void table_close(struct table *t)
{
	if (t == NULL)
		return;
	if (t->state != NULL && t->type->close != NULL)
		t->type->close(t->state);
	arena_free(t->arena);
}

const char *table_error(const struct table *t)
{
	return t->state != NULL || t->is_elsewhere ? NULL : t->error;
}

const char *table_spec(const struct table *t)
{
	return t->spec;
}

unsigned table_flags(const struct table *t)
{
	return t->type != NULL ? t->type->flags : 0;
}

void table_recheck(struct table *t)
{
	t->next_check_us = 0;
}

enum table_status table_find(struct table *t, struct span key, struct arena *arena, struct span *value)
{
	enum table_status status;

	if (t->is_elsewhere)
		return elsewhere.ask(elsewhere.user, t->spec, key, arena, value);
	refresh(t);
	if (t->state == NULL) {
		log_warning("%s is unavailable. %s", t->spec, t->error);
		log_warning("%s lookup error for \"" SPAN_FMT "\"", t->spec, SPAN_ARG(key));
		return TABLE_FAILED;
	}
	if (t->type->flags & TABLE_FOLDS)
		key = arena_lower(arena, key);
	status = t->type->find(t->state, key, arena, value);
	/* "No" may return mail for good: a file that was replaced within this second is asked, too.  Another process
	 * of ours may know it already, and have promised to deliver. */
	if (status == TABLE_NOT_FOUND && reopen_changed(t))
		status = t->type->find(t->state, key, arena, value);
	if (status == TABLE_FAILED)
		log_warning("%s lookup error for \"" SPAN_FMT "\"", t->spec, SPAN_ARG(key));
	return status;
}

/* ---- lists ---- */

static void close_list(void *object)
{
	struct table_list *list = object;

	for (size_t i = 0; i < list->count; i++)
		table_close(list->tables[i]);
}

struct table_list *table_list_open(struct arena *arena, const char *title, const char *list,
                                   const char *default_type)
{
	struct table_list *result = ARENA_NEW(arena, struct table_list);
	struct span rest = span_of(list), member;
	size_t room = 0;

	while (conf_list_next(&rest, &member))
		room++;
	result->title = title;
	result->tables = ARENA_NEW_ARRAY(arena, struct table *, room + 1);
	for (rest = span_of(list); conf_list_next(&rest, &member);)
		result->tables[result->count++] = table_open(member, default_type);
	arena_on_reset(arena, close_list, result);
	return result;
}

enum table_status table_list_find(const struct table_list *list, struct span key, enum table_key part,
                                  struct arena *arena, struct span *value)
{
	enum table_status status;

	for (size_t i = 0; i < list->count; i++) {
		struct table *t = list->tables[i];

		if (part == TABLE_PART_OF_KEY && table_flags(t) & TABLE_IS_PATTERN)
			continue;
		status = table_find(t, key, arena, value);
		if (status == TABLE_FOUND && value->len == 0) {
			log_warning("%s lookup of " SPAN_FMT " returns an empty string result", list->title,
			            SPAN_ARG(key));
			continue;
		}
		if (status != TABLE_NOT_FOUND)
			return status;
	}
	return TABLE_NOT_FOUND;
}
