/* SPDX-License-Identifier: ISC */
/* part.h - the tree of MIME parts of one message */
#ifndef MIME_PART_H
#define MIME_PART_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/arena.h"
#include "lib/mime/content.h"

struct mime_limits {
	size_t depth;	/* multiparts and messages inside each other; deeper ones stay opaque */
	size_t parts;	/* in the whole message; what follows belongs to the last */
};

/* header and body borrow the message: in one in CRLF form they are the byte ranges IMAP speaks of. */
struct mime_part {
	struct span       header;	/* with the blank line */
	struct span       body;		/* without the line end that belongs to the boundary behind it */
	struct mime_value type;		/* always filled: the default where the message gives none */
	struct span       encoding;	/* as written; "7BIT" where the message gives none */
	struct mime_part *parent, *next;
	struct mime_part *first, *last;	/* parts of a multipart; of a message/rfc822 its one message */
	size_t            depth;
	bool              is_multipart, is_message;
	struct span       boundary;	/* while parsing: still open */
	bool              is_open;
};

/* mime_parse - the tree of message (kept, not copied).  Never fails: a broken message has some tree. */
struct mime_part *mime_parse(struct arena *a, struct span message, const struct mime_limits *limits);

#endif
