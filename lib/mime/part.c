/* SPDX-License-Identifier: ISC */
/* part.c - the tree of MIME parts of one message
 *
 * One pass over the bytes, with the open parts as the stack: no recursion, and memory in
 * proportion to the number of parts, which is limited.  Rules kept here: RFC 2046 5.1.1
 * (boundaries: a line that begins with one is one, whatever follows; its line end before
 * belongs to it), 5.1.5 (digest), 5.2.1 (message/rfc822).  Where two open boundaries fit a
 * line the longer one counts, so that one may be the start of another. */
#include "lib/mime/part.h"

#include "lib/mime/field.h"

struct parser {
	struct arena             *arena;
	struct span               message;
	const struct mime_limits *limits;
	size_t                    at;		/* start of the next line */
	size_t                    count;
	struct mime_part         *current;	/* the innermost part not ended */
};

static struct mime_part *new_part(struct parser *p, struct mime_part *parent)
{
	struct mime_part *part = ARENA_NEW(p->arena, struct mime_part);

	part->parent = parent;
	part->header = part->body = (struct span){ p->message.ptr + p->at, 0 };
	if (parent != NULL) {
		part->depth = parent->depth + 1;
		if (parent->last != NULL)
			parent->last->next = part;
		else
			parent->first = part;
		parent->last = part;
	}
	p->count++;
	p->current = part;
	return part;
}

static bool is_digest(const struct mime_part *part)
{
	return part != NULL && part->is_multipart &&
	       span_equal_ci(part->type.subtype, span_lit("digest"));
}

static bool type_is(const struct mime_part *part, struct span type, struct span subtype)
{
	return span_equal_ci(part->type.type, type) &&
	       (subtype.len == 0 || span_equal_ci(part->type.subtype, subtype));
}

/* read_header - what the header of part says about its body. */
static void read_header(struct parser *p, struct mime_part *part)
{
	struct span value;

	if (!mime_field_find(part->header, span_lit("Content-Type"), &value) ||
	    !mime_content_type(p->arena, value, &part->type)) {
		bool digest = is_digest(part->parent);

		part->type = (struct mime_value){
			.type = digest ? span_lit("MESSAGE") : span_lit("TEXT"),
			.subtype = digest ? span_lit("RFC822") : span_lit("PLAIN"),
		};
	}
	if (mime_field_find(part->header, span_lit("Content-Transfer-Encoding"), &value))
		part->encoding = mime_first_token(value);
	if (part->encoding.len == 0)
		part->encoding = span_lit("7BIT");
	if (part->depth >= p->limits->depth || p->count >= p->limits->parts)
		return;
	part->is_multipart = type_is(part, span_lit("multipart"), span_lit(""));
	part->is_message = type_is(part, span_lit("message"), span_lit("rfc822"));
	if (part->is_multipart)
		part->is_open = mime_param_find(&part->type, span_lit("boundary"), &part->boundary);
}

static size_t line_end(const struct parser *p, size_t from)
{
	size_t at = span_find(span_skip(p->message, from), '\n');

	return at == SPAN_NOT_FOUND ? p->message.len : from + at + 1;
}

/* match_boundary - the open multipart whose boundary the line at 'at' is; NULL when none. */
static struct mime_part *match_boundary(const struct parser *p, size_t at)
{
	struct span line = span_skip(p->message, at);
	struct mime_part *best = NULL;

	if (!span_starts(line, span_lit("--")))
		return NULL;
	line = span_skip(line, 2);
	for (struct mime_part *m = p->current; m != NULL; m = m->parent)
		if (m->is_open && span_starts(line, m->boundary) &&
		    (best == NULL || m->boundary.len > best->boundary.len))
			best = m;
	return best;
}

/* end_before - where content ends that stands before a boundary line at 'at'. */
static size_t end_before(const struct parser *p, size_t at)
{
	if (at != 0 && p->message.ptr[at - 1] == '\n')
		at--;
	if (at != 0 && p->message.ptr[at - 1] == '\r')
		at--;
	return at;
}

