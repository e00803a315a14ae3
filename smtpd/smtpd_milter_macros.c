/* SPDX-License-Identifier: ISC */
/* smtpd_milter_macros.c - what the macros of milters stand for (postfix-compat 11)
 *
 * A row a macro.  One whose fact is not known now is not sent; milter_macro_defaults may then have a value. */
#include <stdio.h>

#include "smtpd/smtpd.h"

static struct span text(struct smtpd *s, const char *value)
{
	return arena_dup(s->per_command, span_of(value));
}

/* ---- client and server ---- */

static bool j(struct smtpd *s, struct span *value)
{
	*value = span_of(s->conf->myhostname);
	return true;
}

static bool v(struct smtpd *s, struct span *value)
{
	*value = span_of(s->conf->milter_macro_v);
	return true;
}

static bool daemon_name(struct smtpd *s, struct span *value)
{
	*value = span_of(s->conf->milter_macro_daemon_name);
	return true;
}

/* Our own end of the connection. */
static bool own_address(struct smtpd *s, struct net_address *own)
{
	own->length = sizeof(own->storage);
	return !s->peer.is_local_user &&
	       getsockname(s->stream.fd, (struct sockaddr *)&own->storage, &own->length) == 0 &&
	       (own->storage.ss_family == AF_INET || own->storage.ss_family == AF_INET6);
}

static bool daemon_addr(struct smtpd *s, struct span *value)
{
	struct net_address own;
	char out[NET_ADDRESS_TEXT_MAX];

	if (!own_address(s, &own))
		return false;
	*value = text(s, net_address_text(&own, out));
	return true;
}

static bool daemon_port(struct smtpd *s, struct span *value)
{
	struct net_address own;

	if (!own_address(s, &own))
		return false;
	*value = arena_printf_span(s->per_command, "%u", net_address_port(&own));
	return true;
}

static bool underscore(struct smtpd *s, struct span *value)
{
	const struct smtpd_peer *p = &s->peer;

	*value = arena_printf_span(s->per_command, SPAN_FMT " [" SPAN_FMT "]%s", SPAN_ARG(p->reverse_name),
	                           SPAN_ARG(p->text), span_equal_ci(p->name, p->reverse_name) ? "" : " (may be forged)");
	return true;
}

static bool client_addr(struct smtpd *s, struct span *value)
{
	bool is_ipv6 = span_find(s->peer.text, ':') != SPAN_NOT_FOUND;

	*value = is_ipv6 ? arena_printf_span(s->per_command, "IPv6:" SPAN_FMT, SPAN_ARG(s->peer.text)) : s->peer.text;
	return true;
}

static bool client_name(struct smtpd *s, struct span *value)
{
	*value = s->peer.name;
	return true;
}

static bool client_port(struct smtpd *s, struct span *value)
{
	*value = arena_printf_span(s->per_command, "%u", s->peer.is_local_user ? 0 : net_address_port(&s->peer.address));
	return true;
}

static bool client_ptr(struct smtpd *s, struct span *value)
{
	*value = s->peer.reverse_name;
	return true;
}

static bool client_resolve(struct smtpd *s, struct span *value)
{
	const struct smtpd_peer *p = &s->peer;

	*value = p->name_code == 2      ? span_lit("OK")
	         : p->name_code == 4    ? span_lit("TEMP")
	         : p->reverse_code == 2 ? span_lit("FORGED")
	                                : span_lit("FAIL");
	return true;
}

static bool client_connections(struct smtpd *s, struct span *value)
{
	*value = arena_printf_span(s->per_command, "%u", smtpd_client_connections(s));
	return true;
}

/* ---- TLS ---- */

static bool tls_version(struct smtpd *s, struct span *value)
{
	struct tls_facts facts;

	if (!tls_describe(&s->stream, &facts))
		return false;
	*value = text(s, facts.protocol);
	return true;
}

static bool cipher(struct smtpd *s, struct span *value)
{
	struct tls_facts facts;

	if (!tls_describe(&s->stream, &facts))
		return false;
	*value = text(s, facts.cipher);
	return true;
}

static bool cipher_bits(struct smtpd *s, struct span *value)
{
	struct tls_facts facts;

	if (!tls_describe(&s->stream, &facts))
		return false;
	*value = arena_printf_span(s->per_command, "%u", facts.bits_used);
	return true;
}

static bool tls_sni(struct smtpd *s, struct span *value)
{
	struct tls_facts facts;

	if (!tls_describe(&s->stream, &facts) || facts.server_name[0] == '\0')
		return false;
	*value = text(s, facts.server_name);
	return true;
}

