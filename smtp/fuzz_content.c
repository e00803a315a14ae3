/* SPDX-License-Identifier: ISC */
/* fuzz_content.c - whatever a message holds, nothing in it can end the data early
 *
 * However it is cut: only CRLF ends lines, no line but a stuffed one begins with a dot, none is too long, and
 * the last one is ended. */
#include <stdlib.h>

#include "smtp/smtp.h"

enum { LINE_MAX_HERE = 20 };

static struct buf written;

static ssize_t keep(struct stream *s, const void *data, size_t n, uint64_t deadline_us)
{
	(void)s;
	(void)deadline_us;
	if (!buf_add(&written, span_make(data, n)))
		abort();
	return (ssize_t)n;
}

static const struct stream_methods keeping = { .write = keep };

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void check_line(struct span line)
{
	require(span_find(line, '\r') == SPAN_NOT_FOUND);
	if (span_starts(line, span_lit(".")))
		require(span_starts(line, span_lit("..")));
	require(line.len <= LINE_MAX_HERE + 1);	/* the stuffed dot is not counted (RFC 5321 4.5.3.1.6) */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stream stream = { .methods = &keeping, .fd = -1 };
	struct chat chat;
	struct content_writer w = { .chat = &chat, .line_max = LINE_MAX_HERE };
	size_t cut = size > 0 ? data[0] % (size + 1) : 0;
	struct span all = span_make(data, size), line;

	buf_init(&written, BUF_NO_LIMIT);
	chat_init(&chat, &stream, 100);
	content_feed(&w, span_first(all, cut));
	content_feed(&w, span_skip(all, cut));
	content_end(&w);
	require(chat_flush(&chat, CLOCK_NEVER) == 0);
	all = buf_span(&written);
	while (all.len > 0) {
		require(span_cut(&all, '\n', &line));
		require(span_ends(line, span_lit("\r")));
		check_line(span_first(line, line.len - 1));
	}
	chat_free(&chat);
	buf_free(&written);
	return 0;
}
