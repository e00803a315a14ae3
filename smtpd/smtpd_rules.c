/* SPDX-License-Identifier: ISC */
/* smtpd_rules.c - the rules of restriction lists: a table, and one small function a rule
 *
 * Texts are Postfix's: log tools and people know them (postfix-compat 5 and 10). */
#include <stdio.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/ipc/services.h"
#include "lib/net/rdata.h"
#include "lib/smtp/address.h"
#include "lib/task/task.h"
#include "smtpd/smtpd_access.h"

/* ---- plain decisions ---- */

static enum rule_result permit(UNUSED struct access_case *c, UNUSED const struct smtpd_rule *rule)
{
	return RULE_PERMIT;
}

/* What "reject" and "defer" speak of: the thing the command names. */
static enum rule_result deny(struct access_case *c, long long code, const char *dsn)
{
	if (c->recipient.len > 0)
		return access_refuse(c, code, dsn, "<" SPAN_FMT ">: Recipient address rejected: Access denied",
		                     SPAN_ARG(c->recipient));
	return access_refuse(c, code, dsn, "<" SPAN_FMT ">: Client host rejected: Access denied",
	                     SPAN_ARG(c->s->peer.label));
}

static enum rule_result reject(struct access_case *c, UNUSED const struct smtpd_rule *rule)
{
	return deny(c, c->s->conf->reject_code, "5.7.1");
}

static enum rule_result defer(struct access_case *c, UNUSED const struct smtpd_rule *rule)
{
	return deny(c, c->s->conf->defer_code, "4.3.2");
}

static enum rule_result defer_if_permit(struct access_case *c, UNUSED const struct smtpd_rule *rule)
{
	return access_defer_if_permit(c, "4.3.0", "Service unavailable, try again later");
}

static enum rule_result sleep_rule(struct access_case *c, const struct smtpd_rule *rule)
{
	unsigned long long seconds;

	if (span_u64(rule->argument, 3600, &seconds) && !smtpd_is_stressed(c->s->server))
		task_sleep_us(seconds * CLOCK_SECOND_US);
	return RULE_DUNNO;
}

static enum rule_result reject_unauth_pipelining(struct access_case *c, UNUSED const struct smtpd_rule *rule)
{
	if (!c->s->noted_pipelining)
		return RULE_DUNNO;
	return access_refuse(c, 503, "5.5.0", "<%s>: %s command rejected: Improper use of SMTP command pipelining",
	                     c->stage, c->stage);
}

static enum rule_result reject_plaintext_session(struct access_case *c, UNUSED const struct smtpd_rule *rule)
{
	if (c->s->has_tls)
		return RULE_DUNNO;
	return access_refuse(c, c->s->conf->plaintext_reject_code, "4.7.1", "Session encryption is required");
}

static enum rule_result reject_multi_recipient_bounce(struct access_case *c, UNUSED const struct smtpd_rule *rule)
{
	size_t count = c->s->mail->recipient_count + (c->recipient.len > 0);

	if (c->s->mail->sender.len > 0 || count <= 1)
		return RULE_DUNNO;
	return access_refuse(c, 550, "5.5.3", "<>: %s command rejected: Multi-recipient bounce", c->stage);
}

/* ---- client ---- */

static enum rule_result permit_mynetworks(struct access_case *c, UNUSED const struct smtpd_rule *rule)
{
	return c->s->peer.in_mynetworks ? RULE_PERMIT : RULE_DUNNO;
}

static enum rule_result permit_sasl_authenticated(struct access_case *c, UNUSED const struct smtpd_rule *rule)
{
	return c->s->sasl_username.len > 0 ? RULE_PERMIT : RULE_DUNNO;
}

static enum rule_result no_host_name(struct access_case *c, bool can_come_back)
{
	return access_refuse(c, can_come_back ? 450 : c->s->conf->unknown_client_reject_code, "4.7.25",
	                     "Client host rejected: cannot find your hostname, [" SPAN_FMT "]",
	                     SPAN_ARG(c->s->peer.text));
}

static enum rule_result reject_unknown_client_hostname(struct access_case *c,
                                                       UNUSED const struct smtpd_rule *rule)
{
	unsigned code = c->s->peer.name_code;

	return code == 2 ? RULE_DUNNO : no_host_name(c, code == 4);
}

static enum rule_result reject_unknown_reverse_client_hostname(struct access_case *c,
                                                               UNUSED const struct smtpd_rule *rule)
{
	unsigned code = c->s->peer.reverse_code;

	return code == 2 ? RULE_DUNNO : no_host_name(c, code == 4);
}

