/* SPDX-License-Identifier: ISC */
/* journal.h - append-only segments that hold acknowledged mail and what became of it
 *
 * A segment is a preallocated file queue/journal/<seq>: a header, then records, each 8-byte aligned:
 *	nonce u64, batch start u32, payload length u32, type u16, id length u16, CRC32C u32, id, payload, padding
 * The nonce is random and secret, one a segment: bytes inside a mail can never pass for a record, and records of a
 * segment's earlier life (segments are used again) do not count.  A batch is what one sync made durable; every
 * record says where its batch began, so that replay can tell a torn tail (never acknowledged) from damage.
 *
 * All functions that touch files block: they belong on an offload thread. */
#ifndef QUEUE_JOURNAL_H
#define QUEUE_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/attributes.h"
#include "lib/base/buf.h"
#include "lib/base/span.h"

enum journal_type {
	JOURNAL_MESSAGE = 1,	/* u32 flags, counted envelope, content */
	JOURNAL_RESULT,		/* u32 recipient, u8 status */
	JOURNAL_DEFER,		/* retry data and reasons: notes.h */
	JOURNAL_EXPAND,		/* u32 recipient, then counted new recipients */
	JOURNAL_FLAGS,		/* u32: held, expire, warned */
	JOURNAL_DONE,		/* every recipient has ended, or the admin deleted it */
	JOURNAL_START_OVER,	/* u32 recipients: what they were expanded to does not count any more */
	JOURNAL_TYPE_MAX = JOURNAL_START_OVER,
};

enum {
	JOURNAL_HEADER_SIZE = 64,
	JOURNAL_RECORD_SIZE = 24,	/* before id and payload */
	JOURNAL_ID_MAX = 31,
	JOURNAL_NAME_MAX = 24,
};

struct journal_record {
	enum journal_type type;
	struct span       id;
	struct span       payload;
	uint32_t          offset;	/* of the payload in the segment */
};

/* ---- records as bytes ---- */

struct journal_segment {
	uint64_t seq;
	uint64_t nonce;
	int      fd;
	uint32_t size;
	uint32_t used;	/* where the next batch goes */
};

/* journal_record_size - bytes a record takes in a segment. */
size_t journal_record_size(size_t id_len, size_t payload_len);
/* journal_record_add - append one record to batch, which will be written at s->used; its payload is the pieces joined.
 * Gives the payload's offset in the segment. */
uint32_t journal_record_add(struct buf *batch, const struct journal_segment *s, enum journal_type type,
                            struct span id, const struct span *pieces, size_t count);

/* journal_record_is_whole - does the record with that id and payload length, as read from its start, have the right
 * checksum? */
bool journal_record_is_whole(struct span record, size_t id_len, size_t payload_len);

typedef void journal_replay_fn(void *user, const struct journal_record *record);

struct journal_replay {
	size_t   records;
	uint32_t end;		/* behind the last good record */
	bool     is_damaged;	/* a bad record with acknowledged ones behind it, or a bad header before records */
	bool     is_unused;	/* renamed for another use, but not begun: may be unlinked */
};

/* journal_replay - give every whole record of the segment's bytes to fn, in order; spans borrow bytes. */
void journal_replay(struct span bytes, uint64_t seq, journal_replay_fn *fn, void *user,
                    struct journal_replay *out);

/* ---- segments as files ---- */

/* journal_name - file name of a segment.  journal_name_seq - back; false when it is not one. */
const char *journal_name(uint64_t seq, char out[JOURNAL_NAME_MAX]);
MUST_USE bool journal_name_seq(const char *name, uint64_t *seq);
/* journal_retire - a finished segment's name goes, durably.  keep: its file becomes a spare (unless queue/corrupt has it
 * too): written blocks make a later sync cheaper, as no metadata changes.  1: a spare was made; 0; -1 with errno. */
MUST_USE int journal_retire(int dir_fd, uint64_t seq, bool keep);
/* journal_spares - numbers of the spares there are; those beyond 'most' are unlinked. */
size_t journal_spares(int dir_fd, uint64_t *out, size_t most);
/* journal_create - a new segment, its space and its name durable.  spare: the number of a spare to use for it, or 0.
 * 0, or -1 with errno; nothing is left behind then. */
MUST_USE int journal_create(int dir_fd, uint64_t seq, uint32_t size, uint64_t spare,
                            struct journal_segment *out);
/* journal_write - the batch at s->used, which then stands behind it; is_synced: and make it durable.  0, or -1 with
 * errno: after a failed sync the segment must not be written again. */
MUST_USE int journal_write(struct journal_segment *s, struct span batch, bool is_synced);
/* journal_open - an old segment for reading: fd and size only.  -1 with errno. */
MUST_USE int journal_open(int dir_fd, uint64_t seq, struct journal_segment *out);

#endif
