/* SPDX-License-Identifier: ISC */
/* parse.c - the grammar of IMAP commands (RFC 3501 9), over the whole text of one command
 *
 * Reads hostile bytes; takes memory only from the command's arena, in proportion to the
 * command, whose size input.c has limited.  Nothing here recurses. */
#include "imapd/parse.h"

#include <stdlib.h>

#include "lib/base/buf.h"
#include "lib/mailbox/maildir.h"
#include "lib/mailbox/mutf7.h"
#include "lib/mime/date.h"

bool imap_fail(struct imap_parse *p, const char *error)
{
	p->error = error;
	return false;
}

bool imap_at(const struct imap_parse *p, char c)
{
	return p->rest.len != 0 && p->rest.ptr[0] == c;
}

bool imap_at_end(const struct imap_parse *p)
{
	return p->rest.len == 0;
}

bool imap_take_byte(struct imap_parse *p, char c)
{
	if (!imap_at(p, c))
		return imap_fail(p, c == ' ' ? "missing argument" : "syntax error");
	p->rest = span_skip(p->rest, 1);
	return true;
}

bool imap_take_space(struct imap_parse *p)
{
	return imap_take_byte(p, ' ');
}

bool imap_take_end(struct imap_parse *p)
{
	return imap_at_end(p) || imap_fail(p, "too many arguments");
}

static bool is_atom_byte(char c)
{
	return ascii_is_print(c) && c != ' ' && strchr("(){%*\"\\]", c) == NULL;
}

static bool is_astring_byte(char c)
{
	return is_atom_byte(c) || c == ']';
}

static bool is_pattern_byte(char c)
{
	return is_astring_byte(c) || c == '%' || c == '*';
}

static struct span take_run(struct imap_parse *p, bool (*test)(char c))
{
	size_t n = 0;

	while (n < p->rest.len && test(p->rest.ptr[n]))
		n++;
	struct span run = span_first(p->rest, n);

	p->rest = span_skip(p->rest, n);
	return run;
}

bool imap_take_word(struct imap_parse *p, struct span word)
{
	if (!span_starts_ci(p->rest, word))
		return false;
	if (p->rest.len > word.len && is_atom_byte(p->rest.ptr[word.len]) &&
	    p->rest.ptr[word.len] != '[')
		return false;
	p->rest = span_skip(p->rest, word.len);
	return true;
}

bool imap_take_atom(struct imap_parse *p, struct span *out)
{
	*out = take_run(p, is_atom_byte);
	return out->len != 0 || imap_fail(p, "missing or bad word");
}

static bool take_quoted(struct imap_parse *p, struct span *out)
{
	char *text;
	size_t end = 1, n = 0;

	while (end < p->rest.len && p->rest.ptr[end] != '"')
		end += p->rest.ptr[end] == '\\' ? 2 : 1;
	if (end >= p->rest.len)
		return imap_fail(p, "quoted string without end");
	text = arena_alloc(p->arena, end);
	for (size_t i = 1; i < end; i++) {
		unsigned char c = (unsigned char)p->rest.ptr[i];

		if (c == '\\') {
			c = (unsigned char)p->rest.ptr[++i];
			if (c != '\\' && c != '"')
				return imap_fail(p, "bad escape in quoted string");
		}
		if (c == '\0' || c == '\r' || c == '\n' || c >= 0x80)
			return imap_fail(p, "bad byte in quoted string");
		text[n++] = (char)c;
	}
	*out = (struct span){ text, n };
	p->rest = span_skip(p->rest, end + 1);
	return true;
}

/* take_literal - "{n}" or "{n+}", CRLF, n bytes; input.c has read exactly them. */
static bool take_literal(struct imap_parse *p, struct span *out)
{
	size_t end = span_find(p->rest, '\n');
	struct literal_mark mark;
	struct span line;

	if (end == SPAN_NOT_FOUND)
		return imap_fail(p, "bad literal");
	line = span_trim_end(span_first(p->rest, end));
	if (!imap_literal_mark(line, &mark) || mark.offset != 0 || mark.size > p->rest.len - end - 1)
		return imap_fail(p, "bad literal");
	*out = span_slice(p->rest, end + 1, (size_t)mark.size);
	p->rest = span_skip(p->rest, end + 1 + (size_t)mark.size);
	if (memchr(out->ptr, '\0', out->len) != NULL)
		return imap_fail(p, "NUL in literal");
	return true;
}

bool imap_take_string(struct imap_parse *p, struct span *out)
{
	if (imap_at(p, '"'))
		return take_quoted(p, out);
	if (imap_at(p, '{'))
		return take_literal(p, out);
	return imap_fail(p, "string expected");
}

