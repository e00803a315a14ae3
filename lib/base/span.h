/* SPDX-License-Identifier: ISC */
/* span.h - bytes somebody else owns
 *
 * What came from the network, a queue file or a user is a span: it may hold NUL
 * and never ends in one by promise.  Nothing here allocates or keeps state. */
#ifndef BASE_SPAN_H
#define BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "lib/base/attributes.h"

struct span {
	const char *ptr;
	size_t      len;
};

/* SPAN - initialiser of a span over a string literal (its NUL left out). */
#define SPAN(literal) { (literal), sizeof(literal) - 1 }

/* span_lit - the same as an expression. */
#define span_lit(literal) ((struct span){ (literal), sizeof(literal) - 1 })

/* How a span is printed: printf("%.*s", SPAN_ARG(s)).  Cut at INT_MAX. */
#define SPAN_FMT "%.*s"
#define SPAN_ARG(s) span_print_len(s), ((s).ptr != NULL ? (s).ptr : "")

/* span_print_len - s.len as printf's precision, at most INT_MAX. */
int span_print_len(struct span s);

/* span_of - a span over a C string; NULL gives an empty span.  Borrows. */
static inline struct span span_of(const char *text)
{
	return (struct span){ text, text != NULL ? strlen(text) : 0 };
}

static inline struct span span_make(const void *ptr, size_t len)
{
	return (struct span){ (const char *)ptr, len };
}

static inline bool span_is_empty(struct span s)
{
	return s.len == 0;
}

/* span_equal - the same bytes; span_equal_ci folds US-ASCII case. */
bool span_equal(struct span a, struct span b);
bool span_equal_ci(struct span a, struct span b);
/* span_compare - order by bytes, shorter first where one is a prefix: <0, 0, >0. */
int span_compare(struct span a, struct span b);

/* span_starts, span_ends - s begins or ends with these bytes; _ci folds US-ASCII case. */
bool span_starts(struct span s, struct span prefix);
bool span_starts_ci(struct span s, struct span prefix);
bool span_ends(struct span s, struct span suffix);
bool span_ends_ci(struct span s, struct span suffix);

/* span_skip - s without its first n bytes (empty when n is past the end). */
struct span span_skip(struct span s, size_t n);
/* span_first - at most the first n bytes of s. */
struct span span_first(struct span s, size_t n);
/* span_slice - len bytes of s from offset, cut to what is there. */
struct span span_slice(struct span s, size_t offset, size_t len);

#define SPAN_NOT_FOUND ((size_t)-1)
/* span_find - offset of the first c, or SPAN_NOT_FOUND.  span_rfind: of the last. */
size_t span_find(struct span s, char c);
size_t span_rfind(struct span s, char c);
/* span_search - offset of the first occurrence of needle; an empty needle is at 0. */
size_t span_search(struct span s, struct span needle);
size_t span_search_ci(struct span s, struct span needle);

/* span_trim - s without space, tab, CR, LF at both ends; span_trim_end: at its end. */
struct span span_trim(struct span s);
struct span span_trim_start(struct span s);
struct span span_trim_end(struct span s);

/* span_cut - split *rest at the first separator: gives what stands before it and
 * leaves in *rest what stands behind.  Without separator gives all, rest is empty.
 * Returns whether the separator was there. */
bool span_cut(struct span *rest, char separator, struct span *before);

/* span_token - next piece of *rest between any of the bytes in separators, runs of
 * them skipped; false when none is left. */
bool span_token(struct span *rest, const char *separators, struct span *token);

/* span_u64 - all of s as a decimal number; false if empty, not digits, or above max. */
MUST_USE bool span_u64(struct span s, unsigned long long max, unsigned long long *value);
/* span_hex_u64 - the same in hexadecimal, either case, at most 16 digits. */
MUST_USE bool span_hex_u64(struct span s, unsigned long long *value);

/* span_all - every byte of s is accepted by test (true when empty). */
bool span_all(struct span s, bool (*test)(char c));

/* US-ASCII character classes, free of locale. */
bool ascii_is_alpha(char c);
bool ascii_is_digit(char c);
bool ascii_is_alnum(char c);
bool ascii_is_space(char c);	/* space, tab, CR, LF, VT, FF */
bool ascii_is_print(char c);	/* 0x20 to 0x7e */
char ascii_lower(char c);
char ascii_upper(char c);

#endif
