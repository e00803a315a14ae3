/* SPDX-License-Identifier: ISC */
/* dmarc_row.c - one row of an aggregate report, and its form in the store
 *
 * The form: one byte a number, strings with their length in one byte.  What the store gives back is not trusted: the
 * file may be damaged. */
#include "lib/mailauth/dmarc_row.h"

static const char *const auth_names[] = {
	[DMARC_SAID_NONE] = "none", [DMARC_SAID_PASS] = "pass", [DMARC_SAID_FAIL] = "fail",
	[DMARC_SAID_SOFTFAIL] = "softfail", [DMARC_SAID_NEUTRAL] = "neutral", [DMARC_SAID_POLICY] = "policy",
	[DMARC_SAID_TEMPERROR] = "temperror", [DMARC_SAID_PERMERROR] = "permerror",
};

static const char *const override_names[] = {
	[DMARC_OVERRIDE_FORWARDED] = "forwarded", [DMARC_OVERRIDE_SAMPLED_OUT] = "sampled_out",
	[DMARC_OVERRIDE_TRUSTED_FORWARDER] = "trusted_forwarder", [DMARC_OVERRIDE_MAILING_LIST] = "mailing_list",
	[DMARC_OVERRIDE_LOCAL_POLICY] = "local_policy", [DMARC_OVERRIDE_OTHER] = "other",
	[DMARC_OVERRIDE_TEST_MODE] = "policy_test_mode",
};

const char *dmarc_auth_name(enum dmarc_auth_result result)
{
	return auth_names[result];
}

const char *dmarc_override_name(enum dmarc_override type)
{
	return override_names[type];
}

/* find_name - index of text in names, in any case; count when it is not there. */
static size_t find_name(const char *const *names, size_t count, struct span text)
{
	size_t i = 0;

	while (i < count && !span_equal_ci(text, span_of(names[i])))
		i++;
	return i;
}

bool dmarc_auth_read(struct span text, enum dmarc_auth_result *result)
{
	size_t i = find_name(auth_names, COUNT_OF(auth_names), text);

	if (span_equal_ci(text, span_lit("unknown")))
		i = DMARC_SAID_TEMPERROR;
	else if (span_equal_ci(text, span_lit("error")))
		i = DMARC_SAID_PERMERROR;
	if (i == COUNT_OF(auth_names))
		return false;
	*result = (enum dmarc_auth_result)i;
	return true;
}

bool dmarc_override_read(struct span text, enum dmarc_override *type)
{
	size_t i = find_name(override_names, COUNT_OF(override_names), text);

	if (i == COUNT_OF(override_names))
		return false;
	*type = (enum dmarc_override)i;
	return true;
}

/* ---- in the store ---- */

enum { DKIM_ALIGNED = 1, SPF_ALIGNED = 2 };

static void put_byte(struct buf *out, size_t value)
{
	buf_add_byte(out, (char)value);
}

static void put_text(struct buf *out, struct span text)
{
	text = span_first(text, DMARC_ROW_TEXT_MAX);
	put_byte(out, text.len);
	buf_add(out, text);
}

void dmarc_row_encode(const struct dmarc_row *row, struct buf *out)
{
	put_byte(out, (row->dkim_aligned ? DKIM_ALIGNED : 0U) | (row->spf_aligned ? SPF_ALIGNED : 0U));
	put_byte(out, row->disposition);
	put_text(out, row->source_ip);
	put_text(out, row->header_from);
	put_text(out, row->envelope_from);
	put_text(out, row->envelope_to);
	put_byte(out, row->reason_count);
	for (size_t i = 0; i < row->reason_count; i++) {
		put_byte(out, row->reasons[i].type);
		put_text(out, row->reasons[i].comment);
	}
	put_byte(out, row->dkim_count);
	for (size_t i = 0; i < row->dkim_count; i++) {
		put_byte(out, row->dkim[i].result);
		put_text(out, row->dkim[i].domain);
		put_text(out, row->dkim[i].selector);
		put_text(out, row->dkim[i].human);
	}
	put_byte(out, row->spf_count);
	for (size_t i = 0; i < row->spf_count; i++) {
		put_byte(out, row->spf[i].result);
		put_byte(out, row->spf[i].is_helo);
		put_text(out, row->spf[i].domain);
	}
}

struct taker {
	struct span rest;
	bool        is_bad;
};

/* take_byte - a number below 'below'. */
static unsigned take_byte(struct taker *t, unsigned below)
{
	unsigned value = t->rest.len != 0 ? (unsigned char)t->rest.ptr[0] : below;

	t->is_bad |= value >= below;
	t->rest = span_skip(t->rest, 1);
	return t->is_bad ? 0 : value;
}

static struct span take_text(struct taker *t)
{
	size_t n = take_byte(t, DMARC_ROW_TEXT_MAX + 1);
	struct span text = span_first(t->rest, n);

	t->is_bad |= text.len != n;
	t->rest = span_skip(t->rest, n);
	return text;
}

bool dmarc_row_decode(struct span bytes, struct dmarc_row *row)
{
	struct taker t = { .rest = bytes };
	unsigned flags = take_byte(&t, (DKIM_ALIGNED | SPF_ALIGNED) + 1);

	*row = (struct dmarc_row){
		.dkim_aligned = (flags & DKIM_ALIGNED) != 0, .spf_aligned = (flags & SPF_ALIGNED) != 0,
	};
	row->disposition = (enum dmarc_policy)take_byte(&t, DMARC_POLICY_REJECT + 1);
	row->source_ip = take_text(&t);
	row->header_from = take_text(&t);
	row->envelope_from = take_text(&t);
	row->envelope_to = take_text(&t);
	row->reason_count = take_byte(&t, DMARC_ROW_REASONS + 1);
	for (size_t i = 0; i < row->reason_count; i++) {
		row->reasons[i].type = (enum dmarc_override)take_byte(&t, COUNT_OF(override_names));
		row->reasons[i].comment = take_text(&t);
	}
	row->dkim_count = take_byte(&t, DMARC_ROW_DKIM + 1);
	for (size_t i = 0; i < row->dkim_count; i++) {
		row->dkim[i].result = (enum dmarc_auth_result)take_byte(&t, COUNT_OF(auth_names));
		row->dkim[i].domain = take_text(&t);
		row->dkim[i].selector = take_text(&t);
		row->dkim[i].human = take_text(&t);
	}
	row->spf_count = take_byte(&t, DMARC_ROW_SPF + 1);
	for (size_t i = 0; i < row->spf_count; i++) {
		row->spf[i].result = (enum dmarc_auth_result)take_byte(&t, COUNT_OF(auth_names));
		row->spf[i].is_helo = take_byte(&t, 2) != 0;
		row->spf[i].domain = take_text(&t);
	}
	return !t.is_bad && t.rest.len == 0;
}
