/* SPDX-License-Identifier: ISC */
/* fetch_parse.c - the arguments of FETCH (RFC 3501 6.4.5, 9)
 *
 * Sections come back in the reply as they were asked, keywords in upper case and field
 * names in the client's order and spelling.  RFC822.PEEK and RFC822.TEXT.PEEK are not in any
 * RFC, but Outlook sends them. */
#include "imapd/fetch.h"

#include "lib/base/buf.h"
#include "lib/mime/structure.h"

enum { ITEMS_MAX = 256 };

static const struct simple {
	struct span       name;
	enum fetch_kind   kind;
	enum section_what what;
	bool              sets_seen;
	const char       *label;
} simples[] = {
	{ SPAN("UID"), FETCH_UID, SECTION_ALL, false, "" },
	{ SPAN("FLAGS"), FETCH_FLAGS, SECTION_ALL, false, "" },
	{ SPAN("INTERNALDATE"), FETCH_INTERNALDATE, SECTION_ALL, false, "" },
	{ SPAN("RFC822.SIZE"), FETCH_SIZE, SECTION_ALL, false, "" },
	{ SPAN("ENVELOPE"), FETCH_ENVELOPE, SECTION_ALL, false, "" },
	{ SPAN("BODY"), FETCH_BODY, SECTION_ALL, false, "" },
	{ SPAN("BODYSTRUCTURE"), FETCH_BODYSTRUCTURE, SECTION_ALL, false, "" },
	{ SPAN("RFC822"), FETCH_SECTION, SECTION_ALL, true, "RFC822" },
	{ SPAN("RFC822.PEEK"), FETCH_SECTION, SECTION_ALL, false, "RFC822" },
	{ SPAN("RFC822.HEADER"), FETCH_SECTION, SECTION_HEADER, false, "RFC822.HEADER" },
	{ SPAN("RFC822.TEXT"), FETCH_SECTION, SECTION_TEXT, true, "RFC822.TEXT" },
	{ SPAN("RFC822.TEXT.PEEK"), FETCH_SECTION, SECTION_TEXT, false, "RFC822.TEXT" },
};

static const struct {
	struct span          name;
	const enum fetch_kind kinds[5];
	size_t               count;
} macros[] = {
	{ SPAN("ALL"), { FETCH_FLAGS, FETCH_INTERNALDATE, FETCH_SIZE, FETCH_ENVELOPE }, 4 },
	{ SPAN("FAST"), { FETCH_FLAGS, FETCH_INTERNALDATE, FETCH_SIZE }, 3 },
	{ SPAN("FULL"), { FETCH_FLAGS, FETCH_INTERNALDATE, FETCH_SIZE, FETCH_ENVELOPE, FETCH_BODY }, 5 },
};

static const struct {
	struct span       name;
	enum section_what what;
} parts[] = {
	{ SPAN("HEADER.FIELDS.NOT"), SECTION_FIELDS_NOT },
	{ SPAN("HEADER.FIELDS"), SECTION_FIELDS },
	{ SPAN("HEADER"), SECTION_HEADER },
	{ SPAN("TEXT"), SECTION_TEXT },
	{ SPAN("MIME"), SECTION_MIME },
};

static struct fetch_item *add(struct fetch_request *r, enum fetch_kind kind)
{
	struct fetch_item *item = &r->items[r->count++];

	*item = (struct fetch_item){ .kind = kind };
	r->has_flags = r->has_flags || kind == FETCH_FLAGS;
	r->has_uid = r->has_uid || kind == FETCH_UID;
	return item;
}

/* ---- BODY[...] ---- */

static bool is_field_byte(char c)
{
	return ascii_is_print(c) && strchr(" :(){}\"\\[]%*", c) == NULL;
}

static bool take_field_name(struct imap_parse *p, struct span *name)
{
	if (!imap_take_astring(p, name))
		return false;
	/* An astring may hold ']', but no field name does. */
	return span_all(*name, is_field_byte) || imap_fail(p, "bad field name");
}

static bool take_fields(struct imap_parse *p, struct section *section)
{
	size_t room = 1;

	for (size_t i = 0; i < p->rest.len && p->rest.ptr[i] != ')'; i++)
		room += p->rest.ptr[i] == ' ';
	section->fields = ARENA_NEW_ARRAY(p->arena, struct span, room);
	if (!imap_take_space(p) || !imap_take_byte(p, '('))
		return false;
	for (;;) {
		if (section->field_count == room)
			return imap_fail(p, "bad field list");
		if (!take_field_name(p, &section->fields[section->field_count++]))
			return false;
		if (imap_at(p, ')'))
			return imap_take_byte(p, ')');
		if (!imap_take_space(p))
			return false;
	}
}

/* take_path - "1.2." or "1.2" in front; *is_open: a dot stands last, so a word must follow. */
static bool take_path(struct imap_parse *p, struct section *section, bool *is_open)
{
	uint64_t number;

	*is_open = true;
	if (p->rest.len != 0 && ascii_is_digit(p->rest.ptr[0]))
		section->path = ARENA_NEW_ARRAY(p->arena, uint32_t, SECTION_DEPTH_MAX);
	while (p->rest.len != 0 && ascii_is_digit(p->rest.ptr[0])) {
		if (section->path_length == SECTION_DEPTH_MAX)
			return imap_fail(p, "section too deep");
		if (!imap_take_number(p, UINT32_MAX, &number) || number == 0)
			return imap_fail(p, "bad section");
		section->path[section->path_length++] = (uint32_t)number;
		*is_open = imap_at(p, '.');
		if (*is_open)
			p->rest = span_skip(p->rest, 1);
	}
	return true;
}

