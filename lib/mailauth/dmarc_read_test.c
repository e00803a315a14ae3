/* SPDX-License-Identifier: ISC */
/* dmarc_read_test.c - reports written and read again, damaged containers, totals */
#include "lib/mailauth/dmarc_read.h"

#include <fcntl.h>
#include <stdlib.h>
#include <zlib.h>

#include "lib/base/log.h"
#include "lib/base/test.h"
#include "lib/mailauth/dmarc_report.h"
#include "lib/mailauth/dmarc_totals.h"
#include "lib/mailauth/test_folder.h"

static const struct dmarc_read_limits limits = DMARC_READ_STANDARD_LIMITS;

static struct arena *arena;
static struct test_folder folder;

static int setup(void **state)
{
	(void)state;
	arena = arena_new(NULL);
	test_folder_make(&folder);
	log_open("test", LOG_TO_FD, open("/dev/null", O_WRONLY | O_CLOEXEC));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	test_folder_remove(&folder);
	arena_free(arena);
	return 0;
}

static struct dmarc_reporter reporter(void)
{
	return (struct dmarc_reporter){
		.org_name = SPAN("Us & them"), .domain = SPAN("receiver.example"), .email = SPAN("dmarc@receiver.example"),
		.host = SPAN("mx"), .most_xml_bytes = DMARC_XML_MAX_BYTES, .most_mail_bytes = DMARC_MAIL_MAX_BYTES,
	};
}

static struct dmarc_row row_of(const char *ip, uint64_t count)
{
	return (struct dmarc_row){
		.source_ip = span_of(ip), .header_from = SPAN("example.com"), .envelope_from = SPAN("b.example.com"),
		.envelope_to = SPAN("receiver.example"), .disposition = DMARC_POLICY_QUARANTINE, .spf_aligned = true,
		.reasons = { { DMARC_OVERRIDE_FORWARDED, SPAN("a < b") } }, .reason_count = 1,
		.dkim = { { SPAN("d&d.example"), SPAN("s"), DMARC_SAID_PASS, SPAN("") } }, .dkim_count = 1,
		.spf = { { SPAN("b.example.com"), true, DMARC_SAID_SOFTFAIL } }, .spf_count = 1, .count = count,
	};
}

/* make_report - rows as a packed report on example.com, of the first day of 1970. */
static size_t make_report(const struct dmarc_reporter *by, const struct dmarc_row *rows, size_t count, struct buf *packed)
{
	struct dmarc_record record;
	struct dmarc_report_head head = {
		.policy_domain = SPAN("example.com"), .record = &record, .begin_s = 0, .end_s = 86399,
		.error = SPAN("one <error>"),
	};
	struct dmarc_report *report;
	size_t taken = 0;

	assert_true(dmarc_record_parse(DMARC_RFC7489, span_lit("v=DMARC1; p=reject; sp=none; aspf=s; pct=7"), &record));
	report = dmarc_report_begin(by, &head);
	for (size_t i = 0; i < count; i++)
		taken += dmarc_report_row(report, &rows[i]);
	dmarc_report_end(report, packed);
	return taken;
}

/* What a reader gave. */
struct got {
	struct dmarc_feedback head;
	size_t                heads, rows, stop_at;
	struct dmarc_row      last;
	uint64_t              messages;
};

static bool got_head(void *user, const struct dmarc_feedback *head, struct why *why)
{
	struct got *got = user;

	(void)why;
	got->heads++;
	got->head = *head;
	got->head.org_name = arena_dup(arena, head->org_name);
	got->head.report_id = arena_dup(arena, head->report_id);
	got->head.domain = arena_dup(arena, head->domain);
	return true;
}

static bool got_row(void *user, const struct dmarc_row *row, struct why *why)
{
	struct got *got = user;
	struct buf bytes;

	if (got->rows == got->stop_at && got->stop_at != 0) {
		(void)why_set(why, REFUSE, "", "that is enough");
		return false;
	}
	got->rows++;
	got->messages += row->count;
	buf_init(&bytes, BUF_NO_LIMIT);
	dmarc_row_encode(row, &bytes);
	assert_true(dmarc_row_decode(arena_dup(arena, buf_span(&bytes)), &got->last));
	buf_free(&bytes);
	return true;
}

static enum outcome read_report(struct span packed, struct got *got, struct why *why)
{
	const struct dmarc_xml_taker taker = { got_head, got_row, got };
	size_t stop_at = got->stop_at;

