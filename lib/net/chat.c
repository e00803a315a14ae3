/* SPDX-License-Identifier: ISC */
/* chat.c - lines in, replies out; the peer is hostile
 *
 * Each byte is looked at once, however a line arrives: 'searched' remembers how far.  A line that is too
 * long is dropped as it comes, so no more than line_max and one read is ever held. */
#include "lib/net/chat.h"

#include <errno.h>
#include <string.h>

#include "lib/base/clock.h"

enum {
	LINE_READ  = 4096,	/* room for a read, when a line is wanted */
	BULK_READ  = 32 * 1024,	/* when content is */
	OUTPUT_MAX = 32 * 1024,
};

void chat_init(struct chat *c, struct stream *stream, size_t line_max)
{
	*c = (struct chat){ .stream = stream, .line_max = line_max, .write_timeout_s = 300 };
	buf_init(&c->in, BUF_NO_LIMIT);
	buf_init(&c->out, BUF_NO_LIMIT);
}

void chat_free(struct chat *c)
{
	buf_free(&c->in);
	buf_free(&c->out);
}

static enum chat_event event_of_errno(void)
{
	if (errno == ETIMEDOUT)
		return CHAT_TIMEOUT;
	return errno == ECANCELED ? CHAT_CANCELLED : CHAT_CLOSED;
}

int chat_flush(struct chat *c, uint64_t deadline_us)
{
	ssize_t put;

	if (c->failed) {
		errno = EPIPE;
		return -1;
	}
	if (c->out.len == 0)
		return 0;
	put = stream_write(c->stream, c->out.ptr, c->out.len, deadline_us);
	buf_free(&c->out);
	c->failed = put < 0;
	return c->failed ? -1 : 0;
}

static void drop_consumed(struct chat *c)
{
	buf_consume(&c->in, c->consumed);
	c->consumed = 0;
}

/* read_now - what is there without waiting: as stream_read. */
static ssize_t read_now(struct chat *c, size_t most)
{
	char *room = buf_reserve(&c->in, most);
	ssize_t got = stream_read(c->stream, room, most, 0);

	if (got > 0)
		buf_commit(&c->in, (size_t)got);
	return got;
}

/* wait_for_input - send what the peer waits for, hold no memory for it meanwhile. */
static int wait_for_input(struct chat *c, uint64_t deadline_us)
{
	if (chat_flush(c, deadline_us) < 0)
		return -1;
	if (c->in.len == 0)
		buf_free(&c->in);
	return stream_wait_readable(c->stream, deadline_us);
}

/* fill - at least one more byte: CHAT_LINE; else why not. */
static enum chat_event fill(struct chat *c, size_t most, uint64_t deadline_us)
{
	if (c->failed)
		return CHAT_CLOSED;
	drop_consumed(c);
	for (;;) {
		ssize_t got = read_now(c, most);

		if (got > 0)
			return CHAT_LINE;
		if (got == 0)
			return CHAT_CLOSED;
		if (errno != ETIMEDOUT || wait_for_input(c, deadline_us) < 0)
			return event_of_errno();
	}
}

/* take_line - the line that ends at offset end of the unread bytes. */
static enum chat_event take_line(struct chat *c, size_t end, struct span *line)
{
	bool too_long = c->is_skipping;
	struct span whole = span_make(c->in.ptr + c->consumed, end);

	c->bare_lf_seen = !span_ends(whole, span_lit("\r"));
	if (!c->bare_lf_seen)
		whole.len--;
	c->consumed += end + 1;
	c->searched = 0;
	c->is_skipping = false;
	if (too_long || whole.len > c->line_max)
		return CHAT_TOO_LONG;
	*line = whole;
	return CHAT_LINE;
}

enum chat_event chat_line(struct chat *c, struct span *line, uint64_t deadline_us)
{
	*line = (struct span){ NULL, 0 };
	for (;;) {
		struct span unread = span_skip(buf_span(&c->in), c->consumed);
		size_t end = span_find(span_skip(unread, c->searched), '\n');
		enum chat_event event;

		if (end != SPAN_NOT_FOUND)
			return take_line(c, c->searched + end, line);
		c->searched = unread.len;
		if (c->is_skipping || unread.len > c->line_max + 1) {
			/* Keep the last byte: it may be the CR of the line end. */
			c->is_skipping = true;
			if (unread.len > 1)
				chat_take(c, unread.len - 1);
			c->searched = 0;
		}
		event = fill(c, LINE_READ, deadline_us);
		if (event != CHAT_LINE)
			return event;
	}
}

enum chat_event chat_more(struct chat *c, struct span *bytes, uint64_t deadline_us)
{
	*bytes = (struct span){ NULL, 0 };
	if (!chat_has_input(c)) {
		enum chat_event event = fill(c, BULK_READ, deadline_us);

		if (event != CHAT_LINE)
			return event;
	}
	*bytes = span_skip(buf_span(&c->in), c->consumed);
	return CHAT_LINE;
}

void chat_take(struct chat *c, size_t n)
{
	c->consumed += n;
	c->searched = 0;
}

bool chat_has_input(const struct chat *c)
{
	return c->in.len > c->consumed;
}

size_t chat_discard_input(struct chat *c)
{
	size_t n = c->in.len - c->consumed;

	buf_clear(&c->in);
	c->consumed = c->searched = 0;
	c->is_skipping = false;
	return n;
}

static void send_if_much(struct chat *c)
{
	if (c->out.len > OUTPUT_MAX)
		(void)chat_flush(c, clock_in_s(c->write_timeout_s));
}

void chat_write(struct chat *c, struct span s)
{
	if (c->failed)
		return;
	buf_add(&c->out, s);
	send_if_much(c);
}

void chat_vprintf(struct chat *c, const char *format, va_list args)
{
	if (c->failed)
		return;
	buf_vaddf(&c->out, format, args);
	send_if_much(c);
}

void chat_printf(struct chat *c, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	chat_vprintf(c, format, args);
	va_end(args);
}
