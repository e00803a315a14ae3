/* SPDX-License-Identifier: ISC */
/* dmarc_failure.h - a failure report: who asks for it (ruf=) is told of one message that failed in his name
 *
 * RFC 7489 7.3, a form of RFC 6591.  Of the message the header goes out and nothing else: its text is its receiver's. */
#ifndef MAILAUTH_DMARC_FAILURE_H
#define MAILAUTH_DMARC_FAILURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/span.h"
#include "lib/mailauth/dmarc_report.h"

/* What failed, for fo= (RFC 7489 6.3). */
struct dmarc_failed {
	bool spf_aligned, dkim_aligned;	/* with a pass */
	bool spf_failed, dkim_failed;	/* whatever their domains */
};

/* dmarc_failure_is_wanted - does fo (enum dmarc_fo, or-ed) ask to be told of it? */
bool dmarc_failure_is_wanted(unsigned fo, const struct dmarc_failed *failed);

/* Spans may hold any bytes; empty: not known. */
struct dmarc_failure {
	struct span id;			/* unpredictable letters and digits: what the message says must not end a part */
	struct span author;		/* domain in From */
	struct span sender;		/* reverse-path without <> */
	struct span source_ip;
	struct span results;		/* value of our Authentication-Results; may be folded */
	struct span spf_domain, spf_policy;
	struct span dkim_domain, dkim_identity, dkim_selector;	/* of the first signature that does not hold */
	struct span header;		/* of the message, whole fields */
	const char *delivery;		/* Delivery-Result of RFC 6591 3.2.2: "delivered", "spam", "reject" ... */
	bool        spf_aligned, dkim_aligned;
	uint64_t    arrival_us;		/* since 1970 */
};

/* dmarc_failure_mail - the mail with the report to one address, lines end in LF as sendmail wants it; appended to out.
 * Of reporter domain and email are used. */
void dmarc_failure_mail(struct arena *arena, const struct dmarc_reporter *reporter, const struct dmarc_failure *f,
                        struct span to, uint64_t wall_us, struct buf *out);

#endif