	*got = (struct got){ .stop_at = stop_at };
	return dmarc_read_report(packed, &limits, &taker, why);
}

static void round_trip(void **state)
{
	struct dmarc_reporter by = reporter();
	struct dmarc_row rows[2] = { row_of("192.0.2.1", 5), row_of("2001:db8::1", 7) };
	struct buf packed, one, two;
	struct got got = { .stop_at = 0 };
	struct why why;

	(void)state;
	buf_init(&packed, BUF_NO_LIMIT);
	assert_int_equal(make_report(&by, rows, 2, &packed), 2);
	assert_int_equal(dmarc_container_of(buf_span(&packed)), DMARC_CONTAINER_GZIP);
	assert_int_equal(read_report(buf_span(&packed), &got, &why), DONE);
	assert_int_equal(got.heads, 1);
	assert_int_equal(got.rows, 2);
	assert_int_equal(got.messages, 12);
	assert_span(got.head.org_name, "Us & them");
	assert_span(got.head.domain, "example.com");
	assert_int_equal(got.head.end_s, 86399);
	assert_int_equal(got.head.p, DMARC_POLICY_REJECT);
	assert_int_equal(got.head.sp, DMARC_POLICY_NONE);
	assert_int_equal(got.head.pct, 7);
	assert_true(got.head.aspf_strict && !got.head.adkim_strict);
	/* The last row is as it was, its address in full. */
	rows[1].source_ip = span_lit("2001:db8:0:0:0:0:0:1");
	buf_init(&one, BUF_NO_LIMIT);
	buf_init(&two, BUF_NO_LIMIT);
	dmarc_row_encode(&rows[1], &one);
	dmarc_row_encode(&got.last, &two);
	assert_true(span_equal(buf_span(&one), buf_span(&two)));
	got.stop_at = 1;
	assert_int_equal(read_report(buf_span(&packed), &got, &why), REFUSE);
	assert_string_equal(why.text, "that is enough");
	buf_free(&one);
	buf_free(&two);
	buf_free(&packed);
}

/* No byte a stranger chooses makes XML that is not well formed. */
static void any_bytes(void **state)
{
	struct dmarc_reporter by = reporter();
	struct dmarc_row rows[256];
	struct buf packed;
	struct got got = { .stop_at = 0 };
	struct why why;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char *text = arena_alloc(arena, 6);

		memcpy(text, (char[]){ (char)i, (char)0xbf, (char)0xbf, (char)i, 'x', (char)i }, 6);
		rows[i] = row_of("192.0.2.1", 1);
		rows[i].dkim[0].selector = rows[i].dkim[0].human = rows[i].reasons[0].comment = span_make(text, 6);
	}
	buf_init(&packed, BUF_NO_LIMIT);
	assert_int_equal(make_report(&by, rows, COUNT_OF(rows), &packed), COUNT_OF(rows));
	if (read_report(buf_span(&packed), &got, &why) != DONE)
		fail_msg("%s", why.text);
	assert_int_equal(got.rows, COUNT_OF(rows));
	buf_free(&packed);
}

static void cut_report(void **state)
{
	struct dmarc_reporter by = reporter();
	struct dmarc_row rows[100];
	struct buf packed;
	struct got got = { .stop_at = 0 };
	struct why why;
	size_t taken;

	(void)state;
	by.most_xml_bytes = 20000;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		rows[i] = row_of("192.0.2.1", 1);
	buf_init(&packed, BUF_NO_LIMIT);
	taken = make_report(&by, rows, COUNT_OF(rows), &packed);
	assert_true(taken > 10 && taken < COUNT_OF(rows));
	assert_int_equal(read_report(buf_span(&packed), &got, &why), DONE);
	assert_int_equal(got.rows, taken);
	buf_free(&packed);
}

static void mail_limits(void **state)
{
	struct dmarc_reporter by = reporter();
	struct dmarc_report_head head = { .policy_domain = SPAN("example.com"), .begin_s = 0, .end_s = 86399 };
	struct span packed = span_lit("not really packed"), to = span_lit("a@example.com");
	struct buf mail;
	size_t lines = 0, size;
	struct why why;

	(void)state;
	buf_init(&mail, BUF_NO_LIMIT);
	assert_int_equal(dmarc_report_mail(arena, &by, &head, packed, to, 1, 0, UINT64_MAX, &mail, &why), DONE);
	for (size_t i = 0; i < mail.len; i++)
		lines += mail.ptr[i] == '\n';
	size = mail.len + lines;
	buf_clear(&mail);
	assert_int_equal(dmarc_report_mail(arena, &by, &head, packed, to, 1, 0, size, &mail, &why), DONE);
	buf_clear(&mail);
	assert_int_equal(dmarc_report_mail(arena, &by, &head, packed, to, 1, 0, size - 1, &mail, &why), REFUSE);
	assert_int_equal(mail.len, 0);
	by.most_mail_bytes = size - 1;
	assert_int_equal(dmarc_report_mail(arena, &by, &head, packed, to, 1, 0, UINT64_MAX, &mail, &why), REFUSE);
	buf_free(&mail);
}

