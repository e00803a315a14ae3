/* SPDX-License-Identifier: ISC */
/* fuzz_dkim_canon.c - canonical bytes are canonical themselves, and the same however a body is cut into chunks */
#include <stdint.h>
#include <stdlib.h>

#include "lib/mailauth/dkim_canon.h"
#include "lib/mailauth/header_index.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void collect(void *user, struct span bytes)
{
	buf_add(user, bytes);
}

/* canonical - of body in chunks of that size. */
static void canonical(struct buf *out, enum dkim_canon canon, struct span body, size_t chunk)
{
	struct dkim_canon_body state;

	buf_clear(out);
	dkim_canon_body_start(&state, canon, collect, out);
	for (; body.len != 0; body = span_skip(body, chunk))
		dkim_canon_body_add(&state, span_first(body, chunk));
	dkim_canon_body_end(&state);
}

static void check_body(enum dkim_canon canon, struct span body)
{
	struct buf whole, other;

	buf_init(&whole, BUF_NO_LIMIT);
	buf_init(&other, BUF_NO_LIMIT);
	canonical(&whole, canon, body, SIZE_MAX);
	for (size_t chunk = 1; chunk <= 3; chunk += 2) {
		canonical(&other, canon, body, chunk);
		require(span_equal(buf_span(&whole), buf_span(&other)));
	}
	canonical(&other, canon, buf_span(&whole), 5);
	require(span_equal(buf_span(&whole), buf_span(&other)));
	require(whole.len <= body.len + 2);
	buf_free(&whole);
	buf_free(&other);
}

static void check_field(enum dkim_canon canon, const struct mime_field *field)
{
	struct mime_field again;
	struct buf once, twice;
	struct span rest;

	buf_init(&once, BUF_NO_LIMIT);
	buf_init(&twice, BUF_NO_LIMIT);
	dkim_canon_field(&once, canon, field);
	rest = buf_span(&once);
	require(mime_field_next(&rest, &again) && rest.len == 0);
	dkim_canon_field(&twice, canon, &again);
	require(span_equal(buf_span(&once), buf_span(&twice)));
	require(once.len <= field->raw.len + 2);
	buf_clear(&twice);
	dkim_canon_signature(&twice, canon, field, span_skip(field->value, field->value.len / 2));
	require(twice.len <= once.len);
	buf_free(&once);
	buf_free(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new(NULL);
	struct span rest = span_make(data, size);
	struct mail_header header = mail_header_parse(a, &rest);

	for (size_t i = 0; i < header.count; i++) {
		if (header.field[i].name.len == 0)
			continue;
		check_field(DKIM_SIMPLE, &header.field[i]);
		check_field(DKIM_RELAXED, &header.field[i]);
	}
	check_body(DKIM_SIMPLE, rest);
	check_body(DKIM_RELAXED, rest);
	arena_free(a);
	return 0;
}
