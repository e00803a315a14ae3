/* SPDX-License-Identifier: ISC */
/* ext_starttls.c - STARTTLS (RFC 3207)
 *
 * What was sent ahead in the clear is refused, not run inside TLS (CVE-2011-0411, reliability C1); all
 * that was learnt before the handshake is forgotten (RFC 3207 4.2). */
#include "smtpd/smtpd.h"

#include "lib/base/log.h"

extern const struct smtpd_extension smtpd_ext_starttls;

static bool announce(struct smtpd *s, UNUSED struct buf *line)
{
	return s->server->tls != NULL && !s->has_tls;
}

enum smtpd_next smtpd_starttls(struct smtpd *s, struct span args)
{
	if (span_trim(args).len > 0) {
		smtpd_reply(s, 501, "5.5.4", "Syntax: STARTTLS");
		return GO_ON;
	}
	if (s->has_tls) {
		smtpd_reply(s, 554, "5.5.1", "Error: TLS already active");
		return GO_ON;
	}
	if (s->server->tls == NULL) {
		smtpd_reply(s, 502, "5.5.1", "Error: command not implemented");
		return GO_ON;
	}
	if (chat_has_input(&s->chat)) {
		s->is_finished = true;
		log_note("improper command pipelining after STARTTLS from " SPAN_FMT ": " SPAN_FMT,
		         SPAN_ARG(s->peer.label),
		         SPAN_ARG(span_first(span_skip(buf_span(&s->chat.in), s->chat.consumed), 100)));
		smtpd_reply(s, 554, "5.5.0", "Error: SMTP protocol synchronization");
		return HANG_UP;
	}
	smtpd_reply(s, 220, "2.0.0", "Ready to start TLS");
	if (chat_flush(&s->chat, smtpd_deadline(s)) < 0)
		return HANG_UP;
	smtpd_forget_greeting(s);
	if (smtpd_start_tls(s))
		return GO_ON;
	log_note("lost connection after STARTTLS from " SPAN_FMT, SPAN_ARG(s->peer.label));
	s->is_finished = true;
	s->chat.failed = true;
	return HANG_UP;
}

const struct smtpd_extension smtpd_ext_starttls = {
	.keyword = SPAN("STARTTLS"), .source = SPAN("RFC 3207 4"), .dialogue = "starttls",
	.announce = announce,
};
