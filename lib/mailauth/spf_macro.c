/* SPDX-License-Identifier: ISC */
/* spf_macro.c - text with macros: checked, and expanded (RFC 7208 7)
 *
 * The text is the policy's, the values are the client's: both are hostile.  One reader takes text apart for both uses.
 * What comes out is at most EXPANDED_MAX long, before a name is cut to what DNS can hold. */
#include "lib/mailauth/spf_private.h"
#include "lib/smtp/address.h"

enum { EXPANDED_MAX = 64 * 1024 };

struct part {
	struct span literal;	/* text as it is; else a macro of letter */
	char        letter;	/* lower case */
	bool        is_escape;	/* the literal was written %%, %_ or %- */
	bool        is_url;	/* upper case letter: URL-escaped */
	bool        is_reversed;
	size_t      most_parts;	/* right-hand ones to keep */
	struct span delimiters;
};

static bool is_literal(char c)
{
	return c > 0x20 && c < 0x7f && c != '%';
}

static bool is_literal_or_space(char c)
{
	return c == ' ' || is_literal(c);
}

static bool is_delimiter(char c)
{
	return c != '\0' && strchr(".-+,/_=", c) != NULL;
}

static bool take_char(struct span *rest, char *c)
{
	if (rest->len == 0)
		return false;
	*c = rest->ptr[0];
	*rest = span_skip(*rest, 1);
	return true;
}

static struct span take_run(struct span *rest, bool (*test)(char c))
{
	size_t n = 0;
	struct span run;

	while (n < rest->len && test(rest->ptr[n]))
		n++;
	run = span_first(*rest, n);
	*rest = span_skip(*rest, n);
	return run;
}

/* take_transformers - "2r-}": how many parts (not none), whether reversed, and where to part. */
static bool take_transformers(struct span *rest, struct part *part)
{
	struct span digits = take_run(rest, ascii_is_digit);
	unsigned long long count;
	char end;

	part->most_parts = SIZE_MAX;
	if (digits.len > 0 && span_u64(digits, SIZE_MAX, &count))
		part->most_parts = (size_t)count;	/* one too large for us is more than there can be */
	if (part->most_parts == 0)
		return false;
	if (rest->len > 0 && ascii_lower(rest->ptr[0]) == 'r') {
		part->is_reversed = true;
		*rest = span_skip(*rest, 1);
	}
	part->delimiters = take_run(rest, is_delimiter);
	return take_char(rest, &end) && end == '}';
}

/* take_macro - behind a '%'. */
static bool take_macro(struct span *rest, struct part *part)
{
	char c, letter;

	if (!take_char(rest, &c))
		return false;
	part->is_escape = c != '{';
	switch (c) {
	case '%':
		part->literal = span_lit("%");
		return true;
	case '_':
		part->literal = span_lit(" ");
		return true;
	case '-':
		part->literal = span_lit("%20");
		return true;
	case '{':
		if (!take_char(rest, &letter))
			return false;
		part->letter = ascii_lower(letter);
		part->is_url = part->letter != letter;
		return part->letter != '\0' && strchr("slodiphcrtv", part->letter) != NULL &&
		       take_transformers(rest, part);
	default:
		return false;
	}
}

/* take_part - the next literal run or macro of *rest, which is not empty; false where it is malformed. */
static bool take_part(struct span *rest, bool (*is_text)(char c), struct part *part)
{
	*part = (struct part){ .literal = take_run(rest, is_text) };
	if (part->literal.len > 0)
		return true;
	if (rest->ptr[0] != '%')
		return false;
	*rest = span_skip(*rest, 1);
	return take_macro(rest, part);
}

static bool is_valid(struct span text, bool (*is_text)(char c))
{
	struct part part;

	while (text.len > 0) {
		if (!take_part(&text, is_text, &part))
			return false;
	}
	return true;
}

bool spf_macro_string_is_valid(struct span text)
{
	return is_valid(text, is_literal);
}

