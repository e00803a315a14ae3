/* SPDX-License-Identifier: ISC */
/* mutf7.c - modified UTF-7 (RFC 3501 5.1.3) and UTF-8 (RFC 3629), both strict */
#include "lib/mailbox/mutf7.h"

#include <stdint.h>
#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

/* utf8_next - the code point at s->ptr, taken off s; -1 when malformed. */
static int32_t utf8_next(struct span *s)
{
	static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };
	unsigned char c = (unsigned char)s->ptr[0];
	size_t more = c < 0x80 ? 0 : c < 0xc0 ? 9 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : c < 0xf8 ? 3 : 9;
	uint32_t code;

	if (more > 3 || s->len <= more)
		return -1;
	code = more == 0 ? c : c & (0x3fu >> more);
	for (size_t i = 1; i <= more; i++) {
		unsigned char next = (unsigned char)s->ptr[i];

		if ((next & 0xc0) != 0x80)
			return -1;
		code = code << 6 | (next & 0x3f);
	}
	if (code < least[more] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return -1;
	*s = span_skip(*s, more + 1);
	return (int32_t)code;
}

bool utf8_is_valid(struct span s)
{
	while (s.len > 0)
		if (utf8_next(&s) < 0)
			return false;
	return true;
}

static bool is_direct(int32_t code)
{
	return code >= 0x20 && code <= 0x7e;
}

/* A run of base64: 16-bit units in, six bits at a time out. */
struct shift {
	uint32_t bits;
	unsigned count;
};

static void put_unit(struct buf *out, struct shift *s, uint32_t unit)
{
	s->bits = s->bits << 16 | unit;
	for (s->count += 16; s->count >= 6; s->count -= 6)
		buf_add_byte(out, digits[s->bits >> (s->count - 6) & 0x3f]);
}

static void put_code(struct buf *out, struct shift *s, uint32_t code)
{
	if (code >= 0x10000) {
		put_unit(out, s, 0xd800 + ((code - 0x10000) >> 10));
		put_unit(out, s, 0xdc00 + ((code - 0x10000) & 0x3ff));
	} else {
		put_unit(out, s, code);
	}
}

bool mutf7_encode(struct buf *out, struct span utf8)
{
	while (utf8.len > 0) {
		int32_t code = utf8_next(&utf8);
		struct shift s = { 0, 0 };

		if (code < 0)
			return false;
		if (is_direct(code)) {
			buf_add(out, code == '&' ? span_lit("&-") : span_make(&(char){ (char)code }, 1));
			continue;
		}
		buf_add_byte(out, '&');
		put_code(out, &s, (uint32_t)code);
		while (utf8.len > 0 && !is_direct(utf8.ptr[0])) {
			if ((code = utf8_next(&utf8)) < 0)
				return false;
			put_code(out, &s, (uint32_t)code);
		}
		if (s.count > 0)
			buf_add_byte(out, digits[s.bits << (6 - s.count) & 0x3f]);
		buf_add_byte(out, '-');
	}
	return !out->overflowed;
}

static void put_utf8(struct buf *out, uint32_t code)
{
	if (code < 0x80) {
		buf_add_byte(out, (char)code);
		return;
	}
	if (code < 0x800) {
		buf_add_byte(out, (char)(0xc0 | code >> 6));
	} else if (code < 0x10000) {
		buf_add_byte(out, (char)(0xe0 | code >> 12));
		buf_add_byte(out, (char)(0x80 | (code >> 6 & 0x3f)));
	} else {
		buf_add_byte(out, (char)(0xf0 | code >> 18));
		buf_add_byte(out, (char)(0x80 | (code >> 12 & 0x3f)));
		buf_add_byte(out, (char)(0x80 | (code >> 6 & 0x3f)));
	}
	buf_add_byte(out, (char)(0x80 | (code & 0x3f)));
}

/* put_16 - one UTF-16 unit; *high holds a surrogate that waits for its second half. */
static bool put_16(struct buf *out, uint32_t unit, uint32_t *high)
{
	bool is_low = unit >= 0xdc00 && unit <= 0xdfff;

	if (is_low != (*high != 0))
		return false;
	if (is_low) {
		put_utf8(out, 0x10000 + ((*high - 0xd800) << 10) + (unit - 0xdc00));
		*high = 0;
	} else if (unit >= 0xd800 && unit <= 0xdbff) {
		*high = unit;
	} else if (is_direct((int32_t)unit)) {
		return false;	/* could stand for itself: a second spelling of a name */
	} else {
		put_utf8(out, unit);
	}
	return true;
}

/* The base64 between '&' and '-'. */
static bool decode_run(struct buf *out, struct span run)
{
	uint32_t bits = 0, high = 0;
	unsigned count = 0;

	for (size_t i = 0; i < run.len; i++) {
		const char *digit = run.ptr[i] != '\0' ? strchr(digits, run.ptr[i]) : NULL;

		if (digit == NULL)
			return false;
		bits = bits << 6 | (uint32_t)(digit - digits);
		count += 6;
		if (count >= 16) {
			count -= 16;
			if (!put_16(out, bits >> count & 0xffff, &high))
				return false;
		}
	}
	return count < 6 && (bits & ((1u << count) - 1)) == 0 && high == 0;
}

bool mutf7_decode(struct buf *out, struct span mutf7)
{
	bool after_run = false;

	while (mutf7.len > 0) {
		char c = mutf7.ptr[0];
		struct span run;

		mutf7 = span_skip(mutf7, 1);
		if (!is_direct(c))
			return false;
		if (c != '&') {
			buf_add_byte(out, c);
			after_run = false;
			continue;
		}
		if (!span_cut(&mutf7, '-', &run))
			return false;
		if (run.len == 0)
			buf_add_byte(out, '&');
		else if (after_run || !decode_run(out, run))
			return false;	/* two runs in a row: a needless shift */
		after_run = run.len > 0;
	}
	return !out->overflowed;
}
