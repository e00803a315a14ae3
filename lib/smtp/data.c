/* SPDX-License-Identifier: ISC */
/* data.c - the line rule of message data */
#include "lib/smtp/data.h"

void smtp_data_begin(struct smtp_data_reader *r, bool is_dotted, bool keep_bare)
{
	*r = (struct smtp_data_reader){
		.state = SMTP_DATA_LINE_START,
		.is_dotted = is_dotted,
		.keep_bare = keep_bare,
		.after_crlf = true,
	};
}

static void end_line(struct smtp_data_reader *r, struct buf *out)
{
	buf_add(out, span_lit("\r\n"));
	r->state = SMTP_DATA_LINE_START;
	r->after_crlf = true;
}

/* A LF without CR: a line end to the many, so made a real one; but no end of data may follow it. */
static void bare_lf(struct smtp_data_reader *r, struct buf *out)
{
	r->bare_lf = true;
	if (r->keep_bare)
		buf_add_byte(out, '\n');
	else
		buf_add(out, span_lit("\r\n"));
	r->state = SMTP_DATA_LINE_START;
	r->after_crlf = false;
}

/* A CR without LF is no line end to anybody we would agree with. */
static void bare_cr(struct smtp_data_reader *r, struct buf *out)
{
	r->bare_cr = true;
	buf_add_byte(out, r->keep_bare ? '\r' : ' ');
	r->state = SMTP_DATA_TEXT;
}

/* Plain text up to the next CR or LF: gives the bytes used. */
static size_t feed_text(struct smtp_data_reader *r, struct span s, struct buf *out)
{
	size_t lf = span_find(s, '\n');
	size_t n = lf == SPAN_NOT_FOUND ? s.len : lf;
	size_t cr = span_find(span_first(s, n), '\r');

	if (cr != SPAN_NOT_FOUND) {
		buf_add(out, span_first(s, cr));
		r->state = SMTP_DATA_CR;
		return cr + 1;
	}
	buf_add(out, span_first(s, n));
	if (lf == SPAN_NOT_FOUND)
		return n;
	bare_lf(r, out);
	return n + 1;
}

/* One byte in a state where bytes count one by one; false: not used, feed it again. */
static bool feed_byte(struct smtp_data_reader *r, char c, struct buf *out)
{
	switch (r->state) {
	case SMTP_DATA_DOT:
		if (c == '\r') {
			r->state = SMTP_DATA_DOT_CR;
			return true;
		}
		if (c == '\n') {	/* ". LF" ends nothing; the dot is text */
			buf_add_byte(out, '.');
			bare_lf(r, out);
			return true;
		}
		r->state = SMTP_DATA_TEXT;	/* the dot was stuffing (RFC 5321 4.5.2) */
		return false;
	case SMTP_DATA_DOT_CR:
		if (c == '\n' && r->after_crlf) {
			r->state = SMTP_DATA_END;
			return true;
		}
		if (c == '\n') {	/* the line began after a bare LF: no end of data */
			buf_add_byte(out, '.');
			end_line(r, out);
			return true;
		}
		bare_cr(r, out);
		return false;
	case SMTP_DATA_CR:
		if (c == '\n') {
			end_line(r, out);
			return true;
		}
		bare_cr(r, out);
		return false;
	case SMTP_DATA_LINE_START:
	case SMTP_DATA_TEXT:
	case SMTP_DATA_END:
		break;
	}
	return false;
}

size_t smtp_data_feed(struct smtp_data_reader *r, struct span bytes, struct buf *out)
{
	size_t used = 0;

	while (used < bytes.len && r->state != SMTP_DATA_END) {
		if (r->state == SMTP_DATA_LINE_START) {
			bool dot = r->is_dotted && bytes.ptr[used] == '.';

			r->state = dot ? SMTP_DATA_DOT : SMTP_DATA_TEXT;
			used += dot;
		} else if (r->state == SMTP_DATA_TEXT) {
			used += feed_text(r, span_skip(bytes, used), out);
		} else {
			used += feed_byte(r, bytes.ptr[used], out);
		}
	}
	return used;
}

void smtp_data_finish(struct smtp_data_reader *r, struct buf *out)
{
	if (r->state == SMTP_DATA_CR)
		bare_cr(r, out);
	/* The last line of a BDAT message may lack its end; stored and relayed mail has one. */
	if (r->state == SMTP_DATA_TEXT)
		end_line(r, out);
	r->state = SMTP_DATA_END;
}

void smtp_data_stuff(struct span content, bool *at_line_start, struct buf *out)
{
	while (content.len > 0) {
		size_t lf = span_find(content, '\n');
		size_t n = lf == SPAN_NOT_FOUND ? content.len : lf + 1;

		if (*at_line_start && content.ptr[0] == '.')
			buf_add_byte(out, '.');
		buf_add(out, span_first(content, n));
		*at_line_start = lf != SPAN_NOT_FOUND;
		content = span_skip(content, n);
	}
}
