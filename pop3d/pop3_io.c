/* SPDX-License-Identifier: ISC */
/* pop3_io.c - lines from the client, replies and messages to it
 *
 * Output gathers and goes out when the next read would wait, so pipelined commands are answered together
 * (RFC 2449 6.6).  The descriptor may block or not: login had it before. */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "pop3d/pop3d.h"

enum { READ_PIECE = 16 * 1024, LINE_MAX_BYTES = 4096, OUTPUT_PIECE = 64 * 1024, SEND_TIMEOUT_S = 300 };

static bool wait_for(struct pop3 *p, short events, unsigned long long timeout_s)
{
	struct pollfd polled = { .fd = p->fd, .events = events };
	int ready;

	do
		ready = poll(&polled, 1, (int)(timeout_s * 1000));
	while (ready < 0 && errno == EINTR);
	return ready > 0;
}

void pop3_flush(struct pop3 *p)
{
	size_t done = 0;

	while (done < p->out.len && !p->is_lost) {
		ssize_t n = write(p->fd, p->out.ptr + done, p->out.len - done);

		if (n > 0)
			done += (size_t)n;
		else if (n < 0 && errno == EAGAIN)
			p->is_lost = !wait_for(p, POLLOUT, SEND_TIMEOUT_S);
		else if (n == 0 || errno != EINTR)
			p->is_lost = true;
	}
	buf_clear(&p->out);
}

void pop3_write(struct pop3 *p, struct span s)
{
	buf_add(&p->out, s);
	if (p->out.len >= OUTPUT_PIECE)
		pop3_flush(p);
}

void pop3_reply(struct pop3 *p, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	buf_vaddf(&p->out, format, args);
	va_end(args);
	pop3_write(p, span_lit("\r\n"));
}

/* More bytes into p->in: POP3_LINE when some came. */
static enum pop3_event fill(struct pop3 *p)
{
	pop3_flush(p);
	for (;;) {
		char *at;
		ssize_t n;

		if (p->is_lost)
			return POP3_CLOSED;
		if (!wait_for(p, POLLIN, p->conf->pop3d_timeout))
			return POP3_TIMEOUT;
		at = buf_reserve(&p->in, READ_PIECE);
		n = at != NULL ? read(p->fd, at, READ_PIECE) : -1;
		if (n > 0) {
			buf_commit(&p->in, (size_t)n);
			return POP3_LINE;
		}
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			return POP3_CLOSED;
	}
}

enum pop3_event pop3_line(struct pop3 *p, struct span *line)
{
	bool too_long = false;

	for (;;) {
		struct span rest;
		enum pop3_event event;

		buf_consume(&p->in, p->consumed);
		p->consumed = 0;
		rest = buf_span(&p->in);
		if (span_find(rest, '\n') != SPAN_NOT_FOUND) {
			p->consumed = span_find(rest, '\n') + 1;
			*line = span_first(rest, p->consumed - 1);
			if (span_ends(*line, span_lit("\r")))
				line->len--;
			return too_long || line->len > LINE_MAX_BYTES ? POP3_TOO_LONG : POP3_LINE;
		}
		if (rest.len > LINE_MAX_BYTES) {
			too_long = true;
			buf_clear(&p->in);
		}
		event = fill(p);
		if (event != POP3_LINE)
			return event;
	}
}

/* What is known of the message sent so far. */
struct sending {
	bool     at_line_start, in_body;
	bool     line_is_empty;	/* nothing but CR in this line yet */
	uint64_t lines_left;	/* of the body */
};

/* One piece of the message; false when enough was sent. */
static bool send_piece(struct pop3 *p, struct sending *s, struct span piece)
{
	while (piece.len > 0) {
		size_t lf = span_find(piece, '\n');
		struct span part = span_first(piece, lf == SPAN_NOT_FOUND ? piece.len : lf + 1);
		struct span text = lf == SPAN_NOT_FOUND ? part : span_first(part, lf);

		if (s->at_line_start && s->in_body && s->lines_left == 0)
			return false;
		if (s->at_line_start && part.ptr[0] == '.')
			pop3_write(p, span_lit("."));
		s->line_is_empty = (s->at_line_start || s->line_is_empty) &&
		                   (text.len == 0 || (text.len == 1 && text.ptr[0] == '\r'));
		pop3_write(p, part);
		s->at_line_start = lf != SPAN_NOT_FOUND;
		if (s->at_line_start && s->in_body && s->lines_left != UINT64_MAX)
			s->lines_left--;
		if (s->at_line_start && s->line_is_empty)
			s->in_body = true;
		piece = span_skip(piece, part.len);
	}
	return true;
}

void pop3_send_message(struct pop3 *p, struct message_reader *r, uint64_t body_lines)
{
	struct sending s = { .at_line_start = true, .line_is_empty = true, .lines_left = body_lines };
	char piece[OUTPUT_PIECE];
	uint64_t at = 0;
	ssize_t n = 0;

	while (!p->is_lost && (n = reader_read(r, at, piece, sizeof(piece))) > 0) {
		at += (uint64_t)n;
		if (!send_piece(p, &s, span_make(piece, (size_t)n)))
			break;
	}
	if (n < 0) {
		/* The disk failed in the middle: an end would make the client believe that this was all. */
		p->is_lost = true;
		return;
	}
	if (!s.at_line_start)
		pop3_write(p, span_lit("\r\n"));
	pop3_write(p, span_lit(".\r\n"));
}
