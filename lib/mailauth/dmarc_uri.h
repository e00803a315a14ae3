/* SPDX-License-Identifier: ISC */
/* dmarc_uri.h - the lists of reporting addresses in a record: rua=mailto:a@example.com!10m,mailto:b@example.net */
#ifndef MAILAUTH_DMARC_URI_H
#define MAILAUTH_DMARC_URI_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/attributes.h"
#include "lib/base/span.h"

/* One URI of a list; spans borrow the list. */
struct dmarc_uri {
	struct span scheme;	/* without its colon; empty: this member is no URI */
	struct span rest;	/* behind the colon, percent-encoded */
	uint64_t    limit_bytes;	/* of a whole report as sent (RFC 7489 6.2); UINT64_MAX: none */
};

/* dmarc_uri_next - the next member of the comma-separated *list; false at its end. */
bool dmarc_uri_next(struct span *list, struct dmarc_uri *uri);
/* dmarc_uris_are_valid - has the list at least one URI that is well formed (RFC 7489 6.6.3)? */
bool dmarc_uris_are_valid(struct span list);
/* dmarc_uri_mailbox - the one address of a mailto: URI (RFC 6068 2), percent-decoded, in the form it has on the wire;
 * its domain in A-labels and lower case.  False: another scheme, no address we could send to, or several in one. */
MUST_USE bool dmarc_uri_mailbox(struct arena *arena, const struct dmarc_uri *uri, struct span *address,
                                struct span *domain);

#endif
