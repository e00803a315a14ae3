/* SPDX-License-Identifier: ISC */
/* dmarc_failure.c - which failures a domain wants to hear of, and the mail that tells it (RFC 7489 7.3.1, RFC 6591)
 *
 * What a stranger wrote is shown where people and programs of another stranger read it: as values without line ends
 * and without 8-bit bytes, and the header in base64 where it is more than short lines of US-ASCII. */
#include "lib/mailauth/dmarc_failure.h"

#include "lib/base/clock.h"
#include "lib/mailauth/dmarc_record.h"
#include "lib/mailauth/text.h"

enum { VALUE_MAX_BYTES = 900, LINE_MAX_BYTES = 998 };

bool dmarc_failure_is_wanted(unsigned fo, const struct dmarc_failed *failed)
{
	return ((fo & DMARC_FO_ALL_FAIL) != 0 && !failed->spf_aligned && !failed->dkim_aligned) ||
	       ((fo & DMARC_FO_ANY_FAIL) != 0 && (!failed->spf_aligned || !failed->dkim_aligned)) ||
	       ((fo & DMARC_FO_DKIM) != 0 && failed->dkim_failed) || ((fo & DMARC_FO_SPF) != 0 && failed->spf_failed);
}

/* ---- the parts ---- */

static void add_head(struct arena *arena, struct buf *out, const struct dmarc_reporter *reporter,
                     const struct dmarc_failure *f, struct span to, uint64_t wall_us)
{
	struct span author = text_printable(arena, f->author, VALUE_MAX_BYTES);
	char date[CLOCK_RFC5322_SIZE];

	buf_addf(out, "From: <" SPAN_FMT ">\nTo: <" SPAN_FMT ">\nSubject: DMARC failure report on " SPAN_FMT "\n",
	         SPAN_ARG(reporter->email), SPAN_ARG(to), SPAN_ARG(author));
	buf_addf(out, "Date: %s\nMessage-ID: <" SPAN_FMT "@" SPAN_FMT ">\n", clock_rfc5322(wall_us, date), SPAN_ARG(f->id),
	         SPAN_ARG(reporter->domain));
	buf_addf(out, "Auto-Submitted: auto-generated\nMIME-Version: 1.0\n"
	         "Content-Type: multipart/report; report-type=feedback-report;\n boundary=\"report-" SPAN_FMT "\"\n\n",
	         SPAN_ARG(f->id));
	buf_addf(out, "--report-" SPAN_FMT "\nContent-Type: text/plain; charset=us-ascii\n\n"
	         "A message that says it is from " SPAN_FMT "\nfailed authentication (DMARC) at " SPAN_FMT ".\n"
	         "The DMARC record of that domain asks to be told; the message's header follows.\n\n", SPAN_ARG(f->id),
	         SPAN_ARG(author), SPAN_ARG(reporter->domain));
}

/* A field of the report; none where there is nothing to say. */
static void add_fact(struct arena *arena, struct buf *out, const char *name, struct span value)
{
	struct span shown = text_printable(arena, value, VALUE_MAX_BYTES);

	if (value.len > 0)
		buf_addf(out, "%s: " SPAN_FMT "\n", name, SPAN_ARG(shown));
}

/* Our own words: each line stands alone as it was folded. */
static void add_results(struct buf *out, struct span results)
{
	struct span line;

	buf_add_cstr(out, "Authentication-Results:");
	while (span_cut(&results, '\n', &line)) {
		buf_add(out, span_trim_end(line));
		buf_add_byte(out, '\n');
	}
	buf_add(out, span_trim_end(line));
	buf_add_byte(out, '\n');
}

/* SPF-DNS of RFC 6591 3.2.6; a policy has no quotes. */
static void add_policy(struct arena *arena, struct buf *out, const struct dmarc_failure *f)
{
	struct span policy = text_printable(arena, f->spf_policy, VALUE_MAX_BYTES / 2);

	if (policy.len > 0 && span_find(policy, '"') == SPAN_NOT_FOUND)
		add_fact(arena, out, "SPF-DNS", arena_printf_span(arena, "txt : " SPAN_FMT " : \"" SPAN_FMT "\"",
		         SPAN_ARG(f->spf_domain), SPAN_ARG(policy)));
}

static void add_facts(struct arena *arena, struct buf *out, const struct dmarc_failure *f)
{
	char date[CLOCK_RFC5322_SIZE];

	buf_addf(out, "--report-" SPAN_FMT "\nContent-Type: message/feedback-report\n\n"
	         "Feedback-Type: auth-failure\nVersion: 1\nUser-Agent: Postern\nAuth-Failure: dmarc\n", SPAN_ARG(f->id));
	buf_addf(out, "Identity-Alignment: %s\n", f->spf_aligned && f->dkim_aligned ? "dkim, spf"
	                                        : f->dkim_aligned                   ? "dkim"
	                                        : f->spf_aligned                    ? "spf"
	                                                                            : "none");
	buf_addf(out, "Delivery-Result: %s\nArrival-Date: %s\n", f->delivery, clock_rfc5322(f->arrival_us, date));
	add_fact(arena, out, "Reported-Domain", f->author);
	buf_addf(out, "Original-Mail-From: <" SPAN_FMT ">\n",
	         SPAN_ARG(text_printable(arena, f->sender, VALUE_MAX_BYTES)));
	add_fact(arena, out, "Source-IP", f->source_ip);
	add_results(out, f->results);
	add_fact(arena, out, "DKIM-Domain", f->dkim_domain);
	add_fact(arena, out, "DKIM-Identity", f->dkim_identity);
	add_fact(arena, out, "DKIM-Selector", f->dkim_selector);
	add_policy(arena, out, f);
	buf_add_byte(out, '\n');
}

static bool is_plain_line(struct span line)
{
	for (size_t i = 0; i < line.len; i++)
		if (!ascii_is_print(line.ptr[i]) && line.ptr[i] != '\t')
			return false;
	return line.len <= LINE_MAX_BYTES;
}

/* The lines of header, ended by LF; false when they are not such as any server takes. */
static bool plain_lines(struct span header, struct buf *out)
{
	struct span line;

	while (header.len > 0) {
		(void)span_cut(&header, '\n', &line);
		if (span_ends(line, span_lit("\r")))
			line.len--;
		if (!is_plain_line(line))
			return false;
		buf_add(out, line);
		buf_add_byte(out, '\n');
	}
	return true;
}

static void add_header(struct arena *arena, struct buf *out, const struct dmarc_failure *f)
{
	struct buf lines;

	buf_init(&lines, BUF_NO_LIMIT);
	buf_addf(out, "--report-" SPAN_FMT "\nContent-Type: text/rfc822-headers\n", SPAN_ARG(f->id));
	if (plain_lines(f->header, &lines)) {
		buf_add_cstr(out, "\n");
		buf_add(out, buf_span(&lines));
	} else {
		buf_add_cstr(out, "Content-Transfer-Encoding: base64\n\n");
		text_add_base64(arena, out, f->header);
	}
	buf_addf(out, "\n--report-" SPAN_FMT "--\n", SPAN_ARG(f->id));
	buf_free(&lines);
}

void dmarc_failure_mail(struct arena *arena, const struct dmarc_reporter *reporter, const struct dmarc_failure *f,
                        struct span to, uint64_t wall_us, struct buf *out)
{
	add_head(arena, out, reporter, f, to, wall_us);
	add_facts(arena, out, f);
	add_header(arena, out, f);
}
