/* SPDX-License-Identifier: ISC */
/* ext_smtputf8.c - SMTPUTF8 (RFC 6531): UTF-8 in addresses and headers of this one message */
#include "smtpd/smtpd.h"

extern const struct smtpd_extension smtpd_ext_smtputf8;

static bool announce(struct smtpd *s, UNUSED struct buf *line)
{
	return s->conf->smtputf8_enable;
}

static enum outcome mail_param(struct smtpd *s, struct smtpd_mail *m, UNUSED struct envelope_recipient *r,
                               UNUSED struct span value, struct why *why)
{
	if (!s->conf->smtputf8_enable)
		return why_set(why, REFUSE, "5.5.4", "Unsupported option: SMTPUTF8");
	m->flags |= ENVELOPE_SMTPUTF8;
	return DONE;
}

static const struct smtpd_param params[] = { { SPAN("SMTPUTF8"), PARAM_FLAG, mail_param }, { .keyword = { NULL, 0 } } };

const struct smtpd_extension smtpd_ext_smtputf8 = {
	.keyword = SPAN("SMTPUTF8"), .source = SPAN("RFC 6531 3.1"), .dialogue = "utf8",
	.announce = announce, .mail_params = params,
};
