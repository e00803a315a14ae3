/* SPDX-License-Identifier: ISC */
/* input.c - whole commands from the client: lines and literals, within one budget
 *
 * Frames a command as RFC 3501 4.3 and RFC 7888 say: a line that ends in a literal's mark
 * goes on behind the literal.  The text collected never passes imapd_command_limit; the size of a
 * literal is checked before the client is told to send it.  A message to append is not
 * collected: append.c reads it in pieces. */
#include "imapd/input.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "imapd/imapd.h"

enum {
	READ_BYTES = 16384,
	DISCARD_MAX = 1 << 20,	/* of a literal the client sends unasked */
};

bool input_is_pending(const struct imap *s)
{
	return s->input.at < s->input.pending.len;
}

static struct span pending(const struct imap *s)
{
	return span_skip(buf_span(&s->input.pending), s->input.at);
}

bool input_wait(struct imap *s, int watch_fd, int timeout_ms)
{
	struct pollfd fds[2] = { { .fd = s->fd, .events = POLLIN }, { .fd = watch_fd, .events = POLLIN } };

	int ready;

	if (input_is_pending(s))
		return true;
	do {
		ready = poll(fds, 2, timeout_ms);
	} while (ready < 0 && errno == EINTR);
	return ready > 0 && fds[0].revents != 0;
}

/* end_of_input - the client is gone, or the suite stops and tells it so. */
static void end_of_input(struct imap *s)
{
	s->report.end = "connection closed";
	if (s->settings->is_stopping == NULL || !s->settings->is_stopping())
		return;
	s->report.end = "server shutting down";
	imap_write(s, "* BYE Server shutting down\r\n");
	(void)imap_flush(s);
}

/* fill - read more; false when the client is gone or was silent for too long. */
static bool fill(struct imap *s)
{
	struct buf *b = &s->input.pending;
	char *room;
	ssize_t n;

	if (!imap_flush(s))
		return false;
	buf_consume(b, s->input.at);
	s->input.at = 0;
	if (!input_wait(s, -1, (int)s->settings->timeout_s * 1000)) {
		s->report.end = "no command for too long";
		imap_write(s, "* BYE no command for too long\r\n");
		(void)imap_flush(s);
		return false;
	}
	room = buf_reserve(b, READ_BYTES);
	if (room == NULL)
		return false;
	do {
		n = read(s->fd, room, READ_BYTES);
	} while (n < 0 && errno == EINTR);
	if (n <= 0) {
		end_of_input(s);
		return false;
	}
	buf_commit(b, (size_t)n);
	s->report.in_bytes += (size_t)n;
	return true;
}

struct span input_bytes(struct imap *s, uint64_t n)
{
	struct span piece;

	if (!input_is_pending(s) && !fill(s))
		return (struct span){ NULL, 0 };
	piece = span_first(pending(s), n < SIZE_MAX ? (size_t)n : SIZE_MAX);
	s->input.at += piece.len;
	return piece;
}

bool input_discard(struct imap *s, uint64_t n)
{
	if (n > DISCARD_MAX)
		return false;
	while (n != 0) {
		size_t got = input_bytes(s, n).len;

		if (got == 0)
			return false;
		n -= got;
	}
	return true;
}

/* add_line - append the next line, without its end, to the text; what is past the budget is dropped and
 * shows as text.overflowed. */
static bool add_line(struct imap *s)
{
	struct buf *text = &s->input.text;

	for (;;) {
		struct span have = pending(s);
		size_t end = span_find(have, '\n');
		struct span piece = span_first(have, end);

		if (!text->overflowed)
			buf_add(text, piece);
		if (end != SPAN_NOT_FOUND) {
			s->input.at += end + 1;
			break;
		}
		s->input.at += have.len;
		if (!fill(s))
			return false;
	}
	if (text->len != 0 && text->ptr[text->len - 1] == '\r')
		buf_truncate(text, text->len - 1);
	return true;
}

/* add_literal - its bytes, behind a line end, into the text. */
static bool add_literal(struct imap *s, uint64_t size)
{
	buf_add(&s->input.text, span_lit("\r\n"));
	while (size != 0) {
		struct span piece = input_bytes(s, size);

		if (piece.len == 0)
			return false;
		buf_add(&s->input.text, piece);
		size -= piece.len;
	}
	return true;
}

/* is_message_literal - is the mark at the end of text that of a message to append: does it stand behind the
 * mailbox, which may be a literal itself? */
static bool is_message_literal(struct span text, const struct literal_mark *mark)
{
	struct span rest = text, tag, name;
	struct imap_parse p;
	bool is_message = false;

	if (!span_cut(&rest, ' ', &tag) || !span_cut(&rest, ' ', &name) ||
	    !span_equal_ci(name, span_lit("APPEND")))
		return false;
	p = (struct imap_parse){ .rest = rest, .arena = arena_new(NULL) };
	if (imap_take_astring(&p, &name))
		is_message = p.rest.len != 0 && p.rest.ptr <= text.ptr + mark->offset;
	arena_free(p.arena);
	return is_message;
}

/* collect - lines and literals until the command ends. */
static enum input_result collect(struct imap *s, bool in_append, struct span *out)
{
	struct buf *text = &s->input.text;
	struct literal_mark mark;

	for (;;) {
		if (!add_line(s))
			return INPUT_GONE;
		*out = buf_span(text);
		if (text->overflowed)
			return INPUT_TOO_LONG;
		if (!imap_literal_mark(*out, &mark))
			return INPUT_COMMAND;
		if (in_append || is_message_literal(*out, &mark)) {
			s->input.unread = mark.is_sync ? 0 : mark.size;
			return INPUT_LITERAL;
		}
		if (mark.size + 2 > text->limit - text->len) {
			/* A client that waits for us sends nothing more of this command. */
			if (mark.is_sync)
				return INPUT_TOO_LONG;
			text->overflowed = true;
			if (!input_discard(s, mark.size)) {
				s->report.end = "literal too large";
				imap_write(s, "* BYE literal too large\r\n");
				return INPUT_GONE;
			}
			continue;
		}
		if (mark.is_sync)
			imap_write(s, "+ OK\r\n");
		if (!add_literal(s, mark.size))
			return INPUT_GONE;
	}
}

enum input_result input_command(struct imap *s, struct span *text)
{
	buf_clear(&s->input.text);
	s->input.text.limit = s->settings->command_limit;
	return collect(s, false, text);
}

enum input_result input_continue(struct imap *s, struct span *text)
{
	buf_clear(&s->input.text);
	return collect(s, true, text);
}
