/* SPDX-License-Identifier: ISC */
/* dmarc_destination.h - where a domain's reports go: the addresses of rua= or ruf= that agree to get them */
#ifndef MAILAUTH_DMARC_DESTINATION_H
#define MAILAUTH_DMARC_DESTINATION_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/attributes.h"
#include "lib/base/span.h"
#include "lib/base/why.h"
#include "lib/mailauth/dmarc_domain.h"

struct dmarc_destination {
	struct span address;		/* as on the wire; no quotes, spaces or brackets around it */
	uint64_t    limit_bytes;	/* of the whole mail; UINT64_MAX: none */
};

/* Receivers must take two at least (RFC 7489 6.2); a longer list costs us, and floods others. */
enum { DMARC_DESTINATIONS_MAX = 5 };

/* dmarc_destinations - up to most addresses of the list uris, each once, for the record at policy_domain; tag: whose list
 * it is, "rua" or "ruf".  q asks the DNS (its text and public suffix list decide what another organisation is).  An
 * address of another organisation counts only when that one agrees, and may be replaced by it (RFC 7489 7.1).  DONE,
 * also with none; DEFER: the DNS did not tell of all of them, those given are what is known. */
MUST_USE enum outcome dmarc_destinations(struct dmarc_query *q, struct span policy_domain, struct span tag, struct span uris,
                                         size_t most, struct dmarc_destination **list, size_t *count, struct why *why);

#endif
