/* SPDX-License-Identifier: ISC */
/* search_match.c - whether a message of the selected folder fits search keys
 *
 * Text is compared decoded and without regard to case (charset_fold): header values by RFC
 * 2047, bodies by transfer encoding and charset.  The message is read at most once, and
 * only the header where that suffices.  Keys nest at most SEARCH_DEPTH_MAX levels, so recursion is bounded. */
#include "imapd/search_match.h"

#include <time.h>

#include "lib/base/clock.h"
#include "lib/mime/charset.h"
#include "lib/mime/date.h"
#include "lib/mime/field.h"
#include "lib/mime/transfer.h"

struct candidate {
	struct imap      *session;
	uint32_t          seq;
	bool              has_header, has_parts, is_unreadable;
	struct span       header;
	struct mime_part *root;
};

/* ---- sets ---- */

static bool prepare_key(struct imap *s, struct search_key *key)
{
	uint32_t count = mailbox_count(s->box);

	if (key->kind == SEARCH_SEQUENCE) {
		sequence_resolve(&key->set, count);
		/* "1:*" of an empty folder is no error, only empty. */
		return key->set.count == 0 || count == 0 ||
		       (key->set.ranges[0].first != 0 &&
		        key->set.ranges[key->set.count - 1].last <= count);
	}
	if (key->kind == SEARCH_UID)
		sequence_resolve(&key->set, count != 0 ? mailbox_message(s->box, count)->uid : 0);
	return true;
}

bool search_prepare(struct imap *s, struct search_key *root)
{
	for (struct search_key *key = root->first; key != NULL; key = key->next)
		if (!prepare_key(s, key) || !search_prepare(s, key))
			return false;
	return true;
}

