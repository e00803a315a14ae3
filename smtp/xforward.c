/* SPDX-License-Identifier: ISC */
/* xforward.c - tell a content filter who the client was (smtp_send_xforward_command)
 *
 * In two commands, as Postfix does, so that no line passes 512 bytes.  A server that does not like it gets
 * the message all the same. */
#include "lib/base/log.h"
#include "lib/smtp/xtext.h"
#include "smtp/smtp.h"

enum { GROUPS = 2 };

struct attribute {
	struct span name, value;
	unsigned    group;
};

static bool is_wanted(const struct session *s, struct span name)
{
	struct span rest = s->forwards, word;

	while (span_token(&rest, " \t", &word)) {
		if (span_equal_ci(word, name))
			return true;
	}
	return false;
}

/* send_group - one command; false when the server wants none of it. */
static bool send_group(struct delivery *d, struct session *s, const struct attribute *list, size_t count,
                       unsigned group)
{
	bool has_begun = false;

	for (size_t i = 0; i < count; i++) {
		struct span value = list[i].value;

		if (list[i].group != group || !is_wanted(s, list[i].name))
			continue;
		value = value.len > 0 ? xtext_encode(d->arena, span_first(value, 100)) : span_lit("[UNAVAILABLE]");
		chat_printf(&s->chat, "%s " SPAN_FMT "=" SPAN_FMT, has_begun ? "" : "XFORWARD",
		            SPAN_ARG(list[i].name), SPAN_ARG(value));
		has_begun = true;
	}
	if (has_begun)
		session_send(s, "%s", "");
	return has_begun;
}

bool xforward_tell(struct delivery *d, struct session *s, struct why *why)
{
	const struct envelope *e = &d->envelope;
	const struct attribute list[] = {
		{ SPAN("NAME"), e->client_name, 0 },       { SPAN("ADDR"), e->client_address, 0 },
		{ SPAN("PORT"), e->client_port, 0 },       { SPAN("PROTO"), e->client_protocol, 1 },
		{ SPAN("HELO"), e->client_helo, 1 },       { SPAN("IDENT"), d->request->queue_id, 1 },
		{ SPAN("SOURCE"), e->client_address.len > 0 ? span_lit("REMOTE") : span_lit("LOCAL"), 1 },
	};
	struct reply reply;

	if ((s->features & HAS_XFORWARD) == 0 || !d->client->conf->smtp_send_xforward_command)
		return true;
	for (unsigned group = 0; group < GROUPS; group++) {
		if (!send_group(d, s, list, COUNT_OF(list), group))
			continue;
		if (!session_reply(s, d->arena, d->client->conf->smtp_helo_timeout, "sending XFORWARD", &reply, why))
			return false;
		if (reply.code / 100 != 2)
			log_warning("host %s said: %s (in reply to XFORWARD command)", s->peer, reply.text);
	}
	return true;
}
