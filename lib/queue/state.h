/* SPDX-License-Identifier: ISC */
/* state.h - what became of a message's recipients, and notes: how that is written down
 *
 * A note is the payload of a journal record (RESULT, DEFER, EXPAND, FLAGS).  The same notes, strung together, are all
 * that is kept in memory of the history of a message that waits in the journal; applying them to the envelope gives
 * its state.  Applying a note twice changes nothing. */
#ifndef QUEUE_STATE_H
#define QUEUE_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/queue/envelope.h"
#include "lib/queue/journal.h"

enum recipient_status {
	RECIPIENT_OPEN,		/* to be delivered, or tried again */
	RECIPIENT_SENT,
	RECIPIENT_BOUNCED,	/* failed for good; its bounce, if one was due, is queued */
	RECIPIENT_EXPANDED,	/* other recipients took its place */
	RECIPIENT_STATUS_MAX = RECIPIENT_EXPANDED,
};

enum message_flags {
	MESSAGE_HELD   = 1,	/* by the admin or a milter: not delivered until released */
	MESSAGE_EXPIRE = 2,	/* by the admin: return it at the next occasion */
	MESSAGE_WARNED = 4,	/* the sender was told of the delay */
};

struct recipient_state {
	enum recipient_status status;
	struct span           dsn, reason;	/* of the last attempt; empty: none yet */
};

/* An envelope with its state; recipients and states go side by side. */
struct queued {
	struct arena           *arena;	/* what notes add lives here */
	struct envelope         envelope;
	struct recipient_state *states;
	size_t                  capacity;	/* of both arrays */
	uint32_t                flags;		/* enum message_flags */
	uint32_t                attempts;
	uint64_t                next_attempt_us;	/* wall clock; 0: at once */
};

/* queued_decode - the envelope from bytes (borrowed), every recipient open. */
MUST_USE bool queued_decode(struct arena *arena, struct span envelope, struct queued *out);
/* queued_find - index of the recipient with that number, or SPAN_NOT_FOUND. */
size_t queued_find(const struct queued *q, uint32_t number);
size_t queued_open_count(const struct queued *q);
/* queued_add - one more recipient, copied into the arena; its index.  Its number must be new. */
size_t queued_add(struct queued *q, const struct envelope_recipient *r);
/* queued_number - the number of a recipient that grew out of parent: the same for the same address every time, so that
 * a repeat after a crash names the same Maildir file. */
uint32_t queued_number(const struct queued *q, uint32_t parent, struct span address);

/* queued_start_over - of the first count recipients, those still open that an expansion made are forgotten, and the one
 * they took the place of is open again; members who have the message keep it.  Done twice it changes nothing more. */
void queued_start_over(struct queued *q, size_t count);

/* note_... - append the payload of a note to out. */
void note_result(struct buf *out, uint32_t number, enum recipient_status status);
void note_flags(struct buf *out, uint32_t flags);
/* note_defer - retry time, attempts and the reasons of all open recipients of q. */
void note_defer(struct buf *out, const struct queued *q);
/* note_start_over - queued_start_over of all recipients there are now. */
void note_start_over(struct buf *out, const struct queued *q);
/* note_expand - recipients of q from index first on took the place of number. */
void note_expand(struct buf *out, const struct queued *q, uint32_t number, size_t first);
/* note_apply - false when malformed or no note; what a malformed one said first may have been applied. */
MUST_USE bool note_apply(struct queued *q, enum journal_type type, struct span payload);

/* notes_add - string a note to others.  notes_apply - all of them; false when one was malformed. */
void notes_add(struct buf *notes, enum journal_type type, struct span payload);
MUST_USE bool notes_apply(struct queued *q, struct span notes);

#endif
