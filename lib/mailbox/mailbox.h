/* SPDX-License-Identifier: ISC */
/* mailbox.h - a session's view of one folder, and what IMAP and POP3 do with it
 *
 * A view is an ordered array of messages.  Its numbers (1 to mailbox_count) change only in mailbox_sync: new
 * messages are added at the end, and those that are gone leave when the caller allows it.  Other sessions, other
 * programs and the admin may rename, add and remove files at any time; the files, dovecot-uidlist and
 * dovecot-keywords are the truth, postern.index only saves the scan.  Blocking; one view is used by one thread.
 *
 * Typical session:  mailstore_open, mailbox_open, { mailbox_sync, ... }, mailbox_close, mailstore_close. */
#ifndef MAILBOX_MAILBOX_H
#define MAILBOX_MAILBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/attributes.h"
#include "lib/base/span.h"
#include "lib/mailbox/index.h"
#include "lib/mailbox/maildir.h"
#include "lib/mailbox/reader.h"

/* How a call ended; mail_result_code gives the IMAP response code (RFC 5530), mail_result_text a sentence. */
enum mail_result {
	MAIL_OK,
	MAIL_NONEXISTENT,	/* no such folder */
	MAIL_EXISTS,		/* there is one already */
	MAIL_CANNOT,		/* a name or change that can never work here */
	MAIL_NOPERM,		/* the file system refuses */
	MAIL_READ_ONLY,		/* the view was opened read-only, or nothing can be written now */
	MAIL_OVERQUOTA,		/* EDQUOT, ENOSPC */
	MAIL_LIMIT,		/* no UID or keyword letter left */
	MAIL_GONE,		/* this message was expunged meanwhile */
	MAIL_CORRUPT,		/* this message cannot be read (EIO) */
	MAIL_UNAVAILABLE,	/* any other failure, try later; errno is set */
};

/* mail_result_code - "NONEXISTENT", "ALREADYEXISTS", "CANNOT", "NOPERM", "OVERQUOTA", "LIMIT", "EXPUNGEISSUED", "CORRUPTION",
 * "UNAVAILABLE", or "" where none fits.  mail_result_text - one sentence for people. */
const char *mail_result_code(enum mail_result r);
const char *mail_result_text(enum mail_result r);

/* ---- the user's folders together (folders.h works on this too) ---- */

struct mailstore;

/* mailstore_open - the Maildir at path (absolute); made when missing and create is set.  NULL with errno. */
struct mailstore *mailstore_open(const char *path, bool create);
void mailstore_close(struct mailstore *s);
int  mailstore_root(const struct mailstore *s);	/* directory descriptor, borrowed */

/* ---- opening ---- */

struct mailbox;

enum mailbox_open_flags {
	MAILBOX_READ_ONLY = 1,	/* EXAMINE, STATUS: moves nothing out of new, takes no \Recent, no changes */
	MAILBOX_NO_VIEW   = 2,	/* only a target of append and copy: nothing is scanned, mailbox_count stays 0 */
	MAILBOX_NO_INDEX  = 4,	/* POP3: neither write nor need postern.index (an existing one is used) */
};

/* mailbox_open - open folder (UTF-8, '/' between levels, INBOX in any case) and, but for MAILBOX_NO_VIEW, sync it.
 * *out is NULL unless MAIL_OK. */
MUST_USE enum mail_result mailbox_open(struct mailstore *store, struct span folder, unsigned flags,
                                       struct mailbox **out);
/* mailbox_close - store the index when it changed, give everything back.  NULL is fine. */
void mailbox_close(struct mailbox *m);
/* mailbox_idle - the session waits: sync the directory after flag changes, store the index.  Call before IDLE, and at
 * least every 30 s after changes. */
void mailbox_idle(struct mailbox *m);

/* ---- looking ---- */

