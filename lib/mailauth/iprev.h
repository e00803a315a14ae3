/* SPDX-License-Identifier: ISC */
/* iprev.h - does the client's address have a name that leads back to it?  (RFC 8601 3) */
#ifndef MAILAUTH_IPREV_H
#define MAILAUTH_IPREV_H

#include "lib/base/arena.h"
#include "lib/base/span.h"
#include "lib/mailauth/lookup.h"
#include "lib/net/address.h"

/* RFC 8601 2.7.3 */
enum iprev_result {
	IPREV_PASS,
	IPREV_FAIL,		/* it has names, but none leads back */
	IPREV_TEMPERROR,
	IPREV_PERMERROR,	/* it has no name */
};

struct iprev_verdict {
	enum iprev_result result;
	struct span       name;	/* that leads back; else the first of its names, or empty */
};

enum { IPREV_STANDARD_NAMES = 10 };

/* iprev_check - look the names of ip up, at most most_names of them, and their addresses.  May block. */
void iprev_check(const struct net_address *ip, const struct lookup *lookup, struct arena *arena, size_t most_names,
                 struct iprev_verdict *verdict);
/* iprev_result_name - as Authentication-Results has it. */
struct span iprev_result_name(enum iprev_result result);

#endif
