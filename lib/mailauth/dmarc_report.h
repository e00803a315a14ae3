/* SPDX-License-Identifier: ISC */
/* dmarc_report.h - an aggregate report as XML, packed with gzip, and the mail it travels in
 *
 * RFC 7489 C (the schema) and 7.2.1.1 (the mail).  Rows go through one by one; what is kept is the packed form. */
#ifndef MAILAUTH_DMARC_REPORT_H
#define MAILAUTH_DMARC_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/attributes.h"
#include "lib/base/buf.h"
#include "lib/base/span.h"
#include "lib/base/why.h"
#include "lib/mailauth/dmarc_record.h"
#include "lib/mailauth/dmarc_row.h"

/* Who reports: the same in all reports of a host. */
struct dmarc_reporter {
	struct span org_name;
	struct span domain;	/* Submitter and receiver; the mail is signed as this */
	struct span email;	/* where people ask; From of the mail */
	struct span contact;	/* extra_contact_info; empty: none */
	struct span host;	/* which of the domain's hosts: makes report ids differ */
	size_t      most_xml_bytes;	/* further rows are left out */
	size_t      most_mail_bytes;	/* a larger mail is not made */
};

enum { DMARC_XML_MAX_BYTES = 64 << 20, DMARC_MAIL_MAX_BYTES = 25 << 20 };

/* One report's head. */
struct dmarc_report_head {
	struct span                policy_domain;
	const struct dmarc_record *record;
	uint64_t                   begin_s, end_s;	/* since 1970; both seconds belong to it */
	struct span                error;		/* what went wrong; empty: nothing */
};

struct dmarc_report;

/* dmarc_report_begin - a report of no rows yet.  reporter and head are kept until dmarc_report_end. */
struct dmarc_report *dmarc_report_begin(const struct dmarc_reporter *reporter, const struct dmarc_report_head *head);
/* dmarc_report_row - add a row.  False: there is no room for it. */
bool dmarc_report_row(struct dmarc_report *report, const struct dmarc_row *row);
/* dmarc_report_end - finish the packed form into packed, and free report. */
void dmarc_report_end(struct dmarc_report *report, struct buf *packed);

/* dmarc_report_id - tells this report from others to the same domain, and is the same when it is made again
 * (RFC 7489 7.2.1.1): letters and digits, without "@domain". */
struct span dmarc_report_id(struct arena *arena, const struct dmarc_reporter *reporter,
                            const struct dmarc_report_head *head);
/* dmarc_report_file - "receiver!policy-domain!begin!end!id.xml.gz". */
struct span dmarc_report_file(struct arena *arena, const struct dmarc_reporter *reporter,
                              const struct dmarc_report_head *head);

/* dmarc_report_mail - the mail with the packed report to one address, lines end in LF as sendmail wants it; appended to
 * out.  number tells the mails of one report apart.  REFUSE: it is larger than most_bytes. */
MUST_USE enum outcome dmarc_report_mail(struct arena *arena, const struct dmarc_reporter *reporter,
                                        const struct dmarc_report_head *head, struct span packed, struct span to,
                                        unsigned number, uint64_t wall_us, uint64_t most_bytes, struct buf *out,
                                        struct why *why);

#endif
