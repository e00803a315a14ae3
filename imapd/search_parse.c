/* SPDX-License-Identifier: ISC */
/* search_parse.c - the arguments of SEARCH (RFC 3501 6.4.4, RFC 4731 3.1, RFC 5032)
 *
 * Keys are rows of a table.  They nest by parentheses, NOT and OR, to SEARCH_DEPTH_MAX
 * levels; in a list those that need no file come first, so that a message is opened only when it still may fit. */
#include "imapd/search.h"

#include "lib/mailbox/maildir.h"
#include "lib/mime/charset.h"

enum argument { NO_ARGUMENT, TEXT_ARGUMENT, ATOM_ARGUMENT, NUMBER_ARGUMENT, DATE_ARGUMENT, FIELD_ARGUMENT };

static const struct key_row {
	struct span      name;
	enum search_kind kind;
	enum argument    argument;
	bool             negated;
	uint16_t         flags;
	struct span      field;
} key_rows[] = {
	{ SPAN("ALL"), SEARCH_ALL, NO_ARGUMENT, false, 0, SPAN("") },
	{ SPAN("ANSWERED"), SEARCH_FLAG, NO_ARGUMENT, false, MAIL_ANSWERED, SPAN("") },
	{ SPAN("DELETED"), SEARCH_FLAG, NO_ARGUMENT, false, MAIL_DELETED, SPAN("") },
	{ SPAN("DRAFT"), SEARCH_FLAG, NO_ARGUMENT, false, MAIL_DRAFT, SPAN("") },
	{ SPAN("FLAGGED"), SEARCH_FLAG, NO_ARGUMENT, false, MAIL_FLAGGED, SPAN("") },
	{ SPAN("RECENT"), SEARCH_FLAG, NO_ARGUMENT, false, MAIL_RECENT, SPAN("") },
	{ SPAN("SEEN"), SEARCH_FLAG, NO_ARGUMENT, false, MAIL_SEEN, SPAN("") },
	{ SPAN("OLD"), SEARCH_FLAG, NO_ARGUMENT, true, MAIL_RECENT, SPAN("") },
	{ SPAN("UNANSWERED"), SEARCH_FLAG, NO_ARGUMENT, true, MAIL_ANSWERED, SPAN("") },
	{ SPAN("UNDELETED"), SEARCH_FLAG, NO_ARGUMENT, true, MAIL_DELETED, SPAN("") },
	{ SPAN("UNDRAFT"), SEARCH_FLAG, NO_ARGUMENT, true, MAIL_DRAFT, SPAN("") },
	{ SPAN("UNFLAGGED"), SEARCH_FLAG, NO_ARGUMENT, true, MAIL_FLAGGED, SPAN("") },
	{ SPAN("UNSEEN"), SEARCH_FLAG, NO_ARGUMENT, true, MAIL_SEEN, SPAN("") },
	{ SPAN("KEYWORD"), SEARCH_KEYWORD, ATOM_ARGUMENT, false, 0, SPAN("") },
	{ SPAN("UNKEYWORD"), SEARCH_KEYWORD, ATOM_ARGUMENT, true, 0, SPAN("") },
	{ SPAN("LARGER"), SEARCH_LARGER, NUMBER_ARGUMENT, false, 0, SPAN("") },
	{ SPAN("SMALLER"), SEARCH_SMALLER, NUMBER_ARGUMENT, false, 0, SPAN("") },
	{ SPAN("YOUNGER"), SEARCH_YOUNGER, NUMBER_ARGUMENT, false, 0, SPAN("") },
	{ SPAN("OLDER"), SEARCH_OLDER, NUMBER_ARGUMENT, false, 0, SPAN("") },
	{ SPAN("BEFORE"), SEARCH_BEFORE, DATE_ARGUMENT, false, 0, SPAN("") },
	{ SPAN("ON"), SEARCH_ON, DATE_ARGUMENT, false, 0, SPAN("") },
	{ SPAN("SINCE"), SEARCH_SINCE, DATE_ARGUMENT, false, 0, SPAN("") },
	{ SPAN("SENTBEFORE"), SEARCH_SENT_BEFORE, DATE_ARGUMENT, false, 0, SPAN("") },
	{ SPAN("SENTON"), SEARCH_SENT_ON, DATE_ARGUMENT, false, 0, SPAN("") },
	{ SPAN("SENTSINCE"), SEARCH_SENT_SINCE, DATE_ARGUMENT, false, 0, SPAN("") },
	{ SPAN("BCC"), SEARCH_HEADER, TEXT_ARGUMENT, false, 0, SPAN("Bcc") },
	{ SPAN("CC"), SEARCH_HEADER, TEXT_ARGUMENT, false, 0, SPAN("Cc") },
	{ SPAN("FROM"), SEARCH_HEADER, TEXT_ARGUMENT, false, 0, SPAN("From") },
	{ SPAN("SUBJECT"), SEARCH_HEADER, TEXT_ARGUMENT, false, 0, SPAN("Subject") },
	{ SPAN("TO"), SEARCH_HEADER, TEXT_ARGUMENT, false, 0, SPAN("To") },
	{ SPAN("HEADER"), SEARCH_HEADER, FIELD_ARGUMENT, false, 0, SPAN("") },
	{ SPAN("BODY"), SEARCH_BODY, TEXT_ARGUMENT, false, 0, SPAN("") },
	{ SPAN("TEXT"), SEARCH_TEXT, TEXT_ARGUMENT, false, 0, SPAN("") },
};

