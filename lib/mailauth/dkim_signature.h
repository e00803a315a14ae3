/* SPDX-License-Identifier: ISC */
/* dkim_signature.h - DKIM-Signature, ARC-Message-Signature and ARC-Seal, read */
#ifndef MAILAUTH_DKIM_SIGNATURE_H
#define MAILAUTH_DKIM_SIGNATURE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/mailauth/dkim_canon.h"
#include "lib/mailauth/dkim_crypto.h"
#include "lib/mailauth/header_index.h"
#include "lib/mailauth/tags.h"

/* How a signature fared, in the words of RFC 8601 2.7.1. */
enum dkim_status {
	DKIM_NONE,	/* there is no signature: never that of one */
	DKIM_PASS,
	DKIM_FAIL,	/* a hash or the signature is wrong, or it has expired */
	DKIM_POLICY,	/* it may be right, but we do not accept its kind: a short key, SHA-1, l= ... */
	DKIM_NEUTRAL,	/* its field cannot be read */
	DKIM_TEMPERROR,	/* its key could not be asked for now */
	DKIM_PERMERROR,	/* it cannot be checked: no key, a bad key, a tag missing */
};

/* dkim_status_word - "pass" and so on. */
const char *dkim_status_word(enum dkim_status status);

enum dkim_field_kind {
	DKIM_SIGNATURE,
	ARC_MESSAGE_SIGNATURE,	/* RFC 8617 4.1.2: no v=, i= is the instance */
	ARC_SEAL,		/* RFC 8617 4.1.3: signs no body, and always the same fields */
};

struct dkim_signature {
	const struct mime_field *field;
	struct tags              tags;
	const char              *algorithm;	/* as in a=, once it is known to us */
	enum dkim_key_type       key_type;
	struct span              domain;	/* d= */
	struct span              selector;	/* s= */
	struct span              identity;	/* i=; "@" and d= when it is not there (RFC 6376 3.5).  ARC: empty */
	struct span              b;		/* base64, folds taken out */
	struct span              b_extent;	/* in the field: what is left out when it is hashed */
	struct span              signature;	/* b= decoded */
	struct span              body_hash;	/* bh= decoded */
	struct span             *names;		/* h= */
	size_t                   name_count;
	enum dkim_canon          header_canon, body_canon;
	uint64_t                 length;	/* l=; DKIM_WHOLE_BODY */
	bool                     has_timestamp, has_expiry;
	uint64_t                 timestamp_s, expiry_s;
};

enum { DKIM_TAGS_MAX = 64 };

/* dkim_signature_read - the signature in field, which is kept; at most names_max names in h=.  DKIM_PASS when all of
 * it is as the RFCs want it and of a kind we can check; else the status it ends with and *reason (static).  What was
 * read before the fault is set in *signature all the same: reports want d= and b=. */
enum dkim_status dkim_signature_read(struct arena *arena, enum dkim_field_kind kind, const struct mime_field *field,
                                     size_t names_max, struct dkim_signature *signature, const char **reason);

/* dkim_signature_signs - how often h= has that name. */
size_t dkim_signature_signs(const struct dkim_signature *signature, struct span name);

/* dkim_header_hash - SHA-256 over the fields that h= names, taken from index, and the signature's own (RFC 6376 3.7). */
void dkim_header_hash(const struct dkim_crypto *crypto, struct header_index *index,
                      const struct dkim_signature *signature, unsigned char out[DKIM_HASH_BYTES]);

#endif
