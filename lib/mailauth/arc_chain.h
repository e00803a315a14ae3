/* SPDX-License-Identifier: ISC */
/* arc_chain.h - the ARC sets of a message: found, and their structure checked (RFC 8617 4, 5.2) */
#ifndef MAILAUTH_ARC_CHAIN_H
#define MAILAUTH_ARC_CHAIN_H

#include <stdbool.h>

#include "lib/mailauth/dkim_signature.h"

enum arc_status {
	ARC_NONE,	/* no ARC field is there */
	ARC_PASS,
	ARC_FAIL,
	ARC_TEMPERROR,	/* a key could not be asked for now: neither pass nor fail, and not to be sealed */
};

/* arc_status_word - "none" and so on. */
const char *arc_status_word(enum arc_status status);

/* A field of a set that is a signature. */
struct arc_signature {
	struct dkim_signature signature;	/* .field is NULL when the set has none */
	enum dkim_status      status;		/* of reading it */
	const char           *reason;
};

/* One set: what one sealer added. */
struct arc_set {
	const struct mime_field *results_field;	/* ARC-Authentication-Results; may be NULL */
	struct span              results;	/* its value behind "i=N;" */
	struct arc_signature     message, seal;
	enum arc_status          cv;		/* of the seal; ARC_TEMPERROR: no such word */
};

struct arc_chain {
	struct arc_set **set;	/* set[0] is of instance 1; NULL where an instance has no field */
	size_t           count;	/* the highest instance seen */
	enum arc_status  status;	/* ARC_NONE, ARC_PASS: the structure is good; ARC_FAIL */
	const char      *reason;	/* static, of ARC_FAIL */
	bool             is_closed;	/* the newest seal says cv=fail: nobody may add to it (RFC 8617 5.1) */
};

enum { ARC_INSTANCES_MAX = 50 };	/* RFC 8617 4.2.1 */

/* arc_chain_read - find the sets and check what needs no key: instances 1 to count, each with its three fields once,
 * the right cv= and readable seals.  At most sets_max (up to ARC_INSTANCES_MAX) sets, names_max names in h=. */
struct arc_chain arc_chain_read(struct arena *arena, struct mail_header header, size_t sets_max, size_t names_max);

#endif
