/* SPDX-License-Identifier: ISC */
/* test_mail.h - what tests, fuzz targets and the benchmark of DKIM and ARC share: DNS by script, messages, keys */
#ifndef MAILAUTH_TEST_MAIL_H
#define MAILAUTH_TEST_MAIL_H

#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "lib/base/buf.h"
#include "lib/mailauth/dkim_body.h"
#include "lib/mailauth/dkim_key.h"
#include "lib/mailauth/dkim_signing_key.h"
#include "lib/mailauth/header_index.h"
#include "lib/mailauth/lookup.h"
#include "lib/mailauth/test_txt.h"

enum { TEST_HASHES_MAX = 20, TEST_NOW_S = 1700000000 };

/* A name and what the DNS says of it; the last row of a script has no name. */
struct test_record {
	struct span     name;	/* empty but not NULL: any name */
	struct span     text;	/* one TXT record of up to 255 bytes a string; several rows make several */
	enum dns_status status;
};

struct test_dns {
	const struct test_record *script;
	size_t                    asked, expected;
};

static inline void test_ask(void *user, struct span name, enum rr_type rr_type, struct arena *arena,
                            struct lookup_answer *answer)
{
	struct test_dns *dns = user;
	struct buf records;

	dns->asked++;
	*answer = (struct lookup_answer){ .status = DNS_NO_NAME };
	buf_init(&records, BUF_NO_LIMIT);
	for (const struct test_record *r = dns->script; rr_type == RR_TXT && r->name.ptr != NULL; r++) {
		if (r->name.len != 0 && !span_equal(r->name, name))
			continue;
		answer->status = r->status;
		if (r->status == DNS_FOUND)
			test_add_txt(&records, r->text);
	}
	answer->records = arena_dup(arena, buf_span(&records));
	buf_free(&records);
}

static inline void test_expect(void *user, struct span name, enum rr_type rr_type)
{
	struct test_dns *dns = user;

	(void)name;
	(void)rr_type;
	dns->expected++;
}

static inline struct lookup test_lookup(struct test_dns *dns)
{
	return (struct lookup){ test_ask, test_expect, dns };
}

/* A message taken apart, its body not yet read. */
struct test_mail {
	struct mail_header   header;
	struct header_index *index;
	struct dkim_body    *body;
	struct span          content;
};

static inline struct test_mail test_mail(struct arena *arena, struct dkim_crypto *crypto, struct span message)
{
	struct test_mail mail = { .content = message };

	mail.header = mail_header_parse(arena, &mail.content);
	mail.index = header_index_new(arena, mail.header);
	mail.body = dkim_body_new(arena, crypto, TEST_HASHES_MAX);
	return mail;
}

static inline void test_hash(struct test_mail *mail)
{
	dkim_body_add(mail->body, mail->content);
	dkim_body_end(mail->body);
}

/* test_key - a new key; freed with dkim_signing_key_free.  bits 0: Ed25519. */
static inline struct dkim_signing_key test_key(unsigned bits)
{
	struct dkim_signing_key key = { .type = bits != 0 ? DKIM_RSA : DKIM_ED25519, .bits = bits };

	key.pkey = bits != 0 ? EVP_RSA_gen(bits) : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	return key;
}

/* test_fixed_key - an Ed25519 key that is always the same, and its record: for fuzz targets and their seeds. */
static inline struct dkim_signing_key test_fixed_key(void)
{
	static const unsigned char secret[] = "a secret that everybody may know";

	return (struct dkim_signing_key){ DKIM_ED25519, 256,
	                                  EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, secret, 32) };
}

#endif
