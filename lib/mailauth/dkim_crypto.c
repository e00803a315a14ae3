/* SPDX-License-Identifier: ISC */
/* dkim_crypto.c - what DKIM and ARC need of OpenSSL
 *
 * RSA keys are read with d2i_PublicKey, the SubjectPublicKeyInfo around them is taken off here: OpenSSL 3's general
 * decoder takes ten times as long as the check of a signature. */
#include "lib/mailauth/dkim_crypto.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/rsa.h>
#include <pthread.h>
#include <stdlib.h>

#include "lib/base/hash.h"
#include "lib/base/list.h"
#include "lib/base/log.h"

enum {
	EXPONENT_MAX_BITS = 64,		/* OpenSSL bounds it only over 3072 bits of modulus */
	ED25519_KEY_BYTES = 32, ED25519_BITS = 256,
};

struct cached_key {
	struct list            of_use;	/* last used last */
	struct dkim_public_key key;
	struct span            name;	/* of the hash table: type and bytes */
	char                   bytes[];
};

struct dkim_crypto {
	EVP_MD         *sha256;
	size_t          keys_max;
	pthread_mutex_t lock;		/* of what follows */
	struct hash    *keys;
	struct list     by_use;
};

/* made - object, which OpenSSL did not give for want of memory only. */
static void *made(void *object)
{
	if (object == NULL)
		log_fatal("out of memory (OpenSSL)");
	return object;
}

struct dkim_crypto *dkim_crypto_new(size_t keys_max)
{
	struct dkim_crypto *crypto = made(calloc(1, sizeof(*crypto)));

	crypto->sha256 = made(EVP_MD_fetch(NULL, "SHA256", NULL));
	crypto->keys_max = keys_max;
	crypto->keys = hash_new();
	list_init(&crypto->by_use);
	if (pthread_mutex_init(&crypto->lock, NULL) != 0)
		log_fatal("no mutex");
	return crypto;
}

static void free_cached(void *value)
{
	struct cached_key *cached = value;

	EVP_PKEY_free(cached->key.pkey);
	free(cached);
}

void dkim_crypto_free(struct dkim_crypto *crypto)
{
	if (crypto == NULL)
		return;
	hash_free(crypto->keys, free_cached);
	EVP_MD_free(crypto->sha256);
	(void)pthread_mutex_destroy(&crypto->lock);
	free(crypto);
}

/* ---- hashes ---- */

EVP_MD_CTX *dkim_hash_start(const struct dkim_crypto *crypto)
{
	EVP_MD_CTX *ctx = made(EVP_MD_CTX_new());

	if (EVP_DigestInit_ex2(ctx, crypto->sha256, NULL) != 1)
		log_fatal("no SHA-256 (OpenSSL)");
	return ctx;
}

void dkim_hash(const struct dkim_crypto *crypto, struct span bytes, unsigned char out[DKIM_HASH_BYTES])
{
	EVP_MD_CTX *ctx = dkim_hash_start(crypto);

	if (EVP_DigestUpdate(ctx, bytes.ptr, bytes.len) != 1 || EVP_DigestFinal_ex(ctx, out, NULL) != 1)
		log_fatal("no SHA-256 (OpenSSL)");
	EVP_MD_CTX_free(ctx);
}

/* ---- public keys ---- */

/* take_der - the content of the element of that tag at the start of *rest, which is left behind it. */
static bool take_der(struct span *rest, int wanted, struct span *content)
{
	const unsigned char *at = (const unsigned char *)rest->ptr;
	long len, most = (long)rest->len;
	int tag, class;
	int flags = ASN1_get_object(&at, &len, &tag, &class, most);

	if (most == 0 || (flags & 0x81) != 0 || tag != wanted || class != V_ASN1_UNIVERSAL)
		return false;	/* 0x80: an error; 1: of no stated length */
	*content = span_make(at, (size_t)len);
	*rest = span_skip(*rest, (size_t)((const char *)at - rest->ptr) + content->len);
	return true;
}

/* take_off_info - the RSAPublicKey in a SubjectPublicKeyInfo (RFC 5280 4.1) of rsaEncryption; *bytes as it is when it is
 * no such thing. */
