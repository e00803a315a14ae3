/* SPDX-License-Identifier: ISC */
/* address.c - an address and its pieces, and its standard form
 *
 * Addresses come from the network.  Nothing inside a local part is ever routing: '%', '!' and '@' there are
 * plain bytes; a source route is dropped (RFC 5321 C). */
#include "router/router.h"

/* at_sign - offset of the '@' between local part and domain; none when the last one stands in quotes. */
static size_t at_sign(struct span text)
{
	size_t at = span_rfind(text, '@');

	if (at == SPAN_NOT_FOUND || span_find(span_skip(text, at), '"') != SPAN_NOT_FOUND)
		return SPAN_NOT_FOUND;
	return at;
}

static bool is_delimiter(const struct router *r, char c)
{
	return c != '\0' && strchr(r->conf->recipient_delimiter, c) != NULL;
}

/* is_whole_name - names that are never split. */
static bool is_whole_name(const struct router *r, struct span local)
{
	if (span_equal_ci(local, span_lit("postmaster")) || span_equal_ci(local, span_lit("mailer-daemon")) ||
	    span_equal_ci(local, span_of(r->conf->double_bounce_sender)))
		return true;
	return r->conf->owner_request_special && is_delimiter(r, '-') &&
	       (span_starts_ci(local, span_lit("owner-")) || span_ends_ci(local, span_lit("-request")));
}

static void split_extension(const struct router *r, struct address *a)
{
	a->user = a->local;
	a->extension = span_skip(a->local, a->local.len);
	if (r->conf->recipient_delimiter[0] == '\0' || is_whole_name(r, a->local))
		return;
	for (size_t i = 1; i < a->local.len; i++) {
		if (!is_delimiter(r, a->local.ptr[i]))
			continue;
		a->user = span_first(a->local, i);
		a->extension = span_skip(a->local, i);
		return;
	}
}

struct address address_split(const struct router *r, struct span text)
{
	struct address a = { .full = text, .local = text };
	size_t at = at_sign(text);

	if (at != SPAN_NOT_FOUND) {
		a.local = span_first(text, at);
		a.domain = span_skip(text, at + 1);
	}
	split_extension(r, &a);
	return a;
}

/* without_route - "@a,@b:user@c" is user@c. */
static struct span without_route(struct span text)
{
	size_t colon;

	for (text = span_trim(text); span_starts(text, span_lit("@")); text = span_trim(span_skip(text, colon + 1))) {
		colon = span_find(text, ':');
		if (colon == SPAN_NOT_FOUND)
			break;
	}
	return text;
}

static bool has_nul(struct span text)
{
	return span_find(text, '\0') != SPAN_NOT_FOUND;
}

struct span address_standard(const struct router *r, struct span text, struct arena *arena)
{
	struct address a;
	const char *more = "";

	text = without_route(text);
	if (has_nul(text))	/* refused later; never to be cut short */
		return arena_dup(arena, text);
	while (span_ends(text, span_lit(".")) && at_sign(text) != SPAN_NOT_FOUND)
		text = span_first(text, text.len - 1);
	a = address_split(r, text);
	if (a.local.len == 0)
		return arena_dup(arena, text);
	if (a.domain.len == 0) {
		if (!r->conf->append_at_myorigin)
			return arena_dup(arena, a.local);
		a.domain = span_of(r->conf->myorigin);
	}
	if (r->conf->append_dot_mydomain && a.domain.ptr[0] != '[' && span_find(a.domain, '.') == SPAN_NOT_FOUND)
		more = arena_printf(arena, ".%s", r->conf->mydomain);
	return arena_printf_span(arena, SPAN_FMT "@" SPAN_FMT "%s", SPAN_ARG(a.local), SPAN_ARG(a.domain), more);
}

static bool is_domain_byte(char c)
{
	/* Beyond ASCII: an internationalized name (RFC 6531 3.3). */
	return ascii_is_alnum(c) || c == '-' || c == '.' || c == '_' || (unsigned char)c >= 0x80;
}

bool address_is_valid(const struct address *a)
{
	if (a->local.len == 0 || a->domain.len == 0 || span_equal(a->local, span_lit("\"\"")) || has_nul(a->full))
		return false;
	if (a->domain.ptr[0] == '[')
		return a->domain.len > 2 && span_ends(a->domain, span_lit("]"));
	return span_all(a->domain, is_domain_byte) && a->domain.ptr[0] != '.' &&
	       span_search(a->domain, span_lit("..")) == SPAN_NOT_FOUND;
}
