/* SPDX-License-Identifier: ISC */
/* tls_key.c - private keys: read from PEM, and used for TLS handshakes only
 *
 * Runs in tlsmgr (and in unit tests).  Whoever asks for a signature may be a network process that was taken
 * over: it gets none over bytes of its choice, only over what a TLS server signs. */
#include "lib/tls/tls_signer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "lib/tls/tls_private.h"

struct tls_key {
	EVP_PKEY     *pkey;
	unsigned char id[TLS_KEY_ID_SIZE];
};

void tls_key_free(struct tls_key *key)
{
	if (key == NULL)
		return;
	EVP_PKEY_free(key->pkey);
	OPENSSL_free(key);
}

struct span tls_key_id(const struct tls_key *key)
{
	return span_make(key->id, sizeof(key->id));
}

const char *tls_key_type(const struct tls_key *key)
{
	return EVP_PKEY_get0_type_name(key->pkey);
}

enum outcome tls_why(struct why *why, const char *format, ...)
{
	unsigned long code = ERR_get_error();
	const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);
	char text[WHY_TEXT_MAX];
	va_list args;

	ERR_clear_error();
	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return why_set(why, DEFER, "4.7.0", "%s%s%s", text, reason != NULL ? ": " : "", reason != NULL ? reason : "");
}

static struct tls_key *key_from_der(const unsigned char *der, long length)
{
	struct tls_key *key = OPENSSL_zalloc(sizeof(*key));

	if (key == NULL)
		return NULL;
	key->pkey = d2i_AutoPrivateKey_ex(NULL, &der, length, tls_library(), NULL);
	if (key->pkey == NULL || !tls_public_id(key->pkey, key->id)) {
		tls_key_free(key);
		return NULL;
	}
	return key;
}

/* One PEM block: 1 a key, 0 something else, -1 a key we cannot use. */
static int load_block(const char *name, const unsigned char *der, long length,
                      void (*found)(struct tls_key *key, void *arg), void *arg, struct why *why)
{
	struct tls_key *key;

	if (!span_ends(span_of(name), span_lit("PRIVATE KEY")))
		return 0;
	if (strcmp(name, "ENCRYPTED PRIVATE KEY") == 0) {
		why_set(why, REFUSE, "5.7.0", "the key is encrypted: store it without a pass phrase");
		return -1;
	}
	key = key_from_der(der, length);
	if (key == NULL) {
		tls_why(why, "unusable private key");
		return -1;
	}
	found(key, arg);
	return 1;
}

int tls_key_load(struct span text, void (*found)(struct tls_key *key, void *arg), void *arg, struct why *why)
{
	BIO *bio = text.len > INT_MAX ? NULL : BIO_new_mem_buf(text.ptr, (int)text.len);
	char *name, *header;
	unsigned char *der;
	long length;
	int count = 0;

	if (bio == NULL) {
		why_set(why, REFUSE, "5.3.0", "out of memory for keys");
		return -1;
	}
	while (count >= 0 && PEM_read_bio(bio, &name, &header, &der, &length)) {
		int one = load_block(name, der, length, found, arg, why);

		count = one < 0 ? -1 : count + one;
		OPENSSL_free(name);
		OPENSSL_free(header);
		OPENSSL_clear_free(der, (size_t)length);
	}
	ERR_clear_error();	/* "no start line" is how the end is told */
	BIO_free(bio);
	return count;
}

/* RFC 8446 4.4.3: 64 spaces, the context string of a server, NUL, a transcript hash. */
static bool is_tls13_input(struct span input)
{
	static const char context[] = "TLS 1.3, server CertificateVerify";
	struct span rest = span_skip(input, 64);

	for (size_t i = 0; i < 64; i++) {
		if (i >= input.len || input.ptr[i] != ' ')
			return false;
	}
	if (!span_starts(rest, span_make(context, sizeof(context))))
		return false;
	rest = span_skip(rest, sizeof(context));
	return rest.len == 32 || rest.len == 48;
}

/* RFC 8422 5.4: the two randoms, then ServerECDHParams: named_curve(3), curve, length and bytes of the point.  It
 * cannot be taken for TLS 1.3's, which has a 'T' where the 3 is. */
static bool is_tls12_input(struct span input)
{
	const unsigned char *params = (const unsigned char *)input.ptr + 64;

	return input.len >= 64 + 4 && params[0] == 3 && params[3] >= 32 && input.len == 64 + 4 + (size_t)params[3];
}

static const char *allowed_digest(struct span name)
{
	static const char *const names[] = { "SHA256", "SHA384", "SHA512" };
	static const char *const aliases[] = { "SHA2-256", "SHA2-384", "SHA2-512" };

	for (size_t i = 0; i < COUNT_OF(names); i++) {
		if (span_equal_ci(name, span_of(names[i])) || span_equal_ci(name, span_of(aliases[i])))
			return names[i];
	}
	return NULL;
}

/* What may be signed, and how: NULL, or why not. */
static const char *refusal(const struct tls_key *key, const struct tls_sign_request *request)
{
	bool is_pure = EVP_PKEY_is_a(key->pkey, "ED25519") || EVP_PKEY_is_a(key->pkey, "ED448");
	bool is_tls13 = is_tls13_input(request->input);

	if (!is_tls13 && !is_tls12_input(request->input))
		return "the input is not one of a TLS handshake";
	if (is_pure != span_is_empty(request->digest) ||
	    (!is_pure && allowed_digest(request->digest) == NULL))
		return "the digest does not go with the key";
	if (EVP_PKEY_is_a(key->pkey, "RSA")) {
		if (request->padding != RSA_PKCS1_PSS_PADDING && request->padding != RSA_PKCS1_PADDING)
			return "unknown RSA padding";
		if (is_tls13 && request->padding != RSA_PKCS1_PSS_PADDING)
			return "TLS 1.3 signs with PSS (RFC 8446 4.2.3)";
	}
	return NULL;
}

static bool sign_with(EVP_MD_CTX *ctx, const struct tls_key *key, const struct tls_sign_request *request,
                      struct arena *arena, struct span *signature)
{
	EVP_PKEY_CTX *pctx;
	size_t length = 0;
	unsigned char *out;
	const unsigned char *input = (const unsigned char *)request->input.ptr;

	if (!EVP_DigestSignInit_ex(ctx, &pctx, allowed_digest(request->digest), tls_library(), NULL, key->pkey, NULL))
		return false;
	if (EVP_PKEY_is_a(key->pkey, "RSA") && request->padding == RSA_PKCS1_PSS_PADDING &&
	    (EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) <= 0 ||
	     EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST) <= 0))
		return false;
	if (!EVP_DigestSign(ctx, NULL, &length, input, request->input.len))
		return false;
	out = arena_alloc(arena, length);
	if (!EVP_DigestSign(ctx, out, &length, input, request->input.len))
		return false;
	*signature = span_make(out, length);
	return true;
}

enum outcome tls_key_sign(struct tls_key *key, const struct tls_sign_request *request, struct arena *arena,
                          struct span *signature, struct why *why)
{
	const char *no = refusal(key, request);
	EVP_MD_CTX *ctx;
	bool ok;

	if (no != NULL)
		return why_set(why, REFUSE, "5.7.0", "%s", no);
	ctx = EVP_MD_CTX_new();
	ok = ctx != NULL && sign_with(ctx, key, request, arena, signature);
	EVP_MD_CTX_free(ctx);
	if (!ok)
		return tls_why(why, "cannot sign");
	return DONE;
}
