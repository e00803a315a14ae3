/* SPDX-License-Identifier: ISC */
/* smtpd_access_map.c - access(5) tables: which keys are looked up, what the answer means
 *
 * First key found wins (postfix-compat 5).  A table that fails defers: no answer is never "not listed". */
#include <stdio.h>

#include "lib/base/log.h"
#include "lib/smtp/address.h"
#include "lib/smtp/reply.h"
#include "smtpd/smtpd_access.h"

enum { DEPTH_MAX = 5 };

/* What the looked-up thing is called in replies. */
struct subject {
	struct span text;	/* as it stands in <> */
	const char *class;	/* "Client host", "Sender address" ... */
};

struct look {
	const struct table_list *tables;
	struct arena            *arena;
	struct span              value;
};

/* True when there is an answer (found or failed): the search ends. */
static bool ask(struct look *l, struct span key, enum table_key part, enum table_status *status)
{
	if (key.len == 0)
		return false;
	*status = table_list_find(l->tables, key, part, l->arena, &l->value);
	return *status != TABLE_NOT_FOUND;
}

/* A domain and its parents, both as "parent" and ".parent". */
static enum table_status find_domain(struct look *l, struct span domain, enum table_key part)
{
	enum table_status status = TABLE_NOT_FOUND;
	size_t dot;

	if (ask(l, domain, part, &status))
		return status;
	while ((dot = span_find(span_skip(domain, 1), '.')) != SPAN_NOT_FOUND) {
		struct span with_dot = span_skip(domain, dot + 1);

		domain = span_skip(domain, dot + 2);
		if (ask(l, domain, TABLE_PART_OF_KEY, &status) || ask(l, with_dot, TABLE_PART_OF_KEY, &status))
			return status;
	}
	return status;
}

/* 192.0.2.1, 192.0.2, 192.0, 192; IPv6 by groups. */
static enum table_status find_address(struct look *l, struct span address)
{
	char separator = span_find(address, ':') != SPAN_NOT_FOUND ? ':' : '.';
	enum table_key part = TABLE_WHOLE_KEY;
	enum table_status status = TABLE_NOT_FOUND;

	while (address.len > 0) {
		size_t end;

		if (ask(l, address, part, &status))
			return status;
		part = TABLE_PART_OF_KEY;
		end = span_rfind(address, separator);
		address = end == SPAN_NOT_FOUND ? span_lit("") : span_first(address, end);
		while (span_ends(address, span_lit(":")))
			address.len--;
	}
	return status;
}

static enum table_status find_host(struct look *l, struct span name, struct span address)
{
	enum table_status status = TABLE_NOT_FOUND;

	if (name.len > 0 && !span_equal(name, span_lit("unknown")))
		status = find_domain(l, arena_lower(l->arena, name), TABLE_WHOLE_KEY);
	if (status == TABLE_NOT_FOUND && address.len > 0)
		status = find_address(l, address);
	return status;
}

/* user+ext@domain, user@domain; domain and parents; user@ */
static enum table_status find_mailbox(struct look *l, const struct conf *conf, struct span address)
{
	struct span local, domain;
	enum table_status status = TABLE_NOT_FOUND;
	size_t extension = SPAN_NOT_FOUND;

	if (address.len == 0) {
		ask(l, span_lit("<>"), TABLE_WHOLE_KEY, &status);
		return status;
	}
	address = arena_lower(l->arena, address);
	smtp_address_split(address, &local, &domain);
	for (size_t i = 1; i < local.len && extension == SPAN_NOT_FOUND; i++)
		if (conf->recipient_delimiter[0] != '\0' && strchr(conf->recipient_delimiter, local.ptr[i]) != NULL)
			extension = i;
	if (ask(l, address, TABLE_WHOLE_KEY, &status))
		return status;
	if (extension != SPAN_NOT_FOUND) {
		local = span_first(local, extension);
		if (ask(l, arena_printf_span(l->arena, SPAN_FMT "@" SPAN_FMT, SPAN_ARG(local), SPAN_ARG(domain)),
		        TABLE_PART_OF_KEY, &status))
			return status;
	}
	status = domain.len > 0 ? find_domain(l, domain, TABLE_PART_OF_KEY) : TABLE_NOT_FOUND;
	if (status == TABLE_NOT_FOUND)
		ask(l, arena_printf_span(l->arena, SPAN_FMT "@", SPAN_ARG(local)), TABLE_PART_OF_KEY, &status);
	return status;
}

