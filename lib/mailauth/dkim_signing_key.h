/* SPDX-License-Identifier: ISC */
/* dkim_signing_key.h - private keys that sign mail */
#ifndef MAILAUTH_DKIM_SIGNING_KEY_H
#define MAILAUTH_DKIM_SIGNING_KEY_H

#include "lib/base/why.h"
#include "lib/mailauth/dkim_crypto.h"

/* May be used by any number of threads at once. */
struct dkim_signing_key {
	enum dkim_key_type type;
	unsigned           bits;
	EVP_PKEY          *pkey;
};

/* dkim_signing_key_read - the first private key in the text of a PEM file (PKCS #8, or RSA's own form), without a pass
 * phrase.  REFUSE when it is no RSA key of at least bits_min bits, nor Ed25519.  The caller wipes pem. */
MUST_USE enum outcome dkim_signing_key_read(struct span pem, unsigned bits_min, struct dkim_signing_key *key,
                                            struct why *why);
/* dkim_signing_key_free - a zeroed key is allowed. */
void dkim_signing_key_free(struct dkim_signing_key *key);
/* dkim_signing_key_algorithm - as in a=. */
const char *dkim_signing_key_algorithm(const struct dkim_signing_key *key);

#endif
