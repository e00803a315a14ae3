/* SPDX-License-Identifier: ISC */
/* spf_name.c - from expanded text to a name of the DNS (RFC 7208 4.3, 4.8 and 7.3) */
#include "lib/mailauth/spf_private.h"

enum { NAME_MAX_BYTES = 253, LABEL_MAX_BYTES = 63 };

/* count_labels - false when one of them is empty or too long. */
static bool count_labels(struct span bytes, size_t *labels)
{
	size_t length = 0;

	*labels = 0;
	for (size_t i = 0; i <= bytes.len; i++) {
		if (i < bytes.len && bytes.ptr[i] != '.') {
			length++;
			continue;
		}
		if (length == 0 || length > LABEL_MAX_BYTES)
			return false;
		(*labels)++;
		length = 0;
	}
	return true;
}

static struct span to_presentation(struct arena *arena, struct span bytes)
{
	struct buf text;
	struct span out;

	buf_init(&text, 4 * NAME_MAX_BYTES);
	for (size_t i = 0; i < bytes.len; i++) {
		char c = bytes.ptr[i];

		if (ascii_is_print(c) && c != ' ' && c != '\\')
			buf_add_byte(&text, c);
		else
			buf_addf(&text, "\\%03u", (unsigned)(unsigned char)c);
	}
	out = arena_dup(arena, buf_span(&text));
	buf_free(&text);
	return out;
}

bool spf_name_make(struct arena *arena, struct span bytes, struct spf_name *name)
{
	struct span label;

	*name = (struct spf_name){ 0 };
	if (span_ends(bytes, span_lit(".")))
		bytes.len--;
	while (bytes.len > NAME_MAX_BYTES) {	/* RFC 7208 7.3: labels go from the left */
		if (!span_cut(&bytes, '.', &label))
			return false;
	}
	if (!count_labels(bytes, &name->labels))
		return false;
	name->text = to_presentation(arena, bytes);
	return true;
}

bool spf_name_is_in(struct span a, struct span b)
{
	return span_ends_ci(a, b) && (a.len == b.len || a.ptr[a.len - b.len - 1] == '.');
}
