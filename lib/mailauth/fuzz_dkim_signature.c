/* SPDX-License-Identifier: ISC */
/* fuzz_dkim_signature.c - a signature field, of the kind that its first byte says: one that is taken has all it needs */
#include <stdint.h>
#include <stdlib.h>

#include "lib/mailauth/dkim_body.h"
#include "lib/mailauth/test_mail.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NAMES_MAX = 100, KINDS = 3 };

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void check_taken(enum dkim_field_kind kind, const struct dkim_signature *s)
{
	require(s->domain.len != 0 && s->selector.len != 0 && s->signature.len != 0 && s->algorithm != NULL);
	require(s->b_extent.ptr >= s->field->value.ptr &&
	        s->b_extent.ptr + s->b_extent.len <= s->field->value.ptr + s->field->value.len);
	if (kind == ARC_SEAL)
		return;
	require(s->body_hash.len == DKIM_HASH_BYTES && s->name_count != 0 && s->name_count <= NAMES_MAX);
	require(dkim_signature_signs(s, span_lit("From")) != 0);
	require(kind != DKIM_SIGNATURE || span_ends_ci(s->identity, s->domain));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct mime_field nothing = { { NULL, 0 }, { NULL, 0 }, { NULL, 0 } };
	enum dkim_field_kind kind = size != 0 ? (enum dkim_field_kind)(data[0] % KINDS) : DKIM_SIGNATURE;
	struct span text = span_skip(span_make(data, size), 1);
	struct arena *a = arena_new(NULL);
	struct dkim_crypto *crypto = dkim_crypto_new(0);
	unsigned char hash[DKIM_HASH_BYTES];
	struct mail_header header = mail_header_parse(a, &text);
	struct dkim_signature s;
	const char *reason = NULL;

	if (header.count != 0 && header.field[0].name.len != 0) {
		enum dkim_status status = dkim_signature_read(a, kind, &header.field[0], NAMES_MAX, &s, &reason);

		if (status == DKIM_PASS) {
			check_taken(kind, &s);
			dkim_header_hash(crypto, header_index_new(a, header), &s, hash);
			(void)dkim_key_name(a, s.selector, s.domain);
		} else {
			require(status != DKIM_NONE && reason != NULL);
		}
	} else {
		require(dkim_signature_read(a, kind, &nothing, NAMES_MAX, &s, &reason) == DKIM_NEUTRAL);
	}
	arena_free(a);
	dkim_crypto_free(crypto);
	return 0;
}
