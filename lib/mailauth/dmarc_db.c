/* SPDX-License-Identifier: ISC */
/* dmarc_db.c - a Berkeley DB b-tree that one process at a time has open
 *
 * No environment and no log.  Instead every page has a checksum, and NAME.dirty stands beside the file from the first
 * change until all of them are on disk: where it is found, the last writer was killed in the middle, pages may be of
 * different times, and the whole tree is walked before it is trusted.  (The library's own verifier has been seen to
 * crash over a damaged file, and to take minutes.)  The lock is on the file itself, and goes with it when the file is
 * set aside. */
#include "lib/mailauth/dmarc_db.h"

#include <db.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"

enum { CACHE_BYTES = 4 * 1024 * 1024, FILE_MODE = 0600 };

struct dmarc_db {
	struct arena *arena;
	const char   *path, *aside, *dirty;
	int           folder_fd, lock_fd;
	DB           *db;
	DBC          *cursor;
	struct buf    from;		/* where the cursor was asked to stand */
	bool          is_dirty, is_broken;
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

/* mark_dirty - put the mark where a power cut does not take it away. */
static bool mark_dirty(const struct dmarc_db *d)
{
	int fd = open(d->dirty, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);

	if (fd < 0)
		return false;
	close(fd);
	return fs_sync(d->folder_fd) == 0;
}

/* is_shortage - is an error one of the machine, not of the file?  What is in the cache is written later then. */
static bool is_shortage(int error)
{
	return error == ENOSPC || error == EDQUOT || error == EFBIG || error == EIO || error == ENOMEM;
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

/* open_handles - DEFER: a resource is missing; REFUSE: the file is damaged. */
static enum outcome open_handles(struct dmarc_db *d, struct why *why)
{
	int error = new_handle(&d->db);

	if (error == 0)
		error = d->db->set_flags(d->db, DB_CHKSUM);
	if (error == 0)
		error = d->db->open(d->db, NULL, d->path, NULL, DB_BTREE, DB_CREATE, FILE_MODE);
	if (error == 0)
		error = d->db->cursor(d->db, NULL, &d->cursor, 0);
	d->is_broken = error != 0;
	if (error == 0)
		return DONE;
	close_handles(d);
	return why_set(why, is_shortage(error) ? DEFER : REFUSE, "", "open database %s: %s", d->path,
	               db_strerror(error));
}

static DBT dbt_of(struct span s)
{
	DBT dbt;

	memset(&dbt, 0, sizeof(dbt));
	memcpy(&dbt.data, &s.ptr, sizeof(dbt.data));	/* DBT is in and out: it has no const */
	dbt.size = (u_int32_t)s.len;
	return dbt;
}

/* note - remember what went wrong; was it well? */
static bool note(struct dmarc_db *db, int error)
{
	if (is_shortage(error))
		db->shortage = error;
	else if (error != 0 && error != DB_NOTFOUND)
		db->is_broken = true;
	return error == 0;
}

/* is_sound - is every entry in order, and found where it is looked for? */
static bool is_sound(struct dmarc_db *d)
{
	DBT key = dbt_of((struct span){ NULL, 0 }), value = key, again = key;

	buf_clear(&d->from);
	while (note(d, d->cursor->get(d->cursor, &key, &value, DB_NEXT))) {
		struct span now = span_make(key.data, key.size);
		DBT wanted = dbt_of(now);

		if (d->from.len != 0 && span_compare(now, buf_span(&d->from)) <= 0)
			return false;
		buf_clear(&d->from);
		buf_add(&d->from, now);
		if (!note(d, d->db->get(d->db, NULL, &wanted, &again, 0)))
			return false;
	}
	return !d->is_broken && d->shortage == 0;
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

/* clean_up - all changes are on disk, or there is no file any more. */
static void clean_up(struct dmarc_db *d)
{
	(void)unlink(d->dirty);
	d->is_dirty = false;
}

enum outcome dmarc_db_reset(struct dmarc_db *db, struct why *why)
{
	close_handles(db);
	if (set_aside(db, why) != DONE)
		return DEFER;
	clean_up(db);
	return open_handles(db, why) == DONE ? DONE : DEFER;
}

static void give_up(struct dmarc_db *d)
{
	close_handles(d);
	if (d->lock_fd >= 0)
		close(d->lock_fd);
	if (d->folder_fd >= 0)
		close(d->folder_fd);
	buf_free(&d->from);
	arena_free(d->arena);
}

/* open_locked - the file for us alone. */
static enum outcome open_locked(struct dmarc_db *d, bool create, struct why *why)
{
	d->lock_fd = lock(d->path, create);
	if (d->lock_fd < 0 && errno == EWOULDBLOCK)
		return why_set(why, DEFER, "", "database %s is in use", d->path);
	if (d->lock_fd < 0)
		return why_errno(why, errno == ENOENT ? REFUSE : DEFER, "", "open database %s", d->path);
	return DONE;
}

/* open_sound - have it open, or one begun anew in its place. */
static enum outcome open_sound(struct dmarc_db *d, struct why *why)
{
	enum outcome outcome = open_handles(d, why);

	d->is_dirty = access(d->dirty, F_OK) == 0;
	if (outcome == REFUSE || (outcome == DONE && d->is_dirty && !is_sound(d)))
		return dmarc_db_reset(d, why);
	return outcome == DONE && d->is_dirty ? dmarc_db_sync(d, why) : outcome;
}

enum outcome dmarc_db_open(const char *path, bool create, struct dmarc_db **db, struct why *why)
{
	struct arena *arena = arena_new(NULL);
	struct dmarc_db *d = ARENA_NEW(arena, struct dmarc_db);
	struct span name = span_make(path, strlen(path));
	size_t slash = span_rfind(name, '/');
	enum outcome outcome;

	d->arena = arena;
	d->path = arena_cstr(arena, name);
	d->aside = arena_printf(arena, "%s.damaged", path);
	d->dirty = arena_printf(arena, "%s.dirty", path);
	d->lock_fd = -1;
	d->folder_fd = open(slash == SPAN_NOT_FOUND ? "." : arena_cstr(arena, span_first(name, slash + 1)),
	                    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	buf_init(&d->from, BUF_NO_LIMIT);
	if (d->folder_fd < 0)
		outcome = why_errno(why, errno == ENOENT ? REFUSE : DEFER, "", "open the folder of %s", path);
	else
		outcome = open_locked(d, create, why);
	if (outcome == DONE)
		outcome = open_sound(d, why);
	if (outcome == DONE)
		*db = d;
	else
		give_up(d);
	return outcome;
}

void dmarc_db_close(struct dmarc_db *db)
{
	struct why why;

	if (db == NULL)
		return;
	if (db->is_dirty && dmarc_db_sync(db, &why) != DONE)
		log_warning("%s", why.text);
	give_up(db);
}

void dmarc_db_remove(struct dmarc_db *db)
{
	close_handles(db);
	if (unlink(db->path) < 0)
		log_warning("cannot remove %s: %m", db->path);
	clean_up(db);
	give_up(db);
}

/* begin_change - the file is dirty from now on. */
static void begin_change(struct dmarc_db *db)
{
	if (db->is_dirty)
		return;
	db->is_dirty = true;
	if (!mark_dirty(db))
		db->shortage = errno;
}

bool dmarc_db_get(struct dmarc_db *db, struct span key, struct span *value)
{
	DBT k = dbt_of(key), v = dbt_of((struct span){ NULL, 0 });

	if (db->is_broken || !note(db, db->db->get(db->db, NULL, &k, &v, 0)))
		return false;
	*value = span_make(v.data, v.size);
	return true;
}

void dmarc_db_put(struct dmarc_db *db, struct span key, struct span value)
{
	DBT k = dbt_of(key), v = dbt_of(value);

	if (db->is_broken)
		return;
	begin_change(db);
	(void)note(db, db->db->put(db->db, NULL, &k, &v, 0));
}

void dmarc_db_delete(struct dmarc_db *db, struct span key)
{
	DBT k = dbt_of(key);

	if (db->is_broken)
		return;
	begin_change(db);
	(void)note(db, db->db->del(db->db, NULL, &k, 0));
}

bool dmarc_db_next(struct dmarc_db *db, struct span from, bool after, struct span *key, struct span *value)
{
	DBT k, v = dbt_of((struct span){ NULL, 0 });

	/* from may be what the last call gave, which this one overwrites. */
	buf_clear(&db->from);
	buf_add(&db->from, from);
	k = dbt_of(buf_span(&db->from));
	if (db->is_broken || !note(db, db->cursor->get(db->cursor, &k, &v, DB_SET_RANGE)))
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
	int error;

	if (db->is_broken)
		return why_set(why, DEFER, "", "database %s is damaged", db->path);
	(void)note(db, db->db->sync(db->db, 0));
	error = db->shortage;
	db->shortage = 0;
	if (db->is_broken)
		return why_set(why, DEFER, "", "database %s is damaged", db->path);
	if (error != 0)
		return why_set(why, DEFER, "", "write database %s: %s", db->path, db_strerror(error));
	clean_up(db);
	return DONE;
}

bool dmarc_db_is_broken(const struct dmarc_db *db)
{
	return db->is_broken;
}
