/* SPDX-License-Identifier: ISC */
/* tls_tickets.c - session tickets under keys that tlsmgr makes and rotates (RFC 5077, RFC 8446 4.6.1)
 *
 * All workers of all programs use the same keys, so a client may come back to any of them.  No key: no ticket. */
#include "lib/tls/tls_private.h"

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/rand.h>

#include "lib/base/clock.h"
#include "lib/base/codec.h"

enum { NO_KEYS_RETRY_S = 10, TICKET_IV_SIZE = 16 };

static const unsigned char *key_named(const struct tls_context *ctx, const unsigned char *name)
{
	for (size_t i = 0; i < ctx->ticket_key_count; i++) {
		const unsigned char *key = ctx->ticket_keys + i * TICKET_KEY_SIZE;

		if (memcmp(key, name, TICKET_NAME_SIZE) == 0)
			return key;
	}
	return NULL;
}

static bool set_mac(EVP_MAC_CTX *mac, const unsigned char *secret)
{
	unsigned char key[TICKET_SECRET_SIZE];
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_octet_string(OSSL_MAC_PARAM_KEY, key, sizeof(key)),
		OSSL_PARAM_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_END,
	};
	bool ok;

	memcpy(key, secret, sizeof(key));
	ok = EVP_MAC_CTX_set_params(mac, params) == 1;
	memory_wipe(key, sizeof(key));
	return ok;
}

/* libssl's callback: 1 go on, 2 go on and renew the ticket, 0 no such key, -1 failure. */
static int ticket_callback(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                           EVP_MAC_CTX *mac, int encrypting)
{
	struct tls_context *ctx = tls_session_context(ssl);
	const unsigned char *key = encrypting ? ctx->ticket_keys : key_named(ctx, name);
	const unsigned char *secrets;

	if (key == NULL || ctx->ticket_key_count == 0)
		return 0;
	secrets = key + TICKET_NAME_SIZE;
	if (encrypting) {
		memcpy(name, key, TICKET_NAME_SIZE);
		random_bytes(iv, TICKET_IV_SIZE);
	}
	if (!EVP_CipherInit_ex2(cipher, ctx->ticket_cipher, secrets, iv, encrypting, NULL) ||
	    !set_mac(mac, secrets + TICKET_SECRET_SIZE))
		return -1;
	return encrypting || key == ctx->ticket_keys ? 1 : 2;
}

bool tls_tickets_install(struct tls_context *ctx)
{
	ctx->ticket_cipher = EVP_CIPHER_fetch(tls_library(), "AES-256-CBC", NULL);
	return ctx->ticket_cipher != NULL &&
	       SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx->ssl, ticket_callback) == 1;
}

void tls_tickets_free(struct tls_context *ctx)
{
	EVP_CIPHER_free(ctx->ticket_cipher);
	memory_wipe(ctx->ticket_keys, sizeof(ctx->ticket_keys));
}

static void take_keys(struct tls_context *ctx, struct span keys, uint64_t valid_s)
{
	size_t count = keys.len / TICKET_KEY_SIZE;

	if (count > TICKET_KEYS_MAX)
		count = TICKET_KEYS_MAX;
	if (count != 0)
		memcpy(ctx->ticket_keys, keys.ptr, count * TICKET_KEY_SIZE);
	ctx->ticket_key_count = count;
	ctx->ticket_keys_until_us = clock_in_s(valid_s == 0 ? NO_KEYS_RETRY_S : valid_s);
}

bool tls_tickets_refresh(struct tls_context *ctx)
{
	struct arena *arena;
	struct span keys;
	uint64_t valid_s;

	if (clock_now_us() < ctx->ticket_keys_until_us || ctx->ticket_keys_asked)
		return ctx->ticket_key_count != 0;
	ctx->ticket_keys_asked = true;
	arena = arena_new(NULL);
	if (ctx->signer->ticket_keys(ctx->signer->user, arena, &keys, &valid_s)) {
		take_keys(ctx, keys, valid_s);
		memory_wipe((void *)(uintptr_t)keys.ptr, keys.len);
	} else {
		take_keys(ctx, (struct span){ 0 }, NO_KEYS_RETRY_S);
	}
	arena_free(arena);
	ctx->ticket_keys_asked = false;
	return ctx->ticket_key_count != 0;
}
