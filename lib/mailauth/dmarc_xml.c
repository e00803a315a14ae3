/* SPDX-License-Identifier: ISC */
/* dmarc_xml.c - reading the XML of an aggregate report
 *
 * libexpat tells elements and text; a table says what each means where it stands.  No DOCTYPE is taken, so there are
 * no entities to expand; depth, rows, text and the length of a token are bounded. */
#include "lib/mailauth/dmarc_xml.h"

#include <expat.h>
#include <stdlib.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/log.h"
#include "lib/mailauth/dmarc_domain.h"
#include "lib/net/address.h"

enum { TEXT_MAX_BYTES = 1024, TOKEN_MAX_BYTES = 256 * 1024, KEPT_MAX_BYTES = 256 * 1024, COUNT_MAX = 1000000000 };

enum node {
	OUTSIDE,	/* above the root */
	UNKNOWN,
	FEEDBACK,
	METADATA, ORG_NAME, EMAIL, REPORT_ID, DATE_RANGE, BEGIN, END,
	PUBLISHED, PUBLISHED_DOMAIN, ADKIM, ASPF, P, SP, PCT,
	RECORD,
	ROW, SOURCE_IP, COUNT, EVALUATED, DISPOSITION, DKIM_ALIGNED, SPF_ALIGNED, REASON, REASON_TYPE, REASON_COMMENT,
	IDENTIFIERS, HEADER_FROM, ENVELOPE_FROM, ENVELOPE_TO,
	SAID, DKIM, DKIM_DOMAIN, DKIM_SELECTOR, DKIM_RESULT, DKIM_HUMAN,
	SPF, SPF_DOMAIN, SPF_SCOPE, SPF_RESULT,
};

/* Which element is what below which; text: what stands in it is wanted. */
static const struct rule {
	enum node   parent;
	const char *name;
	enum node   node;
	bool        has_text;
} rules[] = {
	{ OUTSIDE, "feedback", FEEDBACK, false },
	{ FEEDBACK, "report_metadata", METADATA, false },
	{ METADATA, "org_name", ORG_NAME, true },
	{ METADATA, "email", EMAIL, true },
	{ METADATA, "report_id", REPORT_ID, true },
	{ METADATA, "date_range", DATE_RANGE, false },
	{ DATE_RANGE, "begin", BEGIN, true },
	{ DATE_RANGE, "end", END, true },
	{ FEEDBACK, "policy_published", PUBLISHED, false },
	{ PUBLISHED, "domain", PUBLISHED_DOMAIN, true },
	{ PUBLISHED, "adkim", ADKIM, true },
	{ PUBLISHED, "aspf", ASPF, true },
	{ PUBLISHED, "p", P, true },
	{ PUBLISHED, "sp", SP, true },
	{ PUBLISHED, "pct", PCT, true },
	{ FEEDBACK, "record", RECORD, false },
	{ RECORD, "row", ROW, false },
	{ ROW, "source_ip", SOURCE_IP, true },
	{ ROW, "count", COUNT, true },
	{ ROW, "policy_evaluated", EVALUATED, false },
	{ EVALUATED, "disposition", DISPOSITION, true },
	{ EVALUATED, "dkim", DKIM_ALIGNED, true },
	{ EVALUATED, "spf", SPF_ALIGNED, true },
	{ EVALUATED, "reason", REASON, false },
	{ REASON, "type", REASON_TYPE, true },
	{ REASON, "comment", REASON_COMMENT, true },
	{ RECORD, "identifiers", IDENTIFIERS, false },
	{ IDENTIFIERS, "header_from", HEADER_FROM, true },
	{ IDENTIFIERS, "envelope_from", ENVELOPE_FROM, true },
	{ IDENTIFIERS, "envelope_to", ENVELOPE_TO, true },
	{ RECORD, "auth_results", SAID, false },
	{ SAID, "dkim", DKIM, false },
	{ DKIM, "domain", DKIM_DOMAIN, true },
	{ DKIM, "selector", DKIM_SELECTOR, true },
	{ DKIM, "result", DKIM_RESULT, true },
	{ DKIM, "human_result", DKIM_HUMAN, true },
	{ SAID, "spf", SPF, false },
	{ SPF, "domain", SPF_DOMAIN, true },
	{ SPF, "scope", SPF_SCOPE, true },
	{ SPF, "result", SPF_RESULT, true },
};

