/* SPDX-License-Identifier: ISC */
/* smtpd_access.c - restriction lists: read before the first client, evaluated left to right
 *
 * A permit ends its own list only; a refusal ends the command; what a list cannot honour keeps the program
 * from starting, because a rule left out is an open door (postfix-compat 5).  Nothing is relayed for
 * strangers whatever the lists say: an end without an explicit relay decision is "defer". */
#include "smtpd/smtpd_access.h"

#include <stdarg.h>
#include <stdio.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/task/task.h"

/* ---- verdicts ---- */

enum rule_result access_refuse(struct access_case *c, long long code, const char *dsn, const char *format, ...)
{
	va_list args;

	c->verdict.code = (unsigned)code;
	snprintf(c->verdict.dsn, sizeof(c->verdict.dsn), "%s", dsn);
	/* The class of the two codes must agree (RFC 2034 4), whatever code the admin set. */
	c->verdict.dsn[0] = code >= 500 ? '5' : '4';
	va_start(args, format);
	vsnprintf(c->verdict.text, sizeof(c->verdict.text), format, args);
	va_end(args);
	return RULE_REFUSE;
}

enum rule_result access_defer_if_permit(struct access_case *c, const char *dsn, const char *format, ...)
{
	va_list args;

	c->has_deferral = true;
	c->deferral.code = 450;
	snprintf(c->deferral.dsn, sizeof(c->deferral.dsn), "%s", dsn);
	va_start(args, format);
	vsnprintf(c->deferral.text, sizeof(c->deferral.text), format, args);
	va_end(args);
	return RULE_DUNNO;
}

/* ---- evaluation ---- */

/* After warn_if_reject: the refusal is only logged. */
static void log_warning_only(struct access_case *c)
{
	char line[WHY_TEXT_MAX + 32];

	snprintf(line, sizeof(line), "%u %s %s", c->verdict.code, c->verdict.dsn, c->verdict.text);
	smtpd_log_event(c->s, "reject_warning", c->stage, c->recipient, line);
}

enum rule_result access_run(struct access_case *c, const struct smtpd_rules *list)
{
	for (size_t i = 0; list != NULL && i < list->count; i++) {
		const struct smtpd_rule *rule = &list->rules[i];
		bool only_warn = c->only_warn;
		enum rule_result result;

		if (rule->row->judge == NULL) {	/* warn_if_reject */
			c->only_warn = true;
			continue;
		}
		result = rule->row->judge(c, rule);
		c->only_warn = false;
		if (result == RULE_REFUSE && only_warn)
			log_warning_only(c);
		else if (result != RULE_DUNNO)
			return result;
	}
	return RULE_DUNNO;
}

static bool tell(struct access_case *c, enum rule_result result)
{
	if (result != RULE_REFUSE)
		return true;
	smtpd_reject(c->s, c->stage, c->recipient, c->verdict.code, c->verdict.dsn, c->verdict.text);
	return false;
}

/* The lists from first to last, each run; true when none refuses. */
static bool run_stages(struct access_case *c, enum smtpd_stage first, enum smtpd_stage last)
{
	for (unsigned stage = first; stage <= (unsigned)last; stage++)
		if (!tell(c, access_run(c, c->s->server->rules[stage])))
			return false;
	return true;
}

bool smtpd_access_connect(struct smtpd *s)
{
	struct access_case c = { .s = s, .stage = "CONNECT" };

	if (s->conf->smtpd_delay_reject || s->peer.is_local_user)
		return true;
	return run_stages(&c, SMTPD_AT_CLIENT, SMTPD_AT_CLIENT);
}

bool smtpd_access_helo(struct smtpd *s)
{
	struct access_case c = { .s = s, .stage = "HELO" };

	if (s->conf->smtpd_delay_reject || s->peer.is_local_user)
		return true;
	return run_stages(&c, SMTPD_AT_HELO, SMTPD_AT_HELO);
}

bool smtpd_access_mail(struct smtpd *s)
{
	struct access_case c = { .s = s, .stage = "MAIL" };

	if (s->conf->smtpd_delay_reject || s->peer.is_local_user)
		return true;
	return run_stages(&c, SMTPD_AT_SENDER, SMTPD_AT_SENDER);
}

/* The recipient as the router sees it: unknown, impossible, or not to be told now. */
static enum rule_result judge_route(struct access_case *c)
{
	const struct resolve_reply *r = c->route;
	struct arena *arena = c->s->per_command;
	const char *dsn = arena_cstr(arena, r->dsn);

