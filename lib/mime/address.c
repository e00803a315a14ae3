/* SPDX-License-Identifier: ISC */
/* address.c - address lists of RFC 5322, with groups and the obsolete forms
 *
 * Reads hostile bytes.  Rules kept here: RFC 5322 3.4 (mailboxes and groups), 4.4 (routes,
 * empty members, phrases with dots).  One pass, no recursion: a group is an open flag. */
#include "lib/mime/address.h"

#include "lib/mime/field.h"

struct reader {
	struct arena          *arena;
	struct span            rest;
	struct mime_address  **tail;
	size_t                 room;	/* addresses we may still give */
	bool                   in_group;
	char                  *phrases, *locals;	/* room for all words of the value; words move it on */
};

/* What stands before the first special: read both as a phrase and as a local part. */
struct words {
	struct span phrase;	/* pieces with one space where white space was */
	struct span local;	/* pieces without it */
	size_t      count;
};

static bool is_at(const struct reader *r, char c)
{
	return r->rest.len != 0 && r->rest.ptr[0] == c;
}

static void add(struct reader *r, enum mime_address_kind kind, struct mime_address values)
{
	struct mime_address *address;

	if (r->room == 0)
		return;
	r->room--;
	address = ARENA_NEW(r->arena, struct mime_address);
	*address = values;
	address->kind = kind;
	*r->tail = address;
	r->tail = &address->next;
}

/* take_words - atoms, quoted strings and dots up to the next special. */
static struct words take_words(struct reader *r, struct span *comment)
{
	char *phrase = r->phrases, *local = r->locals;
	struct words w = { { phrase, 0 }, { local, 0 }, 0 };

	for (;;) {
		struct span before = r->rest, word;

		mime_skip_space(&r->rest, comment);
		if (r->rest.len == 0)
			break;
		bool spaced = r->rest.ptr != before.ptr;

		if (is_at(r, '"')) {
			word = mime_take_quoted(r->arena, &r->rest);
		} else if (is_at(r, '.') || is_at(r, '\\') || is_at(r, ']')) {
			word = span_first(r->rest, 1);
			r->rest = span_skip(r->rest, 1);
		} else {
			word = mime_take(&r->rest, mime_is_atom_byte);
			if (word.len == 0)
				break;
		}
		if (spaced && w.phrase.len != 0)
			phrase[w.phrase.len++] = ' ';
		memcpy(phrase + w.phrase.len, word.ptr, word.len);
		memcpy(local + w.local.len, word.ptr, word.len);
		w.phrase.len += word.len;
		w.local.len += word.len;
		w.count++;
	}
	r->phrases += w.phrase.len;
	r->locals += w.local.len;
	return w;
}

/* take_domain - behind the '@': dot-atom or literal, white space and comments between its pieces dropped. */
static struct span take_domain(struct reader *r, struct span *comment)
{
	mime_skip_space(&r->rest, comment);
	if (is_at(r, '[')) {
		size_t end = span_find(r->rest, ']');
		struct span literal = span_first(r->rest, end == SPAN_NOT_FOUND ? r->rest.len : end + 1);

		r->rest = span_skip(r->rest, literal.len);
		return literal;
	}
	return take_words(r, comment).local;
}

/* take_route - "@a,@b:" of an angle address; absent when there is none. */
static struct span take_route(struct reader *r)
{
	struct span start = r->rest, route = { NULL, 0 };
	size_t colon = span_find(start, ':'), close = span_find(start, '>');

	if (!is_at(r, '@') || colon == SPAN_NOT_FOUND || (close != SPAN_NOT_FOUND && close < colon))
		return route;
	route = span_trim(span_first(start, colon));
	r->rest = span_skip(start, colon + 1);
	return route;
}

/* read_angle - "<route:local@domain>", *rest at the '<'. */
static void read_angle(struct reader *r, struct span name)
{
	struct mime_address address = { .name = name };

	r->rest = span_skip(r->rest, 1);
	mime_skip_space(&r->rest, NULL);
	address.route = take_route(r);
	address.mailbox = take_words(r, NULL).local;
	if (is_at(r, '@')) {
		r->rest = span_skip(r->rest, 1);
		address.domain = take_domain(r, NULL);
	}
	size_t close = span_find(r->rest, '>');

	r->rest = span_skip(r->rest, close == SPAN_NOT_FOUND ? r->rest.len : close + 1);
	add(r, MIME_MAILBOX, address);
}

/* read_plain - "local@domain (name)", or words without any address. */
static void read_plain(struct reader *r, struct words words, struct span comment)
{
	struct mime_address address = { .mailbox = words.local };

	if (is_at(r, '@')) {
		r->rest = span_skip(r->rest, 1);
		address.domain = take_domain(r, &comment);
	} else if (words.count > 1) {
		address.name = words.phrase;
		address.mailbox = (struct span){ words.local.ptr, 0 };
	}
	mime_skip_space(&r->rest, &comment);
	if (comment.ptr != NULL && address.name.ptr == NULL)
		address.name = mime_unfold(r->arena, comment);
	if (address.mailbox.len != 0 || address.domain.len != 0 || address.name.len != 0)
		add(r, MIME_MAILBOX, address);
}

static void end_group(struct reader *r)
{
	if (r->in_group)
		add(r, MIME_GROUP_END, (struct mime_address){ .next = NULL });
	r->in_group = false;
}

/* read_one - one address or group start, or one separator. */
static void read_one(struct reader *r)
{
	struct span comment = { NULL, 0 };
	struct words words = take_words(r, &comment);

	if (is_at(r, '<')) {
		bool has_name = words.phrase.len != 0;

		read_angle(r, has_name ? words.phrase : (struct span){ NULL, 0 });
	} else if (is_at(r, ':') && !r->in_group && words.count != 0) {
		r->rest = span_skip(r->rest, 1);
		add(r, MIME_GROUP_START, (struct mime_address){ .name = words.phrase });
		r->in_group = true;
		return;
	} else {
		read_plain(r, words, comment);
	}
	/* What is left before the separator is no address: drop it, but always go on by a byte. */
	mime_skip_space(&r->rest, NULL);
	if (is_at(r, ';'))
		end_group(r);
	if (r->rest.len != 0 && (is_at(r, ',') || is_at(r, ';') || words.count == 0))
		r->rest = span_skip(r->rest, 1);
}

struct mime_address *mime_addresses(struct arena *a, struct span value, size_t most)
{
	struct mime_address *first = NULL;
	struct reader r = {
		.arena = a, .rest = value, .tail = &first, .room = most,
		/* No word is longer than the input it was made of. */
		.phrases = arena_alloc(a, value.len + 1), .locals = arena_alloc(a, value.len + 1),
	};

	while (r.room != 0) {
		mime_skip_space(&r.rest, NULL);
		if (r.rest.len == 0)
			break;
		read_one(&r);
	}
	r.room++;	/* an open group is always closed */
	end_group(&r);
	return first;
}
