/* SPDX-License-Identifier: ISC */
/* dmarc_report.c - an aggregate report as XML, packed with gzip
 *
 * Text in rows comes from strangers (the domains and selectors of signatures): every byte that is not XML, or not
 * UTF-8, becomes U+FFFD.  Rules kept here: RFC 7489 C, in the order its sequences want; addresses of IPv6 in their full
 * form, since its pattern knows no other. */
#include "lib/mailauth/dmarc_report.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <zlib.h>

#include "lib/base/log.h"
#include "lib/smtp/address.h"

enum { GZIP_WINDOW = 15 + 16, GZIP_MEMORY = 8, PIECE_BYTES = 16 * 1024, END_BYTES = 64 };

struct dmarc_report {
	const struct dmarc_reporter    *reporter;
	const struct dmarc_report_head *head;
	z_stream                        z;
	struct buf                      xml;	/* not packed yet */
	struct buf                      packed;
	size_t                          total;	/* bytes of XML packed */
};

/* pack - what is in xml, into packed. */
static void pack(struct dmarc_report *r, int flush)
{
	char *room;
	int status;

	r->z.next_in = (Bytef *)r->xml.ptr;
	r->z.avail_in = (uInt)r->xml.len;
	do {
		room = buf_reserve(&r->packed, PIECE_BYTES);
		r->z.next_out = (Bytef *)room;
		r->z.avail_out = PIECE_BYTES;
		status = deflate(&r->z, flush);
		REQUIRE(status == Z_OK || status == Z_STREAM_END || status == Z_BUF_ERROR);
		buf_commit(&r->packed, PIECE_BYTES - r->z.avail_out);
	} while (r->z.avail_out == 0 || (flush == Z_FINISH && status != Z_STREAM_END));
	r->total += r->xml.len;
	buf_clear(&r->xml);
}

/* ---- XML ---- */

/* add_byte - one byte of US-ASCII as XML text. */
static void add_byte(struct buf *xml, char c)
{
	switch (c) {
	case '&':
		buf_add_cstr(xml, "&amp;");
		break;
	case '<':
		buf_add_cstr(xml, "&lt;");
		break;
	case '>':
		buf_add_cstr(xml, "&gt;");
		break;
	default:
		if (ascii_is_print(c))
			buf_add_byte(xml, c);
		else
			buf_add_cstr(xml, "\xef\xbf\xbd");
		break;
	}
}

/* is_for_xml - neither U+FFFE nor U+FFFF, nor a control from U+0080 to U+009F. */
static bool is_for_xml(struct span character)
{
	return !span_equal(character, span_lit("\xef\xbf\xbe")) && !span_equal(character, span_lit("\xef\xbf\xbf")) &&
	       ((unsigned char)character.ptr[0] != 0xc2 || (unsigned char)character.ptr[1] >= 0xa0);
}

/* utf8_length - bytes of the character beyond US-ASCII that text begins with; 0: none, or not for XML. */
static size_t utf8_length(struct span text)
{
	for (size_t n = 2; n <= 4 && n <= text.len; n++)
		if (smtp_utf8_is_valid(span_first(text, n)))
			return is_for_xml(span_first(text, n)) ? n : 0;
	return 0;
}

static void add_text(struct buf *xml, struct span text)
{
	while (text.len != 0) {
		size_t n = (unsigned char)text.ptr[0] < 0x80 ? 0 : utf8_length(text);

		if (n == 0) {
			add_byte(xml, text.ptr[0]);
			n = 1;
		} else {
			buf_add(xml, span_first(text, n));
		}
		text = span_skip(text, n);
	}
}

static void element(struct buf *xml, const char *name, struct span text)
{
	buf_addf(xml, "<%s>", name);
	add_text(xml, text);
	buf_addf(xml, "</%s>\n", name);
}

static void word(struct buf *xml, const char *name, const char *text)
{
	element(xml, name, span_of(text));
}

static void number(struct buf *xml, const char *name, uint64_t value)
{
	buf_addf(xml, "<%s>%llu</%s>\n", name, (unsigned long long)value, name);
}

static void add_head(struct dmarc_report *r, struct arena *arena)
{
	const struct dmarc_reporter *by = r->reporter;
	const struct dmarc_record *record = r->head->record;
	struct span id = dmarc_report_id(arena, by, r->head);
	struct buf *xml = &r->xml;

	buf_add_cstr(xml, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<feedback>\n<version>1.0</version>\n"
	                  "<report_metadata>\n");
	element(xml, "org_name", by->org_name);
	element(xml, "email", by->email);
	if (by->contact.len != 0)
		element(xml, "extra_contact_info", by->contact);
	element(xml, "report_id", arena_printf_span(arena, SPAN_FMT "@" SPAN_FMT, SPAN_ARG(id), SPAN_ARG(by->domain)));
	buf_add_cstr(xml, "<date_range>\n");
	number(xml, "begin", r->head->begin_s);
	number(xml, "end", r->head->end_s);
	buf_add_cstr(xml, "</date_range>\n");
	if (r->head->error.len != 0)
		element(xml, "error", r->head->error);
	buf_add_cstr(xml, "</report_metadata>\n<policy_published>\n");
	element(xml, "domain", r->head->policy_domain);
	word(xml, "adkim", record->adkim_strict ? "s" : "r");
	word(xml, "aspf", record->aspf_strict ? "s" : "r");
	word(xml, "p", dmarc_policy_name(record->p));
	word(xml, "sp", dmarc_policy_name(record->sp));
	number(xml, "pct", record->pct);
	element(xml, "fo", record->fo_text);
	buf_add_cstr(xml, "</policy_published>\n");
}

