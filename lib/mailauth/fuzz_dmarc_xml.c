/* SPDX-License-Identifier: ISC */
/* fuzz_dmarc_xml.c - what is read of a report is in range, and the same however the text is cut into pieces; a report
 * made of the rows is read again with as many messages */
#include <stdint.h>
#include <stdlib.h>

#include "lib/mailauth/dmarc_read.h"
#include "lib/mailauth/dmarc_report.h"
#include "lib/net/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

struct sum {
	struct dmarc_report *report;	/* rows go there; NULL: nowhere */
	size_t               heads, rows;
	uint64_t             messages;
};

static bool take_head(void *user, const struct dmarc_feedback *head, struct why *why)
{
	struct sum *sum = user;

	(void)why;
	require(sum->heads++ == 0 && sum->rows == 0);
	require(head->begin_s <= head->end_s && head->domain.len != 0 && head->pct <= 100);
	return true;
}

static bool take_row(void *user, const struct dmarc_row *row, struct why *why)
{
	struct sum *sum = user;
	struct net_address address;

	(void)why;
	require(sum->heads == 1 && row->disposition <= DMARC_POLICY_REJECT);
	require(net_address_parse(row->source_ip, 0, &address));
	require(row->dkim_count <= DMARC_ROW_DKIM && row->spf_count <= DMARC_ROW_SPF);
	sum->rows++;
	sum->messages += row->count;
	if (sum->report != NULL)
		require(dmarc_report_row(sum->report, row));
	return true;
}

static enum outcome read_pieces(struct span text, size_t piece, struct sum *sum)
{
	static const struct dmarc_xml_limits limits = DMARC_XML_STANDARD_LIMITS;
	const struct dmarc_xml_taker taker = { take_head, take_row, sum };
	struct dmarc_xml *xml = dmarc_xml_new(&limits, &taker);
	enum outcome outcome = DONE;
	struct why why;

	for (; text.len != 0 && outcome == DONE; text = span_skip(text, piece))
		outcome = dmarc_xml_feed(xml, span_first(text, piece), &why);
	if (outcome == DONE)
		outcome = dmarc_xml_end(xml, &why);
	dmarc_xml_free(xml);
	return outcome;
}

/* check_again - a report made of the rows of text says the same. */
static void check_again(struct span text, const struct sum *whole)
{
	static const struct dmarc_reporter by = {
		.org_name = SPAN("o"), .domain = SPAN("d.example"), .email = SPAN("e@d.example"), .host = SPAN("h"),
		.most_xml_bytes = DMARC_XML_MAX_BYTES, .most_mail_bytes = DMARC_MAIL_MAX_BYTES,
	};
	static const struct dmarc_read_limits limits = DMARC_READ_STANDARD_LIMITS;
	struct sum copied = { .heads = 0 }, again = { .heads = 0 };
	const struct dmarc_xml_taker taker = { take_head, take_row, &again };
	struct dmarc_record record;
	struct dmarc_report_head head = { .policy_domain = SPAN("d.example"), .record = &record, .end_s = 1 };
	struct buf packed;
	struct why why;

	require(dmarc_record_parse(DMARC_RFC7489, span_lit("v=DMARC1; p=none"), &record));
	copied.report = dmarc_report_begin(&by, &head);
	require(read_pieces(text, text.len, &copied) == DONE);
	buf_init(&packed, BUF_NO_LIMIT);
	dmarc_report_end(copied.report, &packed);
	require(dmarc_read_report(buf_span(&packed), &limits, &taker, &why) == DONE);
	require(again.rows == whole->rows && again.messages == whole->messages);
	buf_free(&packed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sum whole = { .heads = 0 }, pieces = { .heads = 0 };
	struct span text = span_make(data, size);
	enum outcome outcome = read_pieces(text, size + 1, &whole);

	require(read_pieces(text, 1 + size / 7, &pieces) == outcome);
	if (outcome != DONE)
		return 0;
	require(whole.rows == pieces.rows && whole.messages == pieces.messages);
	if (whole.rows != 0)
		check_again(text, &whole);
	return 0;
}