/* ---- containers ---- */

static bool collect(void *user, struct span piece)
{
	return buf_add(user, piece);
}

static enum outcome unpack(struct span packed, struct buf *out, struct why *why)
{
	/* From a heap block of exactly the right size, so that ASan sees the first byte past it. */
	char *exact = malloc(packed.len + (packed.len == 0));
	enum outcome outcome;

	assert_non_null(exact);
	memcpy(exact, packed.ptr, packed.len);
	buf_clear(out);
	outcome = dmarc_unpack(span_make(exact, packed.len), &limits.unpack, collect, out, why);
	free(exact);
	return outcome;
}

static void add_u16(struct buf *b, unsigned value)
{
	buf_add_u16(b, (uint16_t)value);
}

/* make_zip - one entry; flags and method as given, the content stored or deflated. */
static void make_zip(struct buf *zip, struct span text, unsigned flags, unsigned method)
{
	unsigned char packed[1000];
	z_stream z = { .next_in = Z_NULL };
	struct span content = text;
	unsigned long crc = crc32(0, (const Bytef *)text.ptr, (uInt)text.len);

	if (method == 8) {
		assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
		memcpy(&z.next_in, &text.ptr, sizeof(z.next_in));
		z.avail_in = (uInt)text.len;
		z.next_out = packed;
		z.avail_out = sizeof(packed);
		assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
		content = span_make(packed, sizeof(packed) - z.avail_out);
		deflateEnd(&z);
	}
	buf_add(zip, span_lit("PK\3\4\24\0"));
	add_u16(zip, flags);
	add_u16(zip, method);
	buf_add_u32(zip, 0);
	buf_add_u32(zip, (flags & 8) != 0 ? 0 : (uint32_t)crc);
	buf_add_u32(zip, (flags & 8) != 0 ? 0 : (uint32_t)content.len);
	buf_add_u32(zip, (flags & 8) != 0 ? 0 : (uint32_t)text.len);
	add_u16(zip, 5);
	add_u16(zip, 2);
	buf_add_cstr(zip, "a.xml--");
	buf_add(zip, content);
	if ((flags & 8) != 0) {
		buf_add(zip, span_lit("PK\7\10"));
		buf_add_u32(zip, (uint32_t)crc);
	}
}

static void zips(void **state)
{
	static const struct {
		unsigned flags, method;
		bool     ok;
	} rows[] = {
		{ 0, 8, true }, { 0, 0, true }, { 8, 8, true }, { 8, 0, false }, { 1, 8, false }, { 0, 9, false },
	};
	struct span text = span_lit("<feedback>some text, some text, some text, some text</feedback>");
	struct buf zip, out;
	struct why why;

	(void)state;
	buf_init(&out, BUF_NO_LIMIT);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		buf_init(&zip, BUF_NO_LIMIT);
		make_zip(&zip, text, rows[i].flags, rows[i].method);
		if ((unpack(buf_span(&zip), &out, &why) == DONE) != rows[i].ok)
			fail_msg("row %zu: %s", i, why.text);
		assert_true(!rows[i].ok || span_equal(buf_span(&out), text));
		for (size_t n = 4; n < zip.len; n++)
			assert_int_equal(unpack(span_first(buf_span(&zip), n), &out, &why), REFUSE);
		zip.ptr[zip.len - 1] ^= 1;	/* data or checksum */
		assert_int_equal(unpack(buf_span(&zip), &out, &why), REFUSE);
		buf_free(&zip);
	}
	buf_free(&out);
}