struct dmarc_xml {
	const struct dmarc_xml_limits *limits;
	const struct dmarc_xml_taker  *taker;
	XML_Parser                     parser;
	struct arena                  *for_head, *for_row;
	enum node                     *path;	/* the element under way is the last */
	size_t                         depth;
	bool                           wants_text;
	struct buf                     text;
	struct dmarc_feedback          head;
	struct dmarc_row               row;
	struct dmarc_reason            reason;	/* under way; added when they end, where there is room */
	struct dmarc_dkim_said         dkim;
	struct dmarc_spf_said          spf;
	bool                           head_is_given, has_begin, has_end, has_count;
	size_t                         rows, bad_rows;
	size_t                         kept;	/* bytes of text, of the head or the record under way */
	uint64_t                       fed;
	bool                           is_over, has_failed;
	struct why                     why;	/* when has_failed */
};

static void fail(struct dmarc_xml *x, const char *text)
{
	if (!x->has_failed)
		(void)why_set(&x->why, REFUSE, "", "%s", text);
	x->has_failed = true;
	(void)XML_StopParser(x->parser, XML_FALSE);
}

/* ---- text into fields ---- */

/* keep - text for as long as arena; bounded for the head, and for each record. */
static struct span keep(struct dmarc_xml *x, struct arena *arena, struct span text)
{
	x->kept += text.len;
	if (x->kept <= KEPT_MAX_BYTES)
		return arena_dup(arena, text);
	fail(x, "the report has too much text in one place");
	return span_first(text, 0);
}

/* read_u64 - a number; some write it with a fraction. */
static bool read_u64(struct span text, uint64_t most, uint64_t *value)
{
	unsigned long long number;
	struct span whole;

	(void)span_cut(&text, '.', &whole);
	if (!span_u64(whole, most, &number))
		return false;
	*value = number;
	return true;
}

/* read_disposition - "pass" of RFC 9990 is none. */
static void read_disposition(struct span text, enum dmarc_policy *policy)
{
	if (!dmarc_policy_read(text, policy))
		*policy = DMARC_POLICY_NONE;
}

static void set_head(struct dmarc_xml *x, enum node node, struct span text)
{
	struct dmarc_feedback *h = &x->head;
	uint64_t number;

	switch ((unsigned)node) {
	case ORG_NAME:
		h->org_name = keep(x, x->for_head, text);
		break;
	case EMAIL:
		h->email = keep(x, x->for_head, text);
		break;
	case REPORT_ID:
		h->report_id = keep(x, x->for_head, text);
		break;
	case BEGIN:
		x->has_begin = read_u64(text, INT64_MAX, &h->begin_s);
		break;
	case END:
		x->has_end = read_u64(text, INT64_MAX, &h->end_s);
		break;
	case PUBLISHED_DOMAIN:
		if (!dmarc_domain_normal(x->for_head, text, &h->domain))
			h->domain = span_first(text, 0);
		break;
	case ADKIM:
		h->adkim_strict = span_equal_ci(text, span_lit("s"));
		break;
	case ASPF:
		h->aspf_strict = span_equal_ci(text, span_lit("s"));
		break;
	case P:
		h->has_p = dmarc_policy_read(text, &h->p);
		break;
	case SP:
		h->has_sp = dmarc_policy_read(text, &h->sp);
		break;
	case PCT:
		if (read_u64(text, 100, &number))
			h->pct = (unsigned)number;
		break;
	}
}

static void set_row(struct dmarc_xml *x, enum node node, struct span text)
{
	struct dmarc_row *r = &x->row;

	switch ((unsigned)node) {
	case SOURCE_IP:
		r->source_ip = keep(x, x->for_row, text);
		break;
	case COUNT:
		x->has_count = read_u64(text, COUNT_MAX, &r->count);
		break;
	case DISPOSITION:
		read_disposition(text, &r->disposition);
		break;
	case DKIM_ALIGNED:
		r->dkim_aligned = span_equal_ci(text, span_lit("pass"));
		break;
	case SPF_ALIGNED:
		r->spf_aligned = span_equal_ci(text, span_lit("pass"));
		break;
	case REASON_TYPE:
		if (!dmarc_override_read(text, &x->reason.type))
			x->reason.type = DMARC_OVERRIDE_OTHER;
		break;
	case REASON_COMMENT:
		x->reason.comment = keep(x, x->for_row, text);
		break;
	case HEADER_FROM:
		r->header_from = keep(x, x->for_row, text);
		break;
	case ENVELOPE_FROM:
		r->envelope_from = keep(x, x->for_row, text);
		break;
	case ENVELOPE_TO:
		r->envelope_to = keep(x, x->for_row, text);
		break;
	}
}

