/* SPDX-License-Identifier: ISC */
/* dmarc_xml.h - reading the XML of an aggregate report
 *
 * Both forms are read, RFC 7489 C and RFC 9990 (namespaces are passed over, as is every element not known).  What
 * stands inside comes from strangers. */
#ifndef MAILAUTH_DMARC_XML_H
#define MAILAUTH_DMARC_XML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/attributes.h"
#include "lib/base/span.h"
#include "lib/base/why.h"
#include "lib/mailauth/dmarc_row.h"

/* What a report says of itself.  Texts are trimmed, and cut at 1 KiB. */
struct dmarc_feedback {
	struct span       org_name, email, report_id;
	uint64_t          begin_s, end_s;	/* since 1970 */
	struct span       domain;		/* normal form */
	enum dmarc_policy p, sp;
	bool              has_p, has_sp;
	bool              adkim_strict, aspf_strict;
	unsigned          pct;
};

struct dmarc_xml_limits {
	size_t most_rows;
	size_t most_depth;	/* of elements */
};

#define DMARC_XML_STANDARD_LIMITS { .most_rows = 200000, .most_depth = 16 }

/* Who takes what is read; false ends the reading, with *why set. */
struct dmarc_xml_taker {
	/* head - once, before the first row.  Borrows. */
	bool (*head)(void *user, const struct dmarc_feedback *head, struct why *why);
	/* row - each record whose address and count make sense.  Borrows. */
	bool (*row)(void *user, const struct dmarc_row *row, struct why *why);
	void *user;
};

struct dmarc_xml;

/* dmarc_xml_new - a reader; limits and taker are kept. */
struct dmarc_xml *dmarc_xml_new(const struct dmarc_xml_limits *limits, const struct dmarc_xml_taker *taker);
/* dmarc_xml_feed - the next piece of the text.  REFUSE: it is no report we read (not well formed, a DOCTYPE, too
 * deep ...). */
MUST_USE enum outcome dmarc_xml_feed(struct dmarc_xml *xml, struct span piece, struct why *why);
/* dmarc_xml_end - the text is over.  REFUSE: too early. */
MUST_USE enum outcome dmarc_xml_end(struct dmarc_xml *xml, struct why *why);
/* dmarc_xml_bad_rows - records passed over because their address or count made no sense. */
size_t dmarc_xml_bad_rows(const struct dmarc_xml *xml);
/* dmarc_xml_free - give it back, wherever it stands. */
void dmarc_xml_free(struct dmarc_xml *xml);

#endif
