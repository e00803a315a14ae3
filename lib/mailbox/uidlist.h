/* SPDX-License-Identifier: ISC */
/* uidlist.h - dovecot-uidlist (version 3): which file has which UID, and the folder's UIDVALIDITY
 *
 * This is our own UID store, in the format Dovecot reads and writes.  Lines are appended under a kernel
 * lock on the file; a rewrite makes a new file, syncs it and renames it over.  Readers need no lock.
 * A UID is told to nobody before its line is synced, so a crash cannot give it to another message. */
#ifndef MAILBOX_UIDLIST_H
#define MAILBOX_UIDLIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "lib/base/arena.h"
#include "lib/base/attributes.h"
#include "lib/base/buf.h"
#include "lib/base/span.h"

#define UIDLIST_NAME "dovecot-uidlist"
enum { UIDLIST_GUID_SIZE = 33 };

struct uidlist_header {
	uint32_t    uidvalidity;
	uint32_t    next_uid;	/* greater than every UID given so far */
	char        guid[UIDLIST_GUID_SIZE];	/* 32 hexadecimal digits, or empty */
	struct span uidl_format;	/* P: POP3 UIDL format of this folder, or empty */
	struct span unknown;	/* other fields, blank-separated, kept */
};

/* One line.  Spans borrow the text it was parsed from. */
struct uidlist_record {
	uint32_t    uid;
	uint64_t    size, virtual_size;	/* S, W, or MAIL_SIZE_UNKNOWN */
	struct span uidl;	/* P: POP3 UIDL of this message, or empty */
	uint32_t    pop3_order;	/* O, or 0 */
	struct span fields;	/* all fields as they stand, kept on a rewrite; may be empty */
	struct span base;	/* name without :2,flags */
};

/* ---- text, for tests, fuzzing and the functions below ---- */

/* uidlist_parse_header - line without LF; version 3 (1, Courier's, too: version 1 gives *version 1). */
MUST_USE bool uidlist_parse_header(struct span line, struct uidlist_header *out, unsigned *version);
/* uidlist_parse_record - line without LF.  False: damaged, to be skipped. */
MUST_USE bool uidlist_parse_record(struct span line, unsigned version, struct uidlist_record *out);
void uidlist_print_header(struct buf *out, const struct uidlist_header *header);
void uidlist_print_record(struct buf *out, const struct uidlist_record *record);

/* ---- the file ---- */

/* Which state of the file was read: it changed when one of these differs. */
struct uidlist_stamp {
	uint64_t inode, size;
	int64_t  mtime_ns;
};

/* The list in memory: its text, and its records in ascending UID order.  A base may stand twice: the later line counts
 * (the message came back under a new UID). */
struct uidlist {
	struct uidlist_header  header;
	struct uidlist_record *records;
	size_t                 count, capacity;
	struct uidlist_stamp   stamp;
	struct buf             text;	/* what the spans borrow */
	size_t                 damaged;	/* lines skipped */
	bool                   exists;	/* false: no file yet, or a header that cannot be read */
};

/* uidlist_init - an empty list; uidlist_free gives its memory back. */
void uidlist_init(struct uidlist *l);
void uidlist_free(struct uidlist *l);
/* uidlist_read - all of it.  A missing file is no error (exists is false; version 1 courierimapuiddb is read
 * instead when it is there).  0, or -1 with errno. */
MUST_USE int uidlist_read(struct uidlist *l, int dir_fd);
/* uidlist_stamp_now - the file's state; all zero when missing. */
void uidlist_stamp_now(int dir_fd, struct uidlist_stamp *out);
bool uidlist_stamp_equal(const struct uidlist_stamp *a, const struct uidlist_stamp *b);
/* uidlist_find - the record of uid, or NULL. */
const struct uidlist_record *uidlist_find(const struct uidlist *l, uint32_t uid);

/* uidlist_lock - the writer lock; the file is made with new_uidvalidity(user) when missing or
 * without a usable header (a damaged one is kept aside as dovecot-uidlist.bad).  Waits for other writers.  Gives the
 * descriptor to be closed for unlocking, or -1 with errno. */
MUST_USE int uidlist_lock(int dir_fd, uint32_t (*new_uidvalidity)(void *user), void *user);
/* uidlist_append - under the lock: give each of the bases the next UID, in order, and make that durable.
 * Reads only the ends of the file.  uids[i] receives the UID.  stamp: its new state.  0, or -1 with errno; EOVERFLOW when
 * no UID is left. */
MUST_USE int uidlist_append(int lock_fd, const struct span *bases, size_t count, uint32_t *uids,
                            struct uidlist_header *header, struct uidlist_stamp *stamp);
/* uidlist_peek - header and next UID by reading only the ends of the file (text into arena).  False: none. */
bool uidlist_peek(int dir_fd, struct arena *arena, struct uidlist_header *header,
                  struct uidlist_stamp *stamp);
/* uidlist_rewrite - under the lock: only the records for which keep() is true, synced and renamed over.
 * The lock is lost with it: close lock_fd. */
MUST_USE int uidlist_rewrite(int dir_fd, const struct uidlist *l,
                             bool (*keep)(void *user, const struct uidlist_record *r), void *user);

/* uidvalidity_next - the next value of the user's counter (dovecot-uidvalidity in root_fd): the larger of now and
 * last + 1, never 0; stored before it is given. */
uint32_t uidvalidity_next(int root_fd, time_t now);

/* ---- dovecot-keywords: names of the letters a-z ---- */

struct keywords {
	struct buf           names[26];	/* empty: letter free */
	struct uidlist_stamp stamp;
};

/* keywords_init - no keyword yet; keywords_free gives the names back. */
void keywords_init(struct keywords *k);
void keywords_free(struct keywords *k);
/* keywords_read - 0, or -1 with errno; a missing file is no error, bad lines are skipped. */
MUST_USE int keywords_read(struct keywords *k, int dir_fd);
/* keywords_changed - the file is not the one that was read. */
bool keywords_changed(const struct keywords *k, int dir_fd);
/* keywords_find - index of name (US-ASCII case ignored), or -1. */
int keywords_find(const struct keywords *k, struct span name);
/* keywords_add - under the uidlist lock: its index, after the file is stored; -1 with errno (ENOSPC: all 26 taken). */
MUST_USE int keywords_add(struct keywords *k, int dir_fd, struct span name);

#endif