static bool set_has(const struct sequence_set *set, uint32_t number)
{
	size_t low = 0, high = set->count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (set->ranges[middle].last < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low < set->count && set->ranges[low].first <= number;
}

/* ---- the message ---- */

static bool need_header(struct candidate *c)
{
	struct message_reader reader;

	if (c->has_header || c->is_unreadable)
		return c->has_header;
	if (mailbox_read(c->session->box, c->seq, &reader) == MAIL_OK) {
		c->has_header = reader_header(&reader, c->session->settings->header_limit,
		                              c->session->scratch, &c->header);
		reader_close(&reader);
	}
	c->is_unreadable = !c->has_header;
	return c->has_header;
}

static bool need_parts(struct candidate *c)
{
	struct message_reader reader;
	struct span whole;

	if (c->root != NULL || c->is_unreadable)
		return c->root != NULL;
	if (mailbox_read(c->session->box, c->seq, &reader) == MAIL_OK) {
		if (reader_span(&reader, 0, reader.size, c->session->scratch, &whole)) {
			c->root = mime_parse(c->session->scratch, whole, &c->session->settings->mime);
			c->header = c->root->header;
			c->has_header = true;
		}
		reader_close(&reader);
	}
	c->is_unreadable = c->root == NULL;
	return c->root != NULL;
}

static bool contains(struct candidate *c, struct span utf8, struct span folded_needle)
{
	return span_search(charset_fold(c->session->scratch, utf8), folded_needle) != SPAN_NOT_FOUND;
}

/* header_has - some field of that name (any name when empty) contains the text. */
static bool header_has(struct candidate *c, struct span header, struct span name, struct span text)
{
	struct mime_field field;

	while (mime_field_next(&header, &field)) {
		if (name.len != 0 && !span_equal_ci(field.name, name))
			continue;
		struct span value = name.len != 0 ? field.value : field.raw;

		if (text.len == 0 ||
		    contains(c, mime_decode_words(c->session->scratch, value), text))
			return true;
	}
	return false;
}

/* body_text - of a text part, in UTF-8. */
static struct span body_text(struct candidate *c, const struct mime_part *part)
{
	struct span charset = span_lit("UTF-8"), text;

	(void)mime_param_find(&part->type, span_lit("charset"), &charset);
	text = mime_decode_transfer(c->session->scratch, part->encoding, part->body);
	(void)charset_to_utf8(c->session->scratch, charset, text, &text);
	return text;
}

static const struct mime_part *next_part(const struct mime_part *part)
{
	if (part->first != NULL)
		return part->first;
	while (part != NULL && part->next == NULL)
		part = part->parent;
	return part != NULL ? part->next : NULL;
}

/* body_has - some text part, or the header of a message inside, contains the text. */
static bool body_has(struct candidate *c, struct span text)
{
	if (text.len == 0)
		return true;
	for (const struct mime_part *part = c->root; part != NULL; part = next_part(part)) {
		if (part->first == NULL && span_equal_ci(part->type.type, span_lit("text")) &&
		    contains(c, body_text(c, part), text))
			return true;
		if (part->parent != NULL && part->parent->is_message &&
		    header_has(c, part->header, span_lit(""), text))
			return true;
	}
	return false;
}

/* ---- dates ---- */

/* local_day - the day of INTERNALDATE as FETCH shows it, in the server's zone. */
static bool local_day(struct candidate *c, int64_t *day)
{
	struct tm local;
	int64_t seconds;
	time_t when;

	if (mailbox_internaldate(c->session->box, c->seq, &seconds) != MAIL_OK)
		return false;
	when = (time_t)seconds;
	if (localtime_r(&when, &local) == NULL)
		return false;
	struct mime_date date = {
		.year = local.tm_year + 1900, .month = local.tm_mon + 1, .day = local.tm_mday,
	};

	*day = mime_date_day(&date);
	return true;
}

static bool sent_day(struct candidate *c, int64_t *day)
{
	struct mime_date date;
	struct span value;

	if (!need_header(c) || !mime_field_find(c->header, span_lit("Date"), &value) ||
	    !mime_date_parse(value, &date))
		return false;
	*day = mime_date_day(&date);
	return true;
}

/* match_age - YOUNGER and OLDER: seconds before now (RFC 5032 2). */
static bool match_age(struct candidate *c, const struct search_key *key)
{
	int64_t now = (int64_t)(clock_wall_us() / CLOCK_SECOND_US), when;
	bool is_young;

	if (mailbox_internaldate(c->session->box, c->seq, &when) != MAIL_OK)
		return false;
	is_young = when >= now - (int64_t)key->number;
	return key->kind == SEARCH_YOUNGER ? is_young : !is_young;
}

static bool match_size(struct candidate *c, const struct search_key *key)
{
	uint64_t size;

	if (mailbox_size(c->session->box, c->seq, &size) != MAIL_OK)
		return false;
	return key->kind == SEARCH_LARGER ? size > key->number : size < key->number;
}

static bool has_keyword(struct candidate *c, const struct search_key *key)
{
	int n = mailbox_keyword_number(c->session->box, key->text, false);

	return n >= 0 && (mailbox_message(c->session->box, c->seq)->keywords >> n & 1) != 0;
}

static bool match(struct candidate *c, const struct search_key *key);

static bool match_any(struct candidate *c, const struct search_key *list)
{
	for (const struct search_key *key = list->first; key != NULL; key = key->next)
		if (match(c, key))
			return true;
	return false;
}

static bool match_all(struct candidate *c, const struct search_key *list)
{
	for (const struct search_key *key = list->first; key != NULL; key = key->next)
		if (!match(c, key))
			return false;
	return true;
}

static bool match(struct candidate *c, const struct search_key *key)
{
	const struct message *message = mailbox_message(c->session->box, c->seq);
	int64_t day;

	switch (key->kind) {
	case SEARCH_ALL:
		return true;
	case SEARCH_FLAG:
		return (message->flags & key->flags) != 0;
	case SEARCH_KEYWORD:
		return has_keyword(c, key);
	case SEARCH_SEQUENCE:
		return set_has(&key->set, c->seq);
	case SEARCH_UID:
		return set_has(&key->set, message->uid);
	case SEARCH_LARGER:
	case SEARCH_SMALLER:
		return match_size(c, key);
	case SEARCH_BEFORE:
		return local_day(c, &day) && day < key->day;
	case SEARCH_ON:
		return local_day(c, &day) && day == key->day;
	case SEARCH_SINCE:
		return local_day(c, &day) && day >= key->day;
	case SEARCH_YOUNGER:
	case SEARCH_OLDER:
		return match_age(c, key);
	case SEARCH_SENT_BEFORE:
		return sent_day(c, &day) && day < key->day;
	case SEARCH_SENT_ON:
		return sent_day(c, &day) && day == key->day;
	case SEARCH_SENT_SINCE:
		return sent_day(c, &day) && day >= key->day;
	case SEARCH_HEADER:
		return need_header(c) && header_has(c, c->header, key->field, key->text);
	case SEARCH_BODY:
		return need_parts(c) && body_has(c, key->text);
	case SEARCH_TEXT:
		return need_parts(c) && (header_has(c, c->header, span_lit(""), key->text) ||
		                         body_has(c, key->text));
	case SEARCH_NOT:
		return !match(c, key->first);
	case SEARCH_OR:
		return match_any(c, key);
	case SEARCH_AND:
		return match_all(c, key);
	}
	return false;
}

bool search_match(struct imap *s, const struct search_key *root, uint32_t seq)
{
	struct candidate c = { .session = s, .seq = seq };
	bool fits = match(&c, root);

	if (root->needs_message)
		arena_reset(s->scratch);
	return fits;
}
