/* SPDX-License-Identifier: ISC */
/* mutf7.h - modified UTF-7 of mailbox names (RFC 3501 5.1.3), strict in both directions */
#ifndef MAILBOX_MUTF7_H
#define MAILBOX_MUTF7_H

#include <stdbool.h>

#include "lib/base/attributes.h"
#include "lib/base/buf.h"
#include "lib/base/span.h"

/* mutf7_encode - append UTF-8 as mUTF-7.  False: not valid UTF-8 (out may hold a part). */
MUST_USE bool mutf7_encode(struct buf *out, struct span utf8);
/* mutf7_decode - append mUTF-7 as UTF-8.  False: ill-formed, needless shifts, 8-bit bytes. */
MUST_USE bool mutf7_decode(struct buf *out, struct span mutf7);
/* utf8_is_valid - no overlong forms, surrogates, or values past U+10FFFF (RFC 3629). */
bool utf8_is_valid(struct span s);

#endif
