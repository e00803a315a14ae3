/* SPDX-License-Identifier: ISC */
/* spf.h - may this client use that domain?  (RFC 7208)
 *
 * Pure functions of the client, its HELO and MAIL FROM, and what a struct lookup answers.  Everything a policy can make
 * us do is limited by the settings; a look-up that fails gives temperror, never fail. */
#ifndef MAILAUTH_SPF_H
#define MAILAUTH_SPF_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/span.h"
#include "lib/mailauth/lookup.h"
#include "lib/net/address.h"

/* RFC 7208 2.6 */
enum spf_result {
	SPF_NONE,	/* no policy, or no domain to judge */
	SPF_NEUTRAL,
	SPF_PASS,
	SPF_FAIL,
	SPF_SOFTFAIL,
	SPF_TEMPERROR,
	SPF_PERMERROR,	/* the policy cannot be read */
};

enum spf_identity {
	SPF_MAILFROM,	/* of a null reverse-path: postmaster@HELO (RFC 7208 2.4) */
	SPF_HELO,	/* RFC 7208 2.3 */
};

struct spf_settings {
	unsigned    most_terms;			/* terms that look up (RFC 7208 4.6.4) */
	unsigned    most_void_terms;		/* those of them that find nothing */
	unsigned    most_names;			/* of an MX or PTR answer */
	unsigned    most_expected;		/* look-ups begun in advance, per policy */
	size_t      most_record_bytes;		/* longer policies: permerror */
	size_t      most_explanation_bytes;
	bool        wants_explanation;		/* look exp= up where the result is fail */
	struct span explanation;		/* where the domain gives none */
	struct span receiver;			/* this host, for %{r}; may be empty */
	uint64_t    now_s;			/* since 1970, for %{t} */
};

#define SPF_STANDARD_SETTINGS                                                                      \
	{ .most_terms = 10, .most_void_terms = 2, .most_names = 10, .most_expected = 4,            \
	  .most_record_bytes = 8192, .most_explanation_bytes = 500, .wants_explanation = true }

/* Who sends.  Domains may have U-labels, the local part may be UTF-8 (RFC 8616 4). */
struct spf_client {
	struct net_address ip;		/* IPv4-mapped: judged as IPv4 */
	struct span        helo;
	struct span        mail_from;	/* without <>; empty: null reverse-path */
};

/* Spans live in the arena or are literals; all but domain and explanation are for people.  Texts are printable US-ASCII. */
struct spf_verdict {
	enum spf_result   result;
	enum spf_identity identity;
	struct span       domain;	/* the one judged, A-labels; empty when there was none */
	struct span       policy;	/* its record, as published; empty: none was found */
	struct span       mechanism;	/* that decided, as the policy has it; "default" when none did; may be empty */
	struct span       explanation;	/* of a fail; may be empty */
	bool              is_explained;	/* by the domain: words of a stranger, who must be named (RFC 7208 6.2) */
	struct span       reason;	/* of an error, and of some none */
};

/* spf_check - judge one identity.  The look-up may block. */
void spf_check(const struct spf_client *client, enum spf_identity identity, const struct lookup *lookup,
               struct arena *arena, const struct spf_settings *settings, struct spf_verdict *verdict);

/* spf_result_name - as Authentication-Results has it: "softfail".  spf_identity_name: "mailfrom" or "helo". */
struct span spf_result_name(enum spf_result result);
struct span spf_identity_name(enum spf_identity identity);

/* spf_received_add - a Received-SPF header field (RFC 7208 9.1), whole, its lines ended by line_end. */
void spf_received_add(struct buf *out, const struct spf_client *client, const struct spf_verdict *verdict,
                      struct span receiver, struct span line_end);

#endif
