/* SPDX-License-Identifier: ISC */
/* auth_results_ours.c - fields that claim to be ours (RFC 8601 1.6, 5 and 7.1)
 *
 * Readers of mail believe a field with our authserv-id, and many of them read it less strictly than we do.  So the field is
 * believed to be another's only when it can be read in one way: its authserv-id is plain, and so is everything before it
 * and up to the first ';'.  Any other field is ours as soon as our authserv-id can be seen in it, with or without its
 * comments, white space, quotes, escapes, control bytes and encoded words. */
#include "lib/mailauth/auth_results.h"
#include "lib/mime/charset.h"
#include "lib/mime/field.h"
#include "lib/smtp/address.h"
#include "lib/smtp/idn.h"

enum { RUN_MAX_BYTES = 1024, CONVERSIONS_MAX = 200 };

/* ---- names ---- */

static bool is_name_byte(char c)
{
	return ascii_is_alnum(c) || c == '-' || c == '_' || c == '.' || (unsigned char)c >= 0x80;
}

static struct span without_8bit(struct arena *arena, struct span s)
{
	char *out = arena_alloc(arena, s.len + 1);
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		if ((unsigned char)s.ptr[i] < 0x80)
			out[n++] = s.ptr[i];
	}
	return span_make(out, n);
}

/* normal - a name for comparison: A-labels where it has them, lower case, no last dots.  Bytes that are no part of any name
 * are left out. */
static struct span normal(struct arena *arena, struct span name)
{
	if (name.len <= RUN_MAX_BYTES)
		name = idn_to_ascii(arena, name);
	name = arena_lower(arena, without_8bit(arena, name));
	while (span_ends(name, span_lit(".")))
		name.len--;
	return name;
}

/* ---- plain fields ---- */

/* skip_plain_space - white space, folds and comments in which no reader can lose its way. */
static bool skip_plain_space(struct span *rest)
{
	for (;;) {
		size_t end;
		struct span inside;

		*rest = span_trim_start(*rest);
		if (!span_starts(*rest, span_lit("(")))
			return true;
		end = span_find(*rest, ')');
		if (end == SPAN_NOT_FOUND)
			return false;
		inside = span_slice(*rest, 1, end - 1);
		for (size_t i = 0; i < inside.len; i++) {
			if (strchr("(\\;\"=", inside.ptr[i]) != NULL)	/* NUL too */
				return false;
		}
		*rest = span_skip(*rest, end + 1);
	}
}

/* has_odd_bytes - control bytes, or line ends that are no folds. */
static bool has_odd_bytes(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];
		char next = i + 1 < s.len ? s.ptr[i + 1] : '\0';

		if (c == '\r' ? next != '\n' : c == '\n' ? next != ' ' && next != '\t' : (c < ' ' && c != '\t') || c == 0x7f)
			return true;
	}
	return false;
}

/* take_plain_id - token or quoted-string of nothing but name bytes. */
static bool take_plain_id(struct span *rest, struct span *id)
{
	bool is_quoted = span_starts(*rest, span_lit("\""));

	if (is_quoted)
		*rest = span_skip(*rest, 1);
	*id = mime_take(rest, is_name_byte);
	if (!is_quoted)
		return id->len > 0;
	if (!span_starts(*rest, span_lit("\"")))
		return false;
	*rest = span_skip(*rest, 1);
	return id->len > 0;
}

/* read_plainly - the authserv-id of a field that can be read in one way only. */
static bool read_plainly(struct span value, struct span *id)
{
	struct span rest = value;
	size_t before;

	if (!skip_plain_space(&rest) || !take_plain_id(&rest, id))
		return false;
	before = rest.len;
	if (!skip_plain_space(&rest))
		return false;
	if (rest.len < before && mime_take(&rest, ascii_is_digit).len > 0 && !skip_plain_space(&rest))
		return false;
	return (rest.len == 0 || rest.ptr[0] == ';') && !has_odd_bytes(span_first(value, value.len - rest.len));
}

/* ---- the others ---- */

/* without_comments - what stands between them. */
static struct span without_comments(struct arena *arena, struct span text)
{
	char *out = arena_alloc(arena, text.len + 1);
	size_t n = 0;

	while (text.len > 0) {
		if (text.ptr[0] == '(') {
			mime_skip_space(&text, NULL);
			continue;
		}
		out[n++] = text.ptr[0];
		text = span_skip(text, 1);
	}
	return span_make(out, n);
}

/* squeezed - without the bytes that some reader may not see. */
static struct span squeezed(struct arena *arena, struct span text)
{
	char *out = arena_alloc(arena, text.len + 1);
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if (c > ' ' && c != 0x7f && strchr("\"\\()", (char)c) == NULL)
			out[n++] = text.ptr[i];
	}
	return span_make(out, n);
}

/* A search for one authserv-id; its time is bounded because converting names is slow. */
struct search {
	struct arena *arena;
	struct span   id;
	unsigned      conversions;
};

static bool has_id(struct search *s, struct span text)
{
	struct span run;

	while (text.len > 0) {
		run = mime_take(&text, is_name_byte);
		s->conversions += smtp_has_8bit(run);
		if (run.len == 0)
			text = span_skip(text, 1);
		else if (s->conversions > CONVERSIONS_MAX || span_search(normal(s->arena, run), s->id) != SPAN_NOT_FOUND)
			return true;
	}
	return false;
}

/* shows - id can be seen in text in some way. */
static bool shows(struct search *s, struct span text)
{
	struct span bare = without_comments(s->arena, text);

	return has_id(s, text) || has_id(s, squeezed(s->arena, text)) || has_id(s, bare) ||
	       has_id(s, squeezed(s->arena, bare));
}

static bool claims(struct search *s, struct span value)
{
	struct span plain;

	if (read_plainly(value, &plain)) {
		if (span_equal(normal(s->arena, plain), s->id))
			return true;
		if (!smtp_has_8bit(plain))
			return false;
	}
	if (shows(s, value))
		return true;
	return (smtp_has_8bit(value) || span_search(value, span_lit("=?")) != SPAN_NOT_FOUND) &&
	       shows(s, mime_decode_words(s->arena, value));
}

bool auth_results_is_ours(struct span value, const struct span *authserv_ids, size_t count)
{
	struct arena *arena = arena_new(NULL);
	bool is_ours = false;

	for (size_t i = 0; i < count && !is_ours; i++) {
		struct search s = { .arena = arena, .id = normal(arena, authserv_ids[i]) };

		is_ours = s.id.len > 0 && claims(&s, value);
	}
	arena_free(arena);
	return is_ours;
}
