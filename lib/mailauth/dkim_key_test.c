/* SPDX-License-Identifier: ISC */
/* dkim_key_test.c - key records, keys and the cache of keys */
#include "lib/base/test.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <pthread.h>

#include "lib/base/codec.h"
#include "lib/mailauth/test_mail.h"

enum { KEYS_MAX = 2, THREADS = 4, ROUNDS = 200 };

static struct arena *arena;
static struct dkim_crypto *crypto;

static int begin(void **state)
{
	(void)state;
	arena = arena_new(NULL);
	crypto = dkim_crypto_new(KEYS_MAX);
	return 0;
}

static int end(void **state)
{
	(void)state;
	arena_free(arena);
	dkim_crypto_free(crypto);
	return 0;
}

#define NO_RECORD "the record under the selector is no key record"

static void records_are_read(void **state)
{
	static const struct { struct span in; const char *want; } rows[] = {
		{ SPAN("v=DKIM1; k=rsa; p=AAAA"),         "rsa 3" },
		{ SPAN("p=AAAA"),                         "rsa 3" },
		{ SPAN("v=DKIM1;p=AA\r\n AA;"),           "rsa 3" },
		{ SPAN("v=DKIM1; k=ed25519; p=AAAA"),     "ed25519 3" },
		{ SPAN("v=DKIM1; p="),                    "rsa 0" },
		{ SPAN("v=DKIM1; t=y; p=AAAA"),           "rsa 3 testing" },
		{ SPAN("v=DKIM1; t=s:y; p=AAAA"),         "rsa 3 testing strict" },
		{ SPAN("v=DKIM1; t=x : s; p=AAAA"),       "rsa 3 strict" },
		{ SPAN("v=DKIM1; h=sha1:sha256; p=AAAA"), "rsa 3" },
		{ SPAN("v=DKIM1; s=email:tlsrpt; p=AAAA"), "rsa 3" },
		{ SPAN("v=DKIM1; s=*; n=x; g=; p=AAAA"),  "rsa 3" },
		{ SPAN("v=DKIM1; h=sha1; p=AAAA"),        "the key is not for SHA-256" },
		{ SPAN("v=DKIM1; s=tlsrpt; p=AAAA"),      "the key is not for mail" },
		{ SPAN("v=DKIM1; k=dsa; p=AAAA"),         "the key is of an unknown type" },
		{ SPAN("v=DKIM1; k=RSA; p=AAAA"),         "the key is of an unknown type" },
		{ SPAN("v=DKIM2; p=AAAA"),                "the key record has another version" },
		{ SPAN("v=dkim1; p=AAAA"),                "the key record has another version" },
		{ SPAN("p=AAAA; v=DKIM1"),                "the key record has another version" },
		{ SPAN("v=DKIM1; k=rsa"),                 NO_RECORD },
		{ SPAN("v=DKIM1; p=A"),                   NO_RECORD },
		{ SPAN("v=DKIM1; p=@@@@"),                NO_RECORD },
		{ SPAN("v=DKIM1; p=AAAA; p=AAAA"),        NO_RECORD },
		{ SPAN("v=spf1 -all"),                    NO_RECORD },
		{ SPAN(""),                               NO_RECORD },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct dkim_key_record record;
		const char *reason = "";
		struct span got;

		if (dkim_key_record_read(arena, rows[i].in, &record, &reason))
			got = arena_printf_span(arena, "%s %zu%s%s", record.type == DKIM_RSA ? "rsa" : "ed25519",
			                        record.bytes.len, record.is_testing ? " testing" : "",
			                        record.is_strict ? " strict" : "");
		else
			got = span_of(reason);
		assert_span(got, rows[i].want);
	}
}

static void names_are_made_for_the_dns(void **state)
{
	static const struct { struct span selector, domain; const char *want; } rows[] = {
		{ SPAN("Sel"),        SPAN("Example.ORG"),       "sel._domainkey.example.org" },
		{ SPAN("a.b"),        SPAN("example.org"),       "a.b._domainkey.example.org" },
		{ SPAN("s"),          SPAN("b\xc3\xbc""cher.example"), "s._domainkey.xn--bcher-kva.example" },
		{ SPAN("s"),          SPAN("b\xff.example"),     "" },
		{ SPAN(""),           SPAN("example.org"),       "" },
	};
	char text[250];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_span(dkim_key_name(arena, rows[i].selector, rows[i].domain), rows[i].want);
	memset(text, 'a', sizeof(text));
	assert_int_equal(dkim_key_name(arena, span_make(text, 240), span_lit("b")).len, 253);
	assert_int_equal(dkim_key_name(arena, span_make(text, 241), span_lit("b")).len, 0);
}