static void take_off_info(struct span *bytes)
{
	static const struct span rsa_encryption = SPAN("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01");
	struct span rest = *bytes, info, algorithm, oid, key;

	if (!take_der(&rest, V_ASN1_SEQUENCE, &info) || rest.len != 0 ||
	    !take_der(&info, V_ASN1_SEQUENCE, &algorithm) || !take_der(&algorithm, V_ASN1_OBJECT, &oid) ||
	    !span_equal(oid, rsa_encryption) || !take_der(&info, V_ASN1_BIT_STRING, &key) || info.len != 0)
		return;
	if (key.len != 0 && key.ptr[0] == 0)	/* no unused bits */
		*bytes = span_skip(key, 1);
}

static EVP_PKEY *read_rsa(struct span bytes)
{
	const unsigned char *at;
	EVP_PKEY *pkey;
	BIGNUM *exponent = NULL;

	take_off_info(&bytes);
	at = (const unsigned char *)bytes.ptr;
	pkey = d2i_PublicKey(EVP_PKEY_RSA, NULL, &at, (long)bytes.len);
	if (pkey == NULL || (const char *)at != bytes.ptr + bytes.len ||
	    EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &exponent) != 1 ||
	    BN_num_bits(exponent) > EXPONENT_MAX_BITS || BN_is_negative(exponent)) {
		EVP_PKEY_free(pkey);
		pkey = NULL;
	}
	BN_free(exponent);
	return pkey;
}

static bool read_key(enum dkim_key_type type, struct span bytes, struct dkim_public_key *key)
{
	int bits;

	*key = (struct dkim_public_key){ .type = type, .bits = ED25519_BITS };
	if (type == DKIM_RSA)
		key->pkey = read_rsa(bytes);
	else if (bytes.len == ED25519_KEY_BYTES)
		key->pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, (const unsigned char *)bytes.ptr,
		                                        bytes.len);
	ERR_clear_error();
	if (key->pkey == NULL)
		return false;
	bits = EVP_PKEY_get_bits(key->pkey);
	if (type == DKIM_RSA)
		key->bits = bits > 0 ? (unsigned)bits : 0;
	return true;
}

static void release(void *object)
{
	EVP_PKEY_free(object);
}

/* lend - a reference of key's for the arena. */
static void lend(struct arena *arena, const struct dkim_public_key *key)
{
	if (EVP_PKEY_up_ref(key->pkey) != 1)
		log_fatal("out of memory (OpenSSL)");
	arena_on_reset(arena, release, key->pkey);
}

static bool recall(struct dkim_crypto *crypto, struct arena *arena, struct span name, struct dkim_public_key *key)
{
	struct cached_key *cached;

	pthread_mutex_lock(&crypto->lock);
	cached = hash_get(crypto->keys, name);
	if (cached != NULL) {
		list_remove(&cached->of_use);
		list_push_back(&crypto->by_use, &cached->of_use);
		*key = cached->key;
		lend(arena, key);
	}
	pthread_mutex_unlock(&crypto->lock);
	return cached != NULL;
}

static void forget_oldest(struct dkim_crypto *crypto)
{
	struct cached_key *oldest = CONTAINER_OF(list_pop_front(&crypto->by_use), struct cached_key, of_use);

	(void)hash_remove(crypto->keys, oldest->name);
	free_cached(oldest);
}

/* remember - takes the reference that key holds. */
static void remember(struct dkim_crypto *crypto, struct span name, const struct dkim_public_key *key)
{
	struct cached_key *cached = made(malloc(sizeof(*cached) + name.len));

	memcpy(cached->bytes, name.ptr, name.len);
	cached->name = span_make(cached->bytes, name.len);
	cached->key = *key;
	pthread_mutex_lock(&crypto->lock);
	if (crypto->keys_max == 0 || hash_get(crypto->keys, name) != NULL) {	/* another thread was faster */
		free_cached(cached);
	} else {
		if (hash_count(crypto->keys) == crypto->keys_max)
			forget_oldest(crypto);
		(void)hash_put(crypto->keys, cached->name, cached);
		list_push_back(&crypto->by_use, &cached->of_use);
	}
	pthread_mutex_unlock(&crypto->lock);
}

