/* SPDX-License-Identifier: ISC */
/* codec.h - base64 and hexadecimal (RFC 4648), and random bytes */
#ifndef BASE_CODEC_H
#define BASE_CODEC_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/arena.h"
#include "lib/base/attributes.h"
#include "lib/base/span.h"

/* base64_encode - with padding, one line.  base64_decode - strict (RFC 4648 4): canonical
 * padding, no other byte; false if bad. */
struct span base64_encode(struct arena *a, struct span s);
MUST_USE bool base64_decode(struct arena *a, struct span text, struct span *out);
/* hex_encode - lower case.  hex_decode - either case; false if odd or not hexadecimal. */
struct span hex_encode(struct arena *a, struct span s);
MUST_USE bool hex_decode(struct arena *a, struct span text, struct span *out);

/* random_bytes - n unpredictable bytes (getrandom). */
void random_bytes(void *out, size_t n);

/* memory_wipe - zero n bytes; never optimised away. */
void memory_wipe(void *ptr, size_t n);
/* memory_equal - compare in a time that does not depend on where they differ. */
bool memory_equal(const void *a, const void *b, size_t n);

#endif
