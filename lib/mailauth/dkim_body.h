/* SPDX-License-Identifier: ISC */
/* dkim_body.h - the body of a message, hashed for all its signatures in one pass
 *
 * Verifiers and signers say before the body what hash they will want; those that want the same share it.  Costs a few
 * KiB for a body of any length. */
#ifndef MAILAUTH_DKIM_BODY_H
#define MAILAUTH_DKIM_BODY_H

#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/mailauth/dkim_canon.h"
#include "lib/mailauth/dkim_crypto.h"

#define DKIM_WHOLE_BODY UINT64_MAX

struct dkim_body;

/* dkim_body_new - at most hashes_max different hashes are made.  Lives in arena; keeps crypto. */
struct dkim_body *dkim_body_new(struct arena *arena, const struct dkim_crypto *crypto, size_t hashes_max);
/* dkim_body_want - a hash of the first length bytes (l=) of the canonical body, or of DKIM_WHOLE_BODY.  To be called
 * before the first byte.  Gives in *hash what dkim_body_hash takes; false when there are hashes_max others. */
MUST_USE bool dkim_body_want(struct dkim_body *body, enum dkim_canon canon, uint64_t length, size_t *hash);
/* dkim_body_add - the next bytes of the body (dkim_canon.h says what a line end is). */
void dkim_body_add(struct dkim_body *body, struct span bytes);
/* dkim_body_end - there are no more; to be called once before any of the following. */
void dkim_body_end(struct dkim_body *body);
/* dkim_body_hash - DKIM_HASH_BYTES bytes that live as long as body. */
struct span dkim_body_hash(const struct dkim_body *body, size_t hash);
/* dkim_body_length - bytes of the canonical body that this hash is of, all of it. */
uint64_t dkim_body_length(const struct dkim_body *body, size_t hash);

#endif
