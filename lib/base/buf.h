/* SPDX-License-Identifier: ISC */
/* buf.h - bytes we own, growing to a stated limit
 *
 * A buf never silently cuts: an addition that would pass the limit adds nothing
 * and is remembered in 'overflowed', so that a writer may check once at the end.
 * Out of memory ends the process (arena.h says why). */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/attributes.h"
#include "lib/base/span.h"

struct buf {
	char  *ptr;	/* not NUL-terminated */
	size_t len;
	size_t cap;
	size_t limit;	/* bytes; len never passes it */
	bool   overflowed;
};

#define BUF_NO_LIMIT SIZE_MAX

/* buf_init - an empty buf, nothing allocated yet. */
void buf_init(struct buf *b, size_t limit);
/* buf_free - give the memory back; b is as after buf_init. */
void buf_free(struct buf *b);
/* buf_clear - forget the content and the overflow, keep the memory. */
void buf_clear(struct buf *b);
/* buf_shrink - give memory back that an empty or small content does not need. */
void buf_shrink(struct buf *b);

/* buf_add and kin - append; false (and 'overflowed' set) when past the limit. */
bool buf_add(struct buf *b, struct span s);
bool buf_add_cstr(struct buf *b, const char *text);
bool buf_add_byte(struct buf *b, char c);
bool buf_addf(struct buf *b, const char *format, ...) PRINTF_LIKE(2, 3);
bool buf_vaddf(struct buf *b, const char *format, va_list args) PRINTF_LIKE(2, 0);
/* buf_add_u16 and kin - little-endian, for our binary formats. */
bool buf_add_u16(struct buf *b, uint16_t value);
bool buf_add_u32(struct buf *b, uint32_t value);
bool buf_add_u64(struct buf *b, uint64_t value);

/* buf_reserve - room for n more bytes at the end, or NULL past the limit; the caller
 * writes up to n bytes there and says with buf_commit how many. */
MUST_USE char *buf_reserve(struct buf *b, size_t n);
void buf_commit(struct buf *b, size_t n);
/* buf_consume - drop the first n bytes (n at most len). */
void buf_consume(struct buf *b, size_t n);
/* buf_truncate - keep only the first n bytes. */
void buf_truncate(struct buf *b, size_t n);

/* buf_span - the content; valid until the next change. */
static inline struct span buf_span(const struct buf *b)
{
	return (struct span){ b->ptr, b->len };
}

/* buf_cstr - the content with a NUL behind it; NULL past the limit.  The NUL is not counted. */
MUST_USE const char *buf_cstr(struct buf *b);

#endif