static void a_key_comes_back_from_its_record(void **state)
{
	static const unsigned sizes[] = { 1024, 2048, 0 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		struct dkim_signing_key key = test_key(sizes[i]), other = test_key(sizes[i]);
		struct span text = dkim_key_record_text(arena, key.type, key.pkey);

		assert_true(span_starts(text, sizes[i] != 0 ? span_lit("v=DKIM1; k=rsa; p=MI")
		                                            : span_lit("v=DKIM1; k=ed25519; p=")));
		assert_true(dkim_key_record_is_of(crypto, arena, text, key.type, key.pkey));
		assert_false(dkim_key_record_is_of(crypto, arena, text, other.type, other.pkey));
		assert_false(dkim_key_record_is_of(crypto, arena, span_lit("v=DKIM1; p="), key.type, key.pkey));
		dkim_signing_key_free(&key);
		dkim_signing_key_free(&other);
	}
}

static bool reads(enum dkim_key_type type, struct span bytes, unsigned bits)
{
	struct dkim_public_key key;

	return dkim_public_key(crypto, arena, type, bytes, &key) && key.bits == bits;
}

static void keys_are_read_in_both_forms(void **state)
{
	struct dkim_signing_key rsa = test_key(1024), ed = test_key(0);
	unsigned char *info = NULL, *bare = NULL;
	int info_len = i2d_PUBKEY(rsa.pkey, &info), bare_len = i2d_PublicKey(rsa.pkey, &bare);
	struct span whole = span_make(info, (size_t)info_len);
	char raw[32] = { 1 };

	(void)state;
	assert_true(info_len > 0 && bare_len > 0);
	assert_true(reads(DKIM_RSA, whole, 1024));
	assert_true(reads(DKIM_RSA, span_make(bare, (size_t)bare_len), 1024));
	for (size_t n = 0; n < whole.len; n++)	/* cut anywhere it is no key */
		assert_false(reads(DKIM_RSA, span_first(whole, n), 1024));
	assert_false(reads(DKIM_RSA, arena_printf_span(arena, "x"), 1024));
	assert_true(reads(DKIM_ED25519, span_make(raw, 32), 256));
	assert_false(reads(DKIM_ED25519, span_make(raw, 31), 256));
	assert_false(reads(DKIM_ED25519, whole, 256));
	OPENSSL_free(info);
	OPENSSL_free(bare);
	info = NULL;
	info_len = i2d_PUBKEY(ed.pkey, &info);	/* RFC 8463 4.2: not in this form */
	assert_false(reads(DKIM_ED25519, span_make(info, (size_t)info_len), 256));
	assert_false(reads(DKIM_RSA, span_make(info, (size_t)info_len), 256));
	OPENSSL_free(info);
	dkim_signing_key_free(&rsa);
	dkim_signing_key_free(&ed);
}

/* der - an element of tag with that content. */
static struct span der(unsigned char tag, struct span content)
{
	char *out = arena_alloc(arena, content.len + 4);

	out[0] = (char)tag;
	out[1] = (char)(unsigned char)0x82;
	out[2] = (char)(unsigned char)(content.len >> 8);
	out[3] = (char)(unsigned char)content.len;
	memcpy(out + 4, content.ptr, content.len);
	return span_make(out, content.len + 4);
}

static void a_huge_exponent_is_no_key(void **state)
{
	char number[128];
	struct span modulus, small, huge;

	(void)state;
	memset(number, 0x5b, sizeof(number));
	modulus = der(0x02, span_make(number, 128));
	small = der(0x02, span_make(number, 8));
	huge = der(0x02, span_make(number, 9));
	for (int i = 0; i < 2; i++) {
		struct span exponent = i == 0 ? small : huge;
		char *text = arena_alloc(arena, modulus.len + exponent.len);

		memcpy(text, modulus.ptr, modulus.len);
		memcpy(text + modulus.len, exponent.ptr, exponent.len);
		assert_int_equal(reads(DKIM_RSA, der(0x30, span_make(text, modulus.len + exponent.len)), 1023),
		                 i == 0);
	}
}

