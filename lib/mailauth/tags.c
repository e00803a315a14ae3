/* SPDX-License-Identifier: ISC */
/* tags.c - tag=value lists (RFC 6376 3.2)
 *
 * Bytes over 0x7f may stand in values: RFC 8616 has domain names and local parts there in UTF-8.  Any run of space,
 * tab, CR and LF is white space: the header was split into fields before, so that no line can begin inside. */
#include "lib/mailauth/tags.h"

static bool is_white(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_name_byte(char c)
{
	return ascii_is_alnum(c) || c == '_';
}

static bool is_value_byte(char c)
{
	unsigned char byte = (unsigned char)c;

	return (byte > ' ' && byte != 0x7f) || is_white(c);
}

static struct span trim_start(struct span s)
{
	while (s.len != 0 && is_white(s.ptr[0]))
		s = span_skip(s, 1);
	return s;
}

static struct span trim(struct span s)
{
	s = trim_start(s);
	while (s.len != 0 && is_white(s.ptr[s.len - 1]))
		s.len--;
	return s;
}

enum tag_step tags_next(struct span *rest, struct tag *tag)
{
	struct span spec;

	*rest = trim_start(*rest);
	if (rest->len == 0)
		return TAG_END;
	span_cut(rest, ';', &spec);
	tag->extent = spec;
	if (!span_cut(&tag->extent, '=', &tag->name))
		return TAG_BAD;
	tag->name = trim(tag->name);
	tag->value = trim(tag->extent);
	if (tag->name.len == 0 || !ascii_is_alpha(tag->name.ptr[0]) || !span_all(tag->name, is_name_byte) ||
	    !span_all(tag->value, is_value_byte))
		return TAG_BAD;
	return TAG_FOUND;
}

/* count_places - an upper bound of the tags in text, at most most + 1. */
static size_t count_places(struct span text, size_t most)
{
	size_t count = 0;
	struct span spec;

	while (text.len != 0 && count <= most) {
		span_cut(&text, ';', &spec);
		count++;
	}
	return count;
}

bool tags_parse(struct arena *arena, struct span text, size_t most, struct tags *tags, const char **reason)
{
	struct tag tag;
	enum tag_step step;

	*tags = (struct tags){ .item = ARENA_NEW_ARRAY(arena, struct tag, count_places(text, most)) };
	while ((step = tags_next(&text, &tag)) == TAG_FOUND) {
		if (tags_get(tags, tag.name) != NULL) {
			*reason = "a tag stands twice";
			return false;
		}
		if (tags->count == most) {
			*reason = "too many tags";
			return false;
		}
		tags->item[tags->count++] = tag;
	}
	if (step == TAG_BAD || tags->count == 0) {
		*reason = "no list of tags";
		return false;
	}
	return true;
}

const struct tag *tags_get(const struct tags *tags, struct span name)
{
	for (size_t i = 0; i < tags->count; i++)
		if (span_equal(tags->item[i].name, name))
			return &tags->item[i];
	return NULL;
}

bool tags_value(const struct tags *tags, struct span name, struct span *value)
{
	const struct tag *tag = tags_get(tags, name);

	if (tag != NULL)
		*value = tag->value;
	return tag != NULL;
}

bool tags_item(struct span *rest, char separator, struct span *item)
{
	if (rest->ptr == NULL)
		return false;
	if (!span_cut(rest, separator, item))
		*rest = (struct span){ NULL, 0 };
	*item = trim(*item);
	return true;
}

bool tags_has_item(struct span list, char separator, struct span item)
{
	struct span piece;

	while (tags_item(&list, separator, &piece))
		if (span_equal(piece, item))
			return true;
	return false;
}

struct span tags_unspaced(struct arena *arena, struct span text)
{
	char *out = arena_alloc(arena, text.len + 1);
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++)
		if (!is_white(text.ptr[i]))
			out[n++] = text.ptr[i];
	return (struct span){ out, n };
}