bool spf_explanation_is_valid(struct span text)
{
	return is_valid(text, is_literal_or_space);
}

bool spf_has_macros(struct span text)
{
	return span_find(text, '%') != SPAN_NOT_FOUND;
}

/* ends_in_top_label - "." toplabel ["."] at the end of text. */
static bool ends_in_top_label(struct span text)
{
	bool has_alpha = false, has_hyphen = false;
	size_t dot;

	if (span_ends(text, span_lit(".")))
		text.len--;
	dot = span_rfind(text, '.');
	if (dot == SPAN_NOT_FOUND || dot + 1 == text.len)
		return false;
	text = span_skip(text, dot + 1);
	for (size_t i = 0; i < text.len; i++) {
		has_alpha = has_alpha || ascii_is_alpha(text.ptr[i]);
		has_hyphen = has_hyphen || text.ptr[i] == '-';
		if (!ascii_is_alnum(text.ptr[i]) && text.ptr[i] != '-')
			return false;
	}
	return (has_alpha || has_hyphen) && text.ptr[0] != '-' && text.ptr[text.len - 1] != '-';
}

bool spf_domain_spec_is_valid(struct span text)
{
	struct part part = { .literal = text };

	if (text.len == 0)
		return false;
	while (text.len > 0) {
		if (!take_part(&text, is_literal, &part))
			return false;
		if (part.letter == 'c' || part.letter == 'r' || part.letter == 't')
			return false;
	}
	return part.letter != '\0' || part.is_escape || ends_in_top_label(part.literal);
}

/* ---- expansion ---- */

/* dotted_address - each nibble of an IPv6 address as a label; IPv4 as always. */
static struct span dotted_address(const struct spf_check *c)
{
	struct net_cidr all;
	struct buf text;
	struct span out;
	char number[NET_ADDRESS_TEXT_MAX];

	if (!c->is_ip6 || !net_cidr_of(&c->ip, 128, &all))
		return arena_dup(c->arena, span_of(net_address_text(&c->ip, number)));
	buf_init(&text, 64);
	for (size_t i = 0; i < 16; i++)
		buf_addf(&text, "%s%x.%x", i > 0 ? "." : "", all.bytes[i] >> 4, all.bytes[i] & 0xfu);
	out = arena_dup(c->arena, buf_span(&text));
	buf_free(&text);
	return out;
}

static struct span sender(const struct spf_check *c)
{
	size_t len = c->local.len + 1 + c->sender_domain.len;
	char *out = arena_alloc(c->arena, len);

	memcpy(out, c->local.ptr, c->local.len);
	out[c->local.len] = '@';
	memcpy(out + c->local.len + 1, c->sender_domain.ptr, c->sender_domain.len);
	return span_make(out, len);
}

/* value_of - what a letter stands for (RFC 7208 7.2). */
static struct span value_of(const struct spf_check *c, char letter, struct span domain)
{
	char number[NET_ADDRESS_TEXT_MAX];

	switch (letter) {
	case 's':
		return sender(c);
	case 'l':
		return c->local;
	case 'o':
		return c->sender_domain;
	case 'd':
		return domain;
	case 'h':
		return c->helo;
	case 'i':
		return dotted_address(c);
	case 'v':
		return c->is_ip6 ? span_lit("ip6") : span_lit("in-addr");
	case 'c':
		return arena_dup(c->arena, span_of(net_address_text(&c->ip, number)));
	case 't':
		return arena_printf_span(c->arena, "%llu", (unsigned long long)c->settings->now_s);
	default:	/* r */
		return c->settings->receiver.len > 0 ? c->settings->receiver : span_lit("unknown");
	}
}

static size_t count_parts(struct span value, struct span delimiters)
{
	size_t count = 1;

	for (size_t i = 0; i < value.len; i++)
		count += span_find(delimiters, value.ptr[i]) != SPAN_NOT_FOUND;
	return count;
}

