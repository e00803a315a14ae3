/* SPDX-License-Identifier: ISC */
/* field.h - header fields of RFC 5322: finding them, and the tokens inside */
#ifndef MIME_FIELD_H
#define MIME_FIELD_H

#include <stdbool.h>

#include "lib/base/arena.h"
#include "lib/base/span.h"

/* One field; all spans borrow the header. */
struct mime_field {
	struct span raw;	/* name to line end, folds included */
	struct span name;	/* white space before the colon is left out (obsolete syntax); empty: no field */
	struct span value;	/* behind the colon, without the last line end; still folded */
};

/* mime_field_next - the next field of *rest, which is left behind it.  A line that is no field is given with
 * an empty name.  False at the blank line and at the end.  CRLF and LF both end a line. */
bool mime_field_next(struct span *rest, struct mime_field *field);
/* mime_field_find - value of the first field of that name; false when there is none. */
bool mime_field_find(struct span header, struct span name, struct span *value);
/* mime_header_end - offset behind the blank line that ends the header; all of it when there is none. */
size_t mime_header_end(struct span message);

/* mime_unfold - value as one line: folds, and each run of white space, become one space; trimmed. */
struct span mime_unfold(struct arena *a, struct span value);

/* mime_skip_space - *rest without white space and comments (CFWS) at its start.  The content of the last
 * comment goes to *comment, which may be NULL. */
void mime_skip_space(struct span *rest, struct span *comment);
/* mime_is_atom_byte - an atext of RFC 5322 3.2.3, or a byte over 0x7f. */
bool mime_is_atom_byte(char c);
/* mime_is_token_byte - a token byte of RFC 2045 5.1, or a byte over 0x7f. */
bool mime_is_token_byte(char c);
/* mime_take - the longest run of bytes that test accepts, taken from *rest; may be empty. */
struct span mime_take(struct span *rest, bool (*test)(char c));
/* mime_take_quoted - a quoted-string that starts *rest, unquoted and unfolded into a.  One that is not
 * closed reaches to the end of *rest. */
struct span mime_take_quoted(struct arena *a, struct span *rest);

#endif
