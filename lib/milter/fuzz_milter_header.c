/* SPDX-License-Identifier: ISC */
/* fuzz_milter_header.c - changes of a milter to the header of a client, both hostile
 *
 * The input is changes, one a line ("a", "i" or "m", a digit for the index, name, a blank, value), an empty line, and the
 * header.  Whatever they are: the result is still a header, of the length that was foretold, and our own
 * field is in it untouched. */
#include <stdlib.h>

#include "lib/base/log.h"
#include "lib/milter/header.h"
#include "lib/mime/field.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct span ours = SPAN("Received: ours\r\n");

/* Values come with any byte but the one that ends a line here; '^' stands for it. */
static struct span value_of(struct arena *arena, struct span text)
{
	char *copy = arena_cstr(arena, text);

	for (size_t i = 0; i < text.len; i++)
		if (copy[i] == '^')
			copy[i] = '\n';
	return span_make(copy, text.len);
}

static bool is_name(struct span name)
{
	for (size_t i = 0; i < name.len; i++)
		if (name.ptr[i] <= ' ' || name.ptr[i] == ':' || name.ptr[i] == 0x7f)
			return false;
	return name.len > 0;
}

static void change(struct milter_header *h, struct arena *arena, struct span line)
{
	uint32_t index = line.len > 1 ? (uint32_t)(unsigned char)line.ptr[1] - '0' : 0;
	struct span name, value = span_skip(line, 2);
	enum milter_edit result;

	span_cut(&value, ' ', &name);
	if (!is_name(name))
		return;
	value = value_of(arena, value);
	if (line.ptr[0] == 'a')
		result = milter_header_append(h, name, value, true);
	else if (line.ptr[0] == 'i')
		result = milter_header_insert(h, index, name, value, false);
	else
		result = milter_header_change(h, index, name, value, true);
	REQUIRE(result == MILTER_EDIT_DONE || h->added.len <= h->added_max + 4096);
}

static void check_result(const struct milter_header *h, size_t foreign)
{
	struct buf out;
	struct span rest;
	struct mime_field field;
	size_t bad = 0, found = 0;

	buf_init(&out, BUF_NO_LIMIT);
	milter_header_write(h, &out);
	REQUIRE(out.len == milter_header_length(h));
	rest = buf_span(&out);
	while (mime_field_next(&rest, &field)) {
		found += span_equal(field.raw, ours);
		bad += field.name.len == 0;
	}
	REQUIRE(rest.len == 0 && found >= 1 && bad <= foreign);
	buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = span_make(data, size), line, name, value, field_lines;
	struct arena *arena = arena_new(NULL);
	struct milter_header h;
	struct mime_field field;
	struct buf header;
	size_t changes_end = span_search(rest, span_lit("\n\n")), cursor = 0, foreign = 0;

	if (changes_end == SPAN_NOT_FOUND)
		changes_end = size;
	buf_init(&header, BUF_NO_LIMIT);
	buf_add(&header, ours);
	field_lines = span_skip(rest, changes_end + 2);
	/* As smtpd does: the header ends where a line is none of it, and each line is whole. */
	while (mime_field_next(&field_lines, &field)) {
		if (span_ends(field.raw, span_lit("\n")) && field.raw.ptr[0] != ' ' && field.raw.ptr[0] != '\t') {
			buf_add(&header, field.raw);
			foreign += field.name.len == 0;
		}
	}
	milter_header_init(&h, buf_span(&header), 1, 4096);
	rest = span_first(rest, changes_end);
	while (span_cut(&rest, '\n', &line) || line.len > 0)
		if (line.len > 2)
			change(&h, arena, line);
	while (milter_header_next(&h, &cursor, &name, &value))
		REQUIRE(name.len > 0);
	check_result(&h, foreign);
	milter_header_free(&h);
	buf_free(&header);
	arena_free(arena);
	return 0;
}