	switch ((enum route_verdict)r->verdict) {
	case ROUTE_OK:
	case ROUTE_EXPANDED:
		return RULE_DUNNO;
	case ROUTE_UNKNOWN:
		if (!c->s->conf->smtpd_reject_unlisted_recipient)
			return RULE_DUNNO;
		return access_refuse(c, r->address_class == CLASS_LOCAL ? c->s->conf->unknown_local_recipient_reject_code
		                     : r->address_class == CLASS_RELAY
		                             ? c->s->conf->unknown_relay_recipient_reject_code
		                     : r->address_class == CLASS_VIRTUAL_ALIAS
		                             ? c->s->conf->unknown_virtual_alias_reject_code
		                             : c->s->conf->unknown_virtual_mailbox_reject_code,
		                     dsn[0] != '\0' ? dsn : "5.1.1",
		                     "<" SPAN_FMT ">: Recipient address rejected: " SPAN_FMT,
		                     SPAN_ARG(c->recipient), SPAN_ARG(r->reason));
	case ROUTE_ERROR:
		return access_refuse(c, dsn[0] == '4' ? 450 : 550, dsn[0] != '\0' ? dsn : "5.1.0",
		                     "<" SPAN_FMT ">: Recipient address rejected: " SPAN_FMT,
		                     SPAN_ARG(c->recipient), SPAN_ARG(r->reason));
	case ROUTE_DEFER:
		if (r->reason.len == 0 || strcmp(dsn, "4.3.0") == 0)
			break;
		/* The admin's own words: transport retry. */
		return access_refuse(c, 450, dsn[0] == '4' ? dsn : "4.3.0",
		                     "<" SPAN_FMT ">: Recipient address rejected: " SPAN_FMT,
		                     SPAN_ARG(c->recipient), SPAN_ARG(r->reason));
	}
	return access_refuse(c, 451, "4.3.0", "<" SPAN_FMT ">: Temporary lookup failure",
	                     SPAN_ARG(c->recipient));
}

/* smtpd_reject_unlisted_sender: as if reject_unlisted_sender stood in the lists. */
static enum rule_result judge_sender(struct access_case *c)
{
	static const struct smtpd_rule rule;

	return c->s->conf->smtpd_reject_unlisted_sender
	               ? rule_row_find(span_lit("reject_unlisted_sender"))->judge(c, &rule) : RULE_DUNNO;
}

/* Nobody outside our networks and users may send through us: the net below all lists (RFC 5321 7.9). */
static enum rule_result judge_relay(struct access_case *c, enum rule_result relay, bool recipient_permits)
{
	bool is_ours = c->route->address_class != CLASS_DEFAULT && c->route->address_class != 0;

	if (is_ours || relay == RULE_PERMIT || recipient_permits)
		return RULE_DUNNO;
	return access_refuse(c, 454, "4.7.1", "<" SPAN_FMT ">: Relay access denied", SPAN_ARG(c->recipient));
}

/* Relay and recipient lists, in the configured order. */
static bool run_recipient_lists(struct access_case *c)
{
	const struct smtpd_server *server = c->s->server;
	bool relay_first = c->s->conf->smtpd_relay_before_recipient_restrictions;
	enum smtpd_stage order[2] = { relay_first ? SMTPD_AT_RELAY : SMTPD_AT_RECIPIENT,
		                      relay_first ? SMTPD_AT_RECIPIENT : SMTPD_AT_RELAY };
	enum rule_result results[SMTPD_STAGES] = { RULE_DUNNO };

	for (size_t i = 0; i < COUNT_OF(order); i++) {
		results[order[i]] = access_run(c, server->rules[order[i]]);
		if (!tell(c, results[order[i]]))
			return false;
	}
	return tell(c, judge_relay(c, results[SMTPD_AT_RELAY],
	                           server->rules[SMTPD_AT_RELAY]->count == 0 &&
	                           results[SMTPD_AT_RECIPIENT] == RULE_PERMIT));
}

bool smtpd_access_rcpt(struct smtpd *s, struct span recipient, const struct resolve_reply *route)
{
	struct access_case c = { .s = s, .stage = "RCPT", .recipient = recipient, .route = route };

	/* Local users may write to anybody; what cannot be delivered comes back to them. */
	if (s->peer.is_local_user)
		return true;
	if (s->conf->smtpd_delay_reject && !run_stages(&c, SMTPD_AT_CLIENT, SMTPD_AT_SENDER))
		return false;
	if (!run_recipient_lists(&c))
		return false;
	if (!tell(&c, judge_sender(&c)) || !tell(&c, judge_route(&c)))
		return false;
	if (!c.has_deferral)
		return true;
	c.verdict = c.deferral;
	return tell(&c, RULE_REFUSE);
}

bool smtpd_access_data(struct smtpd *s, enum smtpd_stage stage)
{
	struct access_case c = {
		.s = s, .stage = stage == SMTPD_AT_DATA ? "DATA" : "END-OF-MESSAGE",
	};

	if (s->peer.is_local_user || s->server->rules[stage]->count == 0)
		return true;
	if (!run_stages(&c, stage, stage))
		return false;
	if (!c.has_deferral)
		return true;
	c.verdict = c.deferral;
	return tell(&c, RULE_REFUSE);
}