static struct span range(const struct parser *p, const char *from, size_t end)
{
	size_t start = (size_t)(from - p->message.ptr);

	return (struct span){ from, end > start ? end - start : 0 };
}

/* end_part - its body ends here. */
static void end_part(const struct parser *p, struct mime_part *part, size_t end)
{
	/* A blank line right before a boundary is the boundary's, not the header's. */
	if (part->header.ptr + part->header.len > p->message.ptr + end) {
		part->header = range(p, part->header.ptr, end);
		part->body.ptr = part->header.ptr + part->header.len;
	}
	part->body = range(p, part->body.ptr, end);
	part->is_open = false;
}

/* end_down_to - all parts inside m end before the boundary line at 'at'; m (may be NULL) goes on. */
static void end_down_to(struct parser *p, const struct mime_part *m, size_t end, size_t at)
{
	while (p->current != m) {
		struct mime_part *part = p->current;

		end_part(p, part, end);
		/* A message that is one blank line keeps it: it ends the (empty) header. */
		if (part->is_message && part->body.len == 0 && part->parent == m)
			part->body = range(p, part->body.ptr, at);
		p->current = part->parent;
	}
}

/* take_boundary - the boundary line of m at p->at: begin a part, or end m's parts. */
static void take_boundary(struct parser *p, struct mime_part *m)
{
	struct span behind = span_skip(p->message, p->at + 2 + m->boundary.len);
	bool closes = span_starts(behind, span_lit("--"));

	end_down_to(p, m, end_before(p, p->at), p->at);
	p->at = line_end(p, p->at);
	if (closes)
		m->is_open = false;
}

/* scan_header - lines of p->current's header, to the blank line or a boundary, which it gives. */
static struct mime_part *scan_header(struct parser *p)
{
	struct mime_part *part = p->current, *m = NULL;

	while (p->at < p->message.len && (m = match_boundary(p, p->at)) == NULL) {
		size_t start = p->at, end = line_end(p, start);
		size_t length = end - start;
		const char *line = p->message.ptr + start;

		p->at = end;
		if (line[0] == '\n' || (length == 2 && line[0] == '\r' && line[1] == '\n'))
			break;
	}
	part->header = range(p, part->header.ptr, m != NULL ? end_before(p, p->at) : p->at);
	part->body = (struct span){ part->header.ptr + part->header.len, 0 };
	read_header(p, part);
	return m;
}

/* scan_body - to the next line that is an open boundary; NULL at the end of the message. */
static struct mime_part *scan_body(struct parser *p)
{
	for (;;) {
		struct mime_part *m = match_boundary(p, p->at);

		if (m != NULL)
			return m;
		size_t hit = span_search(span_skip(p->message, p->at), span_lit("\n--"));

		if (hit == SPAN_NOT_FOUND) {
			p->at = p->message.len;
			return NULL;
		}
		p->at += hit + 1;
	}
}

static bool any_open(const struct parser *p)
{
	for (const struct mime_part *m = p->current; m != NULL; m = m->parent)
		if (m->is_open)
			return true;
	return false;
}

struct mime_part *mime_parse(struct arena *a, struct span message, const struct mime_limits *limits)
{
	struct parser p = { .arena = a, .message = message, .limits = limits };
	struct mime_part *root = new_part(&p, NULL), *boundary;
	bool in_header = true;

	for (;;) {
		boundary = in_header ? scan_header(&p) : any_open(&p) ? scan_body(&p) : NULL;
		if (in_header && boundary == NULL && p.current->is_message) {
			new_part(&p, p.current);
			continue;
		}
		if (in_header && boundary == NULL) {
			in_header = false;
			continue;
		}
		if (boundary == NULL)
			break;
		take_boundary(&p, boundary);
		in_header = boundary->is_open && p.count < limits->parts;
		if (in_header)
			new_part(&p, boundary);
	}
	end_down_to(&p, NULL, message.len, message.len);
	return root;
}
