/* SPDX-License-Identifier: ISC */
/* dkim_key.h - public keys in the DNS: key records (RFC 6376 3.6) and asking for them */
#ifndef MAILAUTH_DKIM_KEY_H
#define MAILAUTH_DKIM_KEY_H

#include <stdbool.h>

#include "lib/mailauth/dkim_crypto.h"
#include "lib/mailauth/dkim_signature.h"
#include "lib/mailauth/lookup.h"

/* A key record, read. */
struct dkim_key_record {
	enum dkim_key_type type;
	struct span        bytes;	/* p= decoded; empty: the key is revoked */
	bool               is_testing;	/* t=y: "may be wrong", to be told in reports */
	bool               is_strict;	/* t=s: i= must not be in a subdomain of d= */
};

/* dkim_key_record_read - text into arena.  False with *reason (static) when it is no key record, or one that is not for
 * mail (s=) or not for SHA-256 (h=).  A revoked key is read well. */
MUST_USE bool dkim_key_record_read(struct arena *arena, struct span text, struct dkim_key_record *record,
                                   const char **reason);

/* dkim_key_record_text - "v=DKIM1; k=rsa; p=...": what to publish for a key (its public part is enough). */
struct span dkim_key_record_text(struct arena *arena, enum dkim_key_type type, EVP_PKEY *pkey);
/* dkim_key_record_is_of - text is a record that a verifier reads as the public key of pkey: the rotation may go on. */
bool dkim_key_record_is_of(struct dkim_crypto *crypto, struct arena *arena, struct span text,
                           enum dkim_key_type type, EVP_PKEY *pkey);

/* dkim_key_name - where the key is: SELECTOR._domainkey.DOMAIN, with A-labels (RFC 8616 3); empty when that is no name
 * the DNS has room for. */
struct span dkim_key_name(struct arena *arena, struct span selector, struct span domain);

/* What keys are good enough, and how many may be asked for. */
struct dkim_key_limits {
	size_t   lookups_max;	/* different names a message (reliability C16: 10) */
	unsigned rsa_bits_min;	/* RFC 8301 3.2: at least 1024 */
	unsigned rsa_bits_max;
};

#define DKIM_KEY_STANDARD_LIMITS { .lookups_max = 10, .rsa_bits_min = 1024, .rsa_bits_max = 4096 }

/* A key as found; for each name there is one answer a message. */
struct dkim_found_key {
	enum dkim_status       status;	/* DKIM_PASS: there is a good key; else why not */
	const char            *reason;
	struct dkim_key_record record;
	struct dkim_public_key key;	/* of status DKIM_PASS and DKIM_POLICY */
	bool                   is_secure;	/* the answer was signed (DNSSEC) */
};

struct dkim_keys;

/* dkim_keys_new - keys of one message; keeps all it is given, lives in arena. */
struct dkim_keys *dkim_keys_new(struct arena *arena, struct dkim_crypto *crypto, const struct lookup *lookup,
                                struct dkim_key_limits limits);
/* dkim_keys_expect - the key of that signature will be asked for: told to the DNS, once a name and within the limit. */
void dkim_keys_expect(struct dkim_keys *keys, const struct dkim_signature *signature);
/* dkim_keys_find - the key of that signature; asks the DNS as lookup.h says.  Lives as long as keys. */
const struct dkim_found_key *dkim_keys_find(struct dkim_keys *keys, const struct dkim_signature *signature);

/* dkim_signature_check - find the key and check that the signature is one of hash: DKIM_PASS, or the status and *reason.
 * *found, which may be NULL, is the key where one was found. */
enum dkim_status dkim_signature_check(struct dkim_keys *keys, const struct dkim_signature *signature,
                                      const unsigned char hash[DKIM_HASH_BYTES], const char **reason,
                                      const struct dkim_found_key **found);

#endif
