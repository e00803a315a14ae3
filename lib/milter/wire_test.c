/* SPDX-License-Identifier: ISC */
/* wire_test.c - packets of the milter protocol: whole, cut, and wrong */
#include "lib/base/test.h"
#include "lib/milter/wire.h"

/* Bytes of a literal, NULs included. */
#define BYTES(literal) { (literal), sizeof(literal) - 1 }

static void packets_are_built(void **state)
{
	struct buf out;
	size_t start;

	(void)state;
	buf_init(&out, BUF_NO_LIMIT);
	milter_packet(&out, MILTER_QUIT);
	start = milter_packet_begin(&out, MILTER_CONNECT);
	milter_add_string(&out, span_make("ho\0st", 5));
	buf_add_byte(&out, '4');
	milter_add_u16(&out, 0x1234);
	milter_add_string(&out, span_lit("192.0.2.1"));
	milter_packet_end(&out, start);
	milter_terms_add(&out, 6, 0x1ff, 0x1fffff);
	assert_true(span_equal(buf_span(&out), span_lit("\0\0\0\1Q"
	                                                "\0\0\0\x14" "Cho st\0" "4\x12\x34" "192.0.2.1\0"
	                                                "\0\0\0\x0d" "O\0\0\0\6\0\0\1\xff\0\x1f\xff\xff")));
	buf_free(&out);
}

static void frames_are_whole_or_wait(void **state)
{
	static const char bytes[] = "\0\0\0\3y55rest";
	struct milter_packet packet;
	uint32_t length;

	(void)state;
	for (size_t n = 0; n < 7; n++)
		assert_int_equal(milter_frame(span_make(bytes, n), 100, &packet, &length), MILTER_FRAME_PARTIAL);
	assert_int_equal(milter_frame(span_make(bytes, 7), 100, &packet, &length), MILTER_FRAME_WHOLE);
	assert_int_equal(packet.letter, 'y');
	assert_span(packet.data, "55");
	assert_int_equal(length, 3);
	assert_int_equal(milter_frame(span_make(bytes, 4), 2, &packet, &length), MILTER_FRAME_TOO_LARGE);
	assert_int_equal(milter_frame(span_make("\0\0\0\0", 4), 2, &packet, &length), MILTER_FRAME_EMPTY);
	assert_int_equal(milter_frame(span_make("\xff\xff\xff\xff", 4), 2, &packet, &length), MILTER_FRAME_TOO_LARGE);
}

static void replies_are_read_strictly(void **state)
{
	static const struct {
		unsigned char letter;
		struct span   data;
		bool          ok;
		const char   *name, *value;
		uint32_t      index;
	} rows[] = {
		{ 'c', BYTES(""), true, "", "", 0 },
		{ 'c', BYTES("x"), false, "", "", 0 },
		{ 'p', BYTES("\0"), false, "", "", 0 },
		{ '?', BYTES(""), false, "", "", 0 },
		{ 0, BYTES(""), false, "", "", 0 },
		{ '+', BYTES("<a@b>\0"), true, "<a@b>", "", 0 },
		{ '+', BYTES("<a@b>"), false, "", "", 0 },
		{ '+', BYTES("<a@b>\0x"), false, "", "", 0 },
		{ '2', BYTES("<a@b>\0"), true, "<a@b>", "", 0 },
		{ '2', BYTES("<a@b>\0NOTIFY=NEVER\0"), true, "<a@b>", "NOTIFY=NEVER", 0 },
		{ '2', BYTES("<a@b>\0NOTIFY=NEVER"), false, "", "", 0 },
		{ '-', BYTES(""), false, "", "", 0 },
		{ 'e', BYTES("\0"), true, "", "", 0 },
		{ 'h', BYTES("X\0v\0"), true, "X", "v", 0 },
		{ 'h', BYTES("X\0\0"), true, "X", "", 0 },
		{ 'h', BYTES("X\0"), false, "", "", 0 },
		{ 'h', BYTES("\0v\0"), false, "", "", 0 },
		{ 'h', BYTES("X:Y\0v\0"), false, "", "", 0 },
		{ 'h', BYTES("X Y\0v\0"), false, "", "", 0 },
		{ 'h', BYTES("X\r\nY\0v\0"), false, "", "", 0 },
		{ 'i', BYTES("\0\0\0\1X\0v\0"), true, "X", "v", 1 },
		{ 'i', BYTES("\0\0\0X\0v\0"), false, "", "", 0 },
		{ 'm', BYTES("\xff\xff\xff\xffX\0v\0"), true, "X", "v", UINT32_MAX },
		{ 'm', BYTES("\0\0\0\1X\0v\0\0"), false, "", "", 0 },
		{ 'q', BYTES("why\0"), true, "", "why", 0 },
		{ 'q', BYTES("why"), true, "", "why", 0 },
		{ 'q', BYTES(""), true, "", "", 0 },
		{ 'b', BYTES("a\0b"), true, "", NULL, 0 },
	};
	struct arena *arena = arena_new(NULL);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct milter_packet packet = { rows[i].letter, rows[i].data };
		struct milter_reply reply;
		const char *error = NULL;
		bool ok = milter_reply_decode(arena, &packet, &reply, &error);

		if (ok != rows[i].ok || (!ok && error == NULL))
			fail_msg("row %zu: %c", i, rows[i].letter);
		if (!ok)
			continue;
		assert_span(reply.name, rows[i].name);
		if (rows[i].value != NULL)
			assert_span(reply.value, rows[i].value);
		assert_int_equal(reply.index, rows[i].index);
	}
	arena_free(arena);
}

