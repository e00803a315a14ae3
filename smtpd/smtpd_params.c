/* SPDX-License-Identifier: ISC */
/* smtpd_params.c - the extensions together: which are offered, and whose parameter is whose
 *
 * An extension is a row in its own ext_*.c; here they are listed in the order of smtpd_extensions.def. */
#include <stdio.h>

#include "lib/smtp/xtext.h"
#include "smtpd/smtpd.h"

#define EXTENSION(name) extern const struct smtpd_extension smtpd_ext_##name;
#include "smtpd/smtpd_extensions.def"
#undef EXTENSION

static const struct smtpd_extension *const extensions[] = {
#define EXTENSION(name) &smtpd_ext_##name,
#include "smtpd/smtpd_extensions.def"
#undef EXTENSION
};

const struct smtpd_extension *smtpd_extension(size_t number)
{
	return number < COUNT_OF(extensions) ? extensions[number] : NULL;
}

static bool is_discarded(const struct smtpd *s, struct span keyword)
{
	struct span rest = span_of(s->conf->smtpd_discard_ehlo_keywords), name;

	while (conf_list_next(&rest, &name))
		if (span_equal_ci(name, keyword))
			return true;
	return false;
}

bool smtpd_offers(struct smtpd *s, const struct smtpd_extension *e, struct buf *line)
{
	if (is_discarded(s, e->keyword))
		return false;
	buf_add(line, e->keyword);
	return e->announce == NULL || e->announce(s, line);
}

static const struct smtpd_param *find_in(const struct smtpd_param *p, struct span keyword, unsigned *number)
{
	for (; p != NULL && p->keyword.len > 0; p++, ++*number)
		if (span_equal_ci(p->keyword, keyword))
			return p;
	return NULL;
}

/* The parameter of that name and its number, by which a repetition is seen. */
static const struct smtpd_param *find_param(struct smtpd *s, bool is_mail, struct span keyword,
                                            unsigned *number)
{
	*number = 0;
	for (size_t i = 0; i < COUNT_OF(extensions); i++) {
		const struct smtpd_extension *e = extensions[i];
		const struct smtpd_param *p =
			find_in(is_mail ? e->mail_params : e->rcpt_params, keyword, number);

		if (p != NULL)
			return is_discarded(s, e->keyword) ? NULL : p;
	}
	return NULL;
}

/* The reply code that goes with an enhanced code of a refused parameter. */
static unsigned code_for(const struct why *why)
{
	static const struct { const char *dsn; unsigned code; } codes[] = {
		{ "5.3.4", 552 },	/* RFC 1870 6.1 */
		{ "4.3.1", 452 },
		{ "5.5.2", 555 },
	};

	for (size_t i = 0; i < COUNT_OF(codes); i++)
		if (strcmp(why->dsn, codes[i].dsn) == 0)
			return codes[i].code;
	return why->dsn[0] == '4' ? 451 : 501;
}

static enum outcome take_param(struct smtpd *s, struct smtpd_mail *m, struct envelope_recipient *r,
                               struct span keyword, const struct span *value, uint64_t *seen,
                               struct why *why)
{
	unsigned number;
	const struct smtpd_param *p = find_param(s, r == NULL, keyword, &number);

	if (p == NULL)	/* RFC 5321 4.1.1.11 */
		return why_set(why, REFUSE, "5.5.2", "Unsupported option: " SPAN_FMT,
		               SPAN_ARG(span_first(keyword, 100)));
	if ((*seen & (uint64_t)1 << number) != 0)
		return why_set(why, REFUSE, "5.5.4", "Error: duplicate " SPAN_FMT, SPAN_ARG(keyword));
	*seen |= (uint64_t)1 << number;
	if (p->form != PARAM_EITHER && (p->form == PARAM_VALUE) != (value != NULL))
		return why_set(why, REFUSE, "5.5.4", "Error: bad " SPAN_FMT " parameter syntax",
		               SPAN_ARG(keyword));
	return p->take(s, m, r, value != NULL ? *value : span_lit(""), why);
}

enum outcome smtpd_parse_params(struct smtpd *s, struct smtpd_mail *m, struct envelope_recipient *r,
                                struct span text, struct why *why)
{
	struct span keyword, value;
	bool has_value, bad;
	uint64_t seen = 0;

	while (esmtp_param_next(&text, &keyword, &value, &has_value, &bad)) {
		enum outcome outcome = take_param(s, m, r, keyword, has_value ? &value : NULL, &seen, why);

		if (outcome != DONE)
			return outcome;
	}
	return bad ? why_set(why, REFUSE, "5.5.4", "Error: bad parameter syntax") : DONE;
}

bool smtpd_take_params(struct smtpd *s, struct smtpd_mail *m, struct envelope_recipient *r,
                       struct span text)
{
	struct why why;

	if (smtpd_parse_params(s, m, r, text, &why) == DONE)
		return true;
	smtpd_reply(s, code_for(&why), strcmp(why.dsn, "5.5.2") == 0 ? "5.5.4" : why.dsn, "%s", why.text);
	return false;
}
