/* SPDX-License-Identifier: ISC */
/* dkim_compose.c - signature fields, written
 *
 * b= is always last: what is hashed is then the field as far as it is written, and the signature is put behind it. */
#include "lib/mailauth/dkim_compose.h"

#include <stdarg.h>

#include "lib/base/codec.h"
#include "lib/base/log.h"
#include "lib/mailauth/dkim_signature.h"

enum { LINE_MAX_BYTES = 76 };	/* RFC 5322 2.1.1: lines should have at most 78 */

const char *dkim_canon_name(enum dkim_canon canon)
{
	return canon == DKIM_RELAXED ? "relaxed" : "simple";
}

/* ---- folding ---- */

void composer_start(struct composer *c, struct span name)
{
	buf_init(&c->text, BUF_NO_LIMIT);
	c->name_len = name.len;
	buf_add(&c->text, name);
	buf_add_byte(&c->text, ':');
	c->column = name.len + 1;
}

void composer_free(struct composer *c)
{
	buf_free(&c->text);
}

static void put(struct composer *c, struct span text)
{
	buf_add(&c->text, text);
	c->column += text.len;
}

static void fold(struct composer *c)
{
	buf_add(&c->text, span_lit("\r\n\t"));
	c->column = 8;
}

void composer_word(struct composer *c, struct span text)
{
	/* The value begins with one space, however long the first word is. */
	if (c->text.len == c->name_len + 1 || c->column + 1 + text.len <= LINE_MAX_BYTES)
		put(c, span_lit(" "));
	else
		fold(c);
	put(c, text);
}

void composer_wordf(struct composer *c, const char *format, ...)
{
	struct buf text;
	va_list args;

	buf_init(&text, BUF_NO_LIMIT);
	va_start(args, format);
	buf_vaddf(&text, format, args);
	va_end(args);
	composer_word(c, buf_span(&text));
	buf_free(&text);
}

void composer_line(struct composer *c, struct span text)
{
	fold(c);
	put(c, text);
}

void composer_more(struct composer *c, struct span text)
{
	if (c->column + text.len > LINE_MAX_BYTES)
		fold(c);
	put(c, text);
}

void composer_stream(struct composer *c, struct span text)
{
	while (text.len != 0) {
		if (c->column >= LINE_MAX_BYTES)
			fold(c);
		struct span piece = span_first(text, LINE_MAX_BYTES - c->column);

		put(c, piece);
		text = span_skip(text, piece.len);
	}
}

void composer_folded(struct composer *c, struct span text)
{
	struct span line;

	text = span_trim(text);
	put(c, span_lit(" "));
	while (span_cut(&text, '\n', &line)) {
		put(c, span_trim_end(line));
		text = span_trim_start(text);
		fold(c);
	}
	put(c, line);
}

struct mime_field composer_field(const struct composer *c)
{
	struct span raw = buf_span(&c->text);

	return (struct mime_field){ raw, span_first(raw, c->name_len), span_skip(raw, c->name_len + 1) };
}

struct mail_field composer_result(const struct composer *c, struct arena *arena, enum dkim_fold fold_as)
{
	struct mime_field field = composer_field(c);
	struct span value = arena_dup(arena, field.value);
	char *out = arena_alloc(arena, value.len);
	size_t n = 0;

	if (fold_as == DKIM_FOLD_LF) {
		for (size_t i = 0; i < value.len; i++)
			if (value.ptr[i] != '\r')
				out[n++] = value.ptr[i];
		value = span_make(out, n);
	}
	return (struct mail_field){ arena_dup(arena, field.name), value };
}

/* ---- names ---- */

static const char list_separators[] = ",: \t\r\n";

static bool is_listed(struct span list, struct span name)
{
	struct span item;

	while (span_token(&list, list_separators, &item))
		if (span_equal_ci(item, name))
			return true;
	return false;
}

static bool is_chosen(const struct name_list *names, struct span name)
{
	for (size_t i = 0; i < names->count; i++)
		if (span_equal_ci(names->name[i], name))
			return true;
	return false;
}

/* room_for - how many places all names of list may take: those of the fields, and one for oversigning. */
static size_t room_for(struct header_index *index, struct span list)
{
	struct span item;
	size_t room = 0;

	while (span_token(&list, list_separators, &item))
		room += header_index_count(index, item) + 1;
	return room;
}

static void choose(struct name_list *names, struct header_index *index, struct span name, bool is_oversigned)
{
	size_t places = header_index_count(index, name) + is_oversigned;

	if (places == 0 && span_equal_ci(name, span_lit("From")))
		places = 1;
	if (is_chosen(names, name))
		return;
	while (places-- > 0)
		names->name[names->count++] = name;
}

struct name_list dkim_choose_names(struct arena *arena, struct header_index *index, struct span signed_names,
                                   struct span oversigned)
{
	static const struct span from = SPAN("From");
	struct name_list names = { .count = 0 };
	struct span lists[] = { from, signed_names, oversigned }, item;
	size_t room = 0;

	for (size_t i = 0; i < COUNT_OF(lists); i++)
		room += room_for(index, lists[i]);
	names.name = ARENA_NEW_ARRAY(arena, struct span, room);
	for (size_t i = 0; i < COUNT_OF(lists); i++)
		while (span_token(&lists[i], list_separators, &item))
			choose(&names, index, item, is_listed(oversigned, item));
	return names;
}

void composer_names(struct composer *c, const struct name_list *names)
{
	struct buf piece;

	buf_init(&piece, BUF_NO_LIMIT);
	for (size_t i = 0; i < names->count; i++) {
		buf_clear(&piece);
		buf_addf(&piece, "%s" SPAN_FMT "%c", i == 0 ? "h=" : "", SPAN_ARG(names->name[i]),
		         i + 1 == names->count ? ';' : ':');
		if (i == 0)
			composer_word(c, buf_span(&piece));
		else
			composer_more(c, buf_span(&piece));
	}
	buf_free(&piece);
}

/* ---- signing ---- */

bool composer_sign_hash(struct composer *c, const struct dkim_crypto *crypto, struct arena *arena,
                        const struct dkim_signing_key *key, const unsigned char hash[DKIM_HASH_BYTES])
{
	struct span signature;

	if (!dkim_key_sign(crypto, arena, key->type, key->pkey, hash, &signature))
		return false;
	composer_stream(c, base64_encode(arena, signature));
	return true;
}

bool composer_sign_message(struct composer *c, const struct dkim_crypto *crypto, struct arena *arena,
                           const struct dkim_signing_key *key, struct header_index *index,
                           const struct name_list *names, enum dkim_canon canon)
{
	unsigned char hash[DKIM_HASH_BYTES];
	struct mime_field field;
	struct dkim_signature signature = { .header_canon = canon, .names = names->name,
	                                    .name_count = names->count };

	composer_line(c, span_lit("b="));
	field = composer_field(c);
	signature.field = &field;
	signature.b_extent = span_skip(field.raw, field.raw.len);
	dkim_header_hash(crypto, index, &signature, hash);
	return composer_sign_hash(c, crypto, arena, key, hash);
}