/* "2.0.0.127" of a list's question about an IPv4 client, nibbles for IPv6. */
static struct span list_query(struct access_case *c, struct span zone)
{
	struct arena *arena = c->s->mail != NULL ? c->s->mail->arena : c->s->per_command;
	struct net_cidr cidr;
	struct buf name;
	struct span out;

	if (!net_cidr_parse(c->s->peer.text, &cidr))
		return span_lit("");
	buf_init(&name, 512);
	for (int i = cidr.family == AF_INET ? 3 : 15; i >= 0; i--) {
		if (cidr.family == AF_INET)
			buf_addf(&name, "%u.", cidr.bytes[i]);
		else
			buf_addf(&name, "%x.%x.", cidr.bytes[i] & 15u, cidr.bytes[i] >> 4);
	}
	buf_add(&name, zone);
	out = arena_dup(arena, buf_span(&name));
	buf_free(&name);
	return out;
}

/* An answer counts when it is a listing: 127.0.0.0/8, and the one asked for by "zone=127.0.0.N". */
static bool is_listing(struct span answers, struct span wanted)
{
	struct net_address address;
	char text[NET_ADDRESS_TEXT_MAX];
	struct span rdata;

	while (rdata_next(&answers, &rdata)) {
		struct span found;

		if (!rdata_address(rdata, &address))
			continue;
		found = span_of(net_address_text(&address, text));
		if (wanted.len > 0 ? span_equal(found, wanted) : span_starts(found, span_lit("127.")))
			return true;
	}
	return false;
}

static enum rule_result reject_rbl_client(struct access_case *c, const struct smtpd_rule *rule)
{
	struct span wanted = rule->argument, zone, answers = span_lit(""), query;
	enum smtpd_dns found;

	span_cut(&wanted, '=', &zone);
	query = list_query(c, zone);
	found = smtpd_dns(c->s, query, RR_A, &answers, clock_in_s(c->s->conf->smtpd_peername_time_limit));
	if (found == SMTPD_DNS_FAILED)	/* a list that is down blocks nobody */
		log_warning(SPAN_FMT ": RBL lookup error", SPAN_ARG(query));
	if (found != SMTPD_DNS_FOUND || !is_listing(answers, wanted))
		return RULE_DUNNO;
	return access_refuse(c, c->s->conf->maps_rbl_reject_code, "5.7.1",
	                     "Service unavailable; Client host [" SPAN_FMT "] blocked using " SPAN_FMT,
	                     SPAN_ARG(c->s->peer.text), SPAN_ARG(zone));
}

/* ---- helo ---- */

static bool is_literal(struct span name)
{
	return name.len > 0 && name.ptr[0] == '[';
}

static enum rule_result refuse_helo(struct access_case *c, long long code, const char *dsn, const char *text)
{
	return access_refuse(c, code, dsn, "<" SPAN_FMT ">: Helo command rejected: %s", SPAN_ARG(c->s->helo), text);
}

static enum rule_result reject_invalid_helo_hostname(struct access_case *c, UNUSED const struct smtpd_rule *rule)
{
	struct span helo = c->s->helo;

	if (helo.len == 0 || (is_literal(helo) ? smtp_literal_is_valid(helo) : smtp_domain_is_valid(helo, true)))
		return RULE_DUNNO;
	return refuse_helo(c, c->s->conf->invalid_hostname_reject_code, "5.5.2", "Invalid name");
}

static enum rule_result reject_non_fqdn_helo_hostname(struct access_case *c, UNUSED const struct smtpd_rule *rule)
{
	struct span helo = c->s->helo;

	if (helo.len == 0 || (is_literal(helo) ? smtp_literal_is_valid(helo) : smtp_domain_is_fqdn(helo)))
		return RULE_DUNNO;
	return refuse_helo(c, c->s->conf->non_fqdn_reject_code, "5.5.2", "need fully-qualified hostname");
}

/* Does the domain take mail: MX, A or AAAA?  The null MX counts as found here: it is an answer. */
static enum smtpd_dns has_mail_host(struct smtpd *s, struct span domain)
{
	static const unsigned types[] = { RR_MX, RR_A, RR_AAAA };
	uint64_t deadline = clock_in_s(s->conf->smtpd_peername_time_limit);
	enum smtpd_dns result = SMTPD_DNS_NONE;

	for (size_t i = 0; i < COUNT_OF(types); i++) {
		enum smtpd_dns found = smtpd_dns(s, domain, types[i], NULL, deadline);

		if (found == SMTPD_DNS_FOUND)
			return found;
		if (found == SMTPD_DNS_FAILED)
			result = found;
	}
	return result;
}