struct reader {
	struct imap_parse *parse;
	struct span        charset;	/* empty: US-ASCII or UTF-8 */
};

static bool take_key(struct reader *r, unsigned depth, struct search_key **out);

static struct search_key *new_key(struct reader *r, enum search_kind kind)
{
	struct search_key *key = ARENA_NEW(r->parse->arena, struct search_key);

	key->kind = kind;
	key->needs_message = kind >= SEARCH_SENT_BEFORE && kind <= SEARCH_TEXT;
	return key;
}

static struct search_key *negate(struct reader *r, struct search_key *key)
{
	struct search_key *not = new_key(r, SEARCH_NOT);

	not->first = key;
	not->needs_message = key->needs_message;
	return not;
}

/* add - into a list: what needs no file before what does. */
static void add(struct search_key *list, struct search_key *key)
{
	struct search_key **at = &list->first;

	while (*at != NULL && (key->needs_message || !(*at)->needs_message))
		at = &(*at)->next;
	key->next = *at;
	*at = key;
	list->needs_message = list->needs_message || key->needs_message;
}

static bool take_text(struct reader *r, struct search_key *key)
{
	struct imap_parse *p = r->parse;
	struct span text;

	if (!imap_take_space(p) || !imap_take_astring(p, &text))
		return false;
	(void)charset_to_utf8(p->arena, r->charset.len != 0 ? r->charset : span_lit("UTF-8"), text, &text);
	key->text = charset_fold(p->arena, text);
	return true;
}

static bool take_argument(struct reader *r, const struct key_row *row, struct search_key *key)
{
	struct imap_parse *p = r->parse;

	key->flags = row->flags;
	key->field = row->field;
	switch (row->argument) {
	case NO_ARGUMENT:
		return true;
	case ATOM_ARGUMENT:
		return imap_take_space(p) && imap_take_atom(p, &key->text);
	case NUMBER_ARGUMENT:
		return imap_take_space(p) && imap_take_number(p, UINT32_MAX, &key->number);
	case DATE_ARGUMENT:
		return imap_take_space(p) && imap_take_date(p, &key->day);
	case FIELD_ARGUMENT:
		if (!imap_take_space(p) || !imap_take_astring(p, &key->field))
			return false;
		break;
	case TEXT_ARGUMENT:
		break;
	}
	return take_text(r, key);
}

static bool take_row(struct reader *r, struct search_key **out)
{
	for (size_t i = 0; i < COUNT_OF(key_rows); i++) {
		if (!imap_take_word(r->parse, key_rows[i].name))
			continue;
		*out = new_key(r, key_rows[i].kind);
		if (!take_argument(r, &key_rows[i], *out))
			return false;
		if (key_rows[i].negated)
			*out = negate(r, *out);
		return true;
	}
	return imap_fail(r->parse, "unknown search key");
}

