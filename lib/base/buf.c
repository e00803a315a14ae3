/* SPDX-License-Identifier: ISC */
/* buf.c - growing buffers; see buf.h for the rule about limits */
#include "lib/base/buf.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/base/log.h"

enum { FIRST_CAP = 256 };

void buf_init(struct buf *b, size_t limit)
{
	*b = (struct buf){ .limit = limit };
}

void buf_free(struct buf *b)
{
	free(b->ptr);
	buf_init(b, b->limit);
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	b->overflowed = false;
}

void buf_shrink(struct buf *b)
{
	char *smaller;

	if (b->len == 0) {
		bool overflowed = b->overflowed;

		buf_free(b);
		b->overflowed = overflowed;
		return;
	}
	smaller = realloc(b->ptr, b->len);
	if (smaller == NULL)
		return;
	b->ptr = smaller;
	b->cap = b->len;
}

static void grow(struct buf *b, size_t needed)
{
	size_t cap = b->cap != 0 ? b->cap : FIRST_CAP;
	char *larger;

	while (cap < needed)
		cap = cap > SIZE_MAX / 2 ? needed : cap * 2;
	larger = realloc(b->ptr, cap);
	if (larger == NULL)
		log_fatal("out of memory (%zu bytes)", cap);
	b->ptr = larger;
	b->cap = cap;
}

char *buf_reserve(struct buf *b, size_t n)
{
	if (n > b->limit - b->len) {
		b->overflowed = true;
		return NULL;
	}
	if (n > b->cap - b->len)
		grow(b, b->len + n);
	return b->ptr + b->len;
}

void buf_commit(struct buf *b, size_t n)
{
	REQUIRE(n <= b->cap - b->len);
	b->len += n;
}

bool buf_add(struct buf *b, struct span s)
{
	char *at;

	if (s.len == 0)
		return true;
	at = buf_reserve(b, s.len);
	if (at == NULL)
		return false;
	memcpy(at, s.ptr, s.len);
	b->len += s.len;
	return true;
}

bool buf_add_cstr(struct buf *b, const char *text)
{
	return buf_add(b, span_of(text));
}

bool buf_add_byte(struct buf *b, char c)
{
	return buf_add(b, (struct span){ &c, 1 });
}

bool buf_vaddf(struct buf *b, const char *format, va_list args)
{
	va_list again;
	char *at;
	int n;

	va_copy(again, args);
	n = vsnprintf(NULL, 0, format, again);
	va_end(again);
	REQUIRE(n >= 0);
	at = buf_reserve(b, (size_t)n);
	if (at == NULL)
		return false;
	/* One byte more for the NUL that vsnprintf writes. */
	if (b->cap - b->len == (size_t)n)
		grow(b, b->len + (size_t)n + 1);
	(void)vsnprintf(b->ptr + b->len, (size_t)n + 1, format, args);
	b->len += (size_t)n;
	return true;
}

bool buf_addf(struct buf *b, const char *format, ...)
{
	va_list args;
	bool ok;

	va_start(args, format);
	ok = buf_vaddf(b, format, args);
	va_end(args);
	return ok;
}

static bool add_little_endian(struct buf *b, uint64_t value, size_t bytes)
{
	char text[8];

	for (size_t i = 0; i < bytes; i++)
		text[i] = (char)(unsigned char)(value >> (8 * i));
	return buf_add(b, (struct span){ text, bytes });
}

bool buf_add_u16(struct buf *b, uint16_t value)
{
	return add_little_endian(b, value, 2);
}

bool buf_add_u32(struct buf *b, uint32_t value)
{
	return add_little_endian(b, value, 4);
}

bool buf_add_u64(struct buf *b, uint64_t value)
{
	return add_little_endian(b, value, 8);
}

void buf_consume(struct buf *b, size_t n)
{
	REQUIRE(n <= b->len);
	b->len -= n;
	if (b->len != 0 && n != 0)
		memmove(b->ptr, b->ptr + n, b->len);
}

void buf_truncate(struct buf *b, size_t n)
{
	REQUIRE(n <= b->len);
	b->len = n;
}

const char *buf_cstr(struct buf *b)
{
	char *end = buf_reserve(b, 1);

	if (end == NULL)
		return NULL;
	*end = '\0';
	return b->ptr;
}