static enum rule_result reject_unknown_helo_hostname(struct access_case *c, UNUSED const struct smtpd_rule *rule)
{
	struct span helo = c->s->helo;

	if (helo.len == 0 || is_literal(helo))
		return RULE_DUNNO;
	switch (has_mail_host(c->s, helo)) {
	case SMTPD_DNS_FOUND:
		break;
	case SMTPD_DNS_NONE:
		return refuse_helo(c, c->s->conf->unknown_hostname_reject_code, "4.7.1", "Host not found");
	case SMTPD_DNS_FAILED:
		return access_defer_if_permit(c, "4.7.1", "<" SPAN_FMT ">: Helo command rejected: Host not found, "
		                              "try again", SPAN_ARG(helo));
	}
	return RULE_DUNNO;
}

/* ---- sender ---- */

static enum rule_result refuse_sender(struct access_case *c, long long code, const char *dsn, const char *text)
{
	return access_refuse(c, code, dsn, "<" SPAN_FMT ">: Sender address rejected: %s",
	                     SPAN_ARG(c->s->mail->sender_given), text);
}

static struct span domain_of(struct span address)
{
	struct span local, domain;

	smtp_address_split(address, &local, &domain);
	return domain;
}

static bool is_fqdn_address(struct span address)
{
	struct span domain = domain_of(address);

	return is_literal(domain) ? smtp_literal_is_valid(domain) : smtp_domain_is_fqdn(domain);
}

static enum rule_result reject_non_fqdn_sender(struct access_case *c, UNUSED const struct smtpd_rule *rule)
{
	struct span sender = c->s->mail->sender_given;

	if (sender.len == 0 || is_fqdn_address(sender))
		return RULE_DUNNO;
	return refuse_sender(c, c->s->conf->non_fqdn_reject_code, "5.5.2", "need fully-qualified address");
}

/* Ours by the router's word: then the domain is known without DNS. */
static bool is_ours(const struct resolve_reply *route)
{
	return route != NULL && route->address_class != CLASS_DEFAULT && route->address_class != 0;
}

static enum rule_result reject_unknown_sender_domain(struct access_case *c, UNUSED const struct smtpd_rule *rule)
{
	struct span domain = domain_of(c->s->mail->sender);

	if (domain.len == 0 || is_literal(domain) || is_ours(smtpd_sender_route(c->s)))
		return RULE_DUNNO;
	switch (has_mail_host(c->s, domain)) {
	case SMTPD_DNS_FOUND:
		break;
	case SMTPD_DNS_NONE:
		return refuse_sender(c, c->s->conf->unknown_address_reject_code, "4.1.8", "Domain not found");
	case SMTPD_DNS_FAILED:
		return refuse_sender(c, 450, "4.1.8", "Domain not found");
	}
	return RULE_DUNNO;
}

static enum rule_result reject_unlisted_sender(struct access_case *c, UNUSED const struct smtpd_rule *rule)
{
	const struct resolve_reply *route;

	if (c->s->mail->sender.len == 0)
		return RULE_DUNNO;
	route = smtpd_sender_route(c->s);
	if (route == NULL)
		return refuse_sender(c, 451, "4.3.0", "Temporary lookup failure");
	if (route->verdict != ROUTE_UNKNOWN)
		return RULE_DUNNO;
	return refuse_sender(c, 550, "5.1.0", arena_cstr(c->s->per_command, route->reason));
}

/* Logins that own the sender address, from the router; false when it cannot tell now. */
static bool sender_owners(struct access_case *c, struct span *owners)
{
	struct lookup_request request = {
		.maps = span_lit("smtpd_sender_login_maps"), .key = c->s->mail->sender, .how = LOOKUP_ADDRESS,
	};
	struct lookup_reply reply;

	if (smtpd_call(c->s, SERVICE_ROUTER, true, &lookup_request_type, &request, &lookup_reply_type, &reply,
	               c->s->mail->arena) < 0 || reply.status == LOOKUP_FAILED)
		return false;
	*owners = reply.status == LOOKUP_FOUND ? reply.value : span_lit("");
	return true;
}

/* only_logged_in, only_strangers: which half of the rule is meant. */
static enum rule_result judge_login(struct access_case *c, bool if_logged_in, bool if_stranger)
{
	struct span owners, owner, login = c->s->sasl_username;