/* Facts of the view, as of the last mailbox_update or mailbox_refresh. */
bool     mailbox_is_read_only(const struct mailbox *m);	/* asked for, or forced by the file system */
uint32_t mailbox_uidvalidity(const struct mailbox *m);
uint32_t mailbox_uidnext(const struct mailbox *m);
uint32_t mailbox_count(const struct mailbox *m);
uint32_t mailbox_recent(const struct mailbox *m);	/* messages with MAIL_RECENT in this view */
uint32_t mailbox_unseen(const struct mailbox *m);	/* how many lack MAIL_SEEN */
uint32_t mailbox_first_unseen(const struct mailbox *m);	/* sequence number, 0: none */
uint64_t mailbox_highest_modseq(const struct mailbox *m);
const char *mailbox_guid(const struct mailbox *m);	/* 32 hexadecimal digits: MAILBOXID */
/* mailbox_uidl_format - header P of the uidlist, or empty. */
struct span mailbox_uidl_format(const struct mailbox *m);

/* mailbox_message - message number seq (1 to mailbox_count).  Valid until the next mailbox_sync, append or copy into m. */
const struct message *mailbox_message(struct mailbox *m, uint32_t seq);
/* mailbox_seq - number of the first message whose UID is uid or above; mailbox_count + 1 when there is none. */
uint32_t mailbox_seq(struct mailbox *m, uint32_t uid);
/* mailbox_is_gone - expunged on disk, but still numbered in this view. */
bool mailbox_is_gone(struct mailbox *m, uint32_t seq);
/* mailbox_base - base name of the file: the message's global id for Dovecot (EMAILID, POP3 %f). */
struct span mailbox_base(struct mailbox *m, uint32_t seq);
/* mailbox_pop3_record - the uidlist's P and O of a message: *uidl empty and *order 0 when it has none. */
void mailbox_pop3_record(struct mailbox *m, uint32_t seq, struct span *uidl, uint32_t *order);

/* Keywords: bit n of message.keywords is the keyword n, for as long as the view lives. */
/* mailbox_keyword - its name; empty when the bit is not in use.  n below MAIL_KEYWORDS_MAX. */
struct span mailbox_keyword(const struct mailbox *m, unsigned n);
/* mailbox_keyword_number - number of name (case ignored); with create it is made when new (stored at once).  -1 when not
 * there or none is left.  Creation shows in keywords_changed of the next sync of other views only. */
int  mailbox_keyword_number(struct mailbox *m, struct span name, bool create);
/* mailbox_has_keyword_room - may a new keyword still be made (PERMANENTFLAGS \*)? */
bool mailbox_has_keyword_room(const struct mailbox *m);

/* mailbox_size - size with CRLF line ends (RFC822.SIZE): what reading gives.  Reads the file when the name does not say. */
MUST_USE enum mail_result mailbox_size(struct mailbox *m, uint32_t seq, uint64_t *size);
/* mailbox_internaldate - seconds since 1970 (file mtime). */
MUST_USE enum mail_result mailbox_internaldate(struct mailbox *m, uint32_t seq, int64_t *seconds);
/* mailbox_savedate - when it came into this folder (file ctime). */
MUST_USE enum mail_result mailbox_savedate(struct mailbox *m, uint32_t seq, int64_t *seconds);
/* mailbox_read - open the message; reader_close it.  MAIL_GONE, MAIL_CORRUPT, MAIL_NOPERM concern this message only. */
MUST_USE enum mail_result mailbox_read(struct mailbox *m, uint32_t seq, struct message_reader *reader);

/* ---- changes by others ---- */

/* What a sync found.  Arrays are the arena's. */
struct mailbox_changes {
	/* Numbers that left, as they were before this sync, HIGHEST FIRST: sent as EXPUNGE in this order they need no
	 * adjusting.  expunged_uids goes with them (VANISHED). */
	const uint32_t *expunged, *expunged_uids;
	size_t          expunged_count;
	/* Numbers (after the expunges) of messages whose flags or keywords others changed, ascending. */
	const uint32_t *changed;
	size_t          changed_count;
	uint32_t        count, old_count;	/* EXISTS now; and before the sync, after the expunges */
	bool            keywords_changed;	/* send FLAGS and PERMANENTFLAGS before the first FETCH */
};

enum mailbox_sync_flags {
	SYNC_MAY_EXPUNGE = 1,	/* the numbers of gone messages may be taken out now (RFC 3501 7.4.1) */
	SYNC_FULL        = 2,	/* scan even when nothing seems changed (CHECK) */
};

