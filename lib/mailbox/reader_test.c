/* SPDX-License-Identifier: ISC */
/* reader_test.c - messages in wire form, by ranges */
#include "lib/mailbox/test_store.h"

static int open_text(struct test_store *t, const char *content, size_t n)
{
	int fd = openat(mailstore_root(t->store), "text", O_RDWR | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fs_write_all(fd, content, n), 0);
	return fd;
}

static void test_conversion(void **state)
{
	static const struct { struct span in, out; } rows[] = {
		{ SPAN(""), SPAN("") },
		{ SPAN("a\nb\n"), SPAN("a\r\nb\r\n") },
		{ SPAN("a\r\nb\n"), SPAN("a\r\nb\r\n") },
		{ SPAN("a\rb"), SPAN("a\rb") },
		{ SPAN("\n\n"), SPAN("\r\n\r\n") },
		{ SPAN("a\0b\n"), SPAN("a\x80" "b\r\n") },
	};
	struct test_store *t = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct message_reader r;
		struct span got;

		assert_int_equal(reader_open(&r, open_text(t, rows[i].in.ptr, rows[i].in.len), MAIL_SIZE_UNKNOWN,
		                             MAIL_SIZE_UNKNOWN), 0);
		assert_int_equal(r.size, rows[i].out.len);
		assert_true(reader_span(&r, 0, r.size, t->arena, &got));
		assert_true(span_equal(got, rows[i].out));
		reader_close(&r);
	}
}

/* Every range of a large LF file is the same as of its converted whole. */
static void test_ranges(void **state)
{
	struct test_store *t = *state;
	struct buf text;
	struct message_reader r;
	struct span whole, part;
	uint32_t seed = 1;

	buf_init(&text, BUF_NO_LIMIT);
	for (unsigned i = 0; text.len < 300000; i++)
		buf_addf(&text, "%.*s%s", (int)(i % 7), "xxxxxxx", i % 3 == 0 ? "\r\n" : "\n");
	assert_int_equal(reader_open(&r, open_text(t, text.ptr, text.len), MAIL_SIZE_UNKNOWN, MAIL_SIZE_UNKNOWN), 0);
	assert_true(reader_span(&r, 0, r.size, t->arena, &whole));
	assert_int_equal(whole.len, r.size);
	for (unsigned i = 0; i < 500; i++) {
		seed = seed * 1103515245 + 12345;
		size_t offset = (seed >> 8) % whole.len, length = (seed >> 4) % 5000;

		assert_true(reader_span(&r, offset, length, t->arena, &part));
		assert_true(span_equal(part, span_slice(whole, offset, length)));
	}
	reader_close(&r);
	buf_free(&text);
}

static void test_wrong_sizes_are_not_believed(void **state)
{
	struct test_store *t = *state;
	struct message_reader r;

	assert_int_equal(reader_open(&r, open_text(t, "a\nb\n", 4), 5, 5), 0);
	assert_int_equal(r.size, 6);
	reader_close(&r);
	assert_int_equal(reader_open(&r, open_text(t, "a\r\n", 3), 3, 3), 0);
	assert_true(r.is_wire);
	reader_close(&r);
}

static void test_header(void **state)
{
	static const struct { const char *in, *out; } rows[] = {
		{ "A: b\n\nbody\n", "A: b\r\n\r\n" },
		{ "A: b\n", "A: b\r\n" },
		{ "\nbody\n", "\r\n" },
	};
	struct test_store *t = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct message_reader r;
		struct span got;

		assert_int_equal(reader_open(&r, open_text(t, rows[i].in, strlen(rows[i].in)), MAIL_SIZE_UNKNOWN,
		                             MAIL_SIZE_UNKNOWN), 0);
		assert_true(reader_header(&r, 1 << 20, t->arena, &got));
		assert_span(got, rows[i].out);
		reader_close(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(test_conversion),
		STORE_TEST(test_ranges),
		STORE_TEST(test_wrong_sizes_are_not_believed),
		STORE_TEST(test_header),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
