/* SPDX-License-Identifier: ISC */
/* span.c - searching, cutting and comparing borrowed bytes
 *
 * Every parser of foreign bytes is built on these, so none of them reads outside
 * [ptr, ptr + len) and none treats NUL as an end. */
#include "lib/base/span.h"

#include <limits.h>

int span_print_len(struct span s)
{
	return s.len > INT_MAX ? INT_MAX : (int)s.len;
}

bool ascii_is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool ascii_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

bool ascii_is_alnum(char c)
{
	return ascii_is_alpha(c) || ascii_is_digit(c);
}

bool ascii_is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

bool ascii_is_print(char c)
{
	return c >= 0x20 && c <= 0x7e;
}

char ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

char ascii_upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - ('a' - 'A')) : c;
}

bool span_equal(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool span_equal_ci(struct span a, struct span b)
{
	return a.len == b.len && span_starts_ci(a, b);
}

int span_compare(struct span a, struct span b)
{
	size_t common = a.len < b.len ? a.len : b.len;
	int order = common != 0 ? memcmp(a.ptr, b.ptr, common) : 0;

	if (order != 0)
		return order;
	return (a.len > b.len) - (a.len < b.len);
}

bool span_starts(struct span s, struct span prefix)
{
	return s.len >= prefix.len && span_equal(span_first(s, prefix.len), prefix);
}

bool span_starts_ci(struct span s, struct span prefix)
{
	if (s.len < prefix.len)
		return false;
	for (size_t i = 0; i < prefix.len; i++)
		if (ascii_lower(s.ptr[i]) != ascii_lower(prefix.ptr[i]))
			return false;
	return true;
}

bool span_ends(struct span s, struct span suffix)
{
	return s.len >= suffix.len && span_equal(span_skip(s, s.len - suffix.len), suffix);
}

bool span_ends_ci(struct span s, struct span suffix)
{
	return s.len >= suffix.len && span_equal_ci(span_skip(s, s.len - suffix.len), suffix);
}

struct span span_skip(struct span s, size_t n)
{
	if (n > s.len)
		n = s.len;
	return (struct span){ n != 0 ? s.ptr + n : s.ptr, s.len - n };
}

struct span span_first(struct span s, size_t n)
{
	return (struct span){ s.ptr, n < s.len ? n : s.len };
}

struct span span_slice(struct span s, size_t offset, size_t len)
{
	return span_first(span_skip(s, offset), len);
}

size_t span_find(struct span s, char c)
{
	const char *at = s.len != 0 ? memchr(s.ptr, c, s.len) : NULL;

	return at != NULL ? (size_t)(at - s.ptr) : SPAN_NOT_FOUND;
}

size_t span_rfind(struct span s, char c)
{
	const char *at = s.len != 0 ? memrchr(s.ptr, c, s.len) : NULL;

	return at != NULL ? (size_t)(at - s.ptr) : SPAN_NOT_FOUND;
}

size_t span_search(struct span s, struct span needle)
{
	const char *at;

	if (needle.len == 0)
		return 0;
	if (needle.len > s.len)
		return SPAN_NOT_FOUND;
	at = memmem(s.ptr, s.len, needle.ptr, needle.len);
	return at != NULL ? (size_t)(at - s.ptr) : SPAN_NOT_FOUND;
}

size_t span_search_ci(struct span s, struct span needle)
{
	if (needle.len > s.len)
		return SPAN_NOT_FOUND;
	for (size_t i = 0; i <= s.len - needle.len; i++)
		if (span_starts_ci(span_skip(s, i), needle))
			return i;
	return SPAN_NOT_FOUND;
}

struct span span_trim_start(struct span s)
{
	while (s.len != 0 && ascii_is_space(s.ptr[0]))
		s = span_skip(s, 1);
	return s;
}

struct span span_trim_end(struct span s)
{
	while (s.len != 0 && ascii_is_space(s.ptr[s.len - 1]))
		s.len--;
	return s;
}

struct span span_trim(struct span s)
{
	return span_trim_end(span_trim_start(s));
}

bool span_cut(struct span *rest, char separator, struct span *before)
{
	size_t at = span_find(*rest, separator);

	if (at == SPAN_NOT_FOUND) {
		*before = *rest;
		*rest = span_skip(*rest, rest->len);
		return false;
	}
	*before = span_first(*rest, at);
	*rest = span_skip(*rest, at + 1);
	return true;
}

static bool is_one_of(char c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

bool span_token(struct span *rest, const char *separators, struct span *token)
{
	size_t n = 0;

	while (rest->len != 0 && is_one_of(rest->ptr[0], separators))
		*rest = span_skip(*rest, 1);
	while (n < rest->len && !is_one_of(rest->ptr[n], separators))
		n++;
	*token = span_first(*rest, n);
	*rest = span_skip(*rest, n);
	return n != 0;
}

bool span_u64(struct span s, unsigned long long max, unsigned long long *value)
{
	unsigned long long sum = 0;

	if (s.len == 0)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		unsigned digit = (unsigned)(s.ptr[i] - '0');

		if (!ascii_is_digit(s.ptr[i]) || digit > max || sum > (max - digit) / 10)
			return false;
		sum = sum * 10 + digit;
	}
	*value = sum;
	return true;
}

static int hex_digit(char c)
{
	if (ascii_is_digit(c))
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool span_hex_u64(struct span s, unsigned long long *value)
{
	unsigned long long sum = 0;

	if (s.len == 0 || s.len > 16)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		int digit = hex_digit(s.ptr[i]);

		if (digit < 0)
			return false;
		sum = sum << 4 | (unsigned)digit;
	}
	*value = sum;
	return true;
}

bool span_all(struct span s, bool (*test)(char c))
{
	for (size_t i = 0; i < s.len; i++)
		if (!test(s.ptr[i]))
			return false;
	return true;
}
