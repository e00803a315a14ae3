/* SPDX-License-Identifier: ISC */
/* journal_private.h - what the two halves of the journal (bytes and files) share, and its tests */
#ifndef QUEUE_JOURNAL_PRIVATE_H
#define QUEUE_JOURNAL_PRIVATE_H

#include <stdint.h>

#include "lib/base/buf.h"

/* journal_header_add - the first JOURNAL_HEADER_SIZE bytes of a segment. */
void journal_header_add(struct buf *out, uint64_t seq, uint64_t nonce);

#endif
