/* SPDX-License-Identifier: ISC */
/* folders.h - a user's folders: Maildir++ directories, subscriptions, special uses, counters
 *
 * Names here are UTF-8 with '/' between levels ("Work/2024", "INBOX"); on disk they are ".Work.2024" in
 * modified UTF-7.  Level names may not hold '.', '/', control bytes, nor begin with '~'. */
#ifndef MAILBOX_FOLDERS_H
#define MAILBOX_FOLDERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/attributes.h"
#include "lib/base/buf.h"
#include "lib/base/span.h"
#include "lib/mailbox/mailbox.h"

enum folder_attribute {
	FOLDER_EXISTS       = 1 << 0,	/* not set: only a parent of others, or only subscribed (\NonExistent) */
	FOLDER_SUBSCRIBED   = 1 << 1,
	FOLDER_HAS_CHILDREN = 1 << 2,
	FOLDER_CHILD_SUBSCRIBED = 1 << 3,	/* some folder below is subscribed */
	/* Special uses (RFC 6154): stored, or by well-known name where none is stored. */
	FOLDER_ALL          = 1 << 8,
	FOLDER_ARCHIVE      = 1 << 9,
	FOLDER_DRAFTS       = 1 << 10,
	FOLDER_FLAGGED      = 1 << 11,
	FOLDER_JUNK         = 1 << 12,
	FOLDER_SENT         = 1 << 13,
	FOLDER_TRASH        = 1 << 14,
	FOLDER_SPECIAL_USES = 0x7f00,
};

struct folder {
	struct span name;
	unsigned    attributes;
};

/* folders_list - all folders, INBOX first, the rest in byte order (parents before children), with parents that do not
 * exist themselves and with subscribed names that do not exist.  The array is the arena's. */
MUST_USE enum mail_result folders_list(struct mailstore *s, struct arena *arena, struct folder **out,
                                       size_t *count);
/* folder_name_is_valid - could be made here: MAIL_CANNOT names fail this. */
bool folder_name_is_valid(struct span name);
/* folder_directory - where name is, or could be made, below the user's Maildir (".Work.2024"; INBOX: "."), in place of
 * what out holds; false when the name is not valid. */
MUST_USE bool folder_directory(struct span name, struct buf *out);
bool folder_exists(struct mailstore *s, struct span name);

/* folder_create - with a special use (one of the bits) or 0.  A trailing '/' is dropped.  Missing parents are not
 * made.  MAIL_EXISTS, MAIL_CANNOT. */
MUST_USE enum mail_result folder_create(struct mailstore *s, struct span name, unsigned special_use);
/* folder_open_or_make - the directories of a folder below root_fd, a user's Maildir, for a delivery; made, and subscribed
 * to, when missing, as a client would.  0, or -1 with errno (EINVAL: no name for a folder) and md closed.
 * Blocking, with syncs. */
MUST_USE int folder_open_or_make(int root_fd, struct span name, struct maildir *md);
/* folder_delete - with its messages; folders below stay.  INBOX: MAIL_CANNOT. */
MUST_USE enum mail_result folder_delete(struct mailstore *s, struct span name);
/* folder_rename - with all folders below; INBOX: its messages move to the new folder, it stays, empty (RFC 3501
 * 6.3.5).  UIDVALIDITY and UIDs are kept. */
MUST_USE enum mail_result folder_rename(struct mailstore *s, struct span from, struct span to);
/* folder_subscribe - on or off; the name need not exist. */
MUST_USE enum mail_result folder_subscribe(struct mailstore *s, struct span name, bool on);

/* special_use_name - "\\Sent" of one bit, or "".  special_use_bit - of a name (case ignored), 0 when unknown. */
const char *special_use_name(unsigned bit);
unsigned special_use_bit(struct span name);

struct folder_status {
	uint32_t messages, recent, uidnext, uidvalidity, unseen, deleted;
	uint64_t highest_modseq;
	uint64_t size;	/* sum of sizes with CRLF; filled only when asked */
	char     guid[UIDLIST_GUID_SIZE];
};

/* folder_status - counters without changing anything (no \Recent is taken).  One stat of each directory when the
 * index is fresh.  want_size: size too (STATUS SIZE). */
MUST_USE enum mail_result folder_status(struct mailstore *s, struct span name, bool want_size,
                                        struct folder_status *out);

#endif
