/* SPDX-License-Identifier: ISC */
/* xtext.c - ESMTP parameters and xtext */
#include "lib/smtp/xtext.h"

static bool is_keyword_byte(char c)
{
	return ascii_is_alnum(c) || c == '-';
}

static bool is_value_byte(char c)
{
	return (c > 0x20 && c < 0x7f && c != '=') || (unsigned char)c >= 0x80;
}

bool esmtp_param_next(struct span *rest, struct span *keyword, struct span *value, bool *has_value,
                      bool *bad)
{
	struct span text;

	*bad = false;
	if (!span_token(rest, " ", &text))
		return false;
	*has_value = span_cut(&text, '=', keyword);
	*value = *has_value ? text : span_lit("");
	*bad = keyword->len == 0 || keyword->ptr[0] == '-' || !span_all(*keyword, is_keyword_byte) ||
	       !span_all(*value, is_value_byte);
	return !*bad;
}

static bool is_xchar(char c)
{
	return c > 0x20 && c < 0x7f && c != '+' && c != '=';
}

bool xtext_is_valid(struct span s)
{
	unsigned long long unused;

	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == '+') {
			if (s.len - i < 3 || !span_hex_u64(span_slice(s, i + 1, 2), &unused))
				return false;
			i += 2;
		} else if (!is_xchar(s.ptr[i])) {
			return false;
		}
	}
	return true;
}

struct span xtext_encode(struct arena *arena, struct span s)
{
	static const char digits[] = "0123456789ABCDEF";
	char *out = arena_alloc(arena, s.len * 3 + 1), *q = out;

	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if (is_xchar(s.ptr[i])) {
			*q++ = s.ptr[i];
			continue;
		}
		*q++ = '+';
		*q++ = digits[c >> 4];
		*q++ = digits[c & 15];
	}
	return span_make(out, (size_t)(q - out));
}

bool xtext_decode(struct arena *arena, struct span s, struct span *out)
{
	char *text, *q;

	if (!xtext_is_valid(s))
		return false;
	q = text = arena_alloc(arena, s.len + 1);
	for (size_t i = 0; i < s.len; i++) {
		unsigned long long byte;

		if (s.ptr[i] == '+' && span_hex_u64(span_slice(s, i + 1, 2), &byte)) {
			*q++ = (char)byte;
			i += 2;
		} else {
			*q++ = s.ptr[i];
		}
	}
	*out = span_make(text, (size_t)(q - text));
	return true;
}

static const struct {
	struct span name;
	uint32_t    bit;
} notify_names[] = {
	{ SPAN("NEVER"), 1 },
	{ SPAN("SUCCESS"), 2 },
	{ SPAN("FAILURE"), 4 },
	{ SPAN("DELAY"), 8 },
};

bool dsn_notify_parse(struct span value, uint32_t *notify)
{
	bool more = true;

	*notify = 0;
	while (more) {
		struct span word;
		uint32_t bit = 0;

		more = span_cut(&value, ',', &word);
		for (size_t i = 0; i < COUNT_OF(notify_names); i++)
			if (span_equal_ci(word, notify_names[i].name))
				bit = notify_names[i].bit;
		if (bit == 0)
			return false;
		*notify |= bit;
	}
	/* NEVER stands alone (RFC 3461 4.1). */
	return (*notify & 1) == 0 || *notify == 1;
}

struct span dsn_notify_text(struct arena *arena, uint32_t notify)
{
	char *out = arena_alloc(arena, 40);
	size_t n = 0;

	for (size_t i = 0; i < COUNT_OF(notify_names); i++) {
		if ((notify & notify_names[i].bit) == 0)
			continue;
		if (n > 0)
			out[n++] = ',';
		memcpy(out + n, notify_names[i].name.ptr, notify_names[i].name.len);
		n += notify_names[i].name.len;
	}
	return span_make(out, n);
}

bool dsn_orcpt_is_valid(struct span value)
{
	struct span type;

	return span_cut(&value, ';', &type) && type.len > 0 && span_all(type, is_keyword_byte) &&
	       value.len > 0 && xtext_is_valid(value);
}