static bool take_section(struct imap_parse *p, struct section *section)
{
	bool is_open;

	if (!imap_take_byte(p, '[') || !take_path(p, section, &is_open))
		return false;
	if (imap_at(p, ']') && (section->path_length == 0 || !is_open))
		return imap_take_byte(p, ']');
	for (size_t i = 0; i < COUNT_OF(parts); i++) {
		if (!is_open || !span_starts_ci(p->rest, parts[i].name))
			continue;
		p->rest = span_skip(p->rest, parts[i].name.len);
		section->what = parts[i].what;
		if (section->what == SECTION_MIME && section->path_length == 0)
			break;
		if ((section->what == SECTION_FIELDS || section->what == SECTION_FIELDS_NOT) &&
		    !take_fields(p, section))
			return false;
		return imap_take_byte(p, ']');
	}
	return imap_fail(p, "bad section");
}

static bool take_partial(struct imap_parse *p, struct fetch_item *item)
{
	if (!imap_at(p, '<'))
		return true;
	item->is_partial = true;
	if (!imap_take_byte(p, '<') || !imap_take_number(p, UINT32_MAX, &item->offset) ||
	    !imap_take_byte(p, '.') || !imap_take_number(p, UINT32_MAX, &item->length) ||
	    !imap_take_byte(p, '>'))
		return imap_fail(p, "bad partial");
	return item->length != 0 || imap_fail(p, "empty partial");
}

static void add_fields(struct buf *out, const struct section *section)
{
	buf_add(out, span_lit(" ("));
	for (size_t i = 0; i < section->field_count; i++) {
		if (i != 0)
			buf_add_byte(out, ' ');
		buf_add(out, section->fields[i]);
	}
	buf_add_byte(out, ')');
}

/* make_label - the section as the reply names it. */
static void make_label(struct imap_parse *p, struct fetch_item *item)
{
	struct buf out;

	buf_init(&out, BUF_NO_LIMIT);
	buf_add(&out, span_lit("BODY["));
	for (size_t i = 0; i < item->section.path_length; i++)
		buf_addf(&out, "%s%u", i == 0 ? "" : ".", item->section.path[i]);
	for (size_t i = 0; i < COUNT_OF(parts); i++)
		if (item->section.what == parts[i].what)
			buf_addf(&out, "%s%s", item->section.path_length == 0 ? "" : ".",
			         parts[i].name.ptr);
	if (item->section.field_count != 0)
		add_fields(&out, &item->section);
	buf_add_byte(&out, ']');
	if (item->is_partial)
		buf_addf(&out, "<%llu>", (unsigned long long)item->offset);
	item->label = arena_dup(p->arena, buf_span(&out));
	buf_free(&out);
}

static bool take_body(struct imap_parse *p, struct fetch_request *r, bool is_peek)
{
	struct fetch_item *item = add(r, FETCH_SECTION);

	if (!take_section(p, &item->section) || !take_partial(p, item))
		return false;
	item->sets_seen = !is_peek;
	make_label(p, item);
	return true;
}

/* ---- items ---- */

static bool take_simple(struct imap_parse *p, struct fetch_request *r)
{
	for (size_t i = 0; i < COUNT_OF(simples); i++) {
		if (!imap_take_word(p, simples[i].name))
			continue;
		struct fetch_item *item = add(r, simples[i].kind);

		item->section.what = simples[i].what;
		item->sets_seen = simples[i].sets_seen;
		item->label = span_of(simples[i].label);
		return true;
	}
	return imap_fail(p, "unknown fetch item");
}

static bool take_item(struct imap_parse *p, struct fetch_request *r)
{
	if (r->count == ITEMS_MAX - 1)
		return imap_fail(p, "too many items");
	if (span_starts_ci(p->rest, span_lit("BODY["))) {
		p->rest = span_skip(p->rest, 4);
		return take_body(p, r, false);
	}
	if (span_starts_ci(p->rest, span_lit("BODY.PEEK["))) {
		p->rest = span_skip(p->rest, 9);
		return take_body(p, r, true);
	}
	return take_simple(p, r);
}

static bool take_macro(struct imap_parse *p, struct fetch_request *r)
{
	for (size_t i = 0; i < COUNT_OF(macros); i++) {
		if (!imap_take_word(p, macros[i].name))
			continue;
		for (size_t k = 0; k < macros[i].count; k++)
			add(r, macros[i].kinds[k]);
		return true;
	}
	return false;
}

static bool take_items(struct imap_parse *p, struct fetch_request *r)
{
	if (!imap_at(p, '('))
		return take_macro(p, r) || take_item(p, r);
	p->rest = span_skip(p->rest, 1);
	for (;;) {
		if (!take_item(p, r))
			return false;
		if (imap_at(p, ')'))
			return imap_take_byte(p, ')');
		if (!imap_take_space(p))
			return false;
	}
}

bool fetch_parse(struct imap_parse *p, struct fetch_request *r)
{
	*r = (struct fetch_request){ .count = 0 };
	r->items = ARENA_NEW_ARRAY(p->arena, struct fetch_item, ITEMS_MAX);
	if (!imap_take_space(p) || !imap_take_sequence(p, &r->set) || !imap_take_space(p) ||
	    !take_items(p, r) || !imap_take_end(p))
		return false;
	for (size_t i = 0; i < r->count; i++)
		r->sets_seen = r->sets_seen || r->items[i].sets_seen;
	return true;
}
