/* SPDX-License-Identifier: ISC */
/* dkim_canon.h - canonicalization of header fields and bodies (RFC 6376 3.4) */
#ifndef MAILAUTH_DKIM_CANON_H
#define MAILAUTH_DKIM_CANON_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/span.h"
#include "lib/mime/field.h"

enum dkim_canon {
	DKIM_SIMPLE,
	DKIM_RELAXED,
};

/* dkim_canon_field - append the field to out, with the CRLF that ends it. */
void dkim_canon_field(struct buf *out, enum dkim_canon canon, const struct mime_field *field);
/* dkim_canon_signature - the same for the field of the signature itself: without the bytes of cut (a part of its value:
 * the extent of b=), and without the CRLF at its end (RFC 6376 3.7). */
void dkim_canon_signature(struct buf *out, enum dkim_canon canon, const struct mime_field *field, struct span cut);

enum { DKIM_CANON_BUFFER = 4096 };

/* A body on its way.  Takes it in chunks of any size and keeps none of it but what may still be dropped, as counts:
 * a body of any length costs this struct. */
struct dkim_canon_body {
	enum dkim_canon canon;
	void          (*give)(void *user, struct span bytes);
	void           *user;
	uint64_t        empty_lines;	/* CRLFs that count only when something follows */
	bool            has_space;	/* white space that counts only when its line goes on */
	bool            has_cr;		/* a CR whose next byte is not known */
	bool            has_content;
	size_t          used;
	char            buffer[DKIM_CANON_BUFFER];
};

/* dkim_canon_body_start - give(user, ...) gets the canonical bytes. */
void dkim_canon_body_start(struct dkim_canon_body *body, enum dkim_canon canon,
                           void (*give)(void *user, struct span bytes), void *user);
/* dkim_canon_body_add - the next bytes of the body, with CRLF line ends; a CR or LF alone is a byte like others. */
void dkim_canon_body_add(struct dkim_canon_body *body, struct span bytes);
/* dkim_canon_body_end - there are no more. */
void dkim_canon_body_end(struct dkim_canon_body *body);

#endif