bool imap_take_astring(struct imap_parse *p, struct span *out)
{
	if (imap_at(p, '"') || imap_at(p, '{'))
		return imap_take_string(p, out);
	*out = take_run(p, is_astring_byte);
	return out->len != 0 || imap_fail(p, "missing argument");
}

bool imap_take_nstring(struct imap_parse *p, struct span *out)
{
	*out = (struct span){ NULL, 0 };
	return imap_take_word(p, span_lit("NIL")) || imap_take_string(p, out);
}

bool imap_take_number(struct imap_parse *p, uint64_t most, uint64_t *out)
{
	struct span digits = take_run(p, ascii_is_digit);
	unsigned long long value;

	if (!span_u64(digits, most, &value))
		return imap_fail(p, "bad number");
	*out = value;
	return true;
}

bool imap_take_mailbox(struct imap_parse *p, struct span *out)
{
	struct buf utf8;
	struct span name;

	if (!imap_take_astring(p, &name))
		return false;
	if (span_equal_ci(name, span_lit("INBOX"))) {
		*out = span_lit("INBOX");
		return true;
	}
	buf_init(&utf8, 2 * name.len + 8);
	*out = (struct span){ NULL, 0 };
	if (mutf7_decode(&utf8, name))
		*out = arena_dup(p->arena, buf_span(&utf8));
	buf_free(&utf8);
	return true;
}

bool imap_take_pattern(struct imap_parse *p, struct span *out)
{
	if (imap_at(p, '"') || imap_at(p, '{'))
		return imap_take_string(p, out);
	*out = take_run(p, is_pattern_byte);
	return out->len != 0 || imap_fail(p, "pattern expected");
}

/* ---- sequence sets ---- */

static bool take_sequence_number(struct imap_parse *p, uint32_t *out)
{
	uint64_t number;

	if (imap_at(p, '*')) {
		p->rest = span_skip(p->rest, 1);
		*out = SEQUENCE_STAR;
		return true;
	}
	if (!imap_take_number(p, UINT32_MAX - 1, &number) || number == 0)
		return imap_fail(p, "bad sequence set");
	*out = (uint32_t)number;
	return true;
}

static size_t count_commas(struct span s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len && s.ptr[i] != ' '; i++)
		n += s.ptr[i] == ',';
	return n;
}

bool imap_take_sequence(struct imap_parse *p, struct sequence_set *out)
{
	size_t room = count_commas(p->rest) + 1;

	out->ranges = ARENA_NEW_ARRAY(p->arena, struct sequence_range, room);
	for (out->count = 0; out->count < room; p->rest = span_skip(p->rest, 1)) {
		struct sequence_range *range = &out->ranges[out->count++];

		if (!take_sequence_number(p, &range->first))
			return false;
		range->last = range->first;
		if (imap_at(p, ':')) {
			p->rest = span_skip(p->rest, 1);
			if (!take_sequence_number(p, &range->last))
				return false;
		}
		if (!imap_at(p, ','))
			return true;
	}
	return imap_fail(p, "bad sequence set");
}

static int compare_ranges(const void *a, const void *b)
{
	const struct sequence_range *left = a, *right = b;

	return left->first < right->first ? -1 : left->first > right->first;
}

void sequence_resolve(struct sequence_set *set, uint32_t max)
{
	size_t kept = 0;

	for (size_t i = 0; i < set->count; i++) {
		struct sequence_range *r = &set->ranges[i];
		uint32_t first = r->first == SEQUENCE_STAR ? max : r->first;
		uint32_t last = r->last == SEQUENCE_STAR ? max : r->last;

		r->first = first < last ? first : last;
		r->last = first < last ? last : first;
	}
	qsort(set->ranges, set->count, sizeof(*set->ranges), compare_ranges);
	for (size_t i = 0; i < set->count; i++) {
		struct sequence_range *r = &set->ranges[i];

		if (kept != 0 && r->first <= set->ranges[kept - 1].last) {
			if (r->last > set->ranges[kept - 1].last)
				set->ranges[kept - 1].last = r->last;
		} else {
			set->ranges[kept++] = *r;
		}
	}
	set->count = kept;
}

/* ---- flags ---- */

static const struct {
	struct span name;
	uint16_t    flag;
} system_flags[] = {
	{ SPAN("\\Answered"), MAIL_ANSWERED }, { SPAN("\\Flagged"), MAIL_FLAGGED },
	{ SPAN("\\Deleted"), MAIL_DELETED },   { SPAN("\\Seen"), MAIL_SEEN },
	{ SPAN("\\Draft"), MAIL_DRAFT },
};

