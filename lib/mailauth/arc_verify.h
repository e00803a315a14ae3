/* SPDX-License-Identifier: ISC */
/* arc_verify.h - the ARC chain of a message, validated (RFC 8617 5.2)
 *
 * Two steps around the body, as dkim_verify.h. */
#ifndef MAILAUTH_ARC_VERIFY_H
#define MAILAUTH_ARC_VERIFY_H

#include <stdbool.h>

#include "lib/mailauth/arc_chain.h"
#include "lib/mailauth/dkim_verify.h"

struct arc_verify_settings {
	size_t                 sets_max;	/* up to ARC_INSTANCES_MAX */
	size_t                 names_max;	/* in h= */
	enum dkim_length_rule  length_rule;
	bool                   wants_oldest_pass;	/* check older message signatures too */
	struct dkim_key_limits keys;
};

/* A chain has a key a sealer, so it may ask for more keys than DKIM's signatures. */
#define ARC_VERIFY_STANDARD_SETTINGS { .sets_max = ARC_INSTANCES_MAX, .names_max = 1000, \
	.length_rule = DKIM_LENGTH_WHOLE, \
	.keys = { .lookups_max = ARC_INSTANCES_MAX + 1, .rsa_bits_min = 1024, .rsa_bits_max = 4096 } }

/* Spans live as long as the arena. */
struct arc_result {
	enum arc_status status;
	const char     *reason;		/* static; "" with ARC_NONE and ARC_PASS */
	size_t          count;		/* the highest instance, also of a broken chain */
	struct span    *sealers;	/* d= of each seal, instance 1 first; empty where there is none */
	struct span     results;	/* of the newest ARC-Authentication-Results, behind "i=N;": what the last sealer saw */
	size_t          oldest_pass;	/* the oldest message signature that holds, as RFC 8617 5.2 step 5 counts it: 0 when
					 * all do, or when it was not wanted */
	struct arc_chain chain;		/* for arc_seal */
};

struct arc_verifier;

/* arc_verify_start - read the chain, register with body, tell the DNS which keys will be asked for.  Keeps all it is
 * given (settings and lookup by value); lives in arena. */
struct arc_verifier *arc_verify_start(struct arena *arena, struct dkim_crypto *crypto,
                                      const struct arc_verify_settings *settings, struct mail_header header,
                                      struct header_index *index, struct dkim_body *body,
                                      const struct lookup *lookup);
/* arc_verify_end - after dkim_body_end: the newest message signature first, then the seals from the newest on; ends at the
 * first that fails.  May suspend or block as lookup does. */
struct arc_result arc_verify_end(struct arc_verifier *verifier);

#endif