/* ---- actions ---- */

static void note(struct access_case *c, const char *kind, const struct subject *subject, struct span text)
{
	char line[WHY_TEXT_MAX];

	snprintf(line, sizeof(line), "<" SPAN_FMT ">: %s triggers " SPAN_FMT, SPAN_ARG(subject->text),
	         subject->class, SPAN_ARG(text));
	smtpd_log_event(c->s, kind, c->stage, c->recipient, line);
}

/* code, and "5.7.1" unless the text brings its own enhanced code. */
static enum rule_result refuse(struct access_case *c, const struct subject *subject, long long code,
                               const char *dsn, struct span text)
{
	size_t n = smtp_dsn_parse(text);
	char own[WHY_DSN_MAX];

	if (n > 0 && n < sizeof(own)) {
		snprintf(own, sizeof(own), "%.*s", (int)n, text.ptr);
		dsn = own;
		text = span_trim_start(span_skip(text, n));
	}
	if (text.len == 0)
		text = span_lit("Access denied");
	return access_refuse(c, code, dsn, "<" SPAN_FMT ">: %s rejected: " SPAN_FMT, SPAN_ARG(subject->text),
	                     subject->class, SPAN_ARG(text));
}

static enum rule_result hold(struct access_case *c, const struct subject *subject, struct span text)
{
	if (c->s->mail != NULL)
		c->s->mail->is_held = true;
	note(c, "hold", subject, text);
	return RULE_DUNNO;
}

static enum rule_result discard(struct access_case *c, const struct subject *subject, struct span text)
{
	if (c->s->mail != NULL)
		c->s->mail->is_discarded = true;
	note(c, "discard", subject, text);
	return RULE_PERMIT;
}

/* A header line for the top of the message; it must be one, whole and clean. */
static enum rule_result prepend(struct access_case *c, const struct subject *subject, struct span text)
{
	struct smtpd_mail *m = c->s->mail;

	if (m == NULL || m->content != NULL || span_find(text, ':') == SPAN_NOT_FOUND ||
	    span_find(text, '\n') != SPAN_NOT_FOUND || span_find(text, '\r') != SPAN_NOT_FOUND)
		log_warning("PREPEND action ignored: \"" SPAN_FMT "\"", SPAN_ARG(text));
	else
		m->prepended = arena_printf_span(m->arena, SPAN_FMT SPAN_FMT "\r\n", SPAN_ARG(m->prepended),
		                                 SPAN_ARG(text));
	note(c, "prepend", subject, text);
	return RULE_DUNNO;
}

/* The rest of the line names restrictions. */
static enum rule_result run_rules(struct access_case *c, const struct subject *subject, struct span text)
{
	struct span rest = text, word;
	enum rule_result result = RULE_DUNNO;

	if (c->depth >= DEPTH_MAX)
		return refuse(c, subject, 451, "4.3.5", span_lit("Server configuration error"));
	c->depth++;
	while (result == RULE_DUNNO && conf_list_next(&rest, &word)) {
		struct smtpd_rule rule = { .row = rule_row_find(word) };

		if (rule.row == NULL || rule.row->judge == NULL || rule.row->argument != RULE_ALONE) {
			log_warning("unknown action in access table: \"" SPAN_FMT "\"", SPAN_ARG(word));
			result = refuse(c, subject, 451, "4.3.5", span_lit("Server configuration error"));
		} else {
			result = rule.row->judge(c, &rule);
		}
	}
	c->depth--;
	return result;
}

/* "4NN text" and "5NN text"; all other digits are OK. */
static enum rule_result numeric(struct access_case *c, const struct subject *subject, struct span word,
                                struct span text)
{
	unsigned long long code;

	if (word.len == 3 && (word.ptr[0] == '4' || word.ptr[0] == '5') && span_u64(word, 599, &code))
		return refuse(c, subject, (long long)code, "5.7.1", text);
	return RULE_PERMIT;
}

static enum rule_result act(struct access_case *c, const struct subject *subject, struct span value)
{
	const struct conf *conf = c->s->conf;
	struct span text = span_trim(value), word, whole = text;

