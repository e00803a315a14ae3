/* SPDX-License-Identifier: ISC */
/* ext_auth.c - AUTH (RFC 4954): the exchange is between client and auth service; we carry it
 *
 * Passwords pass through here in transit; what held the decoded ones is wiped as soon as auth has them. */
#include <stdio.h>

#include "lib/base/clock.h"
#include "lib/base/codec.h"
#include "lib/base/log.h"
#include "lib/ipc/auth.h"
#include "lib/ipc/services.h"
#include "lib/smtp/xtext.h"
#include "smtpd/smtpd.h"

extern const struct smtpd_extension smtpd_ext_auth;

enum {
	MECHANISMS_GOOD_FOR_S = 60,
	SILENCE_GOOD_FOR_S = 5,		/* after no answer: others need not wait for the same */
};

/* Those of the mechanisms that the security options leave: "noplaintext" takes away what shows the password. */
static void keep_allowed(struct smtpd *s, struct span from_auth, struct smtpd_mechanisms *m)
{
	static const struct span plaintext[] = { SPAN("PLAIN"), SPAN("LOGIN"), SPAN("XOAUTH2"), SPAN("OAUTHBEARER") };
	struct span rest = span_of(s->has_tls ? s->conf->smtpd_sasl_tls_security_options
	                                      : s->conf->smtpd_sasl_security_options), word;
	bool has_plaintext = true;
	size_t used = 0;

	while (conf_list_next(&rest, &word))
		if (span_equal_ci(word, span_lit("noplaintext")))
			has_plaintext = false;
	m->text[0] = '\0';
	while (span_token(&from_auth, " ", &word)) {
		bool keep = true;

		for (size_t i = 0; i < COUNT_OF(plaintext) && !has_plaintext; i++)
			keep = keep && !span_equal_ci(word, plaintext[i]);
		if (keep && used + word.len + 2 < sizeof(m->text))
			used += (size_t)snprintf(m->text + used, sizeof(m->text) - used, "%s" SPAN_FMT,
			                         used > 0 ? " " : "", SPAN_ARG(word));
	}
}

/* What may be offered on this connection now; asked of auth once a minute.  EHLO waits for it, and mail from
 * other hosts needs no AUTH: a silent auth costs a short while only, then what was known last is used. */
static const struct smtpd_mechanisms *mechanisms(struct smtpd *s)
{
	struct smtpd_mechanisms *m = &s->server->mechanisms[s->has_tls];
	struct auth_mechanisms_request request = {
		.service = span_of(s->conf->smtpd_sasl_service), .is_secured = s->has_tls,
	};
	struct auth_mechanisms_reply reply;

	if (m->ask_again_us > clock_now_us())
		return m;
	if (smtpd_call_until(s, SERVICE_AUTH, true, &auth_mechanisms_request_type, &request,
	                     &auth_mechanisms_reply_type, &reply, s->per_command,
	                     clock_in_s(s->conf->smtpd_sasl_mechanisms_time_limit)) < 0) {
		m->ask_again_us = clock_in_s(SILENCE_GOOD_FOR_S);
		return m;
	}
	keep_allowed(s, reply.mechanisms, m);
	m->is_known = true;
	m->ask_again_us = clock_in_s(MECHANISMS_GOOD_FOR_S);
	return m;
}

static bool is_enabled(struct smtpd *s)
{
	return s->conf->smtpd_sasl_auth_enable && !s->peer.is_local_user;
}

static bool announce(struct smtpd *s, struct buf *line)
{
	const char *text;

	if (!is_enabled(s) || s->sasl_username.len > 0 || (s->conf->smtpd_tls_auth_only && !s->has_tls))
		return false;
	text = mechanisms(s)->text;
	return text[0] != '\0' && buf_addf(line, " %s", text);
}

static bool is_mechanism_name(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!ascii_is_alnum(s.ptr[i]) && s.ptr[i] != '-' && s.ptr[i] != '_')
			return false;
	return s.len > 0 && s.len <= 20;	/* RFC 4422 3.1 */
}