bool dkim_public_key(struct dkim_crypto *crypto, struct arena *arena, enum dkim_key_type type,
                     struct span bytes, struct dkim_public_key *key)
{
	char *text = arena_alloc(arena, bytes.len + 1);
	struct span name = { text, bytes.len + 1 };

	text[0] = type == DKIM_RSA ? 'r' : 'e';
	if (bytes.len != 0)
		memcpy(text + 1, bytes.ptr, bytes.len);
	if (recall(crypto, arena, name, key))
		return true;
	if (!read_key(type, bytes, key))
		return false;
	lend(arena, key);
	remember(crypto, name, key);
	return true;
}

/* ---- signatures ---- */

static bool rsa_holds(const struct dkim_crypto *crypto, EVP_PKEY *pkey,
                      const unsigned char hash[DKIM_HASH_BYTES], struct span signature)
{
	EVP_PKEY_CTX *ctx = made(EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL));
	bool ok = EVP_PKEY_verify_init(ctx) == 1 && EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
	          EVP_PKEY_CTX_set_signature_md(ctx, crypto->sha256) == 1 &&
	          EVP_PKEY_verify(ctx, (const unsigned char *)signature.ptr, signature.len, hash,
	                          DKIM_HASH_BYTES) == 1;

	EVP_PKEY_CTX_free(ctx);
	return ok;
}

static bool ed25519_holds(EVP_PKEY *pkey, const unsigned char hash[DKIM_HASH_BYTES], struct span signature)
{
	EVP_MD_CTX *ctx = made(EVP_MD_CTX_new());
	bool ok = EVP_DigestVerifyInit_ex(ctx, NULL, NULL, NULL, NULL, pkey, NULL) == 1 &&
	          EVP_DigestVerify(ctx, (const unsigned char *)signature.ptr, signature.len, hash,
	                           DKIM_HASH_BYTES) == 1;

	EVP_MD_CTX_free(ctx);
	return ok;
}

bool dkim_signature_holds(const struct dkim_crypto *crypto, const struct dkim_public_key *key,
                          const unsigned char hash[DKIM_HASH_BYTES], struct span signature)
{
	bool ok = key->type == DKIM_RSA ? rsa_holds(crypto, key->pkey, hash, signature)
	                                : ed25519_holds(key->pkey, hash, signature);

	ERR_clear_error();
	return ok;
}

static bool rsa_sign(const struct dkim_crypto *crypto, EVP_PKEY *pkey, const unsigned char hash[DKIM_HASH_BYTES],
                     unsigned char *out, size_t *len)
{
	EVP_PKEY_CTX *ctx = made(EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL));
	bool ok = EVP_PKEY_sign_init(ctx) == 1 && EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
	          EVP_PKEY_CTX_set_signature_md(ctx, crypto->sha256) == 1 &&
	          EVP_PKEY_sign(ctx, out, len, hash, DKIM_HASH_BYTES) == 1;

	EVP_PKEY_CTX_free(ctx);
	return ok;
}

static bool ed25519_sign(EVP_PKEY *pkey, const unsigned char hash[DKIM_HASH_BYTES], unsigned char *out, size_t *len)
{
	EVP_MD_CTX *ctx = made(EVP_MD_CTX_new());
	bool ok = EVP_DigestSignInit_ex(ctx, NULL, NULL, NULL, NULL, pkey, NULL) == 1 &&
	          EVP_DigestSign(ctx, out, len, hash, DKIM_HASH_BYTES) == 1;

	EVP_MD_CTX_free(ctx);
	return ok;
}

bool dkim_key_sign(const struct dkim_crypto *crypto, struct arena *arena, enum dkim_key_type type, EVP_PKEY *pkey,
                   const unsigned char hash[DKIM_HASH_BYTES], struct span *signature)
{
	int size = EVP_PKEY_get_size(pkey);
	size_t len = size > 0 ? (size_t)size : 0;
	unsigned char *out = arena_alloc(arena, len);
	bool ok = type == DKIM_RSA ? rsa_sign(crypto, pkey, hash, out, &len) : ed25519_sign(pkey, hash, out, &len);

	*signature = span_make(out, len);
	return ok;
}
