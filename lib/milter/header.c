/* SPDX-License-Identifier: ISC */
/* header.c - the header of a message while milters change it
 *
 * Fields are an array in order; a removed one only gets a mark.  A milter that removes many fields of one name goes
 * through them in order, so a look-up begins where the last one of that name ended; what a hostile pair
 * of client and milter could still make of it ends with the budget. */
#include "lib/milter/header.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/log.h"
#include "lib/mime/field.h"

enum { NAME_MAX_BYTES = 65535 };
#define WORK_MAX ((uint64_t)50 * 1000 * 1000)

/* FNV-1a: names of one hash are compared, so a hostile choice of names gains nothing. */
static uint32_t name_hash(struct span name)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < name.len; i++)
		hash = (hash ^ (unsigned char)ascii_lower(name.ptr[i])) * 16777619u;
	return hash;
}

static struct span field_text(const struct milter_header *h, const struct milter_field *f)
{
	return span_slice(f->is_added ? buf_span(&h->added) : h->text, f->offset, f->length);
}

static struct span field_name(const struct milter_header *h, const struct milter_field *f)
{
	return span_first(field_text(h, f), f->name_length);
}

static bool is_shown(const struct milter_field *f)
{
	return !f->is_own && !f->is_gone && f->name_length > 0;
}

static void make_room(struct milter_header *h)
{
	size_t room = h->room == 0 ? 32 : h->room * 2;
	struct milter_field *grown;

	if (h->count < h->room)
		return;
	grown = reallocarray(h->fields, room, sizeof(*grown));
	if (grown == NULL)
		log_fatal("out of memory (header fields)");
	h->fields = grown;
	h->room = room;
}

static void put(struct milter_header *h, size_t at, struct milter_field field)
{
	make_room(h);
	if (at < h->count)
		memmove(&h->fields[at + 1], &h->fields[at], (h->count - at) * sizeof(*h->fields));
	h->fields[at] = field;
	h->count++;
	h->last_index = 0;	/* positions behind it have moved */
}

static bool spend(struct milter_header *h, size_t fields)
{
	if (h->work_left < fields)
		return false;
	h->work_left -= fields;
	return true;
}

void milter_header_init(struct milter_header *h, struct span text, size_t own_count, size_t added_max)
{
	struct span rest = span_first(text, UINT32_MAX);
	struct mime_field field;

	*h = (struct milter_header){ .text = text, .added_max = added_max, .work_left = WORK_MAX };
	buf_init(&h->added, BUF_NO_LIMIT);
	while (mime_field_next(&rest, &field)) {
		struct milter_field f = {
			.offset = (uint32_t)(field.raw.ptr - text.ptr), .length = (uint32_t)field.raw.len,
			.hash = name_hash(field.name), .is_own = h->count < own_count,
		};

		f.name_length = field.name.len <= NAME_MAX_BYTES ? field.name.len & 0xffff : 0;
		put(h, h->count, f);
	}
}

void milter_header_free(struct milter_header *h)
{
	free(h->fields);
	h->fields = NULL;
	h->count = h->room = 0;
	buf_free(&h->added);
}

/* ---- reading ---- */

static struct span field_value(const struct milter_header *h, const struct milter_field *f)
{
	struct span value = field_text(h, f), name;

	span_cut(&value, ':', &name);
	if (span_ends(value, span_lit("\n")))
		value.len--;
	if (span_ends(value, span_lit("\r")))
		value.len--;
	return value;
}

bool milter_header_next(const struct milter_header *h, size_t *cursor, struct span *name, struct span *value)
{
	for (; *cursor < h->count; ++*cursor) {
		const struct milter_field *f = &h->fields[*cursor];

		if (!is_shown(f))
			continue;
		*name = field_name(h, f);
		*value = field_value(h, f);
		++*cursor;
		return true;
	}
	return false;
}

void milter_header_write(const struct milter_header *h, struct buf *out)
{
	for (size_t i = 0; i < h->count; i++)
		if (!h->fields[i].is_gone)
			buf_add(out, field_text(h, &h->fields[i]));
}

uint64_t milter_header_length(const struct milter_header *h)
{
	uint64_t length = 0;

	for (size_t i = 0; i < h->count; i++)
		if (!h->fields[i].is_gone)
			length += h->fields[i].length;
	return length;
}

/* ---- changing ---- */

/* The next line of a value: a line end is LF, CRs before it belong to it. */
static bool next_line(struct span *rest, struct span *line)
{
	if (rest->len == 0)
		return false;
	span_cut(rest, '\n', line);
	while (span_ends(*line, span_lit("\r")))
		line->len--;
	return true;
}

static void add_without_cr(struct buf *out, struct span line)
{
	struct span piece;

	while (line.len > 0) {
		span_cut(&line, '\r', &piece);
		buf_add(out, piece);
	}
}

/* "Name: value" with its folds made right: each further line begins with white space and holds something else, too. */
static bool add_text(struct milter_header *h, struct span name, struct span value, bool space,
                     struct milter_field *out)
{
	size_t start = h->added.len;
	struct span line;
	bool is_first = true;

