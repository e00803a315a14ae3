/* SPDX-License-Identifier: ISC */
/* arc_scope.h - what an ARC-Seal signs (RFC 8617 5.1.1): all sets up to its own, in the order of their instances */
#ifndef MAILAUTH_ARC_SCOPE_H
#define MAILAUTH_ARC_SCOPE_H

#include "lib/mailauth/arc_chain.h"

struct arc_scope;

/* arc_scope_new - nothing covered yet; keeps crypto, lives in arena. */
struct arc_scope *arc_scope_new(struct arena *arena, const struct dkim_crypto *crypto);
/* arc_scope_add - the next set, complete: gives the hash that its seal is to sign, and has the set covered by the next. */
void arc_scope_add(struct arc_scope *scope, const struct arc_set *set, unsigned char hash[DKIM_HASH_BYTES]);

#endif
