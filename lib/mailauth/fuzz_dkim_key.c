/* SPDX-License-Identifier: ISC */
/* fuzz_dkim_key.c - a key record; the key in it, where there is one, comes back from the record we would write */
#include <stdint.h>
#include <stdlib.h>

#include "lib/mailauth/test_mail.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new(NULL);
	struct dkim_crypto *crypto = dkim_crypto_new(1);
	unsigned char hash[DKIM_HASH_BYTES] = { 0 };
	struct dkim_key_record record;
	struct dkim_public_key key;
	const char *reason = NULL;

	if (!dkim_key_record_read(a, span_make(data, size), &record, &reason)) {
		require(reason != NULL);
	} else if (dkim_public_key(crypto, a, record.type, record.bytes, &key)) {
		struct span text = dkim_key_record_text(a, key.type, key.pkey);

		require(dkim_key_record_is_of(crypto, a, text, key.type, key.pkey));
		require(!dkim_signature_holds(crypto, &key, hash, span_lit("no signature")));
	}
	arena_free(a);
	dkim_crypto_free(crypto);
	return 0;
}
