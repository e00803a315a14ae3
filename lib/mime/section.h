/* SPDX-License-Identifier: ISC */
/* section.h - the sections of BODY[...] (RFC 3501 6.4.5) and the bytes they name */
#ifndef MIME_SECTION_H
#define MIME_SECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/mime/part.h"

enum section_what {
	SECTION_ALL,	/* the message, or the body of the part */
	SECTION_HEADER,
	SECTION_FIELDS,
	SECTION_FIELDS_NOT,
	SECTION_TEXT,
	SECTION_MIME,
};

enum { SECTION_DEPTH_MAX = 128 };

struct section {
	uint32_t          *path;	/* part numbers, outermost first */
	size_t             path_length;
	enum section_what  what;
	struct span       *fields;	/* names, in the order asked */
	size_t             field_count;
};

/* section_find - the bytes of the section in the parsed message; header subsets are put together in a.  False when
 * there is no such part: BODY[...] is NIL then. */
bool section_find(struct arena *a, const struct mime_part *root, struct span message,
                  const struct section *section, struct span *out);
/* section_header_only - does the message's own header suffice (HEADER, HEADER.FIELDS, HEADER.FIELDS.NOT)? */
bool section_header_only(const struct section *section);
/* section_filter - the fields of header that section wants, and the blank line. */
struct span section_filter(struct arena *a, struct span header, const struct section *section);

#endif
