/* SPDX-License-Identifier: ISC */
/* transfer.c - content transfer encodings, read tolerantly (RFC 2045 6.7, 6.8)
 *
 * For SEARCH: what people sent is read as well as can be, never refused. */
#include "lib/mime/transfer.h"

static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

struct span mime_decode_base64(struct arena *a, struct span text)
{
	char *out = arena_alloc(a, text.len / 4 * 3 + 4);
	unsigned bits = 0, held = 0;
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++) {
		int value = base64_value(text.ptr[i]);

		if (text.ptr[i] == '=')
			held = 0;
		if (value < 0)
			continue;
		bits = (bits << 6 | (unsigned)value) & 0xffffff;
		held += 6;
		if (held >= 8) {
			held -= 8;
			out[n++] = (char)(unsigned char)(bits >> held);
		}
	}
	return (struct span){ out, n };
}

/* soft_break - length of a soft line break behind '=' at the start of s, or 0. */
static size_t soft_break(struct span s)
{
	size_t n = 1;

	while (n < s.len && (s.ptr[n] == ' ' || s.ptr[n] == '\t'))
		n++;
	if (n < s.len && s.ptr[n] == '\r')
		n++;
	return n < s.len && s.ptr[n] == '\n' ? n + 1 : 0;
}

struct span mime_decode_qp(struct arena *a, struct span text, bool is_word)
{
	char *out = arena_alloc(a, text.len + 1);
	unsigned long long byte;
	size_t n = 0, i = 0, skip;

	while (i < text.len) {
		char c = text.ptr[i];

		if (c == '=' && text.len - i > 2 && span_hex_u64(span_slice(text, i + 1, 2), &byte)) {
			out[n++] = (char)(unsigned char)byte;
			i += 3;
		} else if (c == '=' && (skip = soft_break(span_skip(text, i))) != 0) {
			i += skip;
		} else {
			out[n++] = is_word && c == '_' ? ' ' : c;
			i++;
		}
	}
	return (struct span){ out, n };
}

struct span mime_decode_transfer(struct arena *a, struct span encoding, struct span body)
{
	if (span_equal_ci(encoding, span_lit("base64")))
		return mime_decode_base64(a, body);
	if (span_equal_ci(encoding, span_lit("quoted-printable")))
		return mime_decode_qp(a, body, false);
	return body;
}
