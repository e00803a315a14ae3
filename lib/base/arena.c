/* SPDX-License-Identifier: ISC */
/* arena.c - a list of blocks, newest first, each filled from its start
 *
 * The first block is small, so that an idle session costs little; each further one
 * is twice the last up to BLOCK_MAX.  A request too large for a block gets its own. */
#include "lib/base/arena.h"

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/list.h"
#include "lib/base/log.h"

enum { BLOCK_FIRST = 512, BLOCK_MAX = 64 * 1024 };

struct block {
	struct block *older;
	size_t        size;	/* bytes of data */
	size_t        used;
	alignas(max_align_t) char data[];
};

struct on_reset {
	struct on_reset *older;
	void (*release)(void *object);
	void *object;
};

struct arena {
	struct block    *newest;
	struct on_reset *releases;
	struct list      children;
	struct list      sibling;	/* in the parent's children; alone without parent */
};

static void *get_memory(size_t size)
{
	void *p = malloc(size);

	if (p == NULL)
		log_fatal("out of memory (%zu bytes)", size);
	return p;
}

struct arena *arena_new(struct arena *parent)
{
	struct arena *a = get_memory(sizeof(*a));

	*a = (struct arena){ 0 };
	list_init(&a->children);
	list_init(&a->sibling);
	if (parent != NULL)
		list_push_back(&parent->children, &a->sibling);
	return a;
}

static void run_releases(struct arena *a)
{
	while (a->releases != NULL) {
		struct on_reset *r = a->releases;

		a->releases = r->older;
		r->release(r->object);
	}
}

static void free_children(struct arena *a)
{
	while (!list_is_empty(&a->children))
		arena_free(CONTAINER_OF(a->children.next, struct arena, sibling));
}

/* empty - release everything; keep one small block when asked. */
static void empty(struct arena *a, bool keep_one)
{
	struct block *block;

	free_children(a);
	run_releases(a);
	block = a->newest;
	a->newest = NULL;
	while (block != NULL) {
		struct block *older = block->older;

		if (keep_one && older == NULL && block->size <= BLOCK_MAX) {
			block->used = 0;
			a->newest = block;
		} else {
			free(block);
		}
		block = older;
	}
}

void arena_reset(struct arena *a)
{
	empty(a, true);
}

void arena_release(struct arena *a)
{
	empty(a, false);
}

void arena_free(struct arena *a)
{
	if (a == NULL)
		return;
	empty(a, false);
	list_remove(&a->sibling);
	free(a);
}

size_t arena_bytes(const struct arena *a)
{
	size_t sum = 0;

	for (const struct block *b = a->newest; b != NULL; b = b->older)
		sum += sizeof(*b) + b->size;
	return sum;
}

static struct block *add_block(struct arena *a, size_t size)
{
	size_t wanted = a->newest != NULL ? a->newest->size * 2 : BLOCK_FIRST;
	struct block *block;

	if (wanted > BLOCK_MAX)
		wanted = BLOCK_MAX;
	if (wanted < size)
		wanted = size;
	if (wanted > SIZE_MAX - sizeof(*block))
		log_fatal("out of memory (%zu bytes)", wanted);
	block = get_memory(sizeof(*block) + wanted);
	block->size = wanted;
	block->used = 0;
	block->older = a->newest;
	a->newest = block;
	return block;
}

/* take - size bytes at an aligned place, not zeroed. */
static void *take(struct arena *a, size_t size, size_t alignment)
{
	struct block *block = a->newest;
	size_t at = 0;

	if (block != NULL)
		at = (block->used + alignment - 1) & ~(alignment - 1);
	if (block == NULL || at > block->size || size > block->size - at) {
		block = add_block(a, size);
		at = 0;
	}
	block->used = at + size;
	return block->data + at;
}

void *arena_alloc(struct arena *a, size_t size)
{
	return memset(take(a, size, alignof(max_align_t)), 0, size);
}

void *arena_alloc_array(struct arena *a, size_t count, size_t size)
{
	if (size != 0 && count > SIZE_MAX / size)
		log_fatal("out of memory (%zu times %zu bytes)", count, size);
	return arena_alloc(a, count * size);
}

char *arena_cstr(struct arena *a, struct span s)
{
	char *copy = take(a, s.len + 1, 1);

	if (s.len != 0)
		memcpy(copy, s.ptr, s.len);
	copy[s.len] = '\0';
	return copy;
}

struct span arena_dup(struct arena *a, struct span s)
{
	return (struct span){ arena_cstr(a, s), s.len };
}

struct span arena_lower(struct arena *a, struct span s)
{
	char *copy = arena_cstr(a, s);

	for (size_t i = 0; i < s.len; i++)
		copy[i] = ascii_lower(copy[i]);
	return (struct span){ copy, s.len };
}

char *arena_vprintf(struct arena *a, const char *format, va_list args)
{
	va_list again;
	char *text;
	int n;

	va_copy(again, args);
	n = vsnprintf(NULL, 0, format, again);
	va_end(again);
	REQUIRE(n >= 0);
	text = take(a, (size_t)n + 1, 1);
	(void)vsnprintf(text, (size_t)n + 1, format, args);
	return text;
}

char *arena_printf(struct arena *a, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	text = arena_vprintf(a, format, args);
	va_end(args);
	return text;
}

struct span arena_printf_span(struct arena *a, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	text = arena_vprintf(a, format, args);
	va_end(args);
	return span_of(text);
}

void arena_on_reset(struct arena *a, void (*release)(void *object), void *object)
{
	struct on_reset *r = ARENA_NEW(a, struct on_reset);

	*r = (struct on_reset){ a->releases, release, object };
	a->releases = r;
}
