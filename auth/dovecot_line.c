/* SPDX-License-Identifier: ISC */
/* dovecot_line.c - parse and write fields of Dovecot's auth protocol: TAB between them, \001 escapes */
#include "auth/dovecot_line.h"

#include "lib/base/codec.h"

static const struct {
	char letter, byte;
} escapes[] = { { '0', '\0' }, { '1', '\001' }, { 't', '\t' }, { 'n', '\n' }, { 'r', '\r' } };

static char unescape_letter(char letter)
{
	for (size_t i = 0; i < COUNT_OF(escapes); i++) {
		if (escapes[i].letter == letter)
			return escapes[i].byte;
	}
	return letter;
}

static struct span unescape(struct arena *arena, struct span s)
{
	char *out;
	size_t n = 0;

	if (span_find(s, '\001') == SPAN_NOT_FOUND)
		return s;
	out = arena_alloc(arena, s.len);
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == '\001' && i + 1 < s.len)
			out[n++] = unescape_letter(s.ptr[++i]);
		else
			out[n++] = s.ptr[i];
	}
	return span_make(out, n);
}

void dovecot_add_field(struct buf *out, const char *name, struct span value)
{
	buf_add_byte(out, '\t');
	buf_add_cstr(out, name);
	for (size_t i = 0; i < value.len; i++) {
		size_t e = 0;

		while (e < COUNT_OF(escapes) && escapes[e].byte != value.ptr[i])
			e++;
		if (e == COUNT_OF(escapes)) {
			buf_add_byte(out, value.ptr[i]);
		} else {
			buf_add_byte(out, '\001');
			buf_add_byte(out, escapes[e].letter);
		}
	}
}

/* One parameter of AUTH.  resp= is the last: its base64 may hold anything but TAB. */
static bool take_parameter(struct arena *arena, struct span field, struct dovecot_line *line)
{
	struct span value = field, name;

	span_cut(&value, '=', &name);
	if (span_equal(name, span_lit("service")))
		line->service = unescape(arena, value);
	else if (span_equal(name, span_lit("rip")))
		line->remote_address = unescape(arena, value);
	else if (span_equal(name, span_lit("lip")))
		line->local_address = unescape(arena, value);
	else if (span_equal(name, span_lit("secured")))
		line->is_secured = true;
	else if (span_equal(name, span_lit("resp"))) {
		line->has_response = true;
		return base64_decode(arena, value, &line->response);
	}
	return true;	/* nologin, session=, lport= and what is to come */
}

static enum dovecot_verb parse_auth(struct arena *arena, struct span rest, struct dovecot_line *line)
{
	struct span id, field;

	if (!span_cut(&rest, '\t', &id) || !span_u64(id, UINT32_MAX, &line->id))
		return DOVECOT_BAD;
	span_cut(&rest, '\t', &line->mechanism);
	while (!span_is_empty(rest)) {
		span_cut(&rest, '\t', &field);
		if (!take_parameter(arena, field, line))
			return DOVECOT_BAD;
	}
	return span_is_empty(line->mechanism) ? DOVECOT_BAD : DOVECOT_AUTH;
}

static enum dovecot_verb parse_cont(struct arena *arena, struct span rest, struct dovecot_line *line)
{
	struct span id;

	if (!span_cut(&rest, '\t', &id) || !span_u64(id, UINT32_MAX, &line->id) ||
	    !base64_decode(arena, rest, &line->response))
		return DOVECOT_BAD;
	line->has_response = true;
	return DOVECOT_CONT;
}

static enum dovecot_verb parse_cancel(struct arena *arena, struct span rest, struct dovecot_line *line)
{
	(void)arena;
	return span_u64(rest, UINT32_MAX, &line->id) ? DOVECOT_CANCEL : DOVECOT_BAD;
}

static enum dovecot_verb parse_version(struct arena *arena, struct span rest, struct dovecot_line *line)
{
	struct span major;

	(void)arena;
	span_cut(&rest, '\t', &major);
	return span_u64(major, UINT32_MAX, &line->version) ? DOVECOT_VERSION : DOVECOT_BAD;
}

static const struct {
	struct span name;
	enum dovecot_verb (*parse)(struct arena *arena, struct span rest, struct dovecot_line *line);
} verbs[] = {
	{ SPAN("AUTH"), parse_auth },
	{ SPAN("CONT"), parse_cont },
	{ SPAN("CANCEL"), parse_cancel },
	{ SPAN("VERSION"), parse_version },
};

void dovecot_line_parse(struct arena *arena, struct span text, struct dovecot_line *line)
{
	struct span rest = text, name;

	*line = (struct dovecot_line){ .verb = DOVECOT_IGNORE };
	span_cut(&rest, '\t', &name);
	for (size_t i = 0; i < COUNT_OF(verbs); i++) {
		if (span_equal(name, verbs[i].name))
			line->verb = verbs[i].parse(arena, rest, line);
	}
}
