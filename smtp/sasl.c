/* SPDX-License-Identifier: ISC */
/* sasl.c - AUTH PLAIN and LOGIN to a relay host (RFC 4954, RFC 4616)
 *
 * The password comes from the router for this one delivery; it is wiped from what we hold of it. */
#include <string.h>

#include "lib/base/codec.h"
#include "lib/smtp/reply.h"
#include "smtp/smtp.h"

struct login {
	struct span user, password;
};

/* find_password - by sender where parameters say so, then host, then next hop as written. */
static enum lookup_status find_password(struct delivery *d, struct session *s, const struct nexthop *nexthop,
                                        struct span *value)
{
	struct span keys[3];
	size_t count = 0;

	if (d->client->conf->smtp_sender_dependent_authentication && d->envelope.sender.len > 0)
		keys[count++] = d->envelope.sender;
	keys[count++] = nexthop->text;
	keys[count++] = span_of(s->host_name);
	for (size_t i = 0; i < count; i++) {
		enum lookup_status status = ask_map(d, "smtp_sasl_password_maps", keys[i], LOOKUP_EXACT, value);

		if (status != LOOKUP_NOT_FOUND)
			return status;
	}
	return LOOKUP_NOT_FOUND;
}

static bool lists(const char *list, struct span wanted)
{
	struct span rest = span_of(list), word;

	while (conf_list_next(&rest, &word)) {
		if (span_equal_ci(word, wanted))
			return true;
	}
	return false;
}

static bool offers(const struct session *s, struct span mechanism)
{
	const char *filter = s->client->conf->smtp_sasl_mechanism_filter;
	struct span rest = s->mechanisms, word;

	if (filter[0] != '\0' && !lists(filter, mechanism))
		return false;
	while (span_token(&rest, " \t", &word)) {
		if (span_equal_ci(word, mechanism))
			return true;
	}
	return false;
}

static bool may_send_password(const struct session *s)
{
	const struct conf *conf = s->client->conf;

	return !lists(tls_is_on(&s->stream) ? conf->smtp_sasl_tls_security_options
	                                    : conf->smtp_sasl_security_options,
	              span_lit("noplaintext"));
}

static bool exchange(struct session *s, struct arena *secrets, struct span line, struct reply *reply,
                     struct why *why)
{
	session_send(s, SPAN_FMT, SPAN_ARG(line));
	return session_reply(s, secrets, s->client->conf->smtp_helo_timeout, "performing SASL authentication",
	                     reply, why);
}

static bool plain(struct session *s, struct arena *secrets, const struct login *login, struct reply *reply,
                  struct why *why)
{
	size_t size = login->user.len + login->password.len + 2;
	char *message = arena_alloc(secrets, size);
	struct span encoded;

	memcpy(message + 1, login->user.ptr, login->user.len);
	memcpy(message + 2 + login->user.len, login->password.ptr, login->password.len);
	encoded = base64_encode(secrets, span_make(message, size));
	memory_wipe(message, size);
	return exchange(s, secrets, arena_printf_span(secrets, "AUTH PLAIN " SPAN_FMT, SPAN_ARG(encoded)), reply,
	                why);
}

static bool login_dialogue(struct session *s, struct arena *secrets, const struct login *login,
                           struct reply *reply, struct why *why)
{
	if (!exchange(s, secrets, span_lit("AUTH LOGIN"), reply, why))
		return false;
	if (reply->code != 334)
		return true;
	if (!exchange(s, secrets, base64_encode(secrets, login->user), reply, why))
		return false;
	if (reply->code != 334)
		return true;
	return exchange(s, secrets, base64_encode(secrets, login->password), reply, why);
}

static enum outcome log_in(struct session *s, const struct login *login, struct why *why)
{
	struct arena *secrets = arena_new(NULL);
	struct reply reply = { .code = 0 };
	enum outcome outcome = DEFER;
	bool answered = false;

	if (!may_send_password(s) || (!offers(s, span_lit("PLAIN")) && !offers(s, span_lit("LOGIN"))))
		(void)why_set(why, DEFER, "4.7.0", "SASL authentication failed; cannot authenticate to server "
		              "%s: no mechanism available", s->peer);
	else if (offers(s, span_lit("PLAIN")))
		answered = plain(s, secrets, login, &reply, why);
	else
		answered = login_dialogue(s, secrets, login, &reply, why);
	if (answered && smtp_outcome(reply.code) == DONE && reply.code < 300) {
		outcome = DONE;
	} else if (answered) {
		/* Deferred, whatever the server says: it is our password that is wrong, not the mail. */
		(void)why_set(why, DEFER, reply.dsn, "SASL authentication failed; server %s said: %s", s->peer,
		              reply.text);
		why->dsn[0] = '4';
	}
	arena_free(secrets);
	return outcome;
}

enum outcome sasl_login(struct delivery *d, struct session *s, const struct nexthop *nexthop, struct why *why)
{
	struct span value;
	struct login login;

	if (!d->client->conf->smtp_sasl_auth_enable || (s->features & HAS_AUTH) == 0)
		return DONE;
	switch (find_password(d, s, nexthop, &value)) {
	case LOOKUP_NOT_FOUND:
		return DONE;
	case LOOKUP_FOUND:
		break;
	case LOOKUP_FAILED:
	default:
		return why_set(why, DEFER, "4.7.0", "SASL authentication failed; password look-up failed");
	}
	span_cut(&value, ':', &login.user);
	login.password = value;
	return log_in(s, &login, why);
}
