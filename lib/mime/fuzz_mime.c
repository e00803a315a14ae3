/* SPDX-License-Identifier: ISC */
/* fuzz_mime.c - any message has a tree whose parts lie inside it and inside their parents, and BODYSTRUCTURE
 * has balanced parentheses */
#include <stdint.h>
#include <stdlib.h>

#include "lib/mime/section.h"
#include "lib/mime/structure.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static bool is_inside(struct span inner, struct span outer)
{
	return inner.len == 0 ||
	       (inner.ptr >= outer.ptr && inner.ptr + inner.len <= outer.ptr + outer.len);
}

static void check_tree(const struct mime_part *part, struct span outer)
{
	require(is_inside(part->header, outer) && is_inside(part->body, outer));
	for (const struct mime_part *child = part->first; child != NULL; child = child->next) {
		require(child->parent == part && child->depth == part->depth + 1);
		check_tree(child, part->body);
	}
}

/* depth - parentheses open at the end, strings skipped: 0 when balanced. */
static long depth(struct span s)
{
	long open = 0;

	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == '"') {
			for (i++; i < s.len && s.ptr[i] != '"'; i++)
				i += s.ptr[i] == '\\';
		} else if (s.ptr[i] == '{') {
			return 0;	/* a literal: its bytes may hold anything */
		}
		open += s.ptr[i] == '(';
		open -= s.ptr[i] == ')';
		require(open >= 0);
	}
	return open;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct mime_limits limits = { .depth = 10, .parts = 50 };
	struct arena *a = arena_new(NULL);
	struct span message = span_make(data, size), out;
	struct mime_part *root = mime_parse(a, message, &limits);
	uint32_t path[2] = { 1, 1 };
	struct section section = { .path = path, .path_length = 2 };
	struct buf text;

	check_tree(root, message);
	require(root->header.len + root->body.len <= size);
	buf_init(&text, BUF_NO_LIMIT);
	imap_add_structure(a, &text, root, true);
	require(depth(buf_span(&text)) == 0);
	if (section_find(a, root, message, &section, &out))
		require(out.len <= size);
	buf_free(&text);
	arena_free(a);
	return 0;
}
