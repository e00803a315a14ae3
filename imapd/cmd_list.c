/* SPDX-License-Identifier: ISC */
/* cmd_list.c - LIST with its extensions, and LSUB
 *
 * Rules kept here: RFC 3501 6.3.8, 6.3.9 (wildcards, the empty pattern, LSUB's parents), RFC
 * 5258 (selection and return options), RFC 6154 2 (special uses), RFC 5819 (STATUS).  Names
 * are matched as the wire spells them, in modified UTF-7: a pattern that is not well-formed
 * then matches nothing, as it should. */
#include "imapd/imapd.h"
#include "lib/mailbox/mutf7.h"
#include "lib/mime/structure.h"

enum { PATTERNS_MAX = 32 };

enum list_option {
	SELECT_SUBSCRIBED  = 1,
	SELECT_REMOTE      = 2,
	SELECT_RECURSIVE   = 4,
	SELECT_SPECIAL_USE = 8,
	RETURN_SUBSCRIBED  = 16,
	RETURN_CHILDREN    = 32,
	RETURN_SPECIAL_USE = 64,
};

struct list_request {
	const char *reply;	/* LIST or LSUB */
	unsigned    options;
	bool        is_extended;
	struct span reference;
	struct span patterns[PATTERNS_MAX];
	size_t      pattern_count;
	unsigned    status[STATUS_ITEMS];
	size_t      status_count;
};

/* matches - does name fit the pattern?  '*' is anything, '%' anything but '/'.  Backtracks to the last star
 * and the last percent only, so the time is at worst their product. */
static bool matches(struct span name, struct span pattern)
{
	size_t n = 0, p = 0;
	size_t star = SIZE_MAX, star_at = 0, percent = SIZE_MAX, percent_at = 0;

	for (;;) {
		if (p < pattern.len && pattern.ptr[p] == '*') {
			star = ++p;
			star_at = n;
			percent = SIZE_MAX;
		} else if (p < pattern.len && pattern.ptr[p] == '%') {
			percent = ++p;
			percent_at = n;
		} else if (n == name.len && p == pattern.len) {
			return true;
		} else if (n < name.len && p < pattern.len && name.ptr[n] == pattern.ptr[p]) {
			n++;
			p++;
		} else if (percent != SIZE_MAX && percent_at < name.len && name.ptr[percent_at] != '/') {
			n = ++percent_at;
			p = percent;
		} else if (star != SIZE_MAX && star_at < name.len) {
			n = ++star_at;
			p = star;
			percent = SIZE_MAX;
		} else {
			return false;
		}
	}
}

/* wire_name - the name in modified UTF-7 (arena). */
static struct span wire_name(struct imap *s, struct span name)
{
	struct span wire = name;
	struct buf b;

	if (span_all(name, ascii_is_print) && span_find(name, '&') == SPAN_NOT_FOUND)
		return name;
	buf_init(&b, BUF_NO_LIMIT);
	if (mutf7_encode(&b, name))
		wire = arena_dup(s->arena, buf_span(&b));
	buf_free(&b);
	return wire;
}

/* is_wanted_name - INBOX fits in any case. */
static bool is_wanted_name(const struct list_request *r, struct span wire)
{
	for (size_t i = 0; i < r->pattern_count; i++)
		if (matches(wire, r->patterns[i]) ||
		    (span_equal(wire, span_lit("INBOX")) && span_equal_ci(r->patterns[i], wire)))
			return true;
	return false;
}

/* ---- parsing ---- */

static const struct {
	struct span name;
	unsigned    option;
} selections[] = {
	{ SPAN("SUBSCRIBED"), SELECT_SUBSCRIBED },
	{ SPAN("REMOTE"), SELECT_REMOTE },
	{ SPAN("RECURSIVEMATCH"), SELECT_RECURSIVE },
	{ SPAN("SPECIAL-USE"), SELECT_SPECIAL_USE },
}, returns[] = {
	{ SPAN("SUBSCRIBED"), RETURN_SUBSCRIBED },
	{ SPAN("CHILDREN"), RETURN_CHILDREN },
	{ SPAN("SPECIAL-USE"), RETURN_SPECIAL_USE },
};