static bool is_offered(const struct smtpd_mechanisms *m, struct span mechanism)
{
	struct span rest = span_of(m->text), word;

	while (span_token(&rest, " ", &word))
		if (span_equal_ci(word, mechanism))
			return true;
	return false;
}

/* The mechanism is not one of ours, or nobody tells us what is; true: the reply was sent. */
static bool refuse_mechanism(struct smtpd *s, struct span mechanism)
{
	const struct smtpd_mechanisms *m;

	if (is_mechanism_name(mechanism)) {
		m = mechanisms(s);
		if (is_offered(m, mechanism))
			return false;
		if (!m->is_known) {
			smtpd_reply(s, 454, "4.7.0", "Temporary authentication failure");
			return true;
		}
	}
	smtpd_reply(s, 504, "5.5.4", "Error: mechanism not available");
	return true;
}

/* The decoded bytes are ours, in the command's arena; the span just does not let us write them. */
static void wipe(struct span s)
{
	memory_wipe((void *)(uintptr_t)s.ptr, s.len);
}

/* Send a challenge, read the response; false: the reply (if one is due) was sent. */
static bool ask_client(struct smtpd *s, struct span challenge, struct span *response, bool *hang_up)
{
	struct span text = base64_encode(s->per_command, challenge), line;
	enum chat_event event;

	chat_write(&s->chat, span_lit("334 "));	/* challenges may be longer than a reply line */
	chat_write(&s->chat, text);
	chat_write(&s->chat, span_lit("\r\n"));
	event = chat_line(&s->chat, &line, smtpd_deadline(s));
	if (event == CHAT_TOO_LONG) {
		smtpd_reply(s, 500, "5.5.6", "Authentication exchange line is too long");
		return false;
	}
	if (event != CHAT_LINE) {
		*hang_up = true;
		log_note("%s after AUTH from " SPAN_FMT, event == CHAT_TIMEOUT ? "timeout" : "lost connection",
		         SPAN_ARG(s->peer.label));
		s->is_finished = true;
		return false;
	}
	if (span_equal(line, span_lit("*"))) {
		smtpd_reply(s, 501, "5.7.0", "Authentication aborted");
		return false;
	}
	if (!base64_decode(s->per_command, line, response)) {
		smtpd_reply(s, 501, "5.5.2", "Authentication response is not base64");
		return false;
	}
	return true;
}

static void succeed(struct smtpd *s, struct span mechanism, const struct auth_reply *reply)
{
	char *p = arena_cstr(s->arena, mechanism);

	s->sasl_method = span_of(p);
	for (; *p != '\0'; p++)
		*p = ascii_upper(*p);
	s->sasl_username = arena_dup(s->arena, reply->user);
	smtpd_reply(s, 235, "2.7.0", "Authentication successful");
}

/* The text is the same for every reason; auth holds its answer back where passwords are guessed. */
static void fail(struct smtpd *s, struct span mechanism, const struct auth_reply *reply)
{
	log_warning(SPAN_FMT ": SASL " SPAN_FMT " authentication failed: " SPAN_FMT ", sasl_username=" SPAN_FMT,
	            SPAN_ARG(s->peer.label), SPAN_ARG(mechanism),
	            SPAN_ARG(reply->reason.len > 0 ? reply->reason : span_lit("authentication failure")),
	            SPAN_ARG(reply->user.len > 0 ? reply->user : span_lit("(unavailable)")));
	s->failed_auths++;
	smtpd_reply(s, 535, "5.7.8", "Error: authentication failed: authentication failure");
}

static void answer(struct smtpd *s, struct span mechanism, const struct auth_reply *reply)
{
	switch ((enum auth_status)reply->status) {
	case AUTH_OK:
		succeed(s, mechanism, reply);
		break;
	case AUTH_FAILED:
		fail(s, mechanism, reply);
		break;
	case AUTH_BAD:
		smtpd_reply(s, 501, "5.5.2", "Error: malformed authentication response");
		break;
	case AUTH_UNKNOWN_MECHANISM:
		smtpd_reply(s, 504, "5.5.4", "Error: mechanism not available");
		break;
	case AUTH_UNAVAILABLE:
	case AUTH_CONTINUE:
	default:
		smtpd_reply(s, 454, "4.7.0", "Temporary authentication failure");
		break;
	}
}