/* add_address - as the schema's pattern has it: IPv6 in eight groups. */
static void add_address(struct buf *xml, struct span ip)
{
	unsigned char bytes[sizeof(struct in6_addr)];
	char text[INET6_ADDRSTRLEN];

	if (ip.len < sizeof(text)) {
		memcpy(text, ip.ptr, ip.len);
		text[ip.len] = '\0';
		if (inet_pton(AF_INET6, text, bytes) == 1) {
			buf_add_cstr(xml, "<source_ip>");
			for (size_t i = 0; i < sizeof(bytes); i += 2)
				buf_addf(xml, "%s%x", i != 0 ? ":" : "", (unsigned)bytes[i] << 8 | bytes[i + 1]);
			buf_add_cstr(xml, "</source_ip>\n");
			return;
		}
	}
	element(xml, "source_ip", ip);
}

static void add_row(struct buf *xml, const struct dmarc_row *row)
{
	buf_add_cstr(xml, "<record>\n<row>\n");
	add_address(xml, row->source_ip);
	number(xml, "count", row->count);
	buf_add_cstr(xml, "<policy_evaluated>\n");
	word(xml, "disposition", dmarc_policy_name(row->disposition));
	word(xml, "dkim", row->dkim_aligned ? "pass" : "fail");
	word(xml, "spf", row->spf_aligned ? "pass" : "fail");
	for (size_t i = 0; i < row->reason_count; i++) {
		enum dmarc_override type = row->reasons[i].type;

		/* The schema's list is closed, and older than t=. */
		buf_add_cstr(xml, "<reason>\n");
		word(xml, "type", dmarc_override_name(type == DMARC_OVERRIDE_TEST_MODE ? DMARC_OVERRIDE_OTHER : type));
		if (row->reasons[i].comment.len != 0)
			element(xml, "comment", row->reasons[i].comment);
		else if (type == DMARC_OVERRIDE_TEST_MODE)
			word(xml, "comment", dmarc_override_name(type));
		buf_add_cstr(xml, "</reason>\n");
	}
	buf_add_cstr(xml, "</policy_evaluated>\n</row>\n<identifiers>\n");
	if (row->envelope_to.len != 0)
		element(xml, "envelope_to", row->envelope_to);
	element(xml, "envelope_from", row->envelope_from);
	element(xml, "header_from", row->header_from);
	buf_add_cstr(xml, "</identifiers>\n");
}

static void add_spf(struct buf *xml, struct span domain, bool is_helo, enum dmarc_auth_result result)
{
	buf_add_cstr(xml, "<spf>\n");
	element(xml, "domain", domain);
	word(xml, "scope", is_helo ? "helo" : "mfrom");
	word(xml, "result", dmarc_auth_name(result));
	buf_add_cstr(xml, "</spf>\n");
}

static void add_said(struct buf *xml, const struct dmarc_row *row)
{
	buf_add_cstr(xml, "<auth_results>\n");
	for (size_t i = 0; i < row->dkim_count; i++) {
		enum dmarc_auth_result result = row->dkim[i].result;

		buf_add_cstr(xml, "<dkim>\n");
		element(xml, "domain", row->dkim[i].domain);
		if (row->dkim[i].selector.len != 0)
			element(xml, "selector", row->dkim[i].selector);
		word(xml, "result", dmarc_auth_name(result == DMARC_SAID_SOFTFAIL ? DMARC_SAID_FAIL : result));
		if (row->dkim[i].human.len != 0)
			element(xml, "human_result", row->dkim[i].human);
		buf_add_cstr(xml, "</dkim>\n");
	}
	for (size_t i = 0; i < row->spf_count; i++) {
		enum dmarc_auth_result result = row->spf[i].result;

		add_spf(xml, row->spf[i].domain, row->spf[i].is_helo,
		        result == DMARC_SAID_POLICY ? DMARC_SAID_NEUTRAL : result);
	}
	/* The schema wants one at least. */
	if (row->spf_count == 0)
		add_spf(xml, row->envelope_from, false, DMARC_SAID_NONE);
	buf_add_cstr(xml, "</auth_results>\n</record>\n");
}

/* ---- the report ---- */

struct dmarc_report *dmarc_report_begin(const struct dmarc_reporter *reporter, const struct dmarc_report_head *head)
{
	struct dmarc_report *r = calloc(1, sizeof(*r));
	struct arena *arena = arena_new(NULL);

	if (r == NULL || deflateInit2(&r->z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, GZIP_MEMORY,
	                              Z_DEFAULT_STRATEGY) != Z_OK)
		log_fatal("no memory for a report");
	r->reporter = reporter;
	r->head = head;
	buf_init(&r->xml, BUF_NO_LIMIT);
	buf_init(&r->packed, BUF_NO_LIMIT);
	add_head(r, arena);
	pack(r, Z_NO_FLUSH);
	arena_free(arena);
	return r;
}

bool dmarc_report_row(struct dmarc_report *report, const struct dmarc_row *row)
{
	size_t before = report->xml.len;

	add_row(&report->xml, row);
	add_said(&report->xml, row);
	if (report->total + report->xml.len + END_BYTES > report->reporter->most_xml_bytes) {
		buf_truncate(&report->xml, before);
		return false;
	}
	if (report->xml.len >= PIECE_BYTES)
		pack(report, Z_NO_FLUSH);
	return true;
}

void dmarc_report_end(struct dmarc_report *report, struct buf *packed)
{
	buf_add_cstr(&report->xml, "</feedback>\n");
	pack(report, Z_FINISH);
	deflateEnd(&report->z);
	buf_add(packed, buf_span(&report->packed));
	buf_free(&report->packed);
	buf_free(&report->xml);
	free(report);
}