	if (!span_token(&text, " \t", &word))
		return RULE_DUNNO;
	text = span_trim(text);
	if (span_all(word, ascii_is_digit))
		return numeric(c, subject, word, text);
	if (span_equal_ci(word, span_lit("OK")) || span_equal_ci(word, span_lit("RELAY")))
		return RULE_PERMIT;
	if (span_equal_ci(word, span_lit("DUNNO")))
		return RULE_DUNNO;
	if (span_equal_ci(word, span_lit("REJECT")))
		return refuse(c, subject, conf->access_map_reject_code, "5.7.1", text);
	if (span_equal_ci(word, span_lit("DEFER")))
		return refuse(c, subject, conf->access_map_defer_code, "4.7.1", text);
	if (span_equal_ci(word, span_lit("DEFER_IF_PERMIT")))
		return access_defer_if_permit(c, "4.7.1", "<" SPAN_FMT ">: %s rejected: " SPAN_FMT,
		                              SPAN_ARG(subject->text), subject->class,
		                              SPAN_ARG(text.len > 0 ? text : span_lit("Access denied")));
	if (span_equal_ci(word, span_lit("HOLD")))
		return hold(c, subject, text);
	if (span_equal_ci(word, span_lit("DISCARD")))
		return discard(c, subject, text);
	if (span_equal_ci(word, span_lit("PREPEND")))
		return prepend(c, subject, text);
	if (span_equal_ci(word, span_lit("WARN")) || span_equal_ci(word, span_lit("INFO"))) {
		note(c, span_equal_ci(word, span_lit("WARN")) ? "warn" : "info", subject, text);
		return RULE_DUNNO;
	}
	return run_rules(c, subject, whole);
}

static enum rule_result decide(struct access_case *c, const struct look *l, enum table_status status,
                               const struct subject *subject)
{
	switch (status) {
	case TABLE_NOT_FOUND:
		return RULE_DUNNO;
	case TABLE_FOUND:
		return act(c, subject, l->value);
	case TABLE_FAILED:
		break;
	}
	return access_refuse(c, 451, "4.3.5", "<" SPAN_FMT ">: %s rejected: Server configuration error",
	                     SPAN_ARG(subject->text), subject->class);
}

static struct look look_with(const struct access_case *c, const struct smtpd_rule *rule)
{
	return (struct look){ .tables = rule->tables, .arena = c->s->per_command };
}

enum rule_result rule_check_client_access(struct access_case *c, const struct smtpd_rule *rule)
{
	struct look l = look_with(c, rule);
	struct subject subject = { c->s->peer.label, "Client host" };

	return decide(c, &l, find_host(&l, c->s->peer.name, c->s->peer.text), &subject);
}

enum rule_result rule_check_reverse_client_access(struct access_case *c, const struct smtpd_rule *rule)
{
	struct look l = look_with(c, rule);
	struct subject subject = { c->s->peer.reverse_name, "Unverified Client host" };

	return decide(c, &l, find_host(&l, c->s->peer.reverse_name, span_lit("")), &subject);
}

enum rule_result rule_check_helo_access(struct access_case *c, const struct smtpd_rule *rule)
{
	struct look l = look_with(c, rule);
	struct subject subject = { c->s->helo, "Helo command" };

	return decide(c, &l, find_host(&l, c->s->helo, span_lit("")), &subject);
}

enum rule_result rule_check_sender_access(struct access_case *c, const struct smtpd_rule *rule)
{
	struct look l = look_with(c, rule);
	struct subject subject = { c->s->mail->sender_given, "Sender address" };

	return decide(c, &l, find_mailbox(&l, c->s->conf, c->s->mail->sender), &subject);
}

enum rule_result rule_check_recipient_access(struct access_case *c, const struct smtpd_rule *rule)
{
	struct look l = look_with(c, rule);
	struct subject subject = { c->recipient, "Recipient address" };

	if (c->recipient.len == 0)
		return RULE_DUNNO;
	return decide(c, &l, find_mailbox(&l, c->s->conf, c->recipient), &subject);
}

enum rule_result rule_check_sasl_access(struct access_case *c, const struct smtpd_rule *rule)
{
	struct look l = look_with(c, rule);
	struct subject subject = { c->s->sasl_username, "SASL login name" };
	enum table_status status = TABLE_NOT_FOUND;

	ask(&l, c->s->sasl_username, TABLE_WHOLE_KEY, &status);
	return decide(c, &l, status, &subject);
}
