/* SPDX-License-Identifier: ISC */
/* dkim_signing_key.c - private keys that sign mail, read from PEM */
#include "lib/mailauth/dkim_signing_key.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "lib/base/log.h"

/* no_pass_phrase - nobody is there to type one. */
static int no_pass_phrase(char *out, int size, int writing, void *user)
{
	(void)out;
	(void)size;
	(void)writing;
	(void)user;
	return 0;
}

static EVP_PKEY *read_pem(struct span pem)
{
	BIO *bio = pem.len <= INT_MAX ? BIO_new_mem_buf(pem.ptr, (int)pem.len) : NULL;
	EVP_PKEY *pkey = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, no_pass_phrase, NULL) : NULL;

	BIO_free(bio);
	ERR_clear_error();
	return pkey;
}

enum outcome dkim_signing_key_read(struct span pem, unsigned bits_min, struct dkim_signing_key *key,
                                   struct why *why)
{
	EVP_PKEY *pkey = read_pem(pem);
	int bits;

	*key = (struct dkim_signing_key){ .pkey = NULL };
	if (pkey == NULL)
		return why_set(why, REFUSE, "4.7.0", "no private key in PEM form without a pass phrase");
	bits = EVP_PKEY_get_bits(pkey);
	*key = (struct dkim_signing_key){ .pkey = pkey, .bits = bits > 0 ? (unsigned)bits : 0 };
	if (EVP_PKEY_is_a(pkey, "ED25519") == 1) {
		key->type = DKIM_ED25519;
		return DONE;
	}
	key->type = DKIM_RSA;
	if (EVP_PKEY_is_a(pkey, "RSA") == 1 && key->bits >= bits_min)
		return DONE;
	why_set(why, REFUSE, "4.7.0", "the key is %u bits of %s: RSA of at least %u or Ed25519 is wanted", key->bits,
	        EVP_PKEY_get0_type_name(pkey), bits_min);
	dkim_signing_key_free(key);
	return REFUSE;
}

void dkim_signing_key_free(struct dkim_signing_key *key)
{
	EVP_PKEY_free(key->pkey);
	key->pkey = NULL;
}

const char *dkim_signing_key_algorithm(const struct dkim_signing_key *key)
{
	return key->type == DKIM_RSA ? "rsa-sha256" : "ed25519-sha256";
}
