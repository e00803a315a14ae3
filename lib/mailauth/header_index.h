/* SPDX-License-Identifier: ISC */
/* header_index.h - the fields of a message by name, taken from the bottom up
 *
 * A message header here is an array of struct mime_field, top to bottom, each raw with its CRLF line ends.  Signatures
 * name fields and mean the lowest one not yet taken (RFC 6376 5.4.2); with the index a signature costs as many steps
 * as it names fields, whatever the header holds. */
#ifndef MAILAUTH_HEADER_INDEX_H
#define MAILAUTH_HEADER_INDEX_H

#include <stddef.h>

#include "lib/base/arena.h"
#include "lib/base/attributes.h"
#include "lib/base/span.h"
#include "lib/mime/field.h"

struct mail_header {
	const struct mime_field *field;
	size_t                   count;
};

/* mail_header_parse - the fields at the start of *message, which is left at the body.  Lines that are no field are
 * fields without a name.  For tests and commands: a milter gets its fields one by one. */
struct mail_header mail_header_parse(struct arena *arena, struct span *message);

struct header_index;

/* header_index_new - keeps the header; lives in arena. */
struct header_index *header_index_new(struct arena *arena, struct mail_header header);
/* header_index_count - fields of that name (case does not count). */
size_t header_index_count(struct header_index *index, struct span name);
/* header_index_restart - all fields may be taken again. */
void header_index_restart(struct header_index *index);
/* header_index_take - the lowest field of that name not yet taken, or NULL: no more. */
const struct mime_field *header_index_take(struct header_index *index, struct span name);

#endif
