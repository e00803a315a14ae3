/* SPDX-License-Identifier: ISC */
/* structure.c - BODY and BODYSTRUCTURE as IMAP writes them (RFC 3501 7.4.2)
 *
 * Walks the tree without recursion: each part is entered once and left once.  A
 * multipart without parts is given an empty one and a message/rfc822 whose inside was not
 * parsed an empty message, because the grammar wants them.  Extension data is always whole. */
#include "lib/mime/structure.h"

#include "lib/mime/field.h"

static const struct span no_text = { NULL, 0 };

static bool is_text(const struct mime_part *part)
{
	return span_equal_ci(part->type.type, span_lit("text"));
}

static bool is_multipart(const struct mime_part *part)
{
	return span_equal_ci(part->type.type, span_lit("multipart"));
}

static bool is_message(const struct mime_part *part)
{
	return span_equal_ci(part->type.type, span_lit("message")) &&
	       span_equal_ci(part->type.subtype, span_lit("rfc822"));
}

static size_t count_lines(struct span body)
{
	size_t lines = 0;

	for (const char *at = body.ptr, *end = body.ptr + body.len;
	     at < end && (at = memchr(at, '\n', (size_t)(end - at))) != NULL; at++)
		lines++;
	return lines;
}

/* add_params - "(name value ...)" or NIL; text without a charset is us-ascii (RFC 2045 5.2). */
static void add_params(struct buf *out, const struct mime_value *value, bool want_charset)
{
	struct span charset;
	bool first = true;

	for (const struct mime_param *p = value->params; p != NULL; p = p->next) {
		buf_add_byte(out, first ? '(' : ' ');
		first = false;
		imap_add_string(out, p->name);
		buf_add_byte(out, ' ');
		imap_add_string(out, p->value);
	}
	if (want_charset && !mime_param_find(value, span_lit("charset"), &charset) &&
	    !mime_param_find(value, span_lit("charset*"), &charset)) {
		buf_addf(out, "%s\"CHARSET\" \"us-ascii\"", first ? "(" : " ");
		first = false;
	}
	buf_add(out, first ? span_lit("NIL") : span_lit(")"));
}

/* add_field - the unfolded value of one field, or NIL. */
static void add_field(struct arena *a, struct buf *out, struct span header, struct span name)
{
	struct span value;

	if (mime_field_find(header, name, &value))
		imap_add_string(out, mime_unfold(a, value));
	else
		imap_add_nstring(out, no_text);
}

static void add_disposition(struct arena *a, struct buf *out, struct span header)
{
	struct mime_value disposition;
	struct span value;

	if (!mime_field_find(header, span_lit("Content-Disposition"), &value) ||
	    !mime_disposition(a, value, &disposition)) {
		buf_add(out, span_lit("NIL"));
		return;
	}
	buf_add_byte(out, '(');
	imap_add_string(out, disposition.type);
	buf_add_byte(out, ' ');
	add_params(out, &disposition, false);
	buf_add_byte(out, ')');
}

static void add_languages(struct buf *out, struct span header)
{
	struct span value, tag;
	size_t count = 0;

	if (!mime_field_find(header, span_lit("Content-Language"), &value))
		value = no_text;
	while (mime_next_language(&value, &tag)) {
		buf_add_byte(out, count++ == 0 ? '(' : ' ');
		imap_add_string(out, tag);
	}
	buf_add(out, count == 0 ? span_lit("NIL") : span_lit(")"));
}

/* add_extension - disposition, language and location: the same for every kind of part. */
static void add_extension(struct arena *a, struct buf *out, struct span header)
{
	buf_add_byte(out, ' ');
	add_disposition(a, out, header);
	buf_add_byte(out, ' ');
	add_languages(out, header);
	buf_add_byte(out, ' ');
	add_field(a, out, header, span_lit("Content-Location"));
}

static void add_empty_text(struct buf *out, bool extended)
{
	buf_add(out, span_lit("(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"us-ascii\") NIL NIL \"7BIT\" 0 0"));
	buf_add(out, extended ? span_lit(" NIL NIL NIL NIL)") : span_lit(")"));
}

/* enter - what is written before the parts inside. */
static void enter(struct arena *a, struct buf *out, const struct mime_part *part, bool extended)
{
	buf_add_byte(out, '(');
	if (is_multipart(part)) {
		if (part->first == NULL)
			add_empty_text(out, extended);
		return;
	}
	imap_add_string(out, part->type.type);
	buf_add_byte(out, ' ');
	imap_add_string(out, part->type.subtype);
	buf_add_byte(out, ' ');
	add_params(out, &part->type, is_text(part));
	buf_add_byte(out, ' ');
	add_field(a, out, part->header, span_lit("Content-ID"));
	buf_add_byte(out, ' ');
	add_field(a, out, part->header, span_lit("Content-Description"));
	buf_add_byte(out, ' ');
	imap_add_string(out, part->encoding);
	buf_addf(out, " %zu", part->body.len);
	if (!is_message(part))
		return;
	buf_add_byte(out, ' ');
	imap_add_envelope(a, out, part->first != NULL ? part->first->header : no_text);
	buf_add_byte(out, ' ');
	if (part->first == NULL)
		add_empty_text(out, extended);
}

/* leave - what is written behind them. */
static void leave(struct arena *a, struct buf *out, const struct mime_part *part, bool extended)
{
	if (is_multipart(part)) {
		buf_add_byte(out, ' ');
		imap_add_string(out, part->type.subtype);
		if (extended) {
			buf_add_byte(out, ' ');
			add_params(out, &part->type, false);
		}
	} else {
		if (is_text(part) || is_message(part))
			buf_addf(out, " %zu", count_lines(part->body));
		if (extended) {
			buf_add_byte(out, ' ');
			add_field(a, out, part->header, span_lit("Content-MD5"));
		}
	}
	if (extended)
		add_extension(a, out, part->header);
	buf_add_byte(out, ')');
}

void imap_add_structure(struct arena *a, struct buf *out, const struct mime_part *part, bool extended)
{
	const struct mime_part *at = part;

	for (;;) {
		enter(a, out, at, extended);
		if (at->first != NULL) {
			at = at->first;
			continue;
		}
		leave(a, out, at, extended);
		while (at != part && at->next == NULL) {
			at = at->parent;
			leave(a, out, at, extended);
		}
		if (at == part)
			return;
		at = at->next;
	}
}