/* ---- reading the lists ---- */

static bool looks_like_table(struct span word)
{
	return span_find(word, ':') != SPAN_NOT_FOUND;
}

static void close_table(void *table)
{
	table_close(table);
}

/* One table as a list: the member was split off already, and inline: tables hold commas of their own. */
static const struct table_list *open_table(struct arena *arena, const char *parameter, struct span spec)
{
	struct table_list *list = ARENA_NEW(arena, struct table_list);

	list->tables = ARENA_NEW_ARRAY(arena, struct table *, 1);
	list->tables[0] = table_open(spec, "hash");
	list->count = 1;
	list->title = parameter;
	arena_on_reset(arena, close_table, list->tables[0]);
	return list;
}

static void read_rule(struct arena *arena, const char *parameter, struct span *rest, struct span word,
                      enum smtpd_stage stage, struct smtpd_rule *rule)
{
	static const char *const bare_table_rules[SMTPD_STAGES] = {
		"check_client_access", "check_helo_access", "check_sender_access", "check_recipient_access",
		"check_recipient_access", "check_recipient_access", "check_recipient_access",
	};
	bool is_bare = looks_like_table(word);

	rule->row = is_bare ? rule_row_find(span_of(bare_table_rules[stage])) : rule_row_find(word);
	if (rule->row == NULL)
		log_fatal("%s: restriction \"" SPAN_FMT "\" is unknown or not supported: mail would pass "
		          "unchecked; remove it to start", parameter, SPAN_ARG(word));
	if (is_bare)
		rule->argument = word;
	else if (rule->row->argument != RULE_ALONE && !conf_list_next(rest, &rule->argument))
		log_fatal("%s: restriction \"" SPAN_FMT "\" needs a value behind it", parameter,
		          SPAN_ARG(word));
	if ((rule->row->at & 1u << stage) == 0)
		log_fatal("%s: restriction \"" SPAN_FMT "\" has nothing to look at here", parameter,
		          SPAN_ARG(word));
	if (rule->row->argument == RULE_TABLE)
		rule->tables = open_table(arena, parameter, rule->argument);
}

const struct smtpd_rules *access_list_parse(struct arena *arena, const char *parameter, const char *text,
                                            enum smtpd_stage stage)
{
	struct smtpd_rules *list = ARENA_NEW(arena, struct smtpd_rules);
	struct span rest = span_of(text), word;
	size_t most = 0;

	while (conf_list_next(&rest, &word))
		most++;
	list->rules = ARENA_NEW_ARRAY(arena, struct smtpd_rule, most + 1);
	rest = span_of(text);
	while (conf_list_next(&rest, &word))
		read_rule(arena, parameter, &rest, word, stage, &list->rules[list->count++]);
	return list;
}

/* Is there a rule that keeps strangers from relaying? */
static bool closes_relay(const struct smtpd_rules *list)
{
	static const char *const closing[] = { "reject", "defer", "defer_if_permit", "reject_unauth_destination",
		                               "defer_unauth_destination" };

	for (size_t i = 0; i < list->count; i++)
		for (size_t k = 0; k < COUNT_OF(closing); k++)
			if (strcmp(list->rules[i].row->name, closing[k]) == 0)
				return true;
	return false;
}

void smtpd_access_load(struct smtpd_server *server)
{
	const struct conf *conf = server->conf;
	const struct { const char *name, *value; } lists[SMTPD_STAGES] = {
		[SMTPD_AT_CLIENT] = { "smtpd_client_restrictions", conf->smtpd_client_restrictions },
		[SMTPD_AT_HELO] = { "smtpd_helo_restrictions", conf->smtpd_helo_restrictions },
		[SMTPD_AT_SENDER] = { "smtpd_sender_restrictions", conf->smtpd_sender_restrictions },
		[SMTPD_AT_RELAY] = { "smtpd_relay_restrictions", conf->smtpd_relay_restrictions },
		[SMTPD_AT_RECIPIENT] = { "smtpd_recipient_restrictions", conf->smtpd_recipient_restrictions },
		[SMTPD_AT_DATA] = { "smtpd_data_restrictions", conf->smtpd_data_restrictions },
		[SMTPD_AT_END_OF_DATA] = { "smtpd_end_of_data_restrictions",
		                           conf->smtpd_end_of_data_restrictions },
	};

	for (unsigned i = 0; i < SMTPD_STAGES; i++)
		server->rules[i] = access_list_parse(server->arena, lists[i].name, lists[i].value,
		                                     (enum smtpd_stage)i);
	if (!closes_relay(server->rules[SMTPD_AT_RELAY]) && !closes_relay(server->rules[SMTPD_AT_RECIPIENT]))
		log_fatal("in parameter smtpd_relay_restrictions or smtpd_recipient_restrictions, specify at "
		          "least one working instance of: reject_unauth_destination, "
		          "defer_unauth_destination, reject, defer or defer_if_permit");
}