	if (c->s->mail->sender.len == 0 || (login.len > 0 ? !if_logged_in : !if_stranger))
		return RULE_DUNNO;
	if (!sender_owners(c, &owners))
		return refuse_sender(c, 451, "4.3.0", "Temporary lookup failure");
	if (login.len == 0)
		return owners.len == 0 ? RULE_DUNNO
		                       : refuse_sender(c, 553, "5.7.1", "not logged in");
	while (span_token(&owners, ", \t\r\n", &owner))
		if (span_equal_ci(owner, login))
			return RULE_DUNNO;
	return access_refuse(c, 553, "5.7.1", "<" SPAN_FMT ">: Sender address rejected: not owned by user " SPAN_FMT,
	                     SPAN_ARG(c->s->mail->sender_given), SPAN_ARG(login));
}

static enum rule_result reject_sender_login_mismatch(struct access_case *c, UNUSED const struct smtpd_rule *rule)
{
	return judge_login(c, true, true);
}

static enum rule_result reject_authenticated_mismatch(struct access_case *c, UNUSED const struct smtpd_rule *rule)
{
	return judge_login(c, true, false);
}

static enum rule_result reject_unauthenticated_mismatch(struct access_case *c,
                                                        UNUSED const struct smtpd_rule *rule)
{
	return judge_login(c, false, true);
}

/* ---- recipient ---- */

static enum rule_result permit_auth_destination(struct access_case *c, UNUSED const struct smtpd_rule *rule)
{
	return is_ours(c->route) ? RULE_PERMIT : RULE_DUNNO;
}

static enum rule_result no_relay(struct access_case *c, long long code, const char *dsn)
{
	if (is_ours(c->route))
		return RULE_DUNNO;
	return access_refuse(c, code, dsn, "<" SPAN_FMT ">: Relay access denied", SPAN_ARG(c->recipient));
}

static enum rule_result reject_unauth_destination(struct access_case *c, UNUSED const struct smtpd_rule *rule)
{
	return no_relay(c, c->s->conf->relay_domains_reject_code, "5.7.1");
}

static enum rule_result defer_unauth_destination(struct access_case *c, UNUSED const struct smtpd_rule *rule)
{
	return no_relay(c, 454, "4.7.1");
}

static enum rule_result refuse_recipient(struct access_case *c, long long code, const char *dsn, const char *text)
{
	return access_refuse(c, code, dsn, "<" SPAN_FMT ">: Recipient address rejected: %s",
	                     SPAN_ARG(c->recipient), text);
}

static enum rule_result reject_unlisted_recipient(struct access_case *c, UNUSED const struct smtpd_rule *rule)
{
	if (c->route->verdict != ROUTE_UNKNOWN)
		return RULE_DUNNO;
	return refuse_recipient(c, c->s->conf->unknown_local_recipient_reject_code, "5.1.1",
	                        arena_cstr(c->s->per_command, c->route->reason));
}

/* "postmaster" alone must always be taken (RFC 5321 4.5.1). */
static enum rule_result reject_non_fqdn_recipient(struct access_case *c, UNUSED const struct smtpd_rule *rule)
{
	if (is_fqdn_address(c->recipient) || span_equal_ci(c->recipient, span_lit("postmaster")))
		return RULE_DUNNO;
	return refuse_recipient(c, c->s->conf->non_fqdn_reject_code, "5.5.2", "need fully-qualified address");
}

static enum rule_result reject_unknown_recipient_domain(struct access_case *c, UNUSED const struct smtpd_rule *rule)
{
	struct span domain = domain_of(c->recipient);

	if (domain.len == 0 || is_literal(domain) || is_ours(c->route))
		return RULE_DUNNO;
	switch (has_mail_host(c->s, domain)) {
	case SMTPD_DNS_FOUND:
		break;
	case SMTPD_DNS_NONE:
		return refuse_recipient(c, c->s->conf->unknown_address_reject_code, "4.1.2", "Domain not found");
	case SMTPD_DNS_FAILED:
		return refuse_recipient(c, 450, "4.1.2", "Domain not found");
	}
	return RULE_DUNNO;
}

/* ---- the table ---- */

enum {
	AT_RCPT = 1 << SMTPD_AT_RELAY | 1 << SMTPD_AT_RECIPIENT,
	AT_DATA = 1 << SMTPD_AT_DATA | 1 << SMTPD_AT_END_OF_DATA,
	/* Without smtpd_delay_reject an early list would look at data that are not there yet. */
	FROM_MAIL = 1 << SMTPD_AT_SENDER | AT_RCPT | AT_DATA,
	FROM_HELO = 1 << SMTPD_AT_HELO | FROM_MAIL,
	ANYWHERE = 1 << SMTPD_AT_CLIENT | FROM_HELO,
};

