/* SPDX-License-Identifier: ISC */
/* dmarc_db.c - a Berkeley DB b-tree that one process at a time has open
 *
 * No environment and no log: every file is verified when it is opened, which takes about a second for 100 MiB.  The
 * lock is on the file itself, so that it goes with it when the file is set aside. */
#include "lib/mailauth/dmarc_db.h"

#include <db.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/log.h"

enum { CACHE_BYTES = 4 * 1024 * 1024, FILE_MODE = 0600 };

struct dmarc_db {
	struct arena *arena;
	const char   *path, *aside;
	int           lock_fd;
	DB           *db;
	DBC          *cursor;
	struct buf    from;		/* where the cursor was asked to stand */
	bool          is_broken;
	int           shortage;		/* errno of a change that may be lost, until the next sync */
};

/* lock - open and lock the file at path; -1 with errno (EWOULDBLOCK: somebody has it). */
static int lock(const char *path, bool create)
{
	struct stat opened, named;

	for (;;) {
		int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | (create ? O_CREAT : 0), FILE_MODE);

		if (fd < 0)
			return -1;
		if (flock(fd, LOCK_EX | LOCK_NB) < 0 || fstat(fd, &opened) < 0) {
			int error = errno;

			close(fd);
			errno = error;
			return -1;
		}
		/* The one who had it may have removed it meanwhile. */
		if (stat(path, &named) == 0 && named.st_ino == opened.st_ino && named.st_dev == opened.st_dev)
			return fd;
		close(fd);
	}
}

static int new_handle(DB **db)
{
	int error = db_create(db, NULL, 0);

	if (error != 0)
		return error;
	(*db)->set_errcall(*db, NULL);
	(*db)->set_errfile(*db, NULL);
	return (*db)->set_cachesize(*db, 0, CACHE_BYTES, 0);
}

/* is_sound - does an existing file verify?  An empty one does. */
static bool is_sound(struct dmarc_db *d)
{
	struct stat st;
	DB *db;

	if (fstat(d->lock_fd, &st) < 0)
		return false;
	if (st.st_size == 0)
		return true;
	return new_handle(&db) == 0 && db->verify(db, d->path, NULL, NULL, 0) == 0;	/* which closes db */
}

static void close_handles(struct dmarc_db *d)
{
	if (d->cursor != NULL)
		(void)d->cursor->close(d->cursor);
	if (d->db != NULL)
		(void)d->db->close(d->db, 0);
	d->cursor = NULL;
	d->db = NULL;
}

static enum outcome open_handles(struct dmarc_db *d, struct why *why)
{
	int error = new_handle(&d->db);

	if (error == 0)
		error = d->db->open(d->db, NULL, d->path, NULL, DB_BTREE, DB_CREATE, FILE_MODE);
	if (error == 0)
		error = d->db->cursor(d->db, NULL, &d->cursor, 0);
	d->is_broken = error != 0;
	if (error == 0)
		return DONE;
	close_handles(d);
	return why_set(why, DEFER, "", "open database %s: %s", d->path, db_strerror(error));
}

/* set_aside - the damaged file keeps its content, under another name. */
static enum outcome set_aside(struct dmarc_db *d, struct why *why)
{
	log_warning("database %s is damaged: kept as %s, begun anew", d->path, d->aside);
	if (rename(d->path, d->aside) < 0)
		return why_errno(why, DEFER, "", "rename %s", d->path);
	close(d->lock_fd);
	d->lock_fd = lock(d->path, true);
	return d->lock_fd >= 0 ? DONE : why_errno(why, DEFER, "", "open database %s", d->path);
}

enum outcome dmarc_db_reset(struct dmarc_db *db, struct why *why)
{
	close_handles(db);
	return set_aside(db, why) == DONE ? open_handles(db, why) : DEFER;
}

static void give_up(struct dmarc_db *d)
{
	close_handles(d);
	if (d->lock_fd >= 0)
		close(d->lock_fd);
	buf_free(&d->from);
	arena_free(d->arena);
}