static void set_said(struct dmarc_xml *x, enum node node, struct span text)
{
	switch ((unsigned)node) {
	case DKIM_DOMAIN:
		x->dkim.domain = keep(x, x->for_row, text);
		break;
	case DKIM_SELECTOR:
		x->dkim.selector = keep(x, x->for_row, text);
		break;
	case DKIM_RESULT:
		if (!dmarc_auth_read(text, &x->dkim.result))
			x->dkim.result = DMARC_SAID_NONE;
		break;
	case DKIM_HUMAN:
		x->dkim.human = keep(x, x->for_row, text);
		break;
	case SPF_DOMAIN:
		x->spf.domain = keep(x, x->for_row, text);
		break;
	case SPF_SCOPE:
		x->spf.is_helo = span_equal_ci(text, span_lit("helo"));
		break;
	case SPF_RESULT:
		if (!dmarc_auth_read(text, &x->spf.result))
			x->spf.result = DMARC_SAID_NONE;
		break;
	}
}

/* ---- whole things ---- */

/* give_head - when the first record begins, or the report ends without one. */
static void give_head(struct dmarc_xml *x)
{
	struct why why;

	if (x->head_is_given)
		return;
	x->head_is_given = true;
	if (x->head.domain.len == 0)
		fail(x, "the report does not say on which domain it is");
	else if (!x->has_begin || !x->has_end || x->head.begin_s > x->head.end_s)
		fail(x, "the report does not say of which time it is");
	else if (!x->taker->head(x->taker->user, &x->head, &why))
		fail(x, why.text);
}

static void begin_record(struct dmarc_xml *x)
{
	give_head(x);
	arena_reset(x->for_row);
	x->kept = 0;
	x->row = (struct dmarc_row){ .count = 0 };
	x->has_count = false;
}

static void end_record(struct dmarc_xml *x)
{
	struct net_address address;
	struct why why;

	if (x->has_failed)
		return;
	if (++x->rows > x->limits->most_rows)
		fail(x, "the report has too many records");
	else if (!x->has_count || !net_address_parse(x->row.source_ip, 0, &address))
		x->bad_rows++;
	else if (!x->taker->row(x->taker->user, &x->row, &why))
		fail(x, why.text);
}

static void end_element(struct dmarc_xml *x, enum node node)
{
	switch ((unsigned)node) {
	case RECORD:
		end_record(x);
		break;
	case REASON:
		if (x->row.reason_count < DMARC_ROW_REASONS)
			x->row.reasons[x->row.reason_count++] = x->reason;
		break;
	case DKIM:
		if (x->row.dkim_count < DMARC_ROW_DKIM)
			x->row.dkim[x->row.dkim_count++] = x->dkim;
		break;
	case SPF:
		if (x->row.spf_count < DMARC_ROW_SPF)
			x->row.spf[x->row.spf_count++] = x->spf;
		break;
	case FEEDBACK:
		give_head(x);
		x->is_over = true;
		break;
	}
}

static void begin_element(struct dmarc_xml *x, enum node node)
{
	switch ((unsigned)node) {
	case RECORD:
		begin_record(x);
		break;
	case REASON:
		x->reason = (struct dmarc_reason){ .type = DMARC_OVERRIDE_OTHER };
		break;
	case DKIM:
		x->dkim = (struct dmarc_dkim_said){ .result = DMARC_SAID_NONE };
		break;
	case SPF:
		x->spf = (struct dmarc_spf_said){ .result = DMARC_SAID_NONE };
		break;
	}
}

/* ---- what libexpat tells ---- */