static bool take_flag(struct imap_parse *p, struct flag_list *list)
{
	struct span name = p->rest;

	if (imap_at(p, '\\'))
		p->rest = span_skip(p->rest, 1);
	else
		name.len = 0;
	struct span word = take_run(p, is_atom_byte);

	if (word.len == 0)
		return imap_fail(p, "flag expected");
	if (name.len == 0) {
		list->keywords[list->keyword_count++] = word;
		return true;
	}
	name = (struct span){ name.ptr, word.len + 1 };
	for (size_t i = 0; i < COUNT_OF(system_flags); i++) {
		if (span_equal_ci(name, system_flags[i].name)) {
			list->flags |= system_flags[i].flag;
			return true;
		}
	}
	/* \Recent cannot be stored; old clients send it back with the others. */
	return span_equal_ci(name, span_lit("\\Recent")) || imap_fail(p, "unknown system flag");
}

static size_t count_spaces(struct span s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++)
		n += s.ptr[i] == ' ';
	return n;
}

bool imap_take_flags(struct imap_parse *p, bool bare, struct flag_list *out)
{
	bool in_list = imap_at(p, '(');

	*out = (struct flag_list){ .flags = 0 };
	out->keywords = ARENA_NEW_ARRAY(p->arena, struct span, count_spaces(p->rest) + 1);
	if (!in_list && !bare)
		return imap_fail(p, "flag list expected");
	if (in_list)
		p->rest = span_skip(p->rest, 1);
	if (in_list && imap_at(p, ')'))
		return imap_take_byte(p, ')');
	for (;;) {
		if (!take_flag(p, out))
			return false;
		if (!imap_at(p, ' '))
			break;
		p->rest = span_skip(p->rest, 1);
	}
	return !in_list || imap_take_byte(p, ')');
}

/* ---- dates ---- */

static bool take_day(struct imap_parse *p, struct mime_date *date)
{
	uint64_t day, year;

	*date = (struct mime_date){ .year = 0 };
	if (imap_at(p, ' '))	/* date-day-fixed: a space for the first digit */
		p->rest = span_skip(p->rest, 1);
	if (!imap_take_number(p, 31, &day) || day == 0 || !imap_take_byte(p, '-'))
		return imap_fail(p, "bad date");
	date->month = mime_month(span_first(p->rest, 3));
	p->rest = span_skip(p->rest, 3);
	if (date->month == 0 || !imap_take_byte(p, '-') || !imap_take_number(p, 9999, &year))
		return imap_fail(p, "bad date");
	date->day = (int)day;
	date->year = (int)year;
	return true;
}

bool imap_take_date(struct imap_parse *p, int64_t *day)
{
	bool quoted = imap_at(p, '"');
	struct mime_date date;

	if (quoted)
		p->rest = span_skip(p->rest, 1);
	if (!take_day(p, &date) || (quoted && !imap_take_byte(p, '"')))
		return imap_fail(p, "bad date");
	*day = mime_date_day(&date);
	return true;
}

static bool take_two(struct imap_parse *p, int most, int *out)
{
	unsigned long long value;

	if (!span_u64(span_first(p->rest, 2), (unsigned long long)most, &value))
		return imap_fail(p, "bad date-time");
	p->rest = span_skip(p->rest, 2);
	*out = (int)value;
	return true;
}

bool imap_take_date_time(struct imap_parse *p, int64_t *seconds)
{
	struct mime_date date;
	int hours, minutes;
	bool is_west;

	if (!imap_take_byte(p, '"') || !take_day(p, &date) || !imap_take_space(p) ||
	    !take_two(p, 23, &date.hour) || !imap_take_byte(p, ':') ||
	    !take_two(p, 59, &date.minute) || !imap_take_byte(p, ':') ||
	    !take_two(p, 60, &date.second) || !imap_take_space(p))
		return imap_fail(p, "bad date-time");
	is_west = imap_at(p, '-');
	if (!imap_at(p, '+') && !is_west)
		return imap_fail(p, "bad date-time");
	p->rest = span_skip(p->rest, 1);
	if (!take_two(p, 23, &hours) || !take_two(p, 59, &minutes) || !imap_take_byte(p, '"'))
		return imap_fail(p, "bad date-time");
	date.zone_minutes = (is_west ? -1 : 1) * (hours * 60 + minutes);
	*seconds = mime_date_time(&date);
	return true;
}

/* ---- literals ---- */

bool imap_literal_mark(struct span text, struct literal_mark *mark)
{
	unsigned long long size;
	struct span digits;
	size_t open = span_rfind(text, '{');

	if (open == SPAN_NOT_FOUND || !span_ends(text, span_lit("}")))
		return false;
	digits = span_slice(text, open + 1, text.len - open - 2);
	mark->is_sync = !span_ends(digits, span_lit("+"));
	if (!mark->is_sync)
		digits.len--;
	if (!span_u64(digits, UINT32_MAX, &size))
		return false;
	mark->size = size;
	mark->offset = open;
	return true;
}
