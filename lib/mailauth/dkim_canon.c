/* SPDX-License-Identifier: ISC */
/* dkim_canon.c - canonicalization of header fields and bodies (RFC 6376 3.4.1 to 3.4.4)
 *
 * Runs over every byte of every message, so it works by runs and copies them into a buffer that is given away when
 * it is full.  White space is space and tab, a line end is CRLF and nothing else. */
#include "lib/mailauth/dkim_canon.h"

static bool is_wsp(char c)
{
	return c == ' ' || c == '\t';
}

/* ---- header fields ---- */

/* relax_value - in to out: unfolded, each run of white space one space, none at the ends.  Gives the bytes written, at
 * most in.len. */
static size_t relax_value(char *out, struct span in)
{
	size_t n = 0;
	bool has_space = false;

	for (size_t i = 0; i < in.len; i++) {
		char c = in.ptr[i];

		if (c == '\n' || (c == '\r' && i + 1 < in.len && in.ptr[i + 1] == '\n'))
			continue;
		if (is_wsp(c)) {
			has_space = n != 0;
			continue;
		}
		if (has_space)
			out[n++] = ' ';
		has_space = false;
		out[n++] = c;
	}
	return n;
}

/* relax - the field without its CRLF, its value being before and behind. */
static void relax(struct buf *out, struct span name, struct span value)
{
	char *at = buf_reserve(out, name.len + 1 + value.len);

	if (at == NULL)
		return;
	for (size_t i = 0; i < name.len; i++)
		at[i] = ascii_lower(name.ptr[i]);
	at[name.len] = ':';
	buf_commit(out, name.len + 1 + relax_value(at + name.len + 1, value));
}

/* without_end - raw without the line end at its end. */
static struct span without_end(struct span raw)
{
	if (span_ends(raw, span_lit("\n")))
		raw.len--;
	if (span_ends(raw, span_lit("\r")))
		raw.len--;
	return raw;
}

void dkim_canon_field(struct buf *out, enum dkim_canon canon, const struct mime_field *field)
{
	if (canon == DKIM_RELAXED)
		relax(out, field->name, field->value);
	else
		buf_add(out, without_end(field->raw));
	buf_add(out, span_lit("\r\n"));
}

void dkim_canon_signature(struct buf *out, enum dkim_canon canon, const struct mime_field *field, struct span cut)
{
	struct span raw = without_end(field->raw);
	size_t cut_at = (size_t)(cut.ptr - raw.ptr);
	size_t value_at = (size_t)(field->value.ptr - raw.ptr);
	struct buf text;

	buf_init(&text, BUF_NO_LIMIT);
	buf_add(&text, span_first(raw, cut_at));
	buf_add(&text, span_skip(raw, cut_at + cut.len));
	if (canon == DKIM_RELAXED)
		relax(out, field->name, span_skip(buf_span(&text), value_at));
	else
		buf_add(out, buf_span(&text));
	buf_free(&text);
}

/* ---- bodies ---- */

void dkim_canon_body_start(struct dkim_canon_body *body, enum dkim_canon canon,
                           void (*give)(void *user, struct span bytes), void *user)
{
	body->canon = canon;
	body->give = give;
	body->user = user;
	body->empty_lines = 0;
	body->has_space = body->has_cr = body->has_content = false;
	body->used = 0;
}

static void flush(struct dkim_canon_body *body)
{
	if (body->used != 0)
		body->give(body->user, span_make(body->buffer, body->used));
	body->used = 0;
}

static void put(struct dkim_canon_body *body, struct span bytes)
{
	if (bytes.len > sizeof(body->buffer) - body->used)
		flush(body);
	if (bytes.len > sizeof(body->buffer)) {
		body->give(body->user, bytes);
		return;
	}
	memcpy(body->buffer + body->used, bytes.ptr, bytes.len);
	body->used += bytes.len;
}

/* begin_content - something follows that ends what was held back: the lines before it count now. */
static void begin_content(struct dkim_canon_body *body)
{
	for (; body->empty_lines != 0; body->empty_lines--)
		put(body, span_lit("\r\n"));
	body->has_content = true;
}

static void put_space(struct dkim_canon_body *body)
{
	if (body->has_space)
		put(body, span_lit(" "));
	body->has_space = false;
}

/* put_simple - bytes up to a CR as they are; gives how many. */
static size_t put_simple(struct dkim_canon_body *body, struct span bytes)
{
	const char *cr = memchr(bytes.ptr, '\r', bytes.len);
	size_t n = cr != NULL ? (size_t)(cr - bytes.ptr) : bytes.len;

	put(body, span_first(bytes, n));
	return n;
}

/* put_relaxed - bytes up to a CR, each run of white space one space; as many as the buffer takes, at least one. */
static size_t put_relaxed(struct dkim_canon_body *body, struct span bytes)
{
	char *out = body->buffer;
	bool has_space = body->has_space;
	size_t i, n;

	if (sizeof(body->buffer) - body->used < 2)
		flush(body);
	for (i = 0, n = body->used; i < bytes.len && n + 2 <= sizeof(body->buffer); i++) {
		char c = bytes.ptr[i];

		if (c == '\r')
			break;
		if (is_wsp(c)) {
			has_space = true;
			continue;
		}
		if (has_space)
			out[n++] = ' ';
		has_space = false;
		out[n++] = c;
	}
	body->used = n;
	body->has_space = has_space;
	return i;
}

/* after_cr - the byte behind a CR is known: gives how many bytes that takes. */
static size_t after_cr(struct dkim_canon_body *body, char c)
{
	body->has_cr = false;
	if (c != '\n') {
		begin_content(body);
		put_space(body);
		put(body, span_lit("\r"));
		return 0;
	}
	body->has_space = false;
	body->empty_lines++;
	return 1;
}

void dkim_canon_body_add(struct dkim_canon_body *body, struct span bytes)
{
	while (bytes.len != 0) {
		size_t n = 1;

		if (body->has_cr) {
			n = after_cr(body, bytes.ptr[0]);
		} else if (bytes.ptr[0] == '\r') {
			body->has_cr = true;
		} else if (body->canon == DKIM_RELAXED && is_wsp(bytes.ptr[0])) {
			body->has_space = true;
		} else {
			begin_content(body);
			n = body->canon == DKIM_RELAXED ? put_relaxed(body, bytes) : put_simple(body, bytes);
		}
		bytes = span_skip(bytes, n);
	}
}

void dkim_canon_body_end(struct dkim_canon_body *body)
{
	if (body->has_cr)
		(void)after_cr(body, '\0');
	/* The last line has its CRLF, even one that came without; an empty body is CRLF when simple (RFC 6376 3.4.3),
	 * nothing when relaxed (3.4.4). */
	if (body->has_content || body->canon == DKIM_SIMPLE)
		put(body, span_lit("\r\n"));
	flush(body);
}
