/* SPDX-License-Identifier: ISC */
/* dmarc_from.h - whose name a message bears: the domains in its From field */
#ifndef MAILAUTH_DMARC_FROM_H
#define MAILAUTH_DMARC_FROM_H

#include <stddef.h>

#include "lib/base/arena.h"
#include "lib/base/span.h"

enum dmarc_from {
	DMARC_FROM_OK,
	DMARC_FROM_MISSING,	/* no From field, or none with an address */
	DMARC_FROM_REPEATED,	/* several From fields: readers show the one or the other (RFC 5322 3.6) */
	DMARC_FROM_BAD,		/* an address whose domain is none: a literal, or no domain name */
	DMARC_FROM_TOO_MANY,	/* more domains than we look at */
};

/* dmarc_from_domains - the different domains of all addresses in the From fields' values (folded, as in the header), in
 * normal form, at most 'most'.  Words without a domain beside an address that has one are passed over.  Values
 * longer than 64 KiB are DMARC_FROM_BAD. */
enum dmarc_from dmarc_from_domains(struct arena *arena, const struct span *values, size_t value_count, size_t most,
                                   struct span **domains, size_t *count);
/* dmarc_from_text - what is wrong, for a log line or Authentication-Results; never NULL. */
const char *dmarc_from_text(enum dmarc_from from);

#endif