/* The exchange; response is the initial one when has_response. */
static enum smtpd_next exchange(struct smtpd *s, struct span mechanism, struct span response,
                                bool has_response)
{
	struct auth_request request = {
		.service = span_of(s->conf->smtpd_sasl_service), .mechanism = mechanism,
		.remote_address = s->peer.text, .is_secured = s->has_tls,
	};
	struct auth_reply reply;
	bool hang_up = false;

	for (;;) {
		int result;

		request.response = response;
		request.has_response = has_response;
		result = smtpd_call(s, SERVICE_AUTH, false, &auth_request_type, &request, &auth_reply_type,
		                    &reply, s->per_command);
		wipe(response);
		if (result < 0) {
			smtpd_reply(s, 454, "4.7.0", "Temporary authentication failure");
			return GO_ON;
		}
		if (reply.status != AUTH_CONTINUE) {
			answer(s, mechanism, &reply);
			return GO_ON;
		}
		request.conversation = reply.conversation;
		has_response = true;
		if (!ask_client(s, reply.challenge, &response, &hang_up))
			return hang_up ? HANG_UP : GO_ON;
	}
}

/* Things that keep AUTH from being begun; true: the reply was sent. */
static bool refuse(struct smtpd *s, struct span mechanism, struct span rest)
{
	if (!is_enabled(s))
		smtpd_reply(s, 503, "5.5.1", "Error: authentication not enabled");
	else if (s->sasl_username.len > 0)
		smtpd_reply(s, 503, "5.5.1", "Error: already authenticated");
	else if (mechanism.len == 0 || span_trim(rest).len != rest.len ||
	         span_find(rest, ' ') != SPAN_NOT_FOUND)
		smtpd_reply(s, 501, "5.5.4", "Syntax: AUTH mechanism");
	else if (s->conf->smtpd_tls_auth_only && !s->has_tls)
		smtpd_reply(s, 538, "5.7.11", "Encryption required for requested authentication mechanism");
	else
		return refuse_mechanism(s, mechanism) || !smtpd_client_count(s, RATE_AUTH);
	return true;
}

enum smtpd_next smtpd_auth(struct smtpd *s, struct span args)
{
	struct span rest = args, mechanism = span_lit(""), response = span_lit("");
	bool has_response;

	if (!span_token(&rest, " ", &mechanism))
		rest = span_lit("");
	rest = span_trim_start(rest);
	if (refuse(s, mechanism, rest))
		return GO_ON;
	/* rest borrows the input buffer, which the next read moves. */
	mechanism = arena_dup(s->per_command, mechanism);
	has_response = rest.len > 0;
	if (has_response && !span_equal(rest, span_lit("=")) &&
	    !base64_decode(s->per_command, rest, &response)) {
		smtpd_reply(s, 501, "5.5.2", "Authentication response is not base64");
		return GO_ON;
	}
	return exchange(s, mechanism, response, has_response);
}

/* MAIL AUTH= (RFC 4954 5): believed from nobody, kept for the log. */
static enum outcome mail_param(struct smtpd *s, struct smtpd_mail *m, UNUSED struct envelope_recipient *r,
                               struct span value, struct why *why)
{
	struct span decoded;

	if (!is_enabled(s))
		return why_set(why, REFUSE, "5.5.4", "Unsupported option: AUTH");
	if (!xtext_decode(m->arena, value, &decoded))
		return why_set(why, REFUSE, "5.5.4", "Error: Bad AUTH parameter syntax");
	if (!span_equal(decoded, span_lit("<>")))
		m->sasl_sender = decoded;
	return DONE;
}

static const struct smtpd_param params[] = { { SPAN("AUTH"), PARAM_VALUE, mail_param }, { .keyword = { NULL, 0 } } };

const struct smtpd_extension smtpd_ext_auth = {
	.keyword = SPAN("AUTH"), .source = SPAN("RFC 4954 3"), .dialogue = "auth",
	.announce = announce, .mail_params = params,
};
