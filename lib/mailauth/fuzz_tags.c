/* SPDX-License-Identifier: ISC */
/* fuzz_tags.c - tags stand in the text in order and without white space at their ends; a list that is taken, written
 * again from its tags, is the same list */
#include <stdint.h>
#include <stdlib.h>

#include "lib/base/buf.h"
#include "lib/mailauth/tags.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 64 };

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void check_steps(struct span text)
{
	const char *at = text.ptr;
	struct span rest = text;
	struct tag tag;
	enum tag_step step;

	while ((step = tags_next(&rest, &tag)) != TAG_END) {
		if (step == TAG_BAD)
			continue;
		require(tag.name.ptr >= at && tag.extent.ptr > tag.name.ptr);
		require(span_search(tag.extent, tag.value) != SPAN_NOT_FOUND);
		at = tag.extent.ptr + tag.extent.len;
	}
	require(rest.len <= text.len);
}

static void check_again(struct arena *a, const struct tags *tags)
{
	const char *reason;
	struct tags again;
	struct buf text;

	buf_init(&text, BUF_NO_LIMIT);
	for (size_t i = 0; i < tags->count; i++) {
		buf_add(&text, tags->item[i].name);
		buf_add_byte(&text, '=');
		buf_add(&text, tags->item[i].extent);
		buf_add_byte(&text, ';');
	}
	require(tags_parse(a, buf_span(&text), MOST, &again, &reason));
	require(again.count == tags->count);
	for (size_t i = 0; i < tags->count; i++)
		require(span_equal(again.item[i].name, tags->item[i].name) &&
		        span_equal(again.item[i].value, tags->item[i].value));
	buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new(NULL);
	struct span text = span_make(data, size), rest = text, item;
	const char *reason = NULL;
	struct tags tags;
	size_t items = 0;

	check_steps(text);
	if (tags_parse(a, text, MOST, &tags, &reason))
		check_again(a, &tags);
	else
		require(reason != NULL);
	while (tags_item(&rest, ':', &item))
		items++;
	require(items <= size + 1);
	arena_free(a);
	return 0;
}