static void reply_codes_are_checked(void **state)
{
	static const struct {
		struct span data;
		unsigned    code;	/* 0: malformed */
		size_t      count;
		const char *first, *last;
	} rows[] = {
		{ BYTES("550 5.7.1 go away\0"), 550, 1, "5.7.1 go away", "5.7.1 go away" },
		{ BYTES("550 5.7.1 go away"), 550, 1, "5.7.1 go away", "5.7.1 go away" },
		{ BYTES("451"), 451, 1, "", "" },
		{ BYTES("450 no code\0"), 450, 1, "no code", "no code" },
		{ BYTES("550 100%% sure\0"), 550, 1, "100% sure", "100% sure" },
		{ BYTES("550 100% sure%\0"), 550, 1, "100 sure", "100 sure" },
		{ BYTES("550-5.7.1 one\r\n550 5.7.1 two\0"), 550, 2, "5.7.1 one", "5.7.1 two" },
		{ BYTES("550-one\n550-\n550 three\r\n\0"), 550, 3, "one", "three" },
		{ BYTES("250 2.0.0 fine\0"), 0, 0, "", "" },
		{ BYTES("354 go on\0"), 0, 0, "", "" },
		{ BYTES("550 4.7.1 class\0"), 0, 0, "", "" },
		{ BYTES("550-5.7.1 one\r\n551 5.7.1 two\0"), 0, 0, "", "" },
		{ BYTES("550-5.7.1 one\0"), 0, 0, "", "" },
		{ BYTES("550 one\r\n550 two\0"), 0, 0, "", "" },
		{ BYTES("550 one\r\n\r\n250 Ok\0"), 0, 0, "", "" },
		{ BYTES("55\0"), 0, 0, "", "" },
		{ BYTES("5x0 what\0"), 0, 0, "", "" },
		{ BYTES("550 a\0b\0"), 0, 0, "", "" },
		{ BYTES(""), 0, 0, "", "" },
	};
	struct arena *arena = arena_new(NULL);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct milter_packet packet = { 'y', rows[i].data };
		struct milter_reply reply;
		const char *error = NULL;

		if (milter_reply_decode(arena, &packet, &reply, &error) != (rows[i].code != 0))
			fail_msg("row %zu", i);
		if (rows[i].code == 0)
			continue;
		assert_int_equal(reply.refusal.code, rows[i].code);
		assert_int_equal(reply.refusal.count, rows[i].count);
		assert_span(reply.refusal.lines[0], rows[i].first);
		assert_span(reply.refusal.lines[rows[i].count - 1], rows[i].last);
	}
	arena_free(arena);
}

static void a_reply_has_so_many_lines_at_most(void **state)
{
	struct arena *arena = arena_new(NULL);
	struct milter_packet packet = { 'y', { NULL, 0 } };
	struct milter_reply reply;
	const char *error;
	struct buf text;

	(void)state;
	buf_init(&text, BUF_NO_LIMIT);
	for (unsigned i = 0; i < 31; i++)
		buf_add_cstr(&text, "550-x\r\n");
	buf_add_cstr(&text, "550 x");
	packet.data = buf_span(&text);
	assert_true(milter_reply_decode(arena, &packet, &reply, &error));
	assert_int_equal(reply.refusal.count, 32);
	buf_clear(&text);
	for (unsigned i = 0; i < 32; i++)
		buf_add_cstr(&text, "550-x\r\n");
	buf_add_cstr(&text, "550 x");
	packet.data = buf_span(&text);
	assert_false(milter_reply_decode(arena, &packet, &reply, &error));
	buf_free(&text);
	arena_free(arena);
}

static void terms_are_read(void **state)
{
	static const char bytes[] = "\0\0\0\6\0\0\0\x11\0\x10\0\0"
	                            "\0\0\0\2i {mail_addr}\0"
	                            "\0\0\0\x63later\0"
	                            "\0\0\0\5\0";
	struct milter_terms terms;
	const char *error;

	(void)state;
	assert_true(milter_terms_decode(span_make(bytes, sizeof(bytes) - 1), &terms, &error));
	assert_int_equal(terms.version, 6);
	assert_int_equal(terms.actions, MILTER_MAY_ADD_HEADERS | MILTER_MAY_CHANGE_HEADERS);
	assert_int_equal(terms.steps, MILTER_LEADING_SPACE);
	assert_true(terms.has_macros[MILTER_AT_MAIL]);
	assert_span(terms.macros[MILTER_AT_MAIL], "i {mail_addr}");
	assert_true(terms.has_macros[MILTER_AT_EOM]);
	assert_false(terms.has_macros[MILTER_AT_CONNECT]);
	/* Cut anywhere it is malformed, but between two lists. */
	for (size_t n = 0; n < sizeof(bytes) - 1; n++) {
		bool whole = n == 12 || n == 30 || n == 40;

		if (milter_terms_decode(span_make(bytes, n), &terms, &error) != whole)
			fail_msg("%zu bytes", n);
	}
}

static void letters_have_names(void **state)
{
	(void)state;
	assert_string_equal(milter_command_name(MILTER_EOM), "SMFIC_BODYEOB");
	assert_string_equal(milter_reply_name(MILTER_CHANGE_HEADER), "SMFIR_CHGHEADER");
	assert_string_equal(milter_command_name(0), "unknown");
	assert_string_equal(milter_reply_name(200), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_are_built),
		cmocka_unit_test(frames_are_whole_or_wait),
		cmocka_unit_test(replies_are_read_strictly),
		cmocka_unit_test(reply_codes_are_checked),
		cmocka_unit_test(a_reply_has_so_many_lines_at_most),
		cmocka_unit_test(terms_are_read),
		cmocka_unit_test(letters_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