	if (name.len > NAME_MAX_BYTES || start + name.len + value.len > h->added_max)
		return false;
	buf_add(&h->added, name);
	buf_add_byte(&h->added, ':');
	if (space)
		buf_add_byte(&h->added, ' ');
	while (next_line(&value, &line)) {
		if (!is_first && span_trim(line).len == 0)
			continue;
		if (!is_first)
			buf_add(&h->added, span_lit("\r\n"));
		if (!is_first && line.ptr[0] != ' ' && line.ptr[0] != '\t')
			buf_add_byte(&h->added, '\t');
		add_without_cr(&h->added, line);
		is_first = false;
	}
	buf_add(&h->added, span_lit("\r\n"));
	*out = (struct milter_field){ .offset = (uint32_t)start, .length = (uint32_t)(h->added.len - start),
		                      .hash = name_hash(name), .is_added = 1 };
	out->name_length = name.len & 0xffff;
	h->is_changed = true;
	return true;
}

enum milter_edit milter_header_append(struct milter_header *h, struct span name, struct span value, bool space)
{
	struct milter_field f;

	if (!add_text(h, name, value, space, &f))
		return MILTER_EDIT_TOO_MUCH;
	put(h, h->count, f);
	return MILTER_EDIT_DONE;
}

/* Where the field counted index stands; all that are not removed count.  is_on_top: no field of the client is before it. */
static size_t find_place(const struct milter_header *h, uint32_t index, bool *is_on_top)
{
	size_t at = 0;

	*is_on_top = true;
	for (; at < h->count; at++) {
		const struct milter_field *f = &h->fields[at];

		if (f->is_gone)
			continue;
		if (index-- == 0)
			break;
		*is_on_top = *is_on_top && (f->is_own || f->is_on_top);
	}
	return at;
}

enum milter_edit milter_header_insert(struct milter_header *h, uint32_t index, struct span name, struct span value,
                                      bool space)
{
	struct milter_field f;
	bool is_on_top;
	size_t at;

	if (!spend(h, h->count) || !add_text(h, name, value, space, &f))
		return MILTER_EDIT_TOO_MUCH;
	at = find_place(h, index, &is_on_top);
	f.is_on_top = is_on_top;
	put(h, at, f);
	return MILTER_EDIT_DONE;
}

static bool is_called(const struct milter_header *h, const struct milter_field *f, uint32_t hash, struct span name)
{
	return is_shown(f) && f->hash == hash && f->name_length == name.len && span_equal_ci(field_name(h, f), name);
}

/* A look-up by name: where it is, and how many of that name are before it. */
struct search {
	struct span name;
	uint32_t    hash, index, seen;
	size_t      at;
};

static bool go_forward(const struct milter_header *h, struct search *s)
{
	for (; s->at < h->count; s->at++)
		if (is_called(h, &h->fields[s->at], s->hash, s->name) && ++s->seen == s->index)
			return true;
	return false;
}

static bool go_back(const struct milter_header *h, struct search *s)
{
	while (s->at-- > 0)
		if (is_called(h, &h->fields[s->at], s->hash, s->name) && s->seen-- == s->index)
			return true;
	return false;
}

enum find_result { FOUND, NOT_FOUND, TOO_MUCH };

/* The index-th shown field of that name.  last_at is the place of the one counted last_index, or of what came behind it when
 * that is gone now. */
static enum find_result find(struct milter_header *h, uint32_t index, struct span name, size_t *at)
{
	struct search s = { .name = name, .hash = name_hash(name), .index = index };
	bool has_last = h->last_index > 0 && h->last_hash == s.hash, found;
	size_t from;

	if (has_last) {
		s.at = h->last_at;
		s.seen = h->last_index - 1;
	}
	from = s.at;
	found = has_last && index < h->last_index ? go_back(h, &s) : go_forward(h, &s);
	if (!spend(h, found && s.at < from ? from - s.at : s.at - from))
		return TOO_MUCH;
	if (!found)
		return NOT_FOUND;
	h->last_hash = s.hash;
	h->last_index = index;
	h->last_at = *at = s.at;
	return FOUND;
}

enum milter_edit milter_header_change(struct milter_header *h, uint32_t index, struct span name, struct span value,
                                      bool space)
{
	struct milter_field changed;
	size_t at;

	switch (find(h, index == 0 ? 1 : index, name, &at)) {
	case TOO_MUCH:
		return MILTER_EDIT_TOO_MUCH;
	case NOT_FOUND:
		return value.len == 0 ? MILTER_EDIT_DONE : milter_header_append(h, name, value, space);
	case FOUND:
		break;
	}
	if (value.len == 0) {
		h->fields[at].is_gone = 1;
		h->is_changed = true;
		return MILTER_EDIT_DONE;
	}
	if (!add_text(h, name, value, space, &changed))
		return MILTER_EDIT_TOO_MUCH;
	changed.is_on_top = h->fields[at].is_on_top;
	h->fields[at] = changed;
	return MILTER_EDIT_DONE;
}

struct span milter_header_on_top(const struct milter_header *h, struct span name, size_t most, struct arena *arena)
{
	struct buf out;
	struct span found;

	buf_init(&out, most);
	for (size_t i = 0; i < h->count; i++) {
		const struct milter_field *f = &h->fields[i];

		if (!f->is_own && !f->is_on_top)
			break;
		if (f->is_gone || f->is_own || !span_equal_ci(field_name(h, f), name))
			continue;
		found = mime_unfold(arena, field_value(h, f));
		if (out.len + found.len + 1 > most)
			break;
		if (out.len > 0)
			buf_add_byte(&out, '\n');
		buf_add(&out, found);
	}
	found = arena_dup(arena, buf_span(&out));
	buf_free(&out);
	return found;
}