static void on_start(void *user, const XML_Char *name, const XML_Char **attributes)
{
	struct dmarc_xml *x = user;
	enum node parent = x->depth != 0 ? x->path[x->depth - 1] : OUTSIDE, node = UNKNOWN;
	struct span local = span_of(name), prefix;

	(void)attributes;
	x->wants_text = false;
	if (x->has_failed)	/* some calls still come then */
		return;
	if (x->depth == x->limits->most_depth) {
		fail(x, "the report is too deep");
		return;
	}
	if (span_find(local, ':') != SPAN_NOT_FOUND)
		(void)span_cut(&local, ':', &prefix);
	for (size_t i = 0; i < COUNT_OF(rules) && parent != UNKNOWN; i++) {
		if (rules[i].parent == parent && span_equal(local, span_of(rules[i].name))) {
			node = rules[i].node;
			x->wants_text = rules[i].has_text;
			break;
		}
	}
	if (parent == OUTSIDE && node == UNKNOWN) {
		fail(x, "it is another kind of XML");
		return;
	}
	buf_clear(&x->text);
	x->path[x->depth++] = node;
	begin_element(x, node);
}

static void on_text(void *user, const XML_Char *text, int len)
{
	struct dmarc_xml *x = user;

	if (x->wants_text && !x->has_failed)
		buf_add(&x->text, span_first(span_make(text, (size_t)len), TEXT_MAX_BYTES - x->text.len));
}

static void on_end(void *user, const XML_Char *name)
{
	struct dmarc_xml *x = user;
	enum node node;

	(void)name;
	if (x->has_failed)
		return;
	node = x->path[--x->depth];
	if (x->wants_text) {
		struct span text = span_trim(buf_span(&x->text));

		set_head(x, node, text);
		set_row(x, node, text);
		set_said(x, node, text);
	}
	x->wants_text = false;
	end_element(x, node);
}

static void on_doctype(void *user, const XML_Char *name, const XML_Char *system, const XML_Char *public, int internal)
{
	(void)name;
	(void)system;
	(void)public;
	(void)internal;
	fail(user, "the report has a DOCTYPE");
}

struct dmarc_xml *dmarc_xml_new(const struct dmarc_xml_limits *limits, const struct dmarc_xml_taker *taker)
{
	struct arena *arena = arena_new(NULL);
	struct dmarc_xml *x = ARENA_NEW(arena, struct dmarc_xml);

	x->limits = limits;
	x->taker = taker;
	x->for_head = arena;
	x->for_row = arena_new(arena);
	x->path = ARENA_NEW_ARRAY(arena, enum node, limits->most_depth + 1);
	x->head.pct = 100;
	buf_init(&x->text, TEXT_MAX_BYTES);
	x->parser = XML_ParserCreate(NULL);
	if (x->parser == NULL)
		log_fatal("no memory to read XML");
	XML_SetUserData(x->parser, x);
	XML_SetElementHandler(x->parser, on_start, on_end);
	XML_SetCharacterDataHandler(x->parser, on_text);
	XML_SetStartDoctypeDeclHandler(x->parser, on_doctype);
	return x;
}

static enum outcome feed(struct dmarc_xml *x, struct span piece, bool is_last, struct why *why)
{
	if (!x->has_failed && XML_Parse(x->parser, piece.ptr, (int)piece.len, is_last) != XML_STATUS_OK)
		fail(x, XML_ErrorString(XML_GetErrorCode(x->parser)));	/* keeps our own reason, if it was us */
	x->fed += piece.len;
	/* libexpat begins a token anew with every piece: a long one would take square time. */
	if (!x->has_failed && !is_last &&
	    (uint64_t)XML_GetCurrentByteIndex(x->parser) + TOKEN_MAX_BYTES < x->fed)
		fail(x, "the report has a token without end");
	if (!x->has_failed)
		return DONE;
	*why = x->why;
	return REFUSE;
}

enum outcome dmarc_xml_feed(struct dmarc_xml *xml, struct span piece, struct why *why)
{
	enum { MOST = 64 * 1024 };
	enum outcome outcome = DONE;

	while (piece.len != 0 && outcome == DONE) {
		outcome = feed(xml, span_first(piece, MOST), false, why);
		piece = span_skip(piece, MOST);
	}
	return outcome;
}

enum outcome dmarc_xml_end(struct dmarc_xml *xml, struct why *why)
{
	enum outcome outcome = feed(xml, span_lit(""), true, why);

	if (outcome == DONE && !xml->is_over)
		return why_set(why, REFUSE, "", "there is no report in it");
	return outcome;
}

size_t dmarc_xml_bad_rows(const struct dmarc_xml *xml)
{
	return xml->bad_rows;
}

void dmarc_xml_free(struct dmarc_xml *xml)
{
	XML_ParserFree(xml->parser);
	buf_free(&xml->text);
	arena_free(xml->for_head);
}
