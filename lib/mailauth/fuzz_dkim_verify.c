/* SPDX-License-Identifier: ISC */
/* fuzz_dkim_verify.c - a whole message, verified; some are signed, and then have a signature that holds
 *
 * The first line of the input is what the DNS says of every key. */
#include <stdint.h>
#include <stdlib.h>

#include "lib/mailauth/dkim_sign.h"
#include "lib/mailauth/dkim_verify.h"
#include "lib/mailauth/test_mail.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { KEYS_MAX = 4, SIGN_EVERY = 64 };

static void require(bool condition)
{
	if (!condition)
		abort();
}

static struct dkim_results verify(struct arena *a, struct dkim_crypto *crypto, struct span record, struct span message)
{
	struct dkim_verify_settings settings = DKIM_VERIFY_STANDARD_SETTINGS;
	struct test_record script[] = { { SPAN(""), record, DNS_FOUND }, { { NULL, 0 }, { NULL, 0 }, DNS_NO_NAME } };
	struct test_dns dns = { .script = script };
	struct lookup lookup = test_lookup(&dns);
	struct test_mail mail = test_mail(a, crypto, message);
	struct dkim_verifier *verifier;
	struct dkim_results results;

	settings.now_s = TEST_NOW_S;
	settings.names_max = SIZE_MAX;
	verifier = dkim_verify_start(a, crypto, &settings, mail.header, mail.index, mail.body, &lookup);
	test_hash(&mail);
	results = dkim_verify_end(verifier);
	require(results.count <= settings.signatures_max && dns.asked <= settings.keys.lookups_max);
	for (size_t i = 0; i < results.count; i++) {
		require(results.item[i].status != DKIM_NONE);
		require((results.item[i].status == DKIM_PASS) == (results.item[i].reason[0] == '\0'));
		require(results.item[i].status != DKIM_PASS || results.item[i].from_signed != 0);
	}
	return results;
}

static void sign_and_verify(struct arena *a, struct dkim_crypto *crypto, struct span message, size_t kind)
{
	struct dkim_sign_settings settings = DKIM_SIGN_STANDARD_SETTINGS;
	struct dkim_signing_key key = test_fixed_key();
	struct test_mail mail = test_mail(a, crypto, message);
	struct dkim_signer *signer;
	struct mail_field field;
	struct buf text;

	settings.key = &key;
	settings.domain = settings.selector = span_lit("a.example");
	settings.header_canon = (kind & 1) != 0 ? DKIM_RELAXED : DKIM_SIMPLE;
	settings.body_canon = (kind & 2) != 0 ? DKIM_RELAXED : DKIM_SIMPLE;
	signer = dkim_sign_start(a, crypto, &settings, mail.index, mail.body);
	test_hash(&mail);
	require(signer != NULL && dkim_sign_end(signer, &field));
	buf_init(&text, BUF_NO_LIMIT);
	buf_add(&text, field.name);
	buf_add_byte(&text, ':');
	buf_add(&text, field.value);
	buf_add_cstr(&text, "\r\n");
	buf_add(&text, message);
	require(verify(a, crypto, dkim_key_record_text(a, key.type, key.pkey), buf_span(&text)).item[0].status == DKIM_PASS);
	buf_free(&text);
	dkim_signing_key_free(&key);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span message = span_make(data, size), record;
	struct arena *a = arena_new(NULL);
	struct dkim_crypto *crypto = dkim_crypto_new(KEYS_MAX);

	span_cut(&message, '\n', &record);
	(void)verify(a, crypto, record, message);
	/* A message that begins with white space would become a part of the field put above it. */
	if (size % SIGN_EVERY == 0 && (message.len == 0 || !ascii_is_space(message.ptr[0]) || message.ptr[0] == '\r'))
		sign_and_verify(a, crypto, message, size / SIGN_EVERY);
	arena_free(a);
	dkim_crypto_free(crypto);
	return 0;
}