/* skip_parts - offset of the part behind the first n, of which there are at least that many. */
static size_t skip_parts(struct span value, struct span delimiters, size_t n)
{
	size_t i = 0;

	for (; n > 0; i++)
		n -= span_find(delimiters, value.ptr[i]) != SPAN_NOT_FOUND;
	return i;
}

static void add_parts(struct buf *out, struct span value, struct span delimiters)
{
	for (size_t i = 0; i < value.len; i++)
		buf_add_byte(out, span_find(delimiters, value.ptr[i]) != SPAN_NOT_FOUND ? '.' : value.ptr[i]);
}

static void add_parts_reversed(struct buf *out, struct span value, struct span delimiters)
{
	size_t end = value.len;

	for (size_t i = value.len; i-- > 0;) {
		if (span_find(delimiters, value.ptr[i]) == SPAN_NOT_FOUND)
			continue;
		buf_add(out, span_slice(value, i + 1, end - i - 1));
		buf_add_byte(out, '.');
		end = i;
	}
	buf_add(out, span_first(value, end));
}

/* transform - the wanted right-hand parts of value, joined by dots; empty parts count too (RFC 7208 7.3). */
static void transform(struct buf *out, const struct part *part, struct span value)
{
	struct span delimiters = part->delimiters.len > 0 ? part->delimiters : span_lit(".");
	size_t count = count_parts(value, delimiters);
	size_t keep = part->most_parts < count ? part->most_parts : count;

	if (!part->is_reversed)
		add_parts(out, span_skip(value, skip_parts(value, delimiters, count - keep)), delimiters);
	else if (keep == count)
		add_parts_reversed(out, value, delimiters);
	else
		add_parts_reversed(out, span_first(value, skip_parts(value, delimiters, keep) - 1), delimiters);
}

/* escape_url - what was added from offset start on (RFC 3986 2.3: unreserved bytes stay). */
static void escape_url(struct arena *arena, struct buf *out, size_t start)
{
	struct span value = arena_dup(arena, span_skip(buf_span(out), start));

	buf_truncate(out, start);
	for (size_t i = 0; i < value.len; i++) {
		char c = value.ptr[i];

		if (ascii_is_alnum(c) || (c != '\0' && strchr("-._~", c) != NULL))
			buf_add_byte(out, c);
		else
			buf_addf(out, "%%%02X", (unsigned)(unsigned char)c);
	}
}

static enum spf_expansion add_macro(struct spf_check *c, const struct part *part, struct span domain, struct buf *out)
{
	size_t start = out->len;
	struct span value;

	/* RFC 8616 4: no term with such a local part matches; an explanation shows it, made printable later. */
	if ((part->letter == 's' || part->letter == 'l') && !c->is_explaining && smtp_has_8bit(c->local))
		return SPF_NOT_EXPANDED;
	if (part->letter != 'p')
		value = value_of(c, part->letter, domain);
	else if (!spf_validated_name(c, domain, &value))
		return SPF_LIMIT_PASSED;
	if (part->is_reversed || part->most_parts != SIZE_MAX || part->delimiters.len > 0)
		transform(out, part, value);
	else
		buf_add(out, value);
	if (part->is_url)
		escape_url(c->arena, out, start);
	return out->overflowed ? SPF_NOT_EXPANDED : SPF_EXPANDED;
}

enum spf_expansion spf_expand(struct spf_check *c, struct span text, struct span domain, struct span *out)
{
	enum spf_expansion outcome = SPF_EXPANDED;
	struct part part;
	struct buf bytes;

	buf_init(&bytes, EXPANDED_MAX);
	while (text.len > 0 && outcome == SPF_EXPANDED) {
		if (!take_part(&text, is_literal_or_space, &part))
			outcome = SPF_NOT_EXPANDED;
		else if (part.letter == '\0')
			buf_add(&bytes, part.literal);
		else
			outcome = add_macro(c, &part, domain, &bytes);
	}
	if (bytes.overflowed)
		outcome = SPF_NOT_EXPANDED;
	*out = arena_dup(c->arena, buf_span(&bytes));
	buf_free(&bytes);
	return outcome;
}
