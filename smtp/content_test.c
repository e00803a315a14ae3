/* SPDX-License-Identifier: ISC */
/* content_test.c - content on the wire, however it is cut into pieces */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "smtp/smtp.h"

/* A stream that keeps what is written. */
static struct buf written;

static ssize_t keep(struct stream *s, const void *data, size_t n, uint64_t deadline_us)
{
	(void)s;
	(void)deadline_us;
	assert_true(buf_add(&written, span_make(data, n)));
	return (ssize_t)n;
}

static const struct stream_methods keeping = { .write = keep };

/* send_in_pieces - what arrives, in 'written'. */
static void send_in_pieces(struct span content, size_t step, size_t line_max)
{
	struct stream stream = { .methods = &keeping, .fd = -1 };
	struct chat chat;
	struct content_writer w = { .chat = &chat, .line_max = line_max };

	buf_clear(&written);
	chat_init(&chat, &stream, 100);
	for (size_t i = 0; i < content.len; i += step)
		content_feed(&w, span_slice(content, i, step));
	content_end(&w);
	assert_int_equal(chat_flush(&chat, CLOCK_NEVER), 0);
	chat_free(&chat);
}

static const struct {
	struct span content, wire;
} rows[] = {
	{ SPAN("a\r\nb\r\n"), SPAN("a\r\nb\r\n") },
	{ SPAN(""), SPAN("") },
	{ SPAN(".\r\n..\r\n.x\r\n"), SPAN("..\r\n...\r\n..x\r\n") },
	{ SPAN("no end"), SPAN("no end\r\n") },
	{ SPAN("bare\nlf\r\n"), SPAN("bare\r\nlf\r\n") },
	{ SPAN("bare\rcr\r\n"), SPAN("bare cr\r\n") },
	{ SPAN("x\r\r\n"), SPAN("x \r\n") },
	{ SPAN("\r\n.\r\nMAIL"), SPAN("\r\n..\r\nMAIL\r\n") },
	{ SPAN("\n.\n"), SPAN("\r\n..\r\n") },
	{ SPAN("\r.\r\n"), SPAN(" .\r\n") },
	{ SPAN("end\r"), SPAN("end\r\n") },
	{ SPAN("0123456789\r\n"), SPAN("0123456789\r\n") },
	{ SPAN("0123456789A\r\n"), SPAN("0123456789\r\n A\r\n") },
	{ SPAN("0123456789ABCDEFGHIJ\r\n"), SPAN("0123456789\r\n ABCDEFGHI\r\n J\r\n") },
	{ SPAN("0123456789\rA\r\n"), SPAN("0123456789\r\n  A\r\n") },
	{ SPAN("0123456789A\rB\r\n"), SPAN("0123456789\r\n A B\r\n") },
	{ SPAN("\r\r\r\n"), SPAN("  \r\n") },
	{ SPAN("0123456789.\r\n"), SPAN("0123456789\r\n .\r\n") },
};

static void content_however_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		for (size_t step = 1; step < 30; step++) {
			send_in_pieces(rows[i].content, step, 10);
			if (!span_equal(buf_span(&written), rows[i].wire))
				fail_msg("row %zu step %zu: \"%.*s\"", i, step, SPAN_ARG(buf_span(&written)));
		}
	}
}

static void no_folding_without_limit(void **state)
{
	char line[5002];

	(void)state;
	memset(line, 'x', 5000);
	memcpy(line + 5000, "\r\n", 2);
	send_in_pieces(span_make(line, sizeof(line)), 4096, 0);
	assert_int_equal(written.len, 5002);
}

struct file_part {
	struct buf wire;
};

static void send_file_part(void *arg)
{
	struct file_part *p = arg;
	struct stream stream = { .methods = &keeping, .fd = -1 };
	struct deliver_request request = { .queue_id = SPAN("X"), .content_offset = 5, .content_length = 300000 };
	FILE *file = tmpfile();
	struct chat chat;

	assert_non_null(file);
	assert_int_equal(fwrite("xxxxx", 1, 5, file), 5);
	for (int i = 0; i < 100000; i++)
		assert_int_equal(fwrite("a\r\n", 1, 3, file), 3);
	assert_int_equal(fflush(file), 0);
	request.file = fileno(file);
	buf_clear(&written);
	chat_init(&chat, &stream, 100);
	assert_true(content_send(&request, &chat, 998));
	assert_int_equal(chat_flush(&chat, CLOCK_NEVER), 0);
	assert_true(buf_add(&p->wire, buf_span(&written)));
	request.content_length++;	/* more than there is */
	assert_false(content_send(&request, &chat, 998));
	chat_free(&chat);
	fclose(file);
}

static void file_is_sent_from_its_offset(void **state)
{
	struct file_part p;

	(void)state;
	buf_init(&p.wire, BUF_NO_LIMIT);
	task_main(send_file_part, &p);
	assert_int_equal(p.wire.len, 300000);
	assert_memory_equal(p.wire.ptr, "a\r\na\r\n", 6);
	buf_free(&p.wire);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(content_however_cut),
		cmocka_unit_test(no_folding_without_limit),
		cmocka_unit_test(file_is_sent_from_its_offset),
	};
	int failed;

	buf_init(&written, BUF_NO_LIMIT);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	buf_free(&written);
	return failed;
}
