/* SPDX-License-Identifier: ISC */
/* charset.h - text of any charset as UTF-8, RFC 2047 words and RFC 2231 values decoded, and folding for SEARCH */
#ifndef MIME_CHARSET_H
#define MIME_CHARSET_H

#include <stdbool.h>

#include "lib/base/arena.h"
#include "lib/base/span.h"

/* charset_prepare - open the common converters and the case tables now: a session process has no way to the
 * files they come from.  Call once before the sandbox; without it only UTF-8, US-ASCII and ISO-8859-1 are known. */
void charset_prepare(void);
/* charset_is_known - can text of this charset be converted? */
bool charset_is_known(struct span charset);
/* charset_to_utf8 - text in UTF-8; bytes that have no meaning become U+FFFD.  Unknown charset: false, and
 * *out is text itself with bytes over 0x7f replaced. */
bool charset_to_utf8(struct arena *a, struct span charset, struct span text, struct span *out);
/* charset_fold - UTF-8 prepared for comparison without regard to case; white space runs become one space. */
struct span charset_fold(struct arena *a, struct span utf8);

/* mime_decode_words - a header value as UTF-8: RFC 2047 words decoded (white space between two of them dropped),
 * unfolded; raw 8-bit text is taken as UTF-8 or else ISO-8859-1. */
struct span mime_decode_words(struct arena *a, struct span value);
/* mime_decode_extended - "charset'language'percent-encoded" (RFC 2231 4) as UTF-8. */
struct span mime_decode_extended(struct arena *a, struct span value);

#endif
