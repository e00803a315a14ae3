/* SPDX-License-Identifier: ISC */
/* dkim_verify.h - the DKIM signatures of a message, checked (RFC 6376 6)
 *
 * Two steps around the body: dkim_verify_start when the header is known, dkim_verify_end when the body has gone through
 * the struct dkim_body that both were given.  The one body serves all verifiers and signers of the message. */
#ifndef MAILAUTH_DKIM_VERIFY_H
#define MAILAUTH_DKIM_VERIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/mailauth/dkim_body.h"
#include "lib/mailauth/dkim_key.h"
#include "lib/mailauth/header_index.h"

/* What a signature is worth that covers only the first bytes of the body (l=). */
enum dkim_length_rule {
	DKIM_LENGTH_WHOLE,	/* DKIM_POLICY when there are more bytes (reliability C16) */
	DKIM_LENGTH_ANY,	/* as RFC 6376 3.4.5 has it: it holds, whatever was added */
};

struct dkim_verify_settings {
	uint64_t               now_s;		/* since 1970 */
	uint64_t               clock_skew_s;	/* how much t= may be ahead, and x= behind */
	size_t                 signatures_max;	/* from the top; the others are counted only */
	size_t                 names_max;	/* in h= */
	enum dkim_length_rule  length_rule;
	struct dkim_key_limits keys;
};

#define DKIM_VERIFY_STANDARD_SETTINGS { .clock_skew_s = 300, .signatures_max = 10, .names_max = 1000, \
	.length_rule = DKIM_LENGTH_WHOLE, .keys = DKIM_KEY_STANDARD_LIMITS }

/* One signature.  Spans live as long as the arena; they may be empty where the field could not be read. */
struct dkim_result {
	enum dkim_status status;
	const char      *reason;	/* static; "" with DKIM_PASS */
	struct span      domain;	/* d=: what DMARC compares */
	struct span      selector;
	struct span      identity;	/* i= */
	const char      *algorithm;	/* as in a=; "" when unknown */
	struct span      b;		/* enough of b= to tell the signatures apart (RFC 6008 4) */
	unsigned         key_bits;	/* 0: no key was seen */
	bool             is_testing;	/* t=y of the key (RFC 6376 3.6.1) */
	bool             is_secure;	/* the key came with DNSSEC */
	bool             has_unsigned_body;	/* l= leaves a part of the body out */
	size_t           from_signed;	/* how often h= has From: more than from_count of the message shuts out a second
					 * From (RFC 6376 8.15) */
};

struct dkim_results {
	struct dkim_result *item;	/* top to bottom */
	size_t              count;
	size_t              skipped;	/* signatures over signatures_max */
	size_t              from_count;	/* From fields; with other than one the message is malformed (RFC 5322 3.6) */
};

struct dkim_verifier;

/* dkim_verify_start - read the signatures, register with body, tell the DNS which keys will be asked for.  Keeps all it
 * is given (header and lookup by value); lives in arena. */
struct dkim_verifier *dkim_verify_start(struct arena *arena, struct dkim_crypto *crypto,
                                        const struct dkim_verify_settings *settings, struct mail_header header,
                                        struct header_index *index, struct dkim_body *body,
                                        const struct lookup *lookup);
/* dkim_verify_end - after dkim_body_end: ask for the keys, check.  A signature whose body hash is wrong fails without its
 * key being asked for.  May suspend or block as lookup does. */
struct dkim_results dkim_verify_end(struct dkim_verifier *verifier);

#endif
