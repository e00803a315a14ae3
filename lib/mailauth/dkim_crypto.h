/* SPDX-License-Identifier: ISC */
/* dkim_crypto.h - what DKIM and ARC need of OpenSSL, set up once a process
 *
 * Holds the SHA-256 of the process, so that nothing is looked up per message, and a cache of parsed public keys: a
 * domain's key is read once, not once a message.  One object serves any number of threads. */
#ifndef MAILAUTH_DKIM_CRYPTO_H
#define MAILAUTH_DKIM_CRYPTO_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/base/arena.h"
#include "lib/base/attributes.h"
#include "lib/base/span.h"

enum dkim_key_type {
	DKIM_RSA,
	DKIM_ED25519,	/* RFC 8463 */
};

enum { DKIM_HASH_BYTES = 32 };	/* SHA-256, the only hash (RFC 8301 3.1 forbids SHA-1) */

struct dkim_crypto;

/* dkim_crypto_new - remembers at most keys_max public keys, the least used of late make room.  The caller's to free, when
 * no arena holds anything made with it any more. */
struct dkim_crypto *dkim_crypto_new(size_t keys_max);
/* dkim_crypto_free - NULL is allowed. */
void dkim_crypto_free(struct dkim_crypto *crypto);

/* dkim_hash_start - a SHA-256 under way; finished with EVP_DigestFinal_ex, freed by the caller. */
EVP_MD_CTX *dkim_hash_start(const struct dkim_crypto *crypto) RETURNS_NONNULL;
/* dkim_hash - SHA-256 of bytes. */
void dkim_hash(const struct dkim_crypto *crypto, struct span bytes, unsigned char out[DKIM_HASH_BYTES]);

struct dkim_public_key {
	enum dkim_key_type type;
	unsigned           bits;	/* of the RSA modulus; 256 for Ed25519 */
	EVP_PKEY          *pkey;
};

/* dkim_public_key - the key whose bytes (the decoded p= of a key record) are given: RSA as SubjectPublicKeyInfo or as
 * RSAPublicKey (RFC 6376 3.6.1; all publish the former), Ed25519 as its 32 bytes (RFC 8463 4.2).  False when they are no
 * such key, or one whose RSA exponent is so large that checking it is an attack.  The key lives as long as arena. */
MUST_USE bool dkim_public_key(struct dkim_crypto *crypto, struct arena *arena, enum dkim_key_type type,
                              struct span bytes, struct dkim_public_key *key);
/* dkim_signature_holds - signature is one of hash by key: PKCS #1 v1.5 with SHA-256 (RFC 6376 3.3.2), or Ed25519
 * over the 32 bytes of the hash (RFC 8463 3). */
bool dkim_signature_holds(const struct dkim_crypto *crypto, const struct dkim_public_key *key,
                          const unsigned char hash[DKIM_HASH_BYTES], struct span signature);

/* dkim_key_sign - sign hash with a private key of that type; false with the reason of OpenSSL in its error queue. */
MUST_USE bool dkim_key_sign(const struct dkim_crypto *crypto, struct arena *arena, enum dkim_key_type type,
                            EVP_PKEY *pkey, const unsigned char hash[DKIM_HASH_BYTES], struct span *signature);

#endif
