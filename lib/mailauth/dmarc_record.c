/* SPDX-License-Identifier: ISC */
/* dmarc_record.c - the policy record a domain publishes at _dmarc
 *
 * Reads hostile bytes in one pass and allocates nothing.  Rules kept here: RFC 7489 6.3 and 6.4, RFC 9989 4.7 and 4.8
 * (tags and their values), RFC 7489 6.6.3 (records without a policy).  Names and words are compared without case as
 * the ABNF says; only DMARC1 has a case. */
#include "lib/mailauth/dmarc_record.h"

#include <limits.h>

#include "lib/mailauth/dmarc_uri.h"
#include "lib/mailauth/tags.h"

enum { INTERVAL_DEFAULT_S = 86400, PCT_MAX = 100 };
enum { IN_7489 = 1, IN_BIS = 2, IN_BOTH = IN_7489 | IN_BIS };

static const char *const policy_names[] = {
	[DMARC_POLICY_NONE] = "none", [DMARC_POLICY_QUARANTINE] = "quarantine", [DMARC_POLICY_REJECT] = "reject",
};

const char *dmarc_policy_name(enum dmarc_policy policy)
{
	return policy_names[policy];
}

bool dmarc_policy_read(struct span text, enum dmarc_policy *policy)
{
	for (unsigned i = 0; i < COUNT_OF(policy_names); i++) {
		if (span_equal_ci(text, span_of(policy_names[i]))) {
			*policy = (enum dmarc_policy)i;
			return true;
		}
	}
	return false;
}

bool dmarc_record_is_version(struct span text)
{
	struct tag tag;

	return tags_next(&text, &tag) == TAG_FOUND && span_equal_ci(tag.name, span_lit("v")) &&
	       span_equal(tag.value, span_lit("DMARC1"));
}

bool dmarc_record_tag(struct span text, struct span name, struct span *value)
{
	enum tag_step step;
	struct tag tag;

	while ((step = tags_next(&text, &tag)) != TAG_END) {
		if (step == TAG_FOUND && span_equal_ci(tag.name, name)) {
			*value = tag.value;
			return true;
		}
	}
	return false;
}

/* ---- one reader a tag: false is a syntax error, and the default stays ---- */

static bool read_p(struct dmarc_record *r, struct span value)
{
	return dmarc_policy_read(value, &r->p);
}

static bool read_sp(struct dmarc_record *r, struct span value)
{
	r->has_sp = dmarc_policy_read(value, &r->sp);
	return r->has_sp;
}

static bool read_np(struct dmarc_record *r, struct span value)
{
	r->has_np = dmarc_policy_read(value, &r->np);
	return r->has_np;
}

/* read_letter - which letter of set is the value, in either case? */
static bool read_letter(struct span value, const char *set, size_t *which)
{
	*which = value.len == 1 ? span_find(span_of(set), ascii_lower(value.ptr[0])) : SPAN_NOT_FOUND;
	return *which != SPAN_NOT_FOUND;
}

static bool read_flag(struct span value, const char *no_yes, bool *flag)
{
	size_t which;

	if (!read_letter(value, no_yes, &which))
		return false;
	*flag = which == 1;
	return true;
}

static bool read_adkim(struct dmarc_record *r, struct span value)
{
	return read_flag(value, "rs", &r->adkim_strict);
}

static bool read_aspf(struct dmarc_record *r, struct span value)
{
	return read_flag(value, "rs", &r->aspf_strict);
}

static bool read_t(struct dmarc_record *r, struct span value)
{
	return read_flag(value, "ny", &r->is_test);
}

static bool read_psd(struct dmarc_record *r, struct span value)
{
	size_t which;

	if (!read_letter(value, "uny", &which))
		return false;
	r->psd = (enum dmarc_psd)which;
	return true;
}

static bool read_pct(struct dmarc_record *r, struct span value)
{
	unsigned long long pct;

	if (!span_u64(value, PCT_MAX, &pct))
		return false;
	r->pct = (unsigned)pct;
	return true;
}

