/* SPDX-License-Identifier: ISC */
/* section.c - the sections of BODY[...] (RFC 3501 6.4.5) and the bytes they name */
#include "lib/mime/section.h"

#include "lib/mime/field.h"

/* An empty part: what BODYSTRUCTURE shows as the first one of a multipart without any. */
static const struct mime_part empty_part = {
	.header = SPAN(""), .body = SPAN(""), .type = { .type = SPAN("TEXT"), .subtype = SPAN("PLAIN") },
};

static bool is_multipart(const struct mime_part *part)
{
	return span_equal_ci(part->type.type, span_lit("multipart"));
}

static const struct mime_part *nth_child(const struct mime_part *part, uint32_t number)
{
	const struct mime_part *child = part->first;

	if (child == NULL)
		return number == 1 ? &empty_part : NULL;
	while (child != NULL && --number != 0)
		child = child->next;
	return child;
}

/* step - part 'number' of the message or multipart 'container'; a single part is its own part 1. */
static const struct mime_part *step(const struct mime_part *container, uint32_t number)
{
	if (number == 0)
		return NULL;
	if (is_multipart(container))
		return nth_child(container, number);
	return number == 1 ? container : NULL;
}

/* find_part - the part at path, or NULL. */
static const struct mime_part *find_part(const struct mime_part *root, const struct section *section)
{
	const struct mime_part *container = root, *part = NULL;

	for (size_t i = 0; i < section->path_length; i++) {
		if (container == NULL)
			return NULL;
		part = step(container, section->path[i]);
		if (part == NULL)
			return NULL;
		container = is_multipart(part) ? part : part->is_message ? part->first : NULL;
	}
	return part;
}

static bool wants(const struct section *section, struct span name)
{
	bool listed = false;

	for (size_t i = 0; i < section->field_count && !listed; i++)
		listed = name.len != 0 && span_equal_ci(section->fields[i], name);
	return listed == (section->what == SECTION_FIELDS);
}

struct span section_filter(struct arena *a, struct span header, const struct section *section)
{
	char *out = arena_alloc(a, header.len + 4);
	struct mime_field field;
	struct span rest = header;
	size_t n = 0;

	while (mime_field_next(&rest, &field)) {
		if (!wants(section, field.name))
			continue;
		memcpy(out + n, field.raw.ptr, field.raw.len);
		n += field.raw.len;
		if (!span_ends(field.raw, span_lit("\n"))) {
			memcpy(out + n, "\r\n", 2);
			n += 2;
		}
	}
	/* The blank line ends the subset even when no field is in it. */
	memcpy(out + n, "\r\n", 2);
	return (struct span){ out, n + 2 };
}

bool section_header_only(const struct section *section)
{
	return section->path_length == 0 &&
	       (section->what == SECTION_HEADER || section->what == SECTION_FIELDS ||
	        section->what == SECTION_FIELDS_NOT);
}

/* of_message - the part of a whole message that is named. */
static struct span of_message(struct arena *a, const struct mime_part *message,
                              const struct section *section)
{
	if (section->what == SECTION_TEXT)
		return message->body;
	if (section->what == SECTION_HEADER)
		return message->header;
	return section_filter(a, message->header, section);
}

bool section_find(struct arena *a, const struct mime_part *root, struct span message,
                  const struct section *section, struct span *out)
{
	const struct mime_part *part;

	if (section->path_length == 0) {
		*out = section->what == SECTION_ALL ? message : of_message(a, root, section);
		return section->what != SECTION_MIME;
	}
	part = find_part(root, section);
	if (part == NULL)
		return false;
	if (section->what == SECTION_ALL) {
		*out = part->body;
		return true;
	}
	if (section->what == SECTION_MIME) {
		*out = part->header;
		return true;
	}
	if (!part->is_message || part->first == NULL)
		return false;
	*out = of_message(a, part->first, section);
	return true;
}