static const struct rule_row rows[] = {
	{ "permit", permit, RULE_ALONE, ANYWHERE },
	{ "reject", reject, RULE_ALONE, ANYWHERE },
	{ "defer", defer, RULE_ALONE, ANYWHERE },
	{ "defer_if_permit", defer_if_permit, RULE_ALONE, ANYWHERE },
	{ "warn_if_reject", NULL, RULE_ALONE, ANYWHERE },
	{ "sleep", sleep_rule, RULE_WORD, ANYWHERE },
	{ "reject_unauth_pipelining", reject_unauth_pipelining, RULE_ALONE, ANYWHERE },
	{ "reject_plaintext_session", reject_plaintext_session, RULE_ALONE, ANYWHERE },
	{ "reject_multi_recipient_bounce", reject_multi_recipient_bounce, RULE_ALONE, AT_RCPT | AT_DATA },
	{ "permit_mynetworks", permit_mynetworks, RULE_ALONE, ANYWHERE },
	{ "permit_sasl_authenticated", permit_sasl_authenticated, RULE_ALONE, ANYWHERE },
	{ "reject_unknown_client_hostname", reject_unknown_client_hostname, RULE_ALONE, ANYWHERE },
	{ "reject_unknown_client", reject_unknown_client_hostname, RULE_ALONE, ANYWHERE },
	{ "reject_unknown_reverse_client_hostname", reject_unknown_reverse_client_hostname, RULE_ALONE, ANYWHERE },
	{ "reject_rbl_client", reject_rbl_client, RULE_WORD, ANYWHERE },
	{ "check_client_access", rule_check_client_access, RULE_TABLE, ANYWHERE },
	{ "check_reverse_client_hostname_access", rule_check_reverse_client_access, RULE_TABLE, ANYWHERE },
	{ "check_sasl_access", rule_check_sasl_access, RULE_TABLE, ANYWHERE },
	{ "check_helo_access", rule_check_helo_access, RULE_TABLE, FROM_HELO },
	{ "reject_invalid_helo_hostname", reject_invalid_helo_hostname, RULE_ALONE, FROM_HELO },
	{ "reject_invalid_hostname", reject_invalid_helo_hostname, RULE_ALONE, FROM_HELO },
	{ "reject_non_fqdn_helo_hostname", reject_non_fqdn_helo_hostname, RULE_ALONE, FROM_HELO },
	{ "reject_non_fqdn_hostname", reject_non_fqdn_helo_hostname, RULE_ALONE, FROM_HELO },
	{ "reject_unknown_helo_hostname", reject_unknown_helo_hostname, RULE_ALONE, FROM_HELO },
	{ "reject_unknown_hostname", reject_unknown_helo_hostname, RULE_ALONE, FROM_HELO },
	{ "check_sender_access", rule_check_sender_access, RULE_TABLE, FROM_MAIL },
	{ "reject_non_fqdn_sender", reject_non_fqdn_sender, RULE_ALONE, FROM_MAIL },
	{ "reject_unknown_sender_domain", reject_unknown_sender_domain, RULE_ALONE, FROM_MAIL },
	{ "reject_unlisted_sender", reject_unlisted_sender, RULE_ALONE, FROM_MAIL },
	{ "reject_sender_login_mismatch", reject_sender_login_mismatch, RULE_ALONE, FROM_MAIL },
	{ "reject_authenticated_sender_login_mismatch", reject_authenticated_mismatch, RULE_ALONE, FROM_MAIL },
	{ "reject_unauthenticated_sender_login_mismatch", reject_unauthenticated_mismatch, RULE_ALONE, FROM_MAIL },
	{ "check_recipient_access", rule_check_recipient_access, RULE_TABLE, AT_RCPT },
	{ "permit_auth_destination", permit_auth_destination, RULE_ALONE, AT_RCPT },
	{ "reject_unauth_destination", reject_unauth_destination, RULE_ALONE, AT_RCPT },
	{ "defer_unauth_destination", defer_unauth_destination, RULE_ALONE, AT_RCPT },
	{ "reject_unlisted_recipient", reject_unlisted_recipient, RULE_ALONE, AT_RCPT },
	{ "reject_non_fqdn_recipient", reject_non_fqdn_recipient, RULE_ALONE, AT_RCPT },
	{ "reject_unknown_recipient_domain", reject_unknown_recipient_domain, RULE_ALONE, AT_RCPT },
};

const struct rule_row *rule_row_find(struct span name)
{
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (span_equal_ci(name, span_of(rows[i].name)))
			return &rows[i];
	return NULL;
}
