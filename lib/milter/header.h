/* SPDX-License-Identifier: ISC */
/* header.h - the header of a message while milters look at it and change it
 *
 * Fields are counted as Postfix and Sendmail count them: a change names the n-th field of a name among those the
 * milters are shown, that is without the trace field we put on top ourselves; an insertion counts all fields, ours
 * included.  Small per field (a client may send hundreds of thousands), and each change is bounded by a budget. */
#ifndef MILTER_HEADER_H
#define MILTER_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/attributes.h"
#include "lib/base/buf.h"
#include "lib/base/span.h"

struct milter_field {
	uint32_t offset, length;	/* of the whole field with its line end, in text or in added */
	uint32_t hash;			/* of its name, case folded */
	unsigned name_length : 16;	/* 0: no field, only text that stands in the header */
	unsigned is_own : 1;		/* never shown */
	unsigned is_gone : 1;
	unsigned is_added : 1;		/* by a milter: its text is in 'added' */
	unsigned is_on_top : 1;		/* by a milter, before all fields of the client */
};

struct milter_header {
	struct span          text;	/* as received; borrowed */
	struct buf           added;	/* fields of milters */
	struct milter_field *fields;
	size_t               count, room;
	bool                 is_changed;
	size_t               added_max;	/* bytes of fields that milters may add in all */
	uint64_t             work_left;	/* fields yet to be passed by look-ups and insertions */
	/* Where the last look-up by name ended: most go on from there. */
	uint32_t             last_hash, last_index;
	size_t               last_at;
};

enum milter_edit { MILTER_EDIT_DONE, MILTER_EDIT_TOO_MUCH };

/* milter_header_init - text is the header without the blank line at its end (kept, not copied); its first own_count
 * fields are ours.  added_max bounds what milters may add. */
void milter_header_init(struct milter_header *h, struct span text, size_t own_count, size_t added_max);
void milter_header_free(struct milter_header *h);

/* milter_header_next - walk the fields that milters are shown; *cursor starts at 0.  value is behind the colon, folds as
 * they are, without the line end. */
bool milter_header_next(const struct milter_header *h, size_t *cursor, struct span *name, struct span *value);
/* milter_header_write - append all of it to out. */
void milter_header_write(const struct milter_header *h, struct buf *out);
/* milter_header_length - bytes that milter_header_write adds. */
uint64_t milter_header_length(const struct milter_header *h);

/* The changes.  A value may be folded with LF or CRLF; what would end the field or the header is mended.  space: put a
 * blank between colon and value.  TOO_MUCH: a limit is passed, nothing was done. */
MUST_USE enum milter_edit milter_header_append(struct milter_header *h, struct span name, struct span value,
                                               bool space);
/* milter_header_insert - at 0: before all; past the end: at the end. */
MUST_USE enum milter_edit milter_header_insert(struct milter_header *h, uint32_t index, struct span name,
                                               struct span value, bool space);
/* milter_header_change - the index-th (from 1; 0 is 1) shown field of that name; an empty value deletes it.  One that is
 * not there is appended, or not deleted. */
MUST_USE enum milter_edit milter_header_change(struct milter_header *h, uint32_t index, struct span name,
                                               struct span value, bool space);

/* milter_header_on_top - the unfolded values of fields called name that milters put on top, topmost first, one a
 * line; at most 'most' bytes, whole fields only.  Empty: none. */
struct span milter_header_on_top(const struct milter_header *h, struct span name, size_t most, struct arena *arena);

#endif