enum outcome dmarc_db_open(const char *path, bool create, struct dmarc_db **db, struct why *why)
{
	struct arena *arena = arena_new(NULL);
	struct dmarc_db *d = ARENA_NEW(arena, struct dmarc_db);
	enum outcome outcome = DONE;

	d->arena = arena;
	d->path = arena_cstr(arena, span_of(path));
	d->aside = arena_printf(arena, "%s.damaged", path);
	buf_init(&d->from, BUF_NO_LIMIT);
	d->lock_fd = lock(path, create);
	if (d->lock_fd < 0 && errno == EWOULDBLOCK)
		outcome = why_set(why, DEFER, "", "database %s is in use", path);
	else if (d->lock_fd < 0)
		outcome = why_errno(why, errno == ENOENT ? REFUSE : DEFER, "", "open database %s", path);
	else if (!is_sound(d))
		outcome = set_aside(d, why);
	if (outcome == DONE)
		outcome = open_handles(d, why);
	if (outcome == DONE)
		*db = d;
	else
		give_up(d);
	return outcome;
}

void dmarc_db_close(struct dmarc_db *db)
{
	if (db != NULL)
		give_up(db);
}

void dmarc_db_remove(struct dmarc_db *db)
{
	close_handles(db);
	if (unlink(db->path) < 0)
		log_warning("cannot remove %s: %m", db->path);
	give_up(db);
}

static DBT dbt_of(struct span s)
{
	DBT dbt;

	memset(&dbt, 0, sizeof(dbt));
	memcpy(&dbt.data, &s.ptr, sizeof(dbt.data));	/* DBT is in and out: it has no const */
	dbt.size = (u_int32_t)s.len;
	return dbt;
}

/* note - remember what went wrong; was it well?  A full disk is no damage: what is in the cache is written later. */
static bool note(struct dmarc_db *db, int error)
{
	if (error == ENOSPC || error == EDQUOT || error == EFBIG || error == EIO || error == ENOMEM)
		db->shortage = error;
	else if (error != 0 && error != DB_NOTFOUND)
		db->is_broken = true;
	return error == 0;
}

bool dmarc_db_get(struct dmarc_db *db, struct span key, struct span *value)
{
	DBT k = dbt_of(key), v = dbt_of((struct span){ NULL, 0 });

	if (!note(db, db->db->get(db->db, NULL, &k, &v, 0)))
		return false;
	*value = span_make(v.data, v.size);
	return true;
}

void dmarc_db_put(struct dmarc_db *db, struct span key, struct span value)
{
	DBT k = dbt_of(key), v = dbt_of(value);

	(void)note(db, db->db->put(db->db, NULL, &k, &v, 0));
}

void dmarc_db_delete(struct dmarc_db *db, struct span key)
{
	DBT k = dbt_of(key);

	(void)note(db, db->db->del(db->db, NULL, &k, 0));
}

bool dmarc_db_next(struct dmarc_db *db, struct span from, bool after, struct span *key, struct span *value)
{
	DBT k, v = dbt_of((struct span){ NULL, 0 });

	/* from may be what the last call gave, which this one overwrites. */
	buf_clear(&db->from);
	buf_add(&db->from, from);
	k = dbt_of(buf_span(&db->from));
	if (!note(db, db->cursor->get(db->cursor, &k, &v, DB_SET_RANGE)))
		return false;
	if (after && span_equal(span_make(k.data, k.size), buf_span(&db->from)) &&
	    !note(db, db->cursor->get(db->cursor, &k, &v, DB_NEXT)))
		return false;
	*key = span_make(k.data, k.size);
	*value = span_make(v.data, v.size);
	return true;
}

enum outcome dmarc_db_sync(struct dmarc_db *db, struct why *why)
{
	int error = db->db->sync(db->db, 0);

	if (error == 0)
		error = db->shortage;
	db->shortage = 0;
	if (error == 0)
		return DONE;
	return why_set(why, DEFER, "", "sync database %s: %s", db->path, db_strerror(error));
}

bool dmarc_db_is_broken(const struct dmarc_db *db)
{
	return db->is_broken;
}
