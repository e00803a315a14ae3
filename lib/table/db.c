/* SPDX-License-Identifier: ISC */
/* db.c - hash: and btree: Berkeley DB files, as postmap of Postfix makes and reads them
 *
 * Measured: keys and values are stored with a NUL behind them; other writers leave it out, so both are
 * looked for.  Reading needs no lock: a new file replaces the old one by rename, and postmap's changes in
 * place are small; writers lock the file against one another. */
#include <db.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/fs.h"
#include "lib/table/table.h"

extern const struct table_type table_hash, table_btree;

enum { READ_CACHE_BYTES = 256 * 1024, WRITE_CACHE_BYTES = 16 * 1024 * 1024 };

struct db {
	struct arena *arena;
	DB           *db;
	DBC          *cursor;
	const char   *path, *draft;	/* draft: the new file until it is renamed to path */
	int           lock_fd;
	bool          adds_nul;
	struct buf    key;		/* room for a key with its NUL */
};

static void db_close(void *state)
{
	struct db *d = state;

	if (d->cursor != NULL)
		d->cursor->close(d->cursor);
	if (d->db != NULL)
		d->db->close(d->db, 0);
	if (d->draft != NULL)
		unlink(d->draft);
	if (d->lock_fd >= 0)
		close(d->lock_fd);
	buf_free(&d->key);
}

static struct db *db_new(struct arena *arena, const char *name)
{
	struct db *d = ARENA_NEW(arena, struct db);

	d->arena = arena;
	d->path = arena_printf(arena, "%s.db", name);
	d->lock_fd = -1;
	d->adds_nul = true;
	buf_init(&d->key, BUF_NO_LIMIT);
	return d;
}

/* db_open_file - open path; gives 0 or an error of errno or of the library. */
static int db_open_file(struct db *d, const char *path, DBTYPE type, u_int32_t flags, u_int32_t cache, int mode)
{
	int error = db_create(&d->db, NULL, 0);

	if (error != 0) {
		d->db = NULL;
		return error;
	}
	d->db->set_errcall(d->db, NULL);
	d->db->set_errfile(d->db, NULL);
	error = d->db->set_cachesize(d->db, 0, cache, 0);
	return error != 0 ? error : d->db->open(d->db, NULL, path, NULL, type, flags, mode);
}

static DBT dbt_of(const void *data, size_t size)
{
	DBT dbt;

	memset(&dbt, 0, sizeof(dbt));
	memcpy(&dbt.data, &data, sizeof(dbt.data));	/* DBT is in and out: it has no const */
	dbt.size = (u_int32_t)size;
	return dbt;
}

/* key_of - the key as it is stored: with its NUL or without. */
static DBT key_of(struct db *d, struct span key, bool with_nul)
{
	buf_clear(&d->key);
	buf_add(&d->key, key);
	buf_add_byte(&d->key, '\0');
	return dbt_of(d->key.ptr, key.len + (with_nul ? 1 : 0));
}

/* without_nul - what a DBT holds, less the NUL that writers put behind it. */
static struct span without_nul(const DBT *dbt)
{
	struct span s = span_make(dbt->data, dbt->size);

	return s.len > 0 && s.ptr[s.len - 1] == '\0' ? span_first(s, s.len - 1) : s;
}

static enum table_status db_find(void *state, struct span key, struct arena *arena, struct span *value)
{
	struct db *d = state;

	for (int with_nul = 1; with_nul >= 0; with_nul--) {
		DBT k = key_of(d, key, with_nul != 0), v = dbt_of(NULL, 0);
		int error = d->db->get(d->db, NULL, &k, &v, 0);

		if (error == 0) {
			*value = arena_dup(arena, without_nul(&v));
			return TABLE_FOUND;
		}
		if (error != DB_NOTFOUND)
			return TABLE_FAILED;
	}
	return TABLE_NOT_FOUND;
}

static void *db_open(struct table_opening *o, DBTYPE type)
{
	struct db *d = db_new(o->arena, o->name);
	int error = db_open_file(d, d->path, type, DB_RDONLY, READ_CACHE_BYTES, 0);

	if (error == 0)
		return d;
	o->error = arena_printf(o->arena, "open database %s: %s", d->path, db_strerror(error));
	db_close(d);
	return NULL;
}

/* ---- writing ---- */

/* db_lock - one writer at a time; waits for the other. */
static const char *db_lock(struct db *d, mode_t mode)
{
	d->lock_fd = open(d->path, O_RDWR | O_CREAT | O_CLOEXEC, mode);
	if (d->lock_fd < 0)
		return arena_printf(d->arena, "open database %s: %s", d->path, strerror(errno));
	if (flock(d->lock_fd, LOCK_EX) < 0)
		return arena_printf(d->arena, "lock %s: %s", d->path, strerror(errno));
	return NULL;
}

/* is_missing - not there, or the empty file that another writer's lock left. */
static bool is_missing(const char *path)
{
	struct stat st;

	return stat(path, &st) < 0 || st.st_size == 0;
}

