/* SPDX-License-Identifier: ISC */
/* maildir.h - one Maildir folder on disk: file names, directories, delivery
 *
 * Names are those Dovecot and Courier read: BASE[:2,FLAGS], where BASE is the identity of a message
 * and never changes, and carries ",S=" (bytes of the file) and ",W=" (bytes with CRLF line ends).
 * Nothing here assigns UIDs or looks into messages.  Blocking. */
#ifndef MAILBOX_MAILDIR_H
#define MAILBOX_MAILDIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "lib/base/attributes.h"
#include "lib/base/buf.h"
#include "lib/base/span.h"
#include "lib/base/why.h"

/* System flags.  All but MAIL_RECENT stand in the file name. */
enum mail_flag {
	MAIL_DRAFT    = 1 << 0,	/* D */
	MAIL_FLAGGED  = 1 << 1,	/* F */
	MAIL_PASSED   = 1 << 2,	/* P: resent, forwarded; no IMAP flag, kept */
	MAIL_ANSWERED = 1 << 3,	/* R */
	MAIL_SEEN     = 1 << 4,	/* S */
	MAIL_DELETED  = 1 << 5,	/* T */
	MAIL_RECENT   = 1 << 6,	/* of a session, never stored */
};

enum { MAIL_KEYWORDS_MAX = 26 };	/* letters a-z of file names */
#define MAIL_SIZE_UNKNOWN UINT64_MAX

/* A file name taken apart.  Spans borrow it. */
struct maildir_name {
	struct span base;	/* up to the ':' */
	struct span suffix;	/* from the ':' on, or empty */
	uint16_t    flags;	/* enum mail_flag */
	uint64_t    keywords;	/* bit n: letter 'a' + n */
	bool        is_canonical;	/* suffix is what maildir_suffix makes of flags and keywords */
	uint64_t    size;	/* of ,S= or MAIL_SIZE_UNKNOWN */
	uint64_t    virtual_size;	/* of ,W= or MAIL_SIZE_UNKNOWN */
};

/* maildir_name_parse - false when it cannot be a message: empty, begins with a dot, holds '/', LF or NUL. */
MUST_USE bool maildir_name_parse(struct span file, struct maildir_name *out);

enum { MAILDIR_SUFFIX_SIZE = 40 };
/* maildir_suffix - ":2," and the sorted letters, NUL-terminated; gives its length. */
size_t maildir_suffix(uint16_t flags, uint64_t keywords, char out[MAILDIR_SUFFIX_SIZE]);
/* maildir_suffix_change - the suffix that keeps unknown letters and the text behind a ',' of the old one. */
void maildir_suffix_change(struct buf *out, struct span old, uint16_t flags, uint64_t keywords);
/* maildir_name_order - order of arrival: seconds, then microseconds (M), then bytes; for qsort-like use. */
int maildir_name_order(struct span a, struct span b);
/* maildir_unique - a fresh base name "<sec>.M<usec>P<pid>Q<n>.<host>" without sizes, appended to out. */
void maildir_unique(struct buf *out);
/* maildir_host - this host's name as it stands in file names ('/' and ':' as octal, RFC-less custom). */
const char *maildir_host(void);
/* maildir_virtual_size - what data (a piece of a message) adds to ,W=: its bytes and one for each LF without CR.
 * *last carries the last byte from piece to piece; begin with 0. */
uint64_t maildir_virtual_size(struct span data, char *last);

/* The directories of a folder, open. */
struct maildir {
	int dir, tmp, new_mail, cur;	/* O_DIRECTORY | O_NOFOLLOW; -1 when closed */
};

enum maildir_open_flags { MAILDIR_CREATE = 1 };

/* maildir_open - open the folder at path below parent_fd ("." for itself); cur, new and tmp are made when
 * missing (crashes leave such folders), the folder too with MAILDIR_CREATE.  0, or -1 with errno (EPERM: a
 * directory is writable for group or others, or is not the effective user's).  md is all -1 on failure. */
MUST_USE int maildir_open(struct maildir *md, int parent_fd, const char *path, unsigned flags);
void maildir_close(struct maildir *md);
/* maildir_clean_tmp - remove files in tmp older than older_than_s. */
void maildir_clean_tmp(const struct maildir *md, uint64_t older_than_s);

/* One message for delivery: what is put in front, and the content, in memory or in a file. */
struct maildir_delivery {
	struct span queue_id;	/* with recipient: the name, the same again on a repeat */
	uint32_t    recipient;
	uint64_t    arrival_s;	/* first part of the name: when the message came in */
	struct span trace;	/* Return-Path and kin, CRLF line ends */
	struct span content;	/* used when file is -1 */
	int         file;	/* borrowed; content_length bytes from content_offset */
	uint64_t    content_offset, content_length;
	bool        may_be_repeat;	/* look for it in new and cur first (reliability 2.4) */
	bool        sync;	/* file and directory durable before DONE */
};

/* mailbox_deliver - tmp, then new.  DONE also when it was there already (*was_there may be NULL).
 * DEFER: 4.2.2 over quota, 4.3.1 disk full, 4.3.0 else. */
MUST_USE enum outcome mailbox_deliver(const struct maildir *md, const struct maildir_delivery *d,
                                      bool *was_there, struct why *why);

/* maildir_scan - call each(user, name) for every entry of the directory but . and ..; each gives false to stop.
 * Reads with a large buffer from the start.  0, or -1 with errno. */
MUST_USE int maildir_scan(int dir_fd, bool (*each)(void *user, struct span name), void *user);

#endif
