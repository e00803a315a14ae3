/* SPDX-License-Identifier: ISC */
/* fuzz_spf.c - no policy, and nobody who sends, makes a check ask for too much, or gives a text that its readers must fear
 *
 * The input's lines: the client's address, HELO, MAIL FROM, and then what TXT look-ups find, one after the other and round
 * again.  Other look-ups are answered from the name asked for, so that all kinds of answers come up. */
#include <stdint.h>
#include <stdlib.h>

#include "lib/mailauth/spf.h"
#include "lib/mime/field.h"

/* A term and all it leads to: itself and ten names; twice the client's names; two policies, the explanation. */
enum { LINES_MAX = 20, ASKED_MAX = 11 * (1 + 10) + 2 * 11 + 13 };

struct world {
	struct span lines[LINES_MAX];
	size_t      count, next, asked;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void check_name(struct span name)
{
	struct span label;

	require(name.len > 0 && name.len <= 4 * 253);
	while (name.len > 0) {
		span_cut(&name, '.', &label);
		require(label.len > 0 && label.len <= 4 * 63);
		for (size_t i = 0; i < label.len; i++)
			require(ascii_is_print(label.ptr[i]) && label.ptr[i] != ' ');
	}
}

static bool is_printable(struct span text)
{
	return span_all(text, ascii_is_print);
}

static void add_record(struct buf *out, struct span rdata)
{
	buf_add_u16(out, (uint16_t)rdata.len);
	buf_add(out, rdata);
}

static void add_text(struct world *w, struct buf *out)
{
	struct buf rdata;
	struct span text;

	if (w->count == 0)
		return;
	text = w->lines[w->next++ % w->count];
	buf_init(&rdata, 65535);
	do {
		struct span piece = span_first(text, 255);

		buf_add_byte(&rdata, (char)piece.len);
		buf_add(&rdata, piece);
		text = span_skip(text, piece.len);
	} while (text.len > 0);
	add_record(out, buf_span(&rdata));
	buf_free(&rdata);
}

static void add_answer(struct span name, enum rr_type type, struct buf *out)
{
	for (size_t i = 0; i < name.len % 13; i++) {
		if (type == RR_A)
			add_record(out, i % 2 == 0 ? span_lit("\300\0\2\1") : span_lit("\300\0\2\2"));
		else if (type == RR_AAAA)
			add_record(out, span_lit("\40\1\15\270\0\0\0\0\0\0\0\0\0\0\0\1"));
		else if (type == RR_MX)
			add_record(out, i == 5 ? span_lit("\0\1\0") : span_lit("\0\12\2mx\7example\0"));
		else if (type == RR_PTR)
			add_record(out, i == 5 ? span_lit("\77broken") : span_lit("\3p.r\7example\0"));
	}
}

static void answer(void *user, struct span name, enum rr_type type, struct arena *arena, struct lookup_answer *out)
{
	struct world *w = user;
	struct buf records;

	check_name(name);
	require(++w->asked <= ASKED_MAX);
	buf_init(&records, 200000);
	*out = (struct lookup_answer){ .status = (enum dns_status)(name.len % 7 < 4 ? name.len % 7 : DNS_FOUND) };
	if (type == RR_TXT && out->status != DNS_FAILED) {
		out->status = DNS_FOUND;
		add_text(w, &records);
	} else if (out->status == DNS_FOUND) {
		add_answer(name, type, &records);
	}
	out->records = arena_dup(arena, buf_span(&records));
	buf_free(&records);
}

static void expect(void *user, struct span name, enum rr_type type)
{
	(void)user;
	(void)type;
	check_name(name);
}

static void check_field(const struct spf_client *client, const struct spf_verdict *v)
{
	struct mime_field field;
	struct span rest;
	struct buf out;

	buf_init(&out, 65536);
	spf_received_add(&out, client, v, span_lit("mx.example.org"), span_lit("\r\n"));
	rest = buf_span(&out);
	require(mime_field_next(&rest, &field) && rest.len == 0);
	require(span_equal(field.name, span_lit("Received-SPF")));
	for (size_t i = 0; i < field.value.len; i++)
		require((unsigned char)field.value.ptr[i] >= ' ' || strchr("\r\n\t", field.value.ptr[i]) != NULL);
	buf_free(&out);
}

static void check(struct world *w, const struct spf_client *client, enum spf_identity identity)
{
	struct spf_settings settings = SPF_STANDARD_SETTINGS;
	struct lookup lookup = { .ask = answer, .expect = expect, .user = w };
	struct arena *arena = arena_new(NULL);
	struct spf_verdict v;

	w->asked = 0;
	spf_check(client, identity, &lookup, arena, &settings, &v);
	require(is_printable(v.domain) && is_printable(v.mechanism) && is_printable(v.explanation) &&
	        is_printable(v.reason));
	require(v.explanation.len <= settings.most_explanation_bytes);
	require(v.result == SPF_FAIL || v.explanation.len == 0);
	require(v.domain.len > 0 || (v.result == SPF_NONE && w->asked == 0));
	require((v.reason.len > 0) == (v.result == SPF_TEMPERROR || v.result == SPF_PERMERROR || v.domain.len == 0));
	require(arena_bytes(arena) < 64 * 1024 * 1024);
	check_field(client, &v);
	arena_free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = span_make(data, size), ip;
	struct spf_client client = { 0 };
	struct world w = { 0 };

	span_cut(&rest, '\n', &ip);
	if (!net_address_parse(ip, 0, &client.ip))
		require(net_address_parse(span_lit("192.0.2.1"), 0, &client.ip));
	span_cut(&rest, '\n', &client.helo);
	span_cut(&rest, '\n', &client.mail_from);
	while (rest.len > 0 && w.count < LINES_MAX)
		span_cut(&rest, '\n', &w.lines[w.count++]);
	check(&w, &client, SPF_HELO);
	check(&w, &client, SPF_MAILFROM);
	return 0;
}