/* mailbox_sync - look at the folder, bring the view up to date.  Cheap (two or three stats) when nothing changed.
 * changes may be NULL.  What own expunges marked gone leaves here, too.  On failure the view stays as it was. */
MUST_USE enum mail_result mailbox_sync(struct mailbox *m, unsigned flags, struct arena *arena,
                                       struct mailbox_changes *changes);
/* mailbox_watch - a descriptor (inotify, non-blocking, owned by m) readable when the folder may have changed; -1 when
 * there is none (poll with mailbox_sync then).  mailbox_watch_clear - read the events away, before a sync. */
int  mailbox_watch(struct mailbox *m);
void mailbox_watch_clear(struct mailbox *m);

/* ---- changes by us ---- */

enum flag_change { FLAGS_ADD, FLAGS_REMOVE, FLAGS_REPLACE };

/* mailbox_store - change flags of count messages; one mod-sequence for all that really change.  MAIL_RECENT is
 * ignored and kept.  did_change (count members, may be NULL) tells which did.  Gone messages are passed over; the first
 * other failure stops it.  The caller sends the FETCH replies. */
MUST_USE enum mail_result mailbox_store(struct mailbox *m, const uint32_t *seqs, size_t count,
                                        enum flag_change how, uint16_t flags, uint64_t keywords,
                                        bool *did_change);
/* mailbox_expunge - unlink the files of these messages.  They leave the view at the next mailbox_sync with
 * SYNC_MAY_EXPUNGE, which reports them. */
MUST_USE enum mail_result mailbox_expunge(struct mailbox *m, const uint32_t *seqs, size_t count);

/* Pairs for COPYUID, ascending by source. */
struct mailbox_copied {
	const uint32_t *source_uids, *target_uids;
	size_t          count;
	uint32_t        uidvalidity;	/* of the target */
};

/* mailbox_copy - hard links (or copies across file systems) into target, which may be m itself or opened with
 * MAILBOX_NO_VIEW; all or nothing, durable when MAIL_OK.  Messages gone meanwhile are left out.  Flags, keywords (by name)
 * and dates are kept. */
MUST_USE enum mail_result mailbox_copy(struct mailbox *m, const uint32_t *seqs, size_t count,
                                       struct mailbox *target, struct arena *arena,
                                       struct mailbox_copied *copied);
/* mailbox_move - mailbox_copy, then mailbox_expunge of what was copied. */
MUST_USE enum mail_result mailbox_move(struct mailbox *m, const uint32_t *seqs, size_t count,
                                       struct mailbox *target, struct arena *arena,
                                       struct mailbox_copied *copied);

/* APPEND, one or many messages that appear together (MULTIAPPEND, RFC 3502). */
struct mailbox_append;

/* mailbox_append_begin - NULL when m is read-only.  m may be MAILBOX_NO_VIEW or the selected view, to which
 * the messages are added by the commit (MAIL_RECENT) when nobody else changed the folder, else by the next mailbox_sync:
 * after both, compare mailbox_count with what the client was told (EXISTS).  The same for copy and move into m. */
struct mailbox_append *mailbox_append_begin(struct mailbox *m);
/* mailbox_append_message - the next message starts.  keywords: numbers of m.  internaldate_s: INT64_MIN for now. */
MUST_USE enum mail_result mailbox_append_message(struct mailbox_append *a, uint16_t flags,
                                                 uint64_t keywords, int64_t internaldate_s);
/* mailbox_append_write - a piece of it, bytes as the client sent them. */
MUST_USE enum mail_result mailbox_append_write(struct mailbox_append *a, struct span data);
/* mailbox_append_discard - forget the message under way (an empty literal cancels it). */
void mailbox_append_discard(struct mailbox_append *a);
/* mailbox_append_commit - all of them, durable, with UIDs in order (array in arena); a is gone, also on failure. */
MUST_USE enum mail_result mailbox_append_commit(struct mailbox_append *a, struct arena *arena,
                                                const uint32_t **uids, size_t *count);
void mailbox_append_cancel(struct mailbox_append *a);

#endif
