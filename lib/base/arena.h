/* SPDX-License-Identifier: ISC */
/* arena.h - memory that is given back all at once
 *
 * A task owns one; its mail transaction and its current command own a child
 * each, reset when that thing ends.  Nothing taken from an arena is freed by
 * itself, and no arena points into a shorter-lived one.  Out of memory ends the
 * process: clients see a lost connection and try again, which is safer than a
 * path nobody tests. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

#include "lib/base/attributes.h"
#include "lib/base/span.h"

struct arena;

/* arena_new - gives an arena; freed with its parent when it has one (may be NULL).
 * Costs one small allocation until something is taken from it. */
struct arena *arena_new(struct arena *parent);
/* arena_free - give back all of it, its children first. */
void arena_free(struct arena *a);
/* arena_reset - forget all that was taken (and free the children); one small block is kept. */
void arena_reset(struct arena *a);
/* arena_release - reset and give the last block back too: for a session that goes idle. */
void arena_release(struct arena *a);
/* arena_bytes - bytes held from the system, children not counted. */
size_t arena_bytes(const struct arena *a);

/* arena_alloc - size zeroed bytes, aligned for any type.  Never NULL. */
void *arena_alloc(struct arena *a, size_t size) RETURNS_NONNULL;
/* arena_alloc_array - count times size zeroed bytes; ends the process on overflow. */
void *arena_alloc_array(struct arena *a, size_t count, size_t size) RETURNS_NONNULL;
/* ARENA_NEW - one zeroed struct. */
#define ARENA_NEW(a, type) ((type *)arena_alloc((a), sizeof(type)))
#define ARENA_NEW_ARRAY(a, type, count) ((type *)arena_alloc_array((a), (count), sizeof(type)))

/* arena_dup - a copy of s (with a NUL behind it that is not counted). */
struct span arena_dup(struct arena *a, struct span s);
/* arena_cstr - the same as a C string.  Bytes behind a NUL in s are out of its sight. */
char *arena_cstr(struct arena *a, struct span s) RETURNS_NONNULL;
/* arena_printf - formatted text; arena_printf_span gives it as a span. */
char *arena_printf(struct arena *a, const char *format, ...) PRINTF_LIKE(2, 3) RETURNS_NONNULL;
char *arena_vprintf(struct arena *a, const char *format, va_list args) PRINTF_LIKE(2, 0)
	RETURNS_NONNULL;
struct span arena_printf_span(struct arena *a, const char *format, ...) PRINTF_LIKE(2, 3);
/* arena_lower - a copy with US-ASCII letters folded to lower case. */
struct span arena_lower(struct arena *a, struct span s);

/* arena_on_reset - call release(object) when a is reset or freed, last registered first. */
void arena_on_reset(struct arena *a, void (*release)(void *object), void *object);

#endif