/* Names in a certificate that nobody vouches for are anybody's words. */
static bool cert_subject(struct smtpd *s, struct span *value)
{
	struct tls_facts facts;

	if (!tls_describe(&s->stream, &facts) || !facts.is_trusted)
		return false;
	*value = text(s, facts.peer_name);
	return true;
}

static bool cert_issuer(struct smtpd *s, struct span *value)
{
	struct tls_facts facts;

	if (!tls_describe(&s->stream, &facts) || !facts.is_trusted)
		return false;
	*value = text(s, facts.peer_issuer);
	return true;
}

/* ---- the message ---- */

/* Absent until the first recipient was taken. */
static bool i(struct smtpd *s, struct span *value)
{
	if (s->mail == NULL || s->mail->queue_id[0] == '\0')
		return false;
	*value = span_of(s->mail->queue_id);
	return true;
}

static bool auth_type(struct smtpd *s, struct span *value)
{
	*value = s->sasl_method;
	return value->len > 0;
}

static bool auth_authen(struct smtpd *s, struct span *value)
{
	*value = s->sasl_username;
	return value->len > 0;
}

static bool auth_author(struct smtpd *s, struct span *value)
{
	*value = s->mail != NULL ? s->mail->sasl_sender : span_lit("");
	return value->len > 0;
}

static bool mail_addr(struct smtpd *s, struct span *value)
{
	*value = s->mail != NULL ? s->mail->sender : span_lit("");
	return s->mail != NULL;
}

/* Where a bounce would go; the null sender has no such place. */
static const struct resolve_reply *sender_route(struct smtpd *s)
{
	return s->mail != NULL && s->mail->sender.len > 0 ? smtpd_sender_route(s) : NULL;
}

static bool mail_host(struct smtpd *s, struct span *value)
{
	const struct resolve_reply *route = sender_route(s);

	*value = route != NULL ? route->nexthop : span_lit("");
	return value->len > 0;
}

static bool mail_mailer(struct smtpd *s, struct span *value)
{
	const struct resolve_reply *route = sender_route(s);

	*value = route != NULL ? route->transport : span_lit("");
	return value->len > 0;
}

/* Of a recipient that we refused: mailer "error", and in place of host and address the code and the text. */
static bool rcpt_addr(struct smtpd *s, struct span *value)
{
	if (s->filters.recipient == NULL)
		return false;
	*value = s->filters.route != NULL ? s->filters.recipient->address : text(s, s->refusal.text);
	return true;
}

static bool rcpt_host(struct smtpd *s, struct span *value)
{
	if (s->filters.recipient == NULL)
		return false;
	*value = s->filters.route != NULL ? s->filters.route->nexthop : text(s, s->refusal.dsn);
	return true;
}

static bool rcpt_mailer(struct smtpd *s, struct span *value)
{
	if (s->filters.recipient == NULL)
		return false;
	*value = s->filters.route != NULL ? s->filters.route->transport : span_lit("error");
	return true;
}

static const struct {
	struct span name;
	bool (*get)(struct smtpd *s, struct span *value);
} macros[] = {
	{ SPAN("j"), j },
	{ SPAN("v"), v },
	{ SPAN("_"), underscore },
	{ SPAN("i"), i },
	{ SPAN("daemon_name"), daemon_name },
	{ SPAN("daemon_addr"), daemon_addr },
	{ SPAN("daemon_port"), daemon_port },
	{ SPAN("if_name"), j },
	{ SPAN("if_addr"), daemon_addr },
	{ SPAN("client_addr"), client_addr },
	{ SPAN("client_name"), client_name },
	{ SPAN("client_port"), client_port },
	{ SPAN("client_ptr"), client_ptr },
	{ SPAN("client_resolve"), client_resolve },
	{ SPAN("client_connections"), client_connections },
	{ SPAN("tls_version"), tls_version },
	{ SPAN("cipher"), cipher },
	{ SPAN("cipher_bits"), cipher_bits },
	{ SPAN("tls_sni"), tls_sni },
	{ SPAN("cert_subject"), cert_subject },
	{ SPAN("cert_issuer"), cert_issuer },
	{ SPAN("auth_type"), auth_type },
	{ SPAN("auth_authen"), auth_authen },
	{ SPAN("auth_author"), auth_author },
	{ SPAN("mail_addr"), mail_addr },
	{ SPAN("mail_host"), mail_host },
	{ SPAN("mail_mailer"), mail_mailer },
	{ SPAN("rcpt_addr"), rcpt_addr },
	{ SPAN("rcpt_host"), rcpt_host },
	{ SPAN("rcpt_mailer"), rcpt_mailer },
};

bool smtpd_milter_macro(void *user, struct span name, struct span *value)
{
	for (size_t k = 0; k < COUNT_OF(macros); k++)
		if (span_equal(macros[k].name, name))
			return macros[k].get(user, value);
	return false;
}
