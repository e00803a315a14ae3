/* SPDX-License-Identifier: ISC */
/* text.c - bytes of strangers, one byte in, one byte out; and bytes of any kind in base64 */
#include "lib/mailauth/text.h"

#include "lib/base/codec.h"
#include "lib/smtp/address.h"

enum { BASE64_LINE_BYTES = 76 };

static struct span change(struct arena *arena, struct span s, char (*to)(char c))
{
	char *out = arena_alloc(arena, s.len + 1);

	for (size_t i = 0; i < s.len; i++)
		out[i] = to(s.ptr[i]);
	return span_make(out, s.len);
}

static char to_printable(char c)
{
	return ascii_is_print(c) ? c : '?';
}

static char to_printable_or_8bit(char c)
{
	return (unsigned char)c >= 0x80 ? c : to_printable(c);
}

static char to_remark(char c)
{
	static const char from[] = "\"\\()<>;=", instead[] = "'/[][],:";
	const char *found = c != '\0' ? strchr(from, c) : NULL;

	return found != NULL ? instead[found - from] : to_printable(c);
}

struct span text_printable(struct arena *arena, struct span s, size_t most)
{
	return change(arena, span_first(s, most), to_printable);
}

struct span text_header(struct arena *arena, struct span s, bool may_utf8)
{
	return change(arena, s, may_utf8 && smtp_utf8_is_valid(s) ? to_printable_or_8bit : to_printable);
}

struct span text_remark(struct arena *arena, struct span s, size_t most)
{
	return change(arena, span_first(s, most), to_remark);
}

void text_add_base64(struct arena *arena, struct buf *out, struct span bytes)
{
	struct span text = base64_encode(arena, bytes);

	while (text.len != 0) {
		buf_add(out, span_first(text, BASE64_LINE_BYTES));
		buf_add_byte(out, '\n');
		text = span_skip(text, BASE64_LINE_BYTES);
	}
}

size_t text_wire_bytes(struct span text)
{
	size_t bytes = text.len;

	for (size_t i = 0; i < text.len; i++)
		bytes += text.ptr[i] == '\n';
	return bytes;
}