static bool take_selection(struct imap_parse *p, struct list_request *r)
{
	struct span name;
	size_t i;

	if (!imap_take_byte(p, '('))
		return false;
	while (!imap_at(p, ')')) {
		if ((imap_at(p, ' ') && !imap_take_space(p)) || !imap_take_atom(p, &name))
			return false;
		for (i = 0; i < COUNT_OF(selections); i++)
			if (span_equal_ci(name, selections[i].name))
				break;
		if (i == COUNT_OF(selections))
			return imap_fail(p, "unknown selection option");
		r->options |= selections[i].option;
	}
	r->is_extended = true;
	if ((r->options & SELECT_RECURSIVE) != 0 &&
	    (r->options & (SELECT_SUBSCRIBED | SELECT_SPECIAL_USE)) == 0)
		return imap_fail(p, "RECURSIVEMATCH alone");
	return imap_take_byte(p, ')') && imap_take_space(p);
}

static bool take_return(struct imap_parse *p, struct list_request *r)
{
	struct span name;

	if (!imap_take_space(p) || !imap_take_word(p, span_lit("RETURN")))
		return imap_fail(p, "RETURN expected");
	if (!imap_take_space(p) || !imap_take_byte(p, '('))
		return false;
	r->is_extended = true;
	while (!imap_at(p, ')')) {
		size_t i;

		if ((imap_at(p, ' ') && !imap_take_space(p)) || !imap_take_atom(p, &name))
			return false;
		if (span_equal_ci(name, span_lit("STATUS"))) {
			if (!imap_take_space(p) ||
			    !imap_parse_status_items(p, r->status, &r->status_count))
				return false;
			continue;
		}
		for (i = 0; i < COUNT_OF(returns); i++)
			if (span_equal_ci(name, returns[i].name))
				break;
		if (i == COUNT_OF(returns))
			return imap_fail(p, "unknown return option");
		r->options |= returns[i].option;
	}
	return imap_take_byte(p, ')');
}

static bool take_one_pattern(struct imap_parse *p, struct list_request *r)
{
	struct span pattern;

	if (r->pattern_count == PATTERNS_MAX)
		return imap_fail(p, "too many patterns");
	if (!imap_take_pattern(p, &pattern))
		return false;
	r->patterns[r->pattern_count++] = arena_printf_span(
		p->arena, SPAN_FMT SPAN_FMT, SPAN_ARG(r->reference), SPAN_ARG(pattern));
	return true;
}

static bool take_patterns(struct imap_parse *p, struct list_request *r)
{
	if (!imap_at(p, '('))
		return take_one_pattern(p, r);
	r->is_extended = true;
	p->rest = span_skip(p->rest, 1);
	for (;;) {
		if (!take_one_pattern(p, r))
			return false;
		if (imap_at(p, ')'))
			return imap_take_byte(p, ')');
		if (!imap_take_space(p))
			return false;
	}
}

static bool take_request(struct imap_parse *p, struct list_request *r, bool may_extend)
{
	if (!imap_take_space(p))
		return false;
	if (may_extend && imap_at(p, '(') && !take_selection(p, r))
		return false;
	if (!imap_take_pattern(p, &r->reference) || !imap_take_space(p))
		return false;
	if (!(may_extend ? take_patterns(p, r) : take_one_pattern(p, r)))
		return false;
	if (may_extend && !imap_at_end(p) && !take_return(p, r))
		return false;
	return imap_take_end(p);
}

/* ---- answering ---- */

static void attribute(struct imap *s, bool *first, const char *name)
{
	imap_write(s, *first ? "" : " ");
	imap_write(s, name);
	*first = false;
}

/* write_folder - one LIST or LSUB line. */
static void write_folder(struct imap *s, const struct list_request *r, const struct folder *f,
                         struct span wire, bool child_info)
{
	bool is_lsub = span_equal(span_of(r->reply), span_lit("LSUB")), first = true;

