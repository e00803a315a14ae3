/* SPDX-License-Identifier: ISC */
/* address.c - mailbox addresses and SMTP paths
 *
 * The bytes come from any client, so this is one cursor with an explicit end, no recursion and
 * no second pass: RFC 5321 4.1.2 (Mailbox), 4.1.3 (address literals), RFC 6531 3.3 (UTF-8). */
#include "lib/smtp/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "lib/base/buf.h"

struct cursor {
	const char *p, *end;
};

static bool is_atext(char c)
{
	return ascii_is_alnum(c) || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL) ||
	       (unsigned char)c >= 0x80;
}

static bool is_control(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7f;
}

bool smtp_has_8bit(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.ptr[i] >= 0x80)
			return true;
	return false;
}

/* Length of the UTF-8 sequence that s begins with, or 0. */
static size_t utf8_length(struct span s)
{
	unsigned char b = (unsigned char)s.ptr[0];
	unsigned char low = 0x80, high = 0xbf;	/* of the second byte: no overlong form, no surrogate */
	size_t n = b < 0x80 ? 1 : b < 0xc2 ? 0 : b < 0xe0 ? 2 : b < 0xf0 ? 3 : b < 0xf5 ? 4 : 0;

	if (n < 2 || n > s.len)
		return n == 1 ? 1 : 0;
	if (b == 0xe0)
		low = 0xa0;
	else if (b == 0xed)
		high = 0x9f;
	else if (b == 0xf0)
		low = 0x90;
	else if (b == 0xf4)
		high = 0x8f;
	for (size_t i = 1; i < n; i++) {
		unsigned char next = (unsigned char)s.ptr[i];

		if (next < low || next > high)
			return 0;
		low = 0x80;
		high = 0xbf;
	}
	return n;
}

bool smtp_utf8_is_valid(struct span s)
{
	while (s.len > 0) {
		size_t n = utf8_length(s);

		if (n == 0)
			return false;
		s = span_skip(s, n);
	}
	return true;
}

static bool is_label_byte(char c, bool utf8)
{
	return ascii_is_alnum(c) || c == '-' || c == '_' || (utf8 && (unsigned char)c >= 0x80);
}

bool smtp_domain_is_valid(struct span domain, bool utf8)
{
	size_t label = 0;

	if (domain.len == 0 || domain.len > SMTP_DOMAIN_MAX)
		return false;
	for (size_t i = 0; i < domain.len; i++) {
		char c = domain.ptr[i];
		bool at_edge = label == 0 || i + 1 == domain.len || domain.ptr[i + 1] == '.';

		if (c == '.') {
			if (label == 0)
				return false;
			label = 0;
			continue;
		}
		if (!is_label_byte(c, utf8) || (c == '-' && at_edge) || ++label > 63)
			return false;
	}
	return label > 0;
}

bool smtp_domain_is_fqdn(struct span domain)
{
	size_t dot = span_rfind(domain, '.');

	return dot != SPAN_NOT_FOUND && smtp_domain_is_valid(domain, true) &&
	       !span_all(span_skip(domain, dot + 1), ascii_is_digit);
}

bool smtp_literal_is_valid(struct span domain)
{
	unsigned char binary[sizeof(struct in6_addr)];
	char text[INET6_ADDRSTRLEN];
	int family = AF_INET;

	if (domain.len < 3 || domain.ptr[0] != '[' || domain.ptr[domain.len - 1] != ']')
		return false;
	domain = span_slice(domain, 1, domain.len - 2);
	if (span_starts_ci(domain, span_lit("IPv6:"))) {
		domain = span_skip(domain, 5);
		family = AF_INET6;
	}
	if (domain.len >= sizeof(text) || memchr(domain.ptr, '\0', domain.len) != NULL)
		return false;
	memcpy(text, domain.ptr, domain.len);
	text[domain.len] = '\0';
	return inet_pton(family, text, binary) == 1;
}

static bool is_dot_atom(struct span s)
{
	if (s.len == 0 || s.ptr[0] == '.' || s.ptr[s.len - 1] == '.')
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!is_atext(s.ptr[i]) && (s.ptr[i] != '.' || s.ptr[i - 1] == '.'))
			return false;
	return true;
}

struct span smtp_quote_local(struct arena *arena, struct span local)
{
	char *out, *q;

	if (is_dot_atom(local))
		return local;
	q = out = arena_alloc(arena, local.len * 2 + 2);
	*q++ = '"';
	for (size_t i = 0; i < local.len; i++) {
		if (local.ptr[i] == '"' || local.ptr[i] == '\\')
			*q++ = '\\';
		*q++ = local.ptr[i];
	}
	*q++ = '"';
	return span_make(out, (size_t)(q - out));
}

void smtp_address_split(struct span address, struct span *local, struct span *domain)
{
	size_t at = span_rfind(address, '@');

	/* A domain holds no quote, so an '@' before the last quote is part of the local part. */
	if (at == SPAN_NOT_FOUND || span_find(span_skip(address, at), '"') != SPAN_NOT_FOUND) {
		*local = address;
		*domain = span_lit("");
		return;
	}
	*local = span_first(address, at);
	*domain = span_skip(address, at + 1);
}

