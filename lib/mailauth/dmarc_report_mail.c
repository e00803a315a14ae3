/* SPDX-License-Identifier: ISC */
/* dmarc_report_mail.c - the mail an aggregate report travels in (RFC 7489 7.2.1.1) */
#include <openssl/evp.h>

#include "lib/base/clock.h"
#include "lib/base/codec.h"
#include "lib/base/log.h"
#include "lib/mailauth/dmarc_report.h"
#include "lib/mailauth/text.h"

enum { ID_BYTES = 12 };

struct span dmarc_report_id(struct arena *arena, const struct dmarc_reporter *reporter,
                            const struct dmarc_report_head *head)
{
	struct span facts = arena_printf_span(arena, SPAN_FMT " " SPAN_FMT " " SPAN_FMT " %llu %llu",
	                                      SPAN_ARG(reporter->domain), SPAN_ARG(reporter->host),
	                                      SPAN_ARG(head->policy_domain), (unsigned long long)head->begin_s,
	                                      (unsigned long long)head->end_s);
	unsigned char digest[EVP_MAX_MD_SIZE];

	if (EVP_Digest(facts.ptr, facts.len, digest, NULL, EVP_sha256(), NULL) != 1)
		bug("no SHA-256");
	return hex_encode(arena, span_make(digest, ID_BYTES));
}

struct span dmarc_report_file(struct arena *arena, const struct dmarc_reporter *reporter,
                              const struct dmarc_report_head *head)
{
	struct span id = dmarc_report_id(arena, reporter, head);

	return arena_printf_span(arena, SPAN_FMT "!" SPAN_FMT "!%llu!%llu!" SPAN_FMT ".xml.gz",
	                         SPAN_ARG(reporter->domain), SPAN_ARG(head->policy_domain),
	                         (unsigned long long)head->begin_s, (unsigned long long)head->end_s, SPAN_ARG(id));
}

/* add_fields - the header.  Names are ours or domain names in normal form: nothing needs encoding. */
static void add_fields(struct arena *arena, struct buf *out, const struct dmarc_reporter *reporter,
                       const struct dmarc_report_head *head, struct span to, unsigned number, uint64_t wall_us)
{
	struct span id = dmarc_report_id(arena, reporter, head);
	char date[CLOCK_RFC5322_SIZE];

	buf_addf(out, "From: <" SPAN_FMT ">\nTo: <" SPAN_FMT ">\n", SPAN_ARG(reporter->email), SPAN_ARG(to));
	buf_addf(out, "Subject: Report Domain: " SPAN_FMT "\n Submitter: " SPAN_FMT "\n Report-ID: <" SPAN_FMT "@"
	         SPAN_FMT ">\n", SPAN_ARG(head->policy_domain), SPAN_ARG(reporter->domain), SPAN_ARG(id),
	         SPAN_ARG(reporter->domain));
	buf_addf(out, "Date: %s\nMessage-ID: <" SPAN_FMT ".%u@" SPAN_FMT ">\n", clock_rfc5322(wall_us, date),
	         SPAN_ARG(id), number, SPAN_ARG(reporter->domain));
	buf_addf(out, "Auto-Submitted: auto-generated\nMIME-Version: 1.0\n"
	         "Content-Type: multipart/mixed; boundary=\"report-" SPAN_FMT "\"\n\n", SPAN_ARG(id));
}

enum outcome dmarc_report_mail(struct arena *arena, const struct dmarc_reporter *reporter,
                               const struct dmarc_report_head *head, struct span packed, struct span to,
                               unsigned number, uint64_t wall_us, uint64_t most_bytes, struct buf *out,
                               struct why *why)
{
	struct span id = dmarc_report_id(arena, reporter, head);
	struct span file = dmarc_report_file(arena, reporter, head);
	uint64_t most = most_bytes < reporter->most_mail_bytes ? most_bytes : reporter->most_mail_bytes;
	size_t before = out->len;

	add_fields(arena, out, reporter, head, to, number, wall_us);
	buf_addf(out, "--report-" SPAN_FMT "\nContent-Type: text/plain; charset=us-ascii\n\n"
	         "This is a DMARC aggregate report for " SPAN_FMT ",\n"
	         "made by " SPAN_FMT " at the wish of its DMARC record.\n"
	         "The attached file is for programs to read.\n\n", SPAN_ARG(id), SPAN_ARG(head->policy_domain),
	         SPAN_ARG(reporter->domain));
	buf_addf(out, "--report-" SPAN_FMT "\nContent-Type: application/gzip; name=\"" SPAN_FMT "\"\n"
	         "Content-Disposition: attachment;\n filename=\"" SPAN_FMT "\"\n"
	         "Content-Transfer-Encoding: base64\n\n", SPAN_ARG(id), SPAN_ARG(file), SPAN_ARG(file));
	text_add_base64(arena, out, packed);
	buf_addf(out, "--report-" SPAN_FMT "--\n", SPAN_ARG(id));
	/* A limit counts what arrives (RFC 7489 7.2). */
	if (text_wire_bytes(span_skip(buf_span(out), before)) <= most)
		return DONE;
	buf_truncate(out, before);
	return why_set(why, REFUSE, "", "the report is larger than its receiver takes");
}