	imap_writef(s, "* %s (", r->reply);
	/* In LSUB the word says: not subscribed itself, only something below. */
	if (is_lsub && (f->attributes & FOLDER_SUBSCRIBED) == 0)
		attribute(s, &first, "\\Noselect");
	else if (!is_lsub && (f->attributes & FOLDER_EXISTS) == 0)
		attribute(s, &first, r->is_extended ? "\\NonExistent" : "\\Noselect");
	if ((f->attributes & FOLDER_SUBSCRIBED) != 0 &&
	    (r->options & (SELECT_SUBSCRIBED | RETURN_SUBSCRIBED)) != 0)
		attribute(s, &first, "\\Subscribed");
	attribute(s, &first,
	          (f->attributes & FOLDER_HAS_CHILDREN) != 0 ? "\\HasChildren" : "\\HasNoChildren");
	for (unsigned bit = FOLDER_ALL; bit <= FOLDER_TRASH; bit <<= 1)
		if ((f->attributes & bit) != 0)
			attribute(s, &first, special_use_name(bit));
	imap_write(s, ") \"/\" ");
	imap_add_string(&s->out, wire);
	imap_write(s, child_info ? " (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n" : "\r\n");
	imap_room(s);
}

/* is_selected - does the folder pass the selection options?  *child_info: only for a folder below it. */
static bool is_selected(const struct list_request *r, const struct folder *f, bool *child_info)
{
	*child_info = false;
	if ((r->options & SELECT_SPECIAL_USE) != 0 && (f->attributes & FOLDER_SPECIAL_USES) == 0)
		return false;
	if ((r->options & SELECT_SUBSCRIBED) == 0)
		return (f->attributes & FOLDER_EXISTS) != 0 ||
		       (f->attributes & FOLDER_HAS_CHILDREN) != 0;
	*child_info = (r->options & SELECT_RECURSIVE) != 0 &&
	              (f->attributes & FOLDER_CHILD_SUBSCRIBED) != 0;
	return (f->attributes & FOLDER_SUBSCRIBED) != 0 || *child_info;
}

static void list_folders(struct imap *s, const struct list_request *r)
{
	struct folder *folders;
	enum mail_result result;
	bool child_info;
	size_t count;

	result = folders_list(s->store, s->arena, &folders, &count);
	for (size_t i = 0; result == MAIL_OK && i < count; i++) {
		struct span wire = wire_name(s, folders[i].name);

		if (!is_wanted_name(r, wire) || !is_selected(r, &folders[i], &child_info))
			continue;
		write_folder(s, r, &folders[i], wire, child_info);
		if (r->status_count != 0 && (folders[i].attributes & FOLDER_EXISTS) != 0)
			(void)imap_write_status(s, folders[i].name, r->status, r->status_count);
	}
	imap_done(s, result, "Listed");
}

void imap_list(struct imap *s, struct imap_parse *p)
{
	struct list_request r = { .reply = "LIST" };

	if (!take_request(p, &r, true))
		return;
	/* The empty pattern asks for the separator and the root alone. */
	if (r.pattern_count == 1 && !r.is_extended && r.patterns[0].len == r.reference.len) {
		imap_write(s, "* LIST (\\Noselect) \"/\" \"\"\r\n");
		imap_done(s, MAIL_OK, "Listed");
		return;
	}
	list_folders(s, &r);
}

/* has_percent - LSUB shows a parent that is not subscribed only for a pattern with '%'. */
static bool has_percent(const struct list_request *r)
{
	return span_find(r->patterns[0], '%') != SPAN_NOT_FOUND;
}

void imap_lsub(struct imap *s, struct imap_parse *p)
{
	struct list_request r = { .reply = "LSUB" };
	struct folder *folders;
	enum mail_result result;
	size_t count;

	if (!take_request(p, &r, false))
		return;
	result = folders_list(s->store, s->arena, &folders, &count);
	for (size_t i = 0; result == MAIL_OK && i < count; i++) {
		unsigned wanted = FOLDER_SUBSCRIBED | (has_percent(&r) ? FOLDER_CHILD_SUBSCRIBED : 0);
		struct span wire = wire_name(s, folders[i].name);

		if ((folders[i].attributes & wanted) != 0 && is_wanted_name(&r, wire))
			write_folder(s, &r, &folders[i], wire, false);
	}
	imap_done(s, result, "Listed");
}
