/* SPDX-License-Identifier: ISC */
/* ext_vrfy.c - VRFY (RFC 5321 3.5.2, 7.3): tells no more than RCPT would */
#include "smtpd/smtpd.h"

#include "lib/smtp/address.h"

extern const struct smtpd_extension smtpd_ext_vrfy;

static bool announce(struct smtpd *s, UNUSED struct buf *line)
{
	return !s->conf->disable_vrfy_command;
}

enum smtpd_next smtpd_vrfy(struct smtpd *s, struct span args)
{
	struct span text = span_trim(args), rest;
	struct smtp_path path;

	if (s->conf->disable_vrfy_command)
		smtpd_reply(s, 502, "5.5.1", "VRFY command is disabled");
	else if (text.len == 0)
		smtpd_reply(s, 501, "5.5.4", "Syntax: VRFY address");
	else if (smtp_path_parse(s->per_command, text, SMTP_PATH_LAX | SMTP_PATH_BARE, &path, &rest) !=
	                 SMTP_PATH_OK || span_trim(rest).len > 0)
		smtpd_reply(s, 501, "5.1.3", "Bad recipient address syntax");
	else
		smtpd_reply(s, 252, "2.0.0", SPAN_FMT, SPAN_ARG(path.address));
	return GO_ON;
}

const struct smtpd_extension smtpd_ext_vrfy = {
	.keyword = SPAN("VRFY"), .source = SPAN("RFC 5321 3.5"), .dialogue = "vrfy", .announce = announce,
};