static void gzips(void **state)
{
	struct dmarc_reporter by = reporter();
	struct dmarc_row row = row_of("192.0.2.1", 1);
	struct buf packed, out;
	struct why why;

	(void)state;
	buf_init(&packed, BUF_NO_LIMIT);
	buf_init(&out, BUF_NO_LIMIT);
	(void)make_report(&by, &row, 1, &packed);
	assert_int_equal(unpack(buf_span(&packed), &out, &why), DONE);
	for (size_t n = 2; n < packed.len; n++)
		assert_int_equal(unpack(span_first(buf_span(&packed), n), &out, &why), REFUSE);
	packed.ptr[packed.len - 6] ^= 1;	/* its CRC */
	assert_int_equal(unpack(buf_span(&packed), &out, &why), REFUSE);
	buf_free(&packed);
	buf_free(&out);
}

/* ---- XML in pieces ---- */

static void piecewise(void **state)
{
	static const struct span text = SPAN(
		"<?xml version='1.0'?>\n<x:feedback xmlns:x='urn:x'><report_metadata><org_name>a &amp; <!-- c -->b</org_name>"
		"<report_id>1</report_id><date_range><begin>10.0</begin><end>20</end></date_range></report_metadata>"
		"<policy_published><domain>example.com</domain></policy_published>"
		"<record><row><source_ip>192.0.2.1</source_ip><count>3</count><policy_evaluated><dkim>pass</dkim>"
		"</policy_evaluated></row></record></x:feedback>\n");
	struct got got;
	const struct dmarc_xml_taker taker = { got_head, got_row, &got };
	struct why why;

	(void)state;
	for (size_t size = 1; size <= text.len; size++) {
		struct dmarc_xml *xml = dmarc_xml_new(&limits.xml, &taker);

		got = (struct got){ .stop_at = 0 };
		for (struct span rest = text; rest.len != 0; rest = span_skip(rest, size))
			assert_int_equal(dmarc_xml_feed(xml, span_first(rest, size), &why), DONE);
		assert_int_equal(dmarc_xml_end(xml, &why), DONE);
		assert_int_equal(got.rows, 1);
		assert_int_equal(got.messages, 3);
		assert_true(got.last.dkim_aligned);
		assert_span(got.head.org_name, "a & b");
		assert_int_equal(dmarc_xml_bad_rows(xml), 0);
		dmarc_xml_free(xml);
	}
	for (size_t n = 0; n < text.len - 2; n++) {
		struct dmarc_xml *xml = dmarc_xml_new(&limits.xml, &taker);

		got = (struct got){ .stop_at = 0 };
		assert_true(dmarc_xml_feed(xml, span_first(text, n), &why) != DONE || dmarc_xml_end(xml, &why) == REFUSE);
		dmarc_xml_free(xml);
	}
}

/* ---- totals ---- */

static bool is_ours(void *user, struct span domain)
{
	(void)user;
	return span_equal(domain, span_lit("example.com"));
}

static struct dmarc_totals *open_totals(const char *name, uint64_t most)
{
	struct dmarc_totals *totals;
	struct why why;

	if (dmarc_totals_open(arena_printf(arena, "%s/%s", folder.path, name), most, &totals, &why) != DONE)
		fail_msg("%s", why.text);
	return totals;
}

static void add_messages(void *user, int64_t day, struct span org, struct span source, const struct dmarc_sums *sums)
{
	uint64_t *messages = user;

	assert_int_equal(day, 0);
	assert_span(org, "Us & them");
	assert_true(source.len != 0);
	*messages += sums->messages;
}

static uint64_t messages_in(struct dmarc_totals *totals, int64_t from, int64_t to)
{
	uint64_t messages = 0;

	dmarc_totals_each(totals, span_lit("example.com"), from, to, add_messages, &messages);
	return messages;
}

