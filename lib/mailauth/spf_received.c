/* SPDX-License-Identifier: ISC */
/* spf_received.c - the Received-SPF header field (RFC 7208 9.1) */
#include "lib/mailauth/spf.h"
#include "lib/mailauth/text.h"
#include "lib/mime/field.h"
#include "lib/mime/fold.h"

enum { VALUE_MAX_BYTES = 500 };

static bool is_dot_atom_byte(char c)
{
	return (ascii_is_alnum(c) || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~.", c) != NULL));
}

/* is_dot_atom - RFC 5322 3.2.3, of US-ASCII. */
static bool is_dot_atom(struct span s)
{
	return s.len > 0 && span_all(s, is_dot_atom_byte) && s.ptr[0] != '.' && s.ptr[s.len - 1] != '.' &&
	       span_search(s, span_lit("..")) == SPAN_NOT_FOUND;
}

static void add_pair(struct mime_fold *f, struct arena *arena, const char *key, struct span value)
{
	struct span text = text_header(arena, span_first(value, VALUE_MAX_BYTES), true);

	if (value.len == 0)
		return;
	if (!is_dot_atom(text))
		text = mime_quoted(arena, text);
	mime_fold_word(f, arena_printf_span(arena, "%s=" SPAN_FMT ";", key, SPAN_ARG(text)));
}

/* remark - what the result means, for people. */
static struct span remark(struct arena *arena, const struct spf_client *client, const struct spf_verdict *verdict,
                          const char *ip)
{
	struct span who = verdict->identity == SPF_MAILFROM && client->mail_from.len > 0 ? client->mail_from
	                                                                                   : verdict->domain;

	switch (verdict->result) {
	case SPF_PASS:
		return arena_printf_span(arena, "domain of " SPAN_FMT " designates %s as permitted sender",
		                         SPAN_ARG(who), ip);
	case SPF_FAIL:
		return arena_printf_span(arena, "domain of " SPAN_FMT " does not designate %s as permitted sender",
		                         SPAN_ARG(who), ip);
	case SPF_SOFTFAIL:
		return arena_printf_span(arena, "domain of transitioning " SPAN_FMT
		                         " does not designate %s as permitted sender", SPAN_ARG(who), ip);
	case SPF_NEUTRAL:
		return arena_printf_span(arena, "%s is neither permitted nor denied by domain of " SPAN_FMT, ip,
		                         SPAN_ARG(who));
	case SPF_NONE:
		return arena_printf_span(arena, "domain of " SPAN_FMT " has no policy", SPAN_ARG(who));
	case SPF_TEMPERROR:
	case SPF_PERMERROR:
		break;
	}
	return arena_printf_span(arena, "policy of domain of " SPAN_FMT " cannot be used", SPAN_ARG(who));
}

void spf_received_add(struct buf *out, const struct spf_client *client, const struct spf_verdict *verdict,
                      struct span receiver, struct span line_end)
{
	struct arena *arena = arena_new(NULL);
	char ip[NET_ADDRESS_TEXT_MAX];
	struct span text;
	struct mime_fold f;

	(void)net_address_text(&client->ip, ip);
	text = arena_printf_span(arena, SPAN_FMT ": " SPAN_FMT, SPAN_ARG(receiver),
	                         SPAN_ARG(remark(arena, client, verdict, ip)));
	text = text_remark(arena, text, VALUE_MAX_BYTES);
	mime_fold_begin(&f, out, span_lit("Received-SPF"), line_end);
	mime_fold_word(&f, spf_result_name(verdict->result));
	mime_fold_text(&f, arena_printf_span(arena, "(" SPAN_FMT ")", SPAN_ARG(text)));
	add_pair(&f, arena, "receiver", receiver);
	add_pair(&f, arena, "client-ip", span_of(ip));
	add_pair(&f, arena, "identity", spf_identity_name(verdict->identity));
	add_pair(&f, arena, "envelope-from", client->mail_from);
	add_pair(&f, arena, "helo", client->helo);
	add_pair(&f, arena, "mechanism", verdict->mechanism);
	add_pair(&f, arena, "problem", verdict->reason);
	mime_fold_end(&f);
	arena_free(arena);
}
