/* SPDX-License-Identifier: ISC */
/* spf_record.c - a policy taken apart (RFC 7208 4.6 and 12)
 *
 * The text is a stranger's.  All of it is read before any of it is used: an error anywhere makes the whole policy void
 * (RFC 7208 4.6).  Terms are parted by spaces alone, so every other control byte is an error where it stands. */
#include "lib/mailauth/spf_private.h"

enum target_rule { NO_TARGET, MAY_HAVE_TARGET, NEEDS_TARGET };

static const struct mechanism {
	struct span        name;
	enum spf_mechanism mechanism;
	enum target_rule   target;
	bool               has_lengths;	/* "/24//64" behind the target */
} mechanisms[] = {
	{ SPAN("all"), SPF_ALL, NO_TARGET, false },
	{ SPAN("include"), SPF_INCLUDE, NEEDS_TARGET, false },
	{ SPAN("a"), SPF_A, MAY_HAVE_TARGET, true },
	{ SPAN("mx"), SPF_MX, MAY_HAVE_TARGET, true },
	{ SPAN("ptr"), SPF_PTR, MAY_HAVE_TARGET, false },
	{ SPAN("ip4"), SPF_IP4, NO_TARGET, false },
	{ SPAN("ip6"), SPF_IP6, NO_TARGET, false },
	{ SPAN("exists"), SPF_EXISTS, NEEDS_TARGET, false },
};

static const struct span version = SPAN("v=spf1");

bool spf_record_is_policy(struct span text)
{
	return span_starts_ci(text, version) && (text.len == version.len || text.ptr[version.len] == ' ');
}

/* take_length - a prefix length behind exactly these slashes, off the end of *rest; bits stays where there is none. */
static bool take_length(struct span *rest, struct span slashes, unsigned most, unsigned *bits)
{
	size_t n = rest->len;
	struct span digits, before;
	unsigned long long value;

	while (n > 0 && ascii_is_digit(rest->ptr[n - 1]))
		n--;
	digits = span_skip(*rest, n);
	before = span_first(*rest, n);
	if (digits.len == 0 || !span_ends(before, slashes))
		return true;
	before.len -= slashes.len;
	if (slashes.len == 1 && span_ends(before, slashes))
		return true;
	if ((digits.len > 1 && digits.ptr[0] == '0') || !span_u64(digits, most, &value))
		return false;
	*bits = (unsigned)value;
	*rest = before;
	return true;
}

static bool take_lengths(struct span *rest, struct spf_directive *d)
{
	return take_length(rest, span_lit("//"), 128, &d->bits_ip6) &&
	       take_length(rest, span_lit("/"), 32, &d->bits_ip4);
}

/* parse_network - ":192.0.2.0/24": all four parts, host bits do not matter. */
static bool parse_network(struct span rest, struct spf_directive *d)
{
	bool is_ip4 = d->mechanism == SPF_IP4;
	unsigned bits = is_ip4 ? 32 : 128;
	struct net_address address;

	if (!span_starts(rest, span_lit(":")) || !take_length(&rest, span_lit("/"), bits, &bits))
		return false;
	return net_address_parse(span_skip(rest, 1), 0, &address) &&
	       address.storage.ss_family == (is_ip4 ? AF_INET : AF_INET6) &&
	       net_cidr_of(&address, bits, &d->network);
}

static enum spf_result take_qualifier(struct span *term)
{
	static const struct {
		char            qualifier;
		enum spf_result result;
	} rows[] = { { '+', SPF_PASS }, { '-', SPF_FAIL }, { '~', SPF_SOFTFAIL }, { '?', SPF_NEUTRAL } };

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		if (term->len > 0 && term->ptr[0] == rows[i].qualifier) {
			*term = span_skip(*term, 1);
			return rows[i].result;
		}
	}
	return SPF_PASS;
}

static bool is_name_end(char c)
{
	return c == ':' || c == '/';
}

static const struct mechanism *take_mechanism(struct span *term)
{
	size_t n = 0;

	while (n < term->len && !is_name_end(term->ptr[n]))
		n++;
	for (size_t i = 0; i < COUNT_OF(mechanisms); i++) {
		if (span_equal_ci(span_first(*term, n), mechanisms[i].name)) {
			*term = span_skip(*term, n);
			return &mechanisms[i];
		}
	}
	return NULL;
}

static bool parse_directive(struct span term, struct spf_directive *d)
{
	const struct mechanism *m;

	*d = (struct spf_directive){ .text = term, .bits_ip4 = 32, .bits_ip6 = 128 };
	d->result = take_qualifier(&term);
	m = take_mechanism(&term);
	if (m == NULL)
		return false;
	d->mechanism = m->mechanism;
	if (m->mechanism == SPF_IP4 || m->mechanism == SPF_IP6)
		return parse_network(term, d);
	if (m->has_lengths && !take_lengths(&term, d))
		return false;
	if (term.len == 0)
		return m->target != NEEDS_TARGET;
	d->target = span_skip(term, 1);
	return m->target != NO_TARGET && term.ptr[0] == ':' && spf_domain_spec_is_valid(d->target);
}

static bool is_name_byte(char c)
{
	return ascii_is_alnum(c) || c == '-' || c == '_' || c == '.';
}

/* split_modifier - name and value, where term has the form of a modifier (RFC 7208 4.6.1). */
static bool split_modifier(struct span term, struct span *name, struct span *value)
{
	*value = term;
	return span_cut(value, '=', name) && name->len > 0 && ascii_is_alpha(name->ptr[0]) &&
	       span_all(*name, is_name_byte);
}

/* set_once - each of the known modifiers may appear once (RFC 7208 6). */
static bool set_once(struct span *modifier, struct span value)
{
	if (modifier->len > 0 || !spf_domain_spec_is_valid(value))
		return false;
	*modifier = value;
	return true;
}

static bool parse_term(struct span term, struct spf_record *record)
{
	struct span name, value;

	if (!split_modifier(term, &name, &value))
		return parse_directive(term, &record->directives[record->count++]);
	if (span_equal_ci(name, span_lit("redirect")))
		return set_once(&record->redirect, value);
	if (span_equal_ci(name, span_lit("exp")))
		return set_once(&record->exp, value);
	return spf_macro_string_is_valid(value);
}

bool spf_record_parse(struct arena *arena, struct span text, struct spf_record *record, struct span *fault)
{
	struct span rest = span_skip(text, version.len);
	struct span term;

	*record = (struct spf_record){ 0 };
	*fault = text;
	if (!spf_record_is_policy(text))
		return false;
	record->directives = ARENA_NEW_ARRAY(arena, struct spf_directive, rest.len / 2 + 1);
	while (rest.len > 0) {
		span_cut(&rest, ' ', &term);
		*fault = term;
		if (term.len > 0 && !parse_term(term, record))
			return false;
	}
	return true;
}
