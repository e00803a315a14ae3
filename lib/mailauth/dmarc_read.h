/* SPDX-License-Identifier: ISC */
/* dmarc_read.h - an aggregate report as somebody mailed it to us */
#ifndef MAILAUTH_DMARC_READ_H
#define MAILAUTH_DMARC_READ_H

#include "lib/base/attributes.h"
#include "lib/base/span.h"
#include "lib/base/why.h"
#include "lib/mailauth/dmarc_unpack.h"
#include "lib/mailauth/dmarc_xml.h"

struct dmarc_read_limits {
	struct dmarc_unpack_limits unpack;
	struct dmarc_xml_limits    xml;
};

#define DMARC_READ_STANDARD_LIMITS { DMARC_UNPACK_STANDARD_LIMITS, DMARC_XML_STANDARD_LIMITS }

/* dmarc_read_report - a report in gzip, zip or plain XML, to taker.  It is read twice, first without taker: taker sees
 * only reports that are whole, unless it ends the reading itself.  REFUSE: it is no report, or one we do not read. */
MUST_USE enum outcome dmarc_read_report(struct span packed, const struct dmarc_read_limits *limits,
                                        const struct dmarc_xml_taker *taker, struct why *why);
/* dmarc_read_mail - the report in a mail: its first part that is one (RFC 7489 7.2.1.1 asks for no particular
 * structure). */
MUST_USE enum outcome dmarc_read_mail(struct span message, const struct dmarc_read_limits *limits,
                                      const struct dmarc_xml_taker *taker, struct why *why);

#endif
