/* SPDX-License-Identifier: ISC */
/* dmarc_db.h - a Berkeley DB b-tree that one process at a time has open
 *
 * A damaged file is set aside as NAME.damaged, with a log line, and begun anew: what is kept in it is worth having, not
 * worth stopping for. */
#ifndef MAILAUTH_DMARC_DB_H
#define MAILAUTH_DMARC_DB_H

#include <stdbool.h>

#include "lib/base/arena.h"
#include "lib/base/attributes.h"
#include "lib/base/span.h"
#include "lib/base/why.h"

struct dmarc_db;

/* dmarc_db_open - the file at path, made if need be and 'create'.  DEFER: another process has it, or a resource is
 * missing; REFUSE: it is not there.  One thread at a time may use what is given; blocks. */
MUST_USE enum outcome dmarc_db_open(const char *path, bool create, struct dmarc_db **db, struct why *why);
/* dmarc_db_close - write what is not written, let go of the file; NULL is allowed. */
void dmarc_db_close(struct dmarc_db *db);
/* dmarc_db_remove - close and delete the file, while nobody else can have it. */
void dmarc_db_remove(struct dmarc_db *db);
/* dmarc_db_reset - set the file aside and go on with an empty one: after is_broken. */
MUST_USE enum outcome dmarc_db_reset(struct dmarc_db *db, struct why *why);

/* dmarc_db_get - the value of key, valid until the next call; false: none, or the file is broken. */
MUST_USE bool dmarc_db_get(struct dmarc_db *db, struct span key, struct span *value);
/* dmarc_db_put, dmarc_db_delete - change; a failure is remembered in is_broken. */
void dmarc_db_put(struct dmarc_db *db, struct span key, struct span value);
void dmarc_db_delete(struct dmarc_db *db, struct span key);
/* dmarc_db_next - the first entry whose key is at or behind from, or with after behind it; false: no more.  Valid until
 * the next call. */
MUST_USE bool dmarc_db_next(struct dmarc_db *db, struct span from, bool after, struct span *key, struct span *value);
/* dmarc_db_sync - all changes to disk.  DEFER: they are not (disk full ...). */
MUST_USE enum outcome dmarc_db_sync(struct dmarc_db *db, struct why *why);
/* dmarc_db_is_broken - has the library met a damaged page, or failed otherwise?  Then all calls but reset, close and
 * remove do nothing. */
bool dmarc_db_is_broken(const struct dmarc_db *db);

#endif