static const char *db_create_draft(struct db *d, DBTYPE type, mode_t mode)
{
	const char *draft = arena_printf(d->arena, "%s.%ld.tmp", d->path, (long)getpid());
	int error;

	unlink(draft);
	error = db_open_file(d, draft, type, DB_CREATE | DB_EXCL, WRITE_CACHE_BYTES, (int)mode);
	if (error != 0)
		return arena_printf(d->arena, "open database %s: %s", draft, db_strerror(error));
	d->draft = draft;
	return NULL;
}

static void *db_write_open(const char *name, enum table_access access, mode_t mode, DBTYPE type,
                           struct arena *arena, const char **error)
{
	struct db *d = db_new(arena, name);
	bool is_new = access == TABLE_CREATE || (access == TABLE_UPDATE && is_missing(d->path));
	int problem = 0;

	*error = access == TABLE_READ ? NULL : db_lock(d, mode);
	if (*error == NULL && is_new)
		*error = db_create_draft(d, type, mode);
	else if (*error == NULL)
		problem = db_open_file(d, d->path, type, access == TABLE_READ ? DB_RDONLY : 0,
		                       access == TABLE_READ ? READ_CACHE_BYTES : WRITE_CACHE_BYTES, 0);
	if (problem != 0)
		*error = arena_printf(arena, "open database %s: %s", d->path, db_strerror(problem));
	if (*error == NULL)
		return d;
	db_close(d);
	return NULL;
}

static enum table_put db_put(void *state, struct span key, struct span value, bool replace)
{
	struct db *d = state;
	DBT k = key_of(d, key, true), v;
	struct buf text;
	int error;

	buf_init(&text, BUF_NO_LIMIT);
	buf_add(&text, value);
	buf_add_byte(&text, '\0');
	v = dbt_of(text.ptr, text.len);
	error = d->db->put(d->db, NULL, &k, &v, replace ? 0 : DB_NOOVERWRITE);
	buf_free(&text);
	return error == 0 ? TABLE_PUT_DONE : error == DB_KEYEXIST ? TABLE_PUT_EXISTS : TABLE_PUT_FAILED;
}

static enum table_status db_remove(void *state, struct span key)
{
	struct db *d = state;
	enum table_status result = TABLE_NOT_FOUND;

	for (int with_nul = 1; with_nul >= 0; with_nul--) {
		DBT k = key_of(d, key, with_nul != 0);
		int error = d->db->del(d->db, NULL, &k, 0);

		if (error == 0)
			result = TABLE_FOUND;
		else if (error != DB_NOTFOUND)
			return TABLE_FAILED;
	}
	return result;
}

static enum table_status db_next(void *state, struct span *key, struct span *value)
{
	struct db *d = state;
	DBT k = dbt_of(NULL, 0), v = dbt_of(NULL, 0);
	int error;

	if (d->cursor == NULL && d->db->cursor(d->db, NULL, &d->cursor, 0) != 0)
		return TABLE_FAILED;
	error = d->cursor->get(d->cursor, &k, &v, DB_NEXT);
	if (error != 0)
		return error == DB_NOTFOUND ? TABLE_NOT_FOUND : TABLE_FAILED;
	*key = without_nul(&k);
	*value = without_nul(&v);
	return TABLE_FOUND;
}

static const char *db_commit(void *state)
{
	struct db *d = state;
	int error = d->db->sync(d->db, 0);

	if (error != 0)
		return arena_printf(d->arena, "sync %s: %s", d->path, db_strerror(error));
	if (d->draft == NULL)
		return NULL;
	if (rename(d->draft, d->path) < 0)
		return arena_printf(d->arena, "rename %s to %s: %s", d->draft, d->path, strerror(errno));
	d->draft = NULL;
	return NULL;
}

#define DB_TYPE(type_name, db_type, what)                                                           \
	static void *type_name##_open(struct table_opening *o)                                      \
	{                                                                                           \
		return db_open(o, db_type);                                                         \
	}                                                                                           \
	static void *type_name##_write_open(const char *name, enum table_access access, mode_t mode, \
	                                    struct arena *arena, const char **error)                \
	{                                                                                           \
		return db_write_open(name, access, mode, db_type, arena, error);                    \
	}                                                                                           \
	static const struct table_writes type_name##_writes = {                                     \
		.open = type_name##_write_open, .put = db_put, .remove = db_remove, .next = db_next, \
		.commit = db_commit, .close = db_close,                                             \
	};                                                                                          \
	const struct table_type table_##type_name = {                                               \
		.name = #type_name, .flags = TABLE_CAN_WRITE | TABLE_FOLDS | TABLE_IS_FILE,         \
		.suffix = ".db", .open = type_name##_open, .find = db_find, .close = db_close,      \
		.writes = &type_name##_writes,                                                      \
		.text = #type_name ":/file: " what                                                  \
	}

DB_TYPE(hash, DB_HASH, "a Berkeley DB hash file (/file.db), made by postmap; also read from Postfix.");
DB_TYPE(btree, DB_BTREE, "a Berkeley DB b-tree file (/file.db), made by postmap; sorted.");