static void the_cache_forgets_what_is_not_used(void **state)
{
	struct arena *own = arena_new(NULL);
	struct dkim_crypto *small = dkim_crypto_new(KEYS_MAX);
	struct dkim_public_key key, again;
	char raw[32] = { 0 };

	(void)state;
	assert_true(dkim_public_key(small, own, DKIM_ED25519, span_make(raw, 32), &key));
	for (char i = 1; i < 20; i++) {
		raw[31] = i;
		assert_true(dkim_public_key(small, own, DKIM_ED25519, span_make(raw, 32), &again));
		raw[31] = 0;
		assert_true(dkim_public_key(small, own, DKIM_ED25519, span_make(raw, 32), &again));
		assert_ptr_equal(key.pkey, again.pkey);	/* used all the time: still there */
	}
	raw[31] = 1;
	assert_true(dkim_public_key(small, own, DKIM_ED25519, span_make(raw, 32), &again));
	dkim_crypto_free(small);
	assert_int_equal(EVP_PKEY_get_bits(again.pkey), 256);	/* the arena's reference holds it */
	arena_free(own);
}

static void *use_keys(void *user)
{
	struct dkim_crypto *shared = user;

	for (int i = 0; i < ROUNDS; i++) {
		struct arena *own = arena_new(NULL);
		struct dkim_public_key key;
		char raw[32] = { 0 };

		raw[0] = (char)(i % 5);
		if (!dkim_public_key(shared, own, DKIM_ED25519, span_make(raw, 32), &key))
			return NULL;
		arena_free(own);
	}
	return user;
}

static void threads_share_the_cache(void **state)
{
	struct dkim_crypto *shared = dkim_crypto_new(3);
	pthread_t threads[THREADS];
	void *result;

	(void)state;
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, use_keys, shared), 0);
	for (size_t i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &result);
		assert_ptr_equal(result, shared);
	}
	dkim_crypto_free(shared);
}

static struct span pem_of(EVP_PKEY *pkey, const char *pass_phrase)
{
	BIO *bio = BIO_new(BIO_s_mem());
	struct span text;
	char *at;
	long len;

	assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, pkey, pass_phrase != NULL ? EVP_aes_128_cbc() : NULL,
	                                               pass_phrase, pass_phrase != NULL ? 4 : 0, NULL, NULL), 1);
	len = BIO_get_mem_data(bio, &at);
	text = arena_dup(arena, span_make(at, (size_t)len));
	BIO_free(bio);
	return text;
}

static void signing_keys_are_read_from_pem(void **state)
{
	struct dkim_signing_key rsa = test_key(1024), ed = test_key(0), got;
	EVP_PKEY *ec = EVP_EC_gen("P-256");
	struct why why;

	(void)state;
	assert_int_equal(dkim_signing_key_read(pem_of(rsa.pkey, NULL), 1024, &got, &why), DONE);
	assert_int_equal(got.type, DKIM_RSA);
	assert_int_equal(got.bits, 1024);
	assert_int_equal(EVP_PKEY_eq(got.pkey, rsa.pkey), 1);
	dkim_signing_key_free(&got);
	assert_int_equal(dkim_signing_key_read(pem_of(ed.pkey, NULL), 1024, &got, &why), DONE);
	assert_int_equal(got.type, DKIM_ED25519);
	assert_string_equal(dkim_signing_key_algorithm(&got), "ed25519-sha256");
	dkim_signing_key_free(&got);
	assert_int_equal(dkim_signing_key_read(pem_of(rsa.pkey, NULL), 2048, &got, &why), REFUSE);
	assert_null(got.pkey);
	assert_int_equal(dkim_signing_key_read(pem_of(ec, NULL), 0, &got, &why), REFUSE);
	assert_int_equal(dkim_signing_key_read(pem_of(rsa.pkey, "pass"), 0, &got, &why), REFUSE);
	assert_int_equal(dkim_signing_key_read(span_lit("no key"), 0, &got, &why), REFUSE);
	assert_int_equal(dkim_signing_key_read(span_lit(""), 0, &got, &why), REFUSE);
	EVP_PKEY_free(ec);
	dkim_signing_key_free(&rsa);
	dkim_signing_key_free(&ed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_are_read),
		cmocka_unit_test(names_are_made_for_the_dns),
		cmocka_unit_test(a_key_comes_back_from_its_record),
		cmocka_unit_test(keys_are_read_in_both_forms),
		cmocka_unit_test(a_huge_exponent_is_no_key),
		cmocka_unit_test(the_cache_forgets_what_is_not_used),
		cmocka_unit_test(threads_share_the_cache),
		cmocka_unit_test(signing_keys_are_read_from_pem),
	};

	return cmocka_run_group_tests_name("dkim_key", tests, begin, end);
}
