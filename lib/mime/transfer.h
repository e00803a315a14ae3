/* SPDX-License-Identifier: ISC */
/* transfer.h - content transfer encodings, read tolerantly (RFC 2045 6.7, 6.8) */
#ifndef MIME_TRANSFER_H
#define MIME_TRANSFER_H

#include "lib/base/arena.h"
#include "lib/base/span.h"

/* mime_decode_base64 - other bytes are skipped, padding ends a group (several may follow). */
struct span mime_decode_base64(struct arena *a, struct span text);
/* mime_decode_qp - bad escapes stay as they are; is_word: underscore is a space (RFC 2047 4.2). */
struct span mime_decode_qp(struct arena *a, struct span text, bool is_word);
/* mime_decode_transfer - by the name of the encoding; unknown ones are given as they are (borrowed). */
struct span mime_decode_transfer(struct arena *a, struct span encoding, struct span body);

#endif