static bool read_ri(struct dmarc_record *r, struct span value)
{
	unsigned long long seconds;

	if (!span_u64(value, UINT_MAX, &seconds))
		return false;
	r->interval_s = (unsigned)seconds;
	return true;
}

static bool read_fo(struct dmarc_record *r, struct span value)
{
	struct span rest = value, option;
	unsigned fo = 0;
	size_t which;

	while (tags_item(&rest, ':', &option)) {
		if (!read_letter(option, "01ds", &which))
			return false;
		fo |= 1U << which;
	}
	r->fo = fo;
	r->fo_text = value;
	return true;
}

static bool read_rua(struct dmarc_record *r, struct span value)
{
	if (!dmarc_uris_are_valid(value))
		return false;
	r->rua = value;
	return true;
}

static bool read_ruf(struct dmarc_record *r, struct span value)
{
	if (!dmarc_uris_are_valid(value))
		return false;
	r->ruf = value;
	return true;
}

static const struct rule {
	struct span name;
	unsigned    texts;
	bool        decides;	/* a bad value spoils the record's policy */
	bool (*read)(struct dmarc_record *r, struct span value);
} rules[] = {
	{ SPAN("p"),     IN_BOTH, true,  read_p },
	{ SPAN("sp"),    IN_BOTH, true,  read_sp },
	{ SPAN("np"),    IN_BIS,  true,  read_np },
	{ SPAN("adkim"), IN_BOTH, false, read_adkim },
	{ SPAN("aspf"),  IN_BOTH, false, read_aspf },
	{ SPAN("pct"),   IN_7489, false, read_pct },
	{ SPAN("t"),     IN_BIS,  false, read_t },
	{ SPAN("psd"),   IN_BIS,  false, read_psd },
	{ SPAN("fo"),    IN_BOTH, false, read_fo },
	{ SPAN("ri"),    IN_7489, false, read_ri },
	{ SPAN("rua"),   IN_BOTH, false, read_rua },
	{ SPAN("ruf"),   IN_BOTH, false, read_ruf },
};

/* find_rule - index in rules of a name this text knows, or COUNT_OF(rules). */
static size_t find_rule(enum dmarc_text which, struct span name)
{
	unsigned text = which == DMARC_BIS ? IN_BIS : IN_7489;
	size_t i = 0;

	while (i < COUNT_OF(rules) && ((rules[i].texts & text) == 0 || !span_equal_ci(name, rules[i].name)))
		i++;
	return i;
}

/* settle - what a record without a sound policy stands for (RFC 7489 6.6.3), and what sp and np fall back to. */
static void settle(struct dmarc_record *r, bool is_sound)
{
	if (!is_sound) {
		r->is_usable = r->rua.len != 0;
		r->p = DMARC_POLICY_NONE;
		r->has_sp = r->has_np = false;
	}
	if (!r->has_sp)
		r->sp = r->p;
	if (!r->has_np)
		r->np = r->sp;
}

bool dmarc_record_parse(enum dmarc_text which, struct span text, struct dmarc_record *record)
{
	struct dmarc_record r = {
		.text = text, .pct = PCT_MAX, .fo = DMARC_FO_ALL_FAIL, .fo_text = SPAN("0"),
		.interval_s = INTERVAL_DEFAULT_S, .is_usable = true,
	};
	bool has_policy = false, is_sound = true, is_twice = false;
	struct span rest = text;
	enum tag_step step;
	struct tag tag;
	unsigned seen = 0;

	if (!dmarc_record_is_version(text))
		return false;
	(void)tags_next(&rest, &tag);
	while ((step = tags_next(&rest, &tag)) != TAG_END) {
		size_t i = step == TAG_FOUND ? find_rule(which, tag.name) : COUNT_OF(rules);

		if (i == COUNT_OF(rules))
			continue;
		is_twice |= (seen & 1U << i) != 0;
		seen |= 1U << i;
		if (!rules[i].read(&r, tag.value))
			is_sound &= !rules[i].decides;
		else if (rules[i].read == read_p)
			has_policy = true;
	}
	settle(&r, is_sound && has_policy);
	r.is_usable &= !is_twice;
	*record = r;
	return true;
}
