/* SPDX-License-Identifier: ISC */
/* fuzz_dmarc_unpack.c - a container gives no more than its limits allow, whatever it holds; the same as a mail, and as
 * a row of the store */
#include <stdint.h>
#include <stdlib.h>

#include "lib/mailauth/dmarc_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_BYTES = 4 << 20, MOST_RATIO = 100, RATIO_FROM = 1 << 20 };

static void require(bool condition)
{
	if (!condition)
		abort();
}

static bool count(void *user, struct span piece)
{
	size_t *total = user;

	require(piece.len != 0);
	*total += piece.len;
	return true;
}

static bool any_head(void *user, const struct dmarc_feedback *head, struct why *why)
{
	(void)user;
	(void)why;
	return head->domain.len != 0;
}

static bool any_row(void *user, const struct dmarc_row *row, struct why *why)
{
	(void)user;
	(void)why;
	require(row->source_ip.len != 0);
	return true;
}

/* check_row - what decodes, encodes to the same bytes. */
static void check_row(struct span bytes)
{
	struct dmarc_row row;
	struct buf again;

	if (!dmarc_row_decode(bytes, &row))
		return;
	buf_init(&again, BUF_NO_LIMIT);
	dmarc_row_encode(&row, &again);
	require(span_equal(buf_span(&again), bytes));
	buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct dmarc_read_limits limits = {
		{ .most_bytes = MOST_BYTES, .most_ratio = MOST_RATIO }, DMARC_XML_STANDARD_LIMITS,
	};
	static const struct dmarc_xml_taker taker = { any_head, any_row, NULL };
	struct span packed = span_make(data, size);
	size_t total = 0;
	enum outcome outcome;
	struct why why;

	outcome = dmarc_unpack(packed, &limits.unpack, count, &total, &why);
	require(total <= MOST_BYTES && (total <= RATIO_FROM || total / MOST_RATIO <= size));
	require(outcome == DONE || why.text[0] != '\0');
	require(dmarc_container_of(packed) != DMARC_CONTAINER_NONE || outcome == REFUSE);
	require(dmarc_read_mail(packed, &limits, &taker, &why) != DEFER);
	check_row(packed);
	return 0;
}
