/* SPDX-License-Identifier: ISC */
/* store.h - the queue on disk as one thing: segments and message files, found at start, read when needed
 *
 * Owned by qmgr while it runs (a kernel lock says so); the tools use it when qmgr does not run.  All functions block. */
#ifndef QUEUE_STORE_H
#define QUEUE_STORE_H

#include "lib/base/hash.h"
#include "lib/queue/message_file.h"

struct store {
	int journal_fd, message_fd, corrupt_fd;	/* folders */
	int lock_fd;				/* -1: not locked */
};

/* A message that waits: all that is kept of it in memory. */
struct mail {
	char     id[QUEUE_ID_MAX];
	uint64_t arrival_us;
	uint64_t next_attempt_us;	/* wall clock */
	uint64_t seq;			/* segment that holds it; 0: a file of its own */
	uint32_t offset, length;	/* of the MESSAGE record's payload there */
	uint32_t flags;			/* enum message_flags */
	uint32_t notes_len;
	char    *notes;			/* malloc'ed; of a message in the journal */
};

/* store_open - open (make, when wanted) the folders below queue_directory and take the lock.  0, or -1 with errno:
 * EWOULDBLOCK when another process holds it. */
MUST_USE int store_open(struct store *s, const char *queue_directory, bool make, bool lock);
void store_close(struct store *s);

/* ---- finding ---- */

struct store_index {
	const struct store *store;
	size_t              mail_size;	/* bytes to allocate a mail: its user's struct begins with a struct mail */
	struct hash        *mails;	/* id -> struct mail */
	struct hash        *done;	/* ids with a DONE record: a file of that name is a left-over */
	uint64_t            last_seq;
};

/* store_index_init - an empty index of s (borrowed); a mail takes mail_size bytes, the first its struct mail. */
void store_index_init(struct store_index *index, const struct store *s, size_t mail_size);
/* store_index_free - the mails too, when wanted. */
void store_index_free(struct store_index *index, bool free_mails);

struct store_segment {
	uint64_t seq;
	uint32_t size;
	bool     is_damaged;	/* a copy of it was set aside in queue/corrupt */
};
/* store_segments - names in queue/journal, oldest first; malloc'ed. -1 with errno. */
MUST_USE int store_segments(const struct store *s, struct store_segment **out, size_t *count);
/* store_replay - take one segment into the index; call it oldest first.  An unused one is unlinked (size is then 0); a
 * damaged one is linked into queue/corrupt before anything of it is used. */
MUST_USE int store_replay(struct store_index *index, struct store_segment *segment);

enum store_file { STORE_FILE_GOOD, STORE_FILE_LEFT_OVER, STORE_FILE_CORRUPT, STORE_FILE_ERROR };
/* store_each_file - id and folder of all message files; fn gets "xx" and the name. */
int store_each_file(const struct store *s, unsigned folder, void (*fn)(void *user, const char *id), void *user);
/* store_add_file - take one message file in: a new mail in index, or the mail of the journal that moved there.
 * *mail: what it is.  A torn file was never acknowledged, or its segment still has it: it goes to queue/corrupt when
 * it has content, else it is unlinked. */
enum store_file store_add_file(struct store_index *index, const char *id, struct mail **mail);
/* store_peek_file, store_adopt_file - the two halves of that for a whole file: what blocks, and what changes index. */
enum store_file store_peek_file(const struct store *s, const char *id, struct message_preamble *out);
struct mail *store_adopt_file(struct store_index *index, const char *id, const struct message_preamble *p);

/* ---- reading ---- */

struct loaded {
	struct queued           queued;
	struct message_preamble preamble;	/* of a file */
	struct span             content;	/* when it was wanted inline and small enough */
	int                     fd;		/* else: content_offset in it; the caller closes it.  -1: none */
	uint64_t                content_offset, content_length;
	bool                    is_file;	/* it has a file of its own: fd is that */
};

/* store_load - envelope and state of m, and its content inline when it has at most inline_max bytes.  segment_fd: of
 * m->seq.  check: verify a file's content against its checksum; and look first for a file a message of the journal
 * has moved to (after a restart).  0, or -1 with errno (EBADMSG: damaged). */
MUST_USE int store_load(const struct store *s, const struct mail *m, int segment_fd, size_t inline_max, bool check,
                        struct arena *arena, struct loaded *out);
/* store_keep_segment - a second name for a damaged segment in queue/corrupt, durable. */
MUST_USE int store_keep_segment(const struct store *s, uint64_t seq);
/* store_set_aside - move m's file to queue/corrupt. */
MUST_USE int store_set_aside(const struct store *s, struct span id);

#endif