static void totals_add_up(void **state)
{
	struct dmarc_totals *totals = open_totals("totals", 100), *other;
	struct dmarc_reporter by = reporter();
	struct dmarc_row rows[3] = { row_of("192.0.2.1", 5), row_of("192.0.2.2", 7), row_of("192.0.2.1", 1) };
	struct dmarc_taken taken;
	struct buf packed;
	struct why why;

	(void)state;
	buf_init(&packed, BUF_NO_LIMIT);
	(void)make_report(&by, rows, 3, &packed);
	assert_int_equal(dmarc_totals_take(totals, arena, buf_span(&packed), false, is_ours, NULL, &taken, &why), DONE);
	assert_int_equal(taken.messages, 13);
	assert_int_equal(taken.rows, 3);
	assert_false(taken.is_repeat);
	assert_int_equal(dmarc_totals_take(totals, arena, buf_span(&packed), false, is_ours, NULL, &taken, &why), DONE);
	assert_true(taken.is_repeat);
	assert_int_equal(messages_in(totals, 0, 0), 13);
	assert_int_equal(messages_in(totals, -5, 100), 13);
	assert_int_equal(messages_in(totals, 1, 100), 0);
	by.host = span_lit("mx2");	/* another report */
	buf_clear(&packed);
	(void)make_report(&by, rows, 3, &packed);
	assert_int_equal(dmarc_totals_take(totals, arena, buf_span(&packed), false, is_ours, NULL, &taken, &why), DONE);
	assert_int_equal(messages_in(totals, 0, 0), 26);
	assert_int_equal(dmarc_totals_open(arena_printf(arena, "%s/totals", folder.path), 1, &other, &why), DEFER);
	dmarc_totals_close(totals);
	totals = open_totals("totals", 100);
	assert_int_equal(messages_in(totals, 0, 0), 26);
	assert_int_equal(dmarc_totals_expire(totals, 0, &why), DONE);
	assert_int_equal(messages_in(totals, 0, 0), 26);
	assert_int_equal(dmarc_totals_expire(totals, 1, &why), DONE);
	assert_int_equal(messages_in(totals, 0, 0), 0);
	assert_int_equal(dmarc_totals_take(totals, arena, buf_span(&packed), false, is_ours, NULL, &taken, &why), DONE);
	assert_int_equal(messages_in(totals, 0, 0), 13);	/* forgotten, it is no repeat */
	dmarc_totals_close(totals);
	dmarc_totals_close(NULL);
	buf_free(&packed);
}

static void totals_full(void **state)
{
	struct dmarc_totals *totals = open_totals("small", 3);
	struct dmarc_reporter by = reporter();
	struct dmarc_row rows[4] = {
		row_of("192.0.2.1", 1), row_of("192.0.2.2", 10), row_of("192.0.2.3", 100), row_of("192.0.2.1", 1000),
	};
	struct dmarc_taken taken;
	struct buf packed;
	struct why why;

	(void)state;
	buf_init(&packed, BUF_NO_LIMIT);
	(void)make_report(&by, rows, 4, &packed);
	assert_int_equal(dmarc_totals_take(totals, arena, buf_span(&packed), false, is_ours, NULL, &taken, &why), DONE);
	assert_int_equal(taken.dropped, 100);
	assert_int_equal(messages_in(totals, 0, 0), 1011);
	by.host = span_lit("mx2");
	buf_clear(&packed);
	(void)make_report(&by, rows, 4, &packed);
	assert_int_equal(dmarc_totals_take(totals, arena, buf_span(&packed), false, is_ours, NULL, &taken, &why), REFUSE);
	assert_int_equal(messages_in(totals, 0, 0), 1011);
	dmarc_totals_close(totals);
	buf_free(&packed);
}

static void summary(void **state)
{
	struct dmarc_totals *totals = open_totals("summary", 100);
	struct dmarc_reporter by = reporter();
	struct dmarc_row rows[2] = { row_of("192.0.2.1", 5), row_of("192.0.2.2", 7) };
	struct dmarc_taken taken;
	struct buf packed, out;
	struct why why;

	(void)state;
	rows[0].spf_aligned = false;
	by.org_name = span_lit("Us \xc2\x9b[31m\xc3\xbc");
	buf_init(&packed, BUF_NO_LIMIT);
	buf_init(&out, BUF_NO_LIMIT);
	(void)make_report(&by, rows, 2, &packed);
	assert_int_equal(dmarc_totals_take(totals, arena, buf_span(&packed), false, is_ours, NULL, &taken, &why), DONE);
	dmarc_totals_summary(totals, span_lit("example.com"), 0, 1, 1, &out);
	assert_span(buf_span(&out),
	            "DMARC reports on example.com, 1970-01-01 to 1970-01-02\n"
	            "  messages    aligned     failed       none quarantine     reject  source (reported by)\n"
	            "         7          7          0          0          7          0  192.0.2.2 (Us "
	            "\xef\xbf\xbd\xef\xbf\xbd[31m\xc3\xbc)\n"
	            "        12          7          5          0         12          0  2 in all, of which those with most "
	            "messages are shown\n");
	buf_free(&packed);
	buf_free(&out);
	dmarc_totals_close(totals);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip), cmocka_unit_test(any_bytes), cmocka_unit_test(cut_report),
		cmocka_unit_test(mail_limits), cmocka_unit_test(zips), cmocka_unit_test(gzips),
		cmocka_unit_test(piecewise), cmocka_unit_test(totals_add_up), cmocka_unit_test(totals_full),
		cmocka_unit_test(summary),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
