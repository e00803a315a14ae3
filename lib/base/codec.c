/* SPDX-License-Identifier: ISC */
/* codec.c - base64 and hexadecimal as RFC 4648 has them, strict on the way in (rule C9) */
#include "lib/base/codec.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>

#include "lib/base/log.h"

static const char base64_alphabet[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

struct span base64_encode(struct arena *a, struct span s)
{
	size_t len = (s.len + 2) / 3 * 4;
	char *out = arena_alloc(a, len + 1), *p = out;

	for (size_t i = 0; i < s.len; i += 3) {
		struct span three = span_slice(s, i, 3);
		uint32_t bits = 0;

		for (size_t k = 0; k < 3; k++)
			bits = bits << 8 | (k < three.len ? (unsigned char)three.ptr[k] : 0U);
		*p++ = base64_alphabet[bits >> 18];
		*p++ = base64_alphabet[bits >> 12 & 63];
		*p++ = three.len > 1 ? base64_alphabet[bits >> 6 & 63] : '=';
		*p++ = three.len > 2 ? base64_alphabet[bits & 63] : '=';
	}
	return (struct span){ out, len };
}

static int base64_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (ascii_is_digit(c))
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool base64_decode(struct arena *a, struct span text, struct span *out)
{
	char *start = arena_alloc(a, text.len / 4 * 3 + 1), *p = start;
	size_t padding = 0;

	if (text.len % 4 != 0)
		return false;
	while (padding < 2 && padding < text.len && text.ptr[text.len - 1 - padding] == '=')
		padding++;
	for (size_t i = 0; i < text.len; i += 4) {
		size_t digits = i + 4 == text.len ? 4 - padding : 4;
		uint32_t bits = 0;

		for (size_t k = 0; k < 4; k++) {
			int digit = k < digits ? base64_digit(text.ptr[i + k]) : 0;

			if (digit < 0)
				return false;
			bits = bits << 6 | (uint32_t)digit;
		}
		/* Canonical: the bits that padding leaves over are zero (RFC 4648 3.5). */
		if ((digits == 2 && (bits & 0xffff) != 0) || (digits == 3 && (bits & 0xff) != 0))
			return false;
		*p++ = (char)(unsigned char)(bits >> 16);
		if (digits > 2)
			*p++ = (char)(unsigned char)(bits >> 8);
		if (digits > 3)
			*p++ = (char)(unsigned char)bits;
	}
	*out = (struct span){ start, (size_t)(p - start) };
	return true;
}

struct span hex_encode(struct arena *a, struct span s)
{
	static const char digits[] = "0123456789abcdef";
	char *out = arena_alloc(a, s.len * 2 + 1);

	for (size_t i = 0; i < s.len; i++) {
		out[2 * i] = digits[(unsigned char)s.ptr[i] >> 4];
		out[2 * i + 1] = digits[(unsigned char)s.ptr[i] & 15];
	}
	return (struct span){ out, s.len * 2 };
}

bool hex_decode(struct arena *a, struct span text, struct span *out)
{
	char *bytes = arena_alloc(a, text.len / 2 + 1);

	if (text.len % 2 != 0)
		return false;
	for (size_t i = 0; i < text.len; i += 2) {
		unsigned long long value;

		if (!span_hex_u64(span_slice(text, i, 2), &value))
			return false;
		bytes[i / 2] = (char)(unsigned char)value;
	}
	*out = (struct span){ bytes, text.len / 2 };
	return true;
}

void random_bytes(void *out, size_t n)
{
	char *p = out;

	while (n > 0) {
		ssize_t got = getrandom(p, n, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			log_fatal("no random bytes: %s", strerror(errno));
		p += got;
		n -= (size_t)got;
	}
}

void memory_wipe(void *ptr, size_t n)
{
	explicit_bzero(ptr, n);
}

bool memory_equal(const void *a, const void *b, size_t n)
{
	const unsigned char *x = a, *y = b;
	unsigned char difference = 0;

	for (size_t i = 0; i < n; i++)
		difference |= (unsigned char)(x[i] ^ y[i]);
	return difference == 0;
}
