/* SPDX-License-Identifier: ISC */
/* fuzz_header.c - fields cover the header without gaps; what is decoded is valid, bounded and the same when
 * decoded again */
#include <stdint.h>
#include <stdlib.h>

#include "lib/mime/charset.h"
#include "lib/mime/content.h"
#include "lib/mime/date.h"
#include "lib/mime/field.h"
#include "lib/mime/structure.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void check_value(struct arena *a, struct span value)
{
	struct mime_value parsed;
	struct mime_date date, again;
	struct span text = mime_decode_words(a, value);
	struct span folded = charset_fold(a, text);

	require(text.len <= 4 * value.len + 16);
	require(span_equal(charset_fold(a, folded), folded));
	if (mime_content_type(a, value, &parsed))
		require(parsed.type.len != 0 && parsed.subtype.len != 0);
	(void)mime_disposition(a, value, &parsed);
	(void)mime_decode_extended(a, value);
	if (mime_date_parse(value, &date)) {
		mime_date_of(mime_date_time(&date), date.zone_minutes, &again);
		require(mime_date_time(&again) == mime_date_time(&date));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new(NULL);
	struct span header = span_make(data, size), rest = header;
	struct mime_field field;
	const char *end = header.ptr;
	struct buf text;

	while (mime_field_next(&rest, &field)) {
		require(field.raw.ptr == end && field.raw.len != 0);
		end = field.raw.ptr + field.raw.len;
		check_value(a, field.value);
	}
	require(mime_header_end(header) <= size);
	buf_init(&text, BUF_NO_LIMIT);
	imap_add_envelope(a, &text, header);
	require(text.len > 2 && text.ptr[0] == '(' && text.ptr[text.len - 1] == ')');
	buf_free(&text);
	arena_free(a);
	return 0;
}
