/* SPDX-License-Identifier: ISC */
/* dkim_sign.h - DKIM signatures for a message (RFC 6376 5)
 *
 * Two steps around the body, as dkim_verify.h: any number of signers share the one body and the index of the header. */
#ifndef MAILAUTH_DKIM_SIGN_H
#define MAILAUTH_DKIM_SIGN_H

#include <stdint.h>

#include "lib/mailauth/dkim_body.h"
#include "lib/mailauth/dkim_compose.h"

/* What RFC 6376 5.4.1 names: whatever of it is there. */
#define DKIM_SIGNED_NAMES "From, Sender, Reply-To, To, Cc, Date, Subject, Message-ID, In-Reply-To, References, " \
	"MIME-Version, Content-Type, Content-Transfer-Encoding, Content-ID, Content-Description, " \
	"Resent-From, Resent-Sender, Resent-To, Resent-Cc, Resent-Date, Resent-Message-ID, " \
	"List-Id, List-Help, List-Unsubscribe, List-Unsubscribe-Post, List-Subscribe, List-Post, List-Owner, List-Archive"
/* What readers are shown, so that nobody adds a second one above the signed one. */
#define DKIM_OVERSIGNED_NAMES "From, Reply-To, To, Cc, Date, Subject"

struct dkim_sign_settings {
	const struct dkim_signing_key *key;
	struct span     domain;		/* d= */
	struct span     selector;	/* s= */
	struct span     identity;	/* i=: LOCAL@DOMAIN or @DOMAIN in d=; empty: not written */
	enum dkim_canon header_canon, body_canon;
	struct span     signed_names, oversigned_names;	/* as dkim_choose_names takes them */
	uint64_t        now_s;		/* t=; 0: not written */
	uint64_t        lifetime_s;	/* x= is that much after now_s; 0: not written */
	enum dkim_fold  fold;
};

/* Relaxed header and body: what survives most relays. */
#define DKIM_SIGN_STANDARD_SETTINGS { .header_canon = DKIM_RELAXED, .body_canon = DKIM_RELAXED, \
	.signed_names = SPAN(DKIM_SIGNED_NAMES), .oversigned_names = SPAN(DKIM_OVERSIGNED_NAMES) }

struct dkim_signer;

/* dkim_sign_start - register with body.  Keeps all it is given (settings by value); lives in arena.  NULL when body has
 * no room for another hash. */
struct dkim_signer *dkim_sign_start(struct arena *arena, const struct dkim_crypto *crypto,
                                    const struct dkim_sign_settings *settings, struct header_index *index,
                                    struct dkim_body *body);
/* dkim_sign_end - after dkim_body_end: the DKIM-Signature field, to be put above all others.  False when OpenSSL refuses
 * the key. */
MUST_USE bool dkim_sign_end(struct dkim_signer *signer, struct mail_field *field);

#endif
