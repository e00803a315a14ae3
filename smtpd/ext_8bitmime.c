/* SPDX-License-Identifier: ISC */
/* ext_8bitmime.c - 8BITMIME (RFC 6152): content is kept as it came, whatever BODY= says */
#include "smtpd/smtpd.h"

extern const struct smtpd_extension smtpd_ext_8bitmime;

static enum outcome mail_param(UNUSED struct smtpd *s, struct smtpd_mail *m,
                               UNUSED struct envelope_recipient *r, struct span value, struct why *why)
{
	if (span_equal_ci(value, span_lit("8BITMIME")))
		m->flags |= ENVELOPE_8BITMIME;
	else if (!span_equal_ci(value, span_lit("7BIT")))
		return why_set(why, REFUSE, "5.5.4", "Unknown BODY type");
	return DONE;
}

static const struct smtpd_param params[] = { { SPAN("BODY"), PARAM_VALUE, mail_param }, { .keyword = { NULL, 0 } } };

const struct smtpd_extension smtpd_ext_8bitmime = {
	.keyword = SPAN("8BITMIME"), .source = SPAN("RFC 6152 2"), .dialogue = "mail",
	.mail_params = params,
};
