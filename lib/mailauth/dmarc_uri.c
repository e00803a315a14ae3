/* SPDX-License-Identifier: ISC */
/* dmarc_uri.c - the lists of reporting addresses in a record
 *
 * Reads hostile bytes.  Rules kept here: RFC 7489 6.2 and 6.4 (dmarc-uri; a comma or '!' inside is percent-encoded),
 * RFC 3986 2 and 3.1 (what a URI is made of), RFC 6068 2 (mailto:). */
#include "lib/mailauth/dmarc_uri.h"

#include "lib/mailauth/dmarc_domain.h"
#include "lib/smtp/address.h"

static bool is_scheme_byte(char c)
{
	return ascii_is_alnum(c) || c == '+' || c == '-' || c == '.';
}

static bool is_uri_byte(char c)
{
	return ascii_is_alnum(c) || (c != '\0' && strchr("-._~:/?#[]@$&'()*+;=%", c) != NULL);
}

/* shift_of - what a unit letter multiplies by, as a power of two (RFC 7489 6.2); -1 when it is none. */
static int shift_of(char unit)
{
	switch (ascii_lower(unit)) {
	case 'k':
		return 10;
	case 'm':
		return 20;
	case 'g':
		return 30;
	case 't':
		return 40;
	default:
		return -1;
	}
}

/* read_limit - "10m" in bytes; too large a number is no limit. */
static bool read_limit(struct span text, uint64_t *bytes)
{
	int shift = text.len != 0 ? shift_of(text.ptr[text.len - 1]) : -1;
	unsigned long long number;

	if (shift > 0)
		text.len--;
	else
		shift = 0;
	if (!span_u64(text, UINT64_MAX, &number))
		return false;
	*bytes = number > UINT64_MAX >> shift ? UINT64_MAX : (uint64_t)number << shift;
	return true;
}

bool dmarc_uri_next(struct span *list, struct dmarc_uri *uri)
{
	struct span member, scheme, limit;
	bool has_limit;

	*uri = (struct dmarc_uri){ .limit_bytes = UINT64_MAX };
	if (list->len == 0)
		return false;
	(void)span_cut(list, ',', &member);
	limit = span_trim(member);
	has_limit = span_cut(&limit, '!', &member);
	uri->rest = span_trim_end(member);
	if (!span_cut(&uri->rest, ':', &scheme) || scheme.len == 0 || !ascii_is_alpha(scheme.ptr[0]) ||
	    !span_all(scheme, is_scheme_byte) || uri->rest.len == 0 || !span_all(uri->rest, is_uri_byte) ||
	    (has_limit && !read_limit(span_trim(limit), &uri->limit_bytes)))
		return true;
	uri->scheme = scheme;
	return true;
}

bool dmarc_uris_are_valid(struct span list)
{
	struct dmarc_uri uri;

	while (dmarc_uri_next(&list, &uri))
		if (uri.scheme.len != 0)
			return true;
	return false;
}

/* percent_decode - false where a '%' is not followed by two hexadecimal digits. */
static bool percent_decode(struct arena *arena, struct span text, struct span *out)
{
	char *to = arena_alloc(arena, text.len + 1);
	unsigned long long byte;
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] != '%') {
			to[n++] = text.ptr[i];
			continue;
		}
		if (text.len - i < 3 || !span_hex_u64(span_slice(text, i + 1, 2), &byte))
			return false;
		to[n++] = (char)byte;
		i += 2;
	}
	*out = span_make(to, n);
	return true;
}

bool dmarc_uri_mailbox(struct arena *arena, const struct dmarc_uri *uri, struct span *address, struct span *domain)
{
	struct span fields = uri->rest, text, rest;
	struct smtp_path path;

	if (!span_equal_ci(uri->scheme, span_lit("mailto")))
		return false;
	(void)span_cut(&fields, '?', &text);	/* header fields are of no use to a report */
	if (!percent_decode(arena, text, &text) || text.len == 0 || text.ptr[0] == '<' || text.ptr[0] == '@')
		return false;
	/* Reports go out without SMTPUTF8: a local part beyond US-ASCII cannot be reached. */
	if (smtp_path_parse(arena, text, SMTP_PATH_LAX | SMTP_PATH_UTF8, &path, &rest) != SMTP_PATH_OK ||
	    rest.len != 0 || smtp_has_8bit(path.local) || !dmarc_domain_normal(arena, path.domain, domain))
		return false;
	text = smtp_quote_local(arena, path.local);
	*address = arena_printf_span(arena, SPAN_FMT "@" SPAN_FMT, SPAN_ARG(text), SPAN_ARG(*domain));
	return true;
}
