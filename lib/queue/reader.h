/* SPDX-License-Identifier: ISC */
/* reader.h - a cursor over foreign bytes with one explicit end: little-endian numbers and counted spans
 *
 * A read past the end gives zero or an empty span and sets 'failed', so a decoder may check once at the end. */
#ifndef QUEUE_READER_H
#define QUEUE_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/span.h"

struct reader {
	struct span rest;
	bool        failed;
};

/* reader_take - the next n bytes, borrowed. */
static inline struct span reader_take(struct reader *r, size_t n)
{
	struct span taken = { NULL, 0 };

	if (n > r->rest.len) {
		r->failed = true;
		r->rest.len = 0;
		return taken;
	}
	taken = span_make(r->rest.ptr, n);
	r->rest = span_make(r->rest.ptr + n, r->rest.len - n);
	return taken;
}

static inline uint64_t reader_number(struct reader *r, size_t bytes)
{
	struct span taken = reader_take(r, bytes);
	uint64_t value = 0;

	for (size_t i = taken.len; i > 0; i--)
		value = value << 8 | (unsigned char)taken.ptr[i - 1];
	return value;
}

static inline uint8_t reader_u8(struct reader *r)
{
	return (uint8_t)reader_number(r, 1);
}

static inline uint16_t reader_u16(struct reader *r)
{
	return (uint16_t)reader_number(r, 2);
}

static inline uint32_t reader_u32(struct reader *r)
{
	return (uint32_t)reader_number(r, 4);
}

static inline uint64_t reader_u64(struct reader *r)
{
	return reader_number(r, 8);
}

/* reader_span - a u32 length and that many bytes; buf_add_counted writes it. */
static inline struct span reader_span(struct reader *r)
{
	return reader_take(r, reader_u32(r));
}

static inline void buf_add_counted(struct buf *out, struct span s)
{
	buf_add_u32(out, (uint32_t)s.len);
	buf_add(out, s);
}

/* reader_is_done - all was read, nothing was missing. */
static inline bool reader_is_done(const struct reader *r)
{
	return !r->failed && r->rest.len == 0;
}

#endif
