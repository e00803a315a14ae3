/* SPDX-License-Identifier: ISC */
/* arc_seal.h - an ARC set of our own for a message (RFC 8617 5.1)
 *
 * Two steps around the body, as dkim_sign.h.  The header given is the one the next host will see, with all that we
 * change; our own set is put above it. */
#ifndef MAILAUTH_ARC_SEAL_H
#define MAILAUTH_ARC_SEAL_H

#include "lib/mailauth/arc_verify.h"
#include "lib/mailauth/dkim_sign.h"

/* What our message signature covers (RFC 8617 4.1.2): DKIM's choice, and its signatures. */
#define ARC_SIGNED_NAMES DKIM_SIGNED_NAMES ", DKIM-Signature"

struct arc_seal_settings {
	const struct dkim_signing_key *key;
	struct span     domain;		/* d= */
	struct span     selector;	/* s= */
	enum dkim_canon header_canon, body_canon;	/* of the message signature */
	struct span     signed_names, oversigned_names;	/* as dkim_choose_names takes them; ARC's own fields and
							 * Authentication-Results are left out (RFC 8617 4.1.2) */
	uint64_t        now_s;		/* t=; 0: not written */
	enum dkim_fold  fold;
};

#define ARC_SEAL_STANDARD_SETTINGS { .header_canon = DKIM_RELAXED, .body_canon = DKIM_RELAXED, \
	.signed_names = SPAN(ARC_SIGNED_NAMES), .oversigned_names = SPAN("From") }

/* A set, to be added from results to seal, each above the one before. */
struct arc_fields {
	struct mail_field results;	/* ARC-Authentication-Results */
	struct mail_field message;	/* ARC-Message-Signature */
	struct mail_field seal;		/* ARC-Seal */
};

struct arc_sealer;

/* arc_seal_start - register with body.  Keeps all it is given (settings by value); lives in arena.  NULL when body has no
 * room for another hash. */
struct arc_sealer *arc_seal_start(struct arena *arena, const struct dkim_crypto *crypto,
                                  const struct arc_seal_settings *settings, struct header_index *index,
                                  struct dkim_body *body);
/* arc_may_seal - a set may be added to that chain: not when it is closed (RFC 8617 5.1), full, or could not be
 * validated now. */
bool arc_may_seal(const struct arc_result *result);
/* arc_seal_end - after dkim_body_end: the set that comes next in the chain that was validated to result, which
 * arc_may_seal.  results: "AUTHSERV-ID; METHOD=RESULT ...", what Authentication-Results of ours says.  A chain that failed
 * gets a seal with cv=fail that covers its own set only (RFC 8617 5.1.2).  False when OpenSSL refuses the key. */
MUST_USE bool arc_seal_end(struct arc_sealer *sealer, const struct arc_result *result, struct span results,
                           struct arc_fields *fields);

#endif