/* take_list - keys with spaces between; to the end, or to ')' when inside parentheses. */
static bool take_list(struct reader *r, unsigned depth, struct search_key **out)
{
	struct search_key *key;

	*out = new_key(r, SEARCH_AND);
	for (;;) {
		if (!take_key(r, depth, &key))
			return false;
		add(*out, key);
		if (imap_at_end(r->parse) || imap_at(r->parse, ')'))
			return true;
		if (!imap_take_space(r->parse))
			return false;
	}
}

static bool take_or(struct reader *r, unsigned depth, struct search_key **out)
{
	struct search_key *key;

	*out = new_key(r, SEARCH_OR);
	for (int i = 0; i < 2; i++) {
		if (!imap_take_space(r->parse) || !take_key(r, depth, &key))
			return false;
		add(*out, key);
	}
	return true;
}

/* take_new - "NEW" is RECENT UNSEEN. */
static struct search_key *new_and_unseen(struct reader *r)
{
	struct search_key *both = new_key(r, SEARCH_AND), *seen = new_key(r, SEARCH_FLAG);
	struct search_key *recent = new_key(r, SEARCH_FLAG);

	recent->flags = MAIL_RECENT;
	seen->flags = MAIL_SEEN;
	add(both, recent);
	add(both, negate(r, seen));
	return both;
}

static bool take_set(struct reader *r, enum search_kind kind, struct search_key **out)
{
	*out = new_key(r, kind);
	return imap_take_sequence(r->parse, &(*out)->set);
}

static bool take_key(struct reader *r, unsigned depth, struct search_key **out)
{
	struct imap_parse *p = r->parse;

	if (depth == SEARCH_DEPTH_MAX)
		return imap_fail(p, "search nested too deep");
	if (imap_at(p, '(')) {
		p->rest = span_skip(p->rest, 1);
		return take_list(r, depth + 1, out) && imap_take_byte(p, ')');
	}
	if (imap_at(p, '*') || (p->rest.len != 0 && ascii_is_digit(p->rest.ptr[0])))
		return take_set(r, SEARCH_SEQUENCE, out);
	if (imap_take_word(p, span_lit("UID")))
		return imap_take_space(p) && take_set(r, SEARCH_UID, out);
	if (imap_take_word(p, span_lit("NOT"))) {
		if (!imap_take_space(p) || !take_key(r, depth + 1, out))
			return false;
		*out = negate(r, *out);
		return true;
	}
	if (imap_take_word(p, span_lit("OR")))
		return take_or(r, depth + 1, out);
	if (imap_take_word(p, span_lit("NEW"))) {
		*out = new_and_unseen(r);
		return true;
	}
	return take_row(r, out);
}

static bool take_return(struct imap_parse *p, struct search_request *r)
{
	struct span name;

	if (!imap_take_space(p) || !imap_take_byte(p, '('))
		return false;
	r->is_extended = true;
	while (!imap_at(p, ')')) {
		if ((imap_at(p, ' ') && !imap_take_space(p)) || !imap_take_atom(p, &name))
			return false;
		bool *wanted = span_equal_ci(name, span_lit("MIN"))     ? &r->min
		               : span_equal_ci(name, span_lit("MAX"))   ? &r->max
		               : span_equal_ci(name, span_lit("ALL"))   ? &r->all
		               : span_equal_ci(name, span_lit("COUNT")) ? &r->count
		                                                        : NULL;

		if (wanted == NULL)
			return imap_fail(p, "unknown return option");
		*wanted = true;
	}
	if (!r->min && !r->max && !r->count)
		r->all = true;
	return imap_take_byte(p, ')') && imap_take_space(p);
}

bool search_parse(struct imap_parse *p, struct search_request *r)
{
	struct reader reader = { .parse = p };

	*r = (struct search_request){ .root = NULL };
	if (!imap_take_space(p))
		return false;
	if (imap_take_word(p, span_lit("RETURN")) && !take_return(p, r))
		return false;
	if (imap_take_word(p, span_lit("CHARSET"))) {
		if (!imap_take_space(p) || !imap_take_astring(p, &reader.charset) || !imap_take_space(p))
			return false;
		r->bad_charset = !charset_is_known(reader.charset);
		if (r->bad_charset)
			return true;
	}
	return take_list(&reader, 0, &r->root) && imap_take_end(p);
}
