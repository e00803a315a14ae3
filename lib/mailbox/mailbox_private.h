/* SPDX-License-Identifier: ISC */
/* mailbox_private.h - struct mailbox, and what the files of the view share; nobody outside includes it
 *
 * mailbox.c opens, closes, answers; mailbox_sync.c compares with the disk; mailbox_change.c stores flags and
 * expunges; mailbox_append.c appends, copies, moves; mailstore.c knows where folders are. */
#ifndef MAILBOX_MAILBOX_PRIVATE_H
#define MAILBOX_MAILBOX_PRIVATE_H

#include "lib/base/buf.h"
#include "lib/mailbox/mailbox.h"

struct mailstore {
	int root;
};

/* message.state, in memory only but for the first two. */
enum message_state {
	STATE_IN_NEW    = 1 << 0,	/* the file is in new, else in cur */
	STATE_NO_SUFFIX = 1 << 1,	/* its name in cur has no ":2," */
	STATE_GONE      = 1 << 2,	/* no file any more; still numbered */
	STATE_CHANGED   = 1 << 3,	/* flags changed by others, not reported yet */
	STATE_STORED    = STATE_IN_NEW | STATE_NO_SUFFIX,
};

struct mailbox {
	struct mailstore   *store;
	struct maildir      md;
	unsigned            flags;	/* enum mailbox_open_flags */
	bool                read_only;
	struct index_map    map;	/* records and names begin in it, when there is one */
	struct message     *records;
	size_t              count, capacity;
	bool                records_are_ours;	/* malloc'ed, not the map's */
	struct buf          names;	/* names behind those of the map */
	uint32_t            uidvalidity, next_uid, first_recent_uid;
	char                guid[UIDLIST_GUID_SIZE];
	struct buf          uidl_format;
	uint64_t            highest_modseq;
	uint32_t            unseen, deleted, recent, gone;
	uint32_t            first_unseen;	/* FIRST_UNSEEN_UNKNOWN: to be looked for */
	struct keywords     keywords;
	bool                keywords_changed;	/* not reported yet */
	struct index_stamps stamps;	/* what the view reflects */
	struct index_stamps before;	/* own_change_begin: stamps were true then? */
	bool                own_is_known;
	bool                is_racy;	/* the stamps are too young to be trusted */
	bool                uids_are_temporary;	/* nothing could be stored: UIDVALIDITY is of this session */
	bool                index_is_stale;	/* differs from postern.index */
	bool                needs_dir_sync;	/* renames since the last directory sync */
	bool                has_changed;	/* some record is STATE_CHANGED */
	bool                has_expunged;
	struct uidlist      uidlist;	/* read when needed; POP3 fields, UIDs of unknown names */
	bool                uidlist_is_read;
	int                 watch;	/* inotify, -1 */
};

#define FIRST_UNSEEN_UNKNOWN UINT32_MAX

/* ---- mailstore.c ---- */

/* store_directory - directory name below the root: "." or ".Work.2024".  False: not a valid name. */
bool store_directory(struct span folder, struct buf *out);
uint32_t store_new_uidvalidity(void *store);
enum mail_result result_of_errno(int error);

/* ---- mailbox.c ---- */

/* record_of - message seq of the view (from 1).  base_of - its file's name without flags.  Both borrowed from the view. */
struct message *record_of(struct mailbox *m, uint32_t seq);
struct span base_of(const struct mailbox *m, const struct message *r);
enum { FILE_NAME_SIZE = 512 };
/* file_name - the name the file should have now; gives the directory it is in. */
int file_name(const struct mailbox *m, const struct message *r, char out[FILE_NAME_SIZE]);
/* set_name - from what stands on disk: location, suffix, flags are the caller's. */
void set_name(struct mailbox *m, struct message *r, const struct maildir_name *name, struct span file,
              bool in_new);
/* add_record - at the end; the name is copied, flags counted.  The rest of *r is set by the caller. */
struct message *add_record(struct mailbox *m, uint32_t uid, const struct maildir_name *name,
                           struct span file, bool in_new);
/* set_flags - with the counters. */
void set_flags(struct mailbox *m, struct message *r, uint16_t flags, uint64_t keywords);
void forget_all(struct mailbox *m);
uint64_t next_modseq(struct mailbox *m);
void stamp_directories(const struct mailbox *m, struct index_stamps *out);
/* own_change_begin/end - around changes of cur and new by us: afterwards the view still counts as fresh when it was before. */
void own_change_begin(struct mailbox *m);
void own_change_end(struct mailbox *m);
/* take_header - uidvalidity, next UID, guid, format. */
void take_header(struct mailbox *m, const struct uidlist_header *header);

/* ---- mailbox_sync.c ---- */

/* sync_open - first sync of a view. */
enum mail_result sync_open(struct mailbox *m);
/* sync_target - as much as a MAILBOX_NO_VIEW target needs. */
enum mail_result sync_target(struct mailbox *m);
/* mark_gone - the file is not there any more. */
void mark_gone(struct mailbox *m, struct message *r);
/* find_renamed - after ENOENT: scan; true when the message is still there (its name is now right). */
bool find_renamed(struct mailbox *m, uint32_t seq);
void store_index(struct mailbox *m);

#endif
