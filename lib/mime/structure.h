/* SPDX-License-Identifier: ISC */
/* structure.h - ENVELOPE and BODYSTRUCTURE as IMAP writes them, and its strings */
#ifndef MIME_STRUCTURE_H
#define MIME_STRUCTURE_H

#include <stdbool.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/mime/part.h"

/* imap_add_string - text as a quoted string where it may be one (RFC 3501 4.3), else as a literal; NUL becomes
 * 0x80.  imap_add_nstring - NIL when text.ptr is NULL. */
void imap_add_string(struct buf *out, struct span text);
void imap_add_nstring(struct buf *out, struct span text);

/* imap_add_envelope - "(date subject from sender reply-to to cc bcc in-reply-to message-id)" of a header
 * (RFC 3501 7.4.2).  a: scratch. */
void imap_add_envelope(struct arena *a, struct buf *out, struct span header);
/* imap_add_structure - BODY, or with extended BODYSTRUCTURE, of a part and all below it.  a: scratch. */
void imap_add_structure(struct arena *a, struct buf *out, const struct mime_part *part, bool extended);

#endif
