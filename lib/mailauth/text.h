/* SPDX-License-Identifier: ISC */
/* text.h - bytes of strangers made fit for header fields, replies and logs */
#ifndef MAILAUTH_TEXT_H
#define MAILAUTH_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/span.h"

/* text_printable - the first 'most' bytes of s, each other than printable US-ASCII as '?'. */
struct span text_printable(struct arena *arena, struct span s, size_t most);
/* text_header - s without control bytes ('?' for each); 8-bit bytes stay where may_utf8 and all of s is UTF-8, as a message
 * of RFC 6532 may have it. */
struct span text_header(struct arena *arena, struct span s, bool may_utf8);
/* text_remark - text_printable without bytes that mean something in a comment or quoted-string: for what is written for
 * people, so that even a reader who knows no escapes is not led out of it. */
struct span text_remark(struct arena *arena, struct span s, size_t most);
/* text_add_base64 - bytes as the lines of a MIME part (RFC 2045 6.8), each ended by LF. */
void text_add_base64(struct arena *arena, struct buf *out, struct span bytes);
/* text_wire_bytes - how many bytes text, whose lines end in LF, has on its way: each line gains a CR. */
size_t text_wire_bytes(struct span text);

#endif