/* "@a,@b:" - taken and thrown away (RFC 5321 C: servers SHOULD ignore it). */
static bool skip_source_route(struct cursor *c)
{
	while (c->p < c->end && *c->p == '@') {
		const char *start = ++c->p;

		while (c->p < c->end && *c->p != ',' && *c->p != ':' && *c->p != '>')
			c->p++;
		if (c->p == c->end || *c->p == '>' ||
		    !smtp_domain_is_valid(span_make(start, (size_t)(c->p - start)), true))
			return false;
		if (*c->p++ == ':')
			return true;
	}
	return false;
}

/* Quoted-string (RFC 5321 4.1.2), cursor on its first quote; local without quoting. */
static bool parse_quoted(struct arena *arena, struct cursor *c, struct span *local)
{
	char *out = arena_alloc(arena, (size_t)(c->end - c->p));
	size_t n = 0;

	for (c->p++; c->p < c->end; c->p++) {
		if (*c->p == '"') {
			c->p++;
			*local = span_make(out, n);
			return n > 0;	/* an empty local part: reliability C13 */
		}
		if (*c->p == '\\' && ++c->p == c->end)
			return false;
		if (is_control(*c->p))
			return false;
		out[n++] = *c->p;
	}
	return false;
}

static bool parse_local(struct arena *arena, struct cursor *c, struct span *local)
{
	const char *start = c->p;

	if (c->p < c->end && *c->p == '"')
		return parse_quoted(arena, c, local);
	while (c->p < c->end && (is_atext(*c->p) || *c->p == '.'))
		c->p++;
	*local = span_make(start, (size_t)(c->p - start));
	return is_dot_atom(*local);
}

/* A bare local part (no domain) is completed by us, so it must not look like routing (reliability C13). */
static bool is_plain_word(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!ascii_is_alnum(s.ptr[i]) && strchr("._+=-", s.ptr[i]) == NULL)
			return false;
	return s.len > 0;
}

/* The domain, up to '>', a blank or the end. */
static bool parse_domain(struct cursor *c, struct span *domain)
{
	const char *start = c->p;

	while (c->p < c->end && *c->p != '>' && *c->p != ' ')
		c->p++;
	*domain = span_make(start, (size_t)(c->p - start));
	/* One trailing dot is a common slip, and harmless. */
	if (domain->len > 1 && domain->ptr[domain->len - 1] == '.')
		domain->len--;
	return domain->len > 0 && (domain->ptr[0] == '[' ? smtp_literal_is_valid(*domain)
	                                                 : smtp_domain_is_valid(*domain, true));
}

static enum smtp_path_result check_mailbox(const struct smtp_path *path, unsigned flags)
{
	if (path->local.len > SMTP_LOCAL_MAX || path->address.len > SMTP_PATH_MAX)
		return SMTP_PATH_TOO_LONG;
	if (path->domain.len == 0 && ((flags & SMTP_PATH_BARE) == 0 || !is_plain_word(path->local)))
		return SMTP_PATH_BAD;
	if (!path->has_utf8)
		return SMTP_PATH_OK;
	if (!smtp_utf8_is_valid(path->address))
		return SMTP_PATH_BAD;
	return (flags & SMTP_PATH_UTF8) != 0 ? SMTP_PATH_OK : SMTP_PATH_NEEDS_UTF8;
}

static struct span join(struct arena *arena, struct span local, struct span domain)
{
	struct span quoted = smtp_quote_local(arena, local);
	char *out = arena_alloc(arena, quoted.len + 1 + domain.len);

	memcpy(out, quoted.ptr, quoted.len);
	if (domain.len == 0)
		return span_make(out, quoted.len);
	out[quoted.len] = '@';
	memcpy(out + quoted.len + 1, domain.ptr, domain.len);
	return span_make(out, quoted.len + 1 + domain.len);
}

enum smtp_path_result smtp_path_parse(struct arena *arena, struct span text, unsigned flags,
                                      struct smtp_path *path, struct span *rest)
{
	struct cursor c = { text.ptr, text.ptr + text.len };
	bool has_bracket = text.len > 0 && text.ptr[0] == '<';

	*path = (struct smtp_path){ 0 };
	if (text.len == 0 || (!has_bracket && (flags & SMTP_PATH_LAX) == 0))
		return SMTP_PATH_BAD;
	c.p += has_bracket;
	if (has_bracket && c.p < c.end && *c.p == '>') {
		*rest = span_make(c.p + 1, (size_t)(c.end - c.p - 1));
		return (flags & SMTP_PATH_NULL) != 0 ? SMTP_PATH_OK : SMTP_PATH_BAD;
	}
	if (c.p < c.end && *c.p == '@' && !skip_source_route(&c))
		return SMTP_PATH_BAD;
	if (!parse_local(arena, &c, &path->local))
		return SMTP_PATH_BAD;
	if (c.p < c.end && *c.p == '@') {
		c.p++;
		if (!parse_domain(&c, &path->domain))
			return SMTP_PATH_BAD;
	}
	if (has_bracket && (c.p == c.end || *c.p++ != '>'))
		return SMTP_PATH_BAD;
	*rest = span_make(c.p, (size_t)(c.end - c.p));
	if (rest->len > 0 && rest->ptr[0] != ' ')
		return SMTP_PATH_BAD;
	path->address = join(arena, path->local, path->domain);
	path->local = arena_dup(arena, path->local);
	path->domain = span_skip(path->address, path->address.len - path->domain.len);
	path->has_utf8 = smtp_has_8bit(path->address);
	return check_mailbox(path, flags);
}
