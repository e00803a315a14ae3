/* SPDX-License-Identifier: ISC */
/* ext_dsn.c - DSN (RFC 3461): what the sender wants to hear about its message, kept for qmgr */
#include "lib/smtp/xtext.h"
#include "smtpd/smtpd.h"

extern const struct smtpd_extension smtpd_ext_dsn;

enum { ENVID_MAX = 100 * 3, ORCPT_MAX = 500 * 3 };	/* RFC 3461 4.4 and 4.2, in xtext */

static enum outcome ret(UNUSED struct smtpd *s, struct smtpd_mail *m, UNUSED struct envelope_recipient *r,
                        struct span value, struct why *why)
{
	if (span_equal_ci(value, span_lit("FULL")))
		m->dsn_return = DSN_RETURN_FULL;
	else if (span_equal_ci(value, span_lit("HDRS")))
		m->dsn_return = DSN_RETURN_HEADERS;
	else
		return why_set(why, REFUSE, "5.5.4", "Error: Bad RET parameter syntax");
	return DONE;
}

static enum outcome envid(UNUSED struct smtpd *s, struct smtpd_mail *m, UNUSED struct envelope_recipient *r,
                          struct span value, struct why *why)
{
	if (value.len == 0 || value.len > ENVID_MAX || !xtext_is_valid(value))
		return why_set(why, REFUSE, "5.5.4", "Error: Bad ENVID parameter syntax");
	m->envid = arena_dup(m->arena, value);
	return DONE;
}

static enum outcome notify(UNUSED struct smtpd *s, UNUSED struct smtpd_mail *m, struct envelope_recipient *r,
                           struct span value, struct why *why)
{
	if (!dsn_notify_parse(value, &r->notify))
		return why_set(why, REFUSE, "5.5.4", "Error: Bad NOTIFY parameter syntax");
	return DONE;
}

static enum outcome orcpt(UNUSED struct smtpd *s, struct smtpd_mail *m, struct envelope_recipient *r,
                          struct span value, struct why *why)
{
	if (value.len > ORCPT_MAX || !dsn_orcpt_is_valid(value))
		return why_set(why, REFUSE, "5.5.4", "Error: Bad ORCPT parameter syntax");
	r->orcpt = arena_dup(m->arena, value);
	return DONE;
}

static const struct smtpd_param mail_params[] = {
	{ SPAN("RET"), PARAM_VALUE, ret },
	{ SPAN("ENVID"), PARAM_VALUE, envid },
	{ .keyword = { NULL, 0 } },
};

static const struct smtpd_param rcpt_params[] = {
	{ SPAN("NOTIFY"), PARAM_VALUE, notify },
	{ SPAN("ORCPT"), PARAM_VALUE, orcpt },
	{ .keyword = { NULL, 0 } },
};

const struct smtpd_extension smtpd_ext_dsn = {
	.keyword = SPAN("DSN"), .source = SPAN("RFC 3461 4"), .dialogue = "dsn",
	.mail_params = mail_params, .rcpt_params = rcpt_params,
};
