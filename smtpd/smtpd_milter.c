/* SPDX-License-Identifier: ISC */
/* smtpd_milter.c - what happens in a session, reported to its milters, and their answers turned into replies
 *
 * With smtpd_delay_reject (the default) milters hear of a client at its first MAIL, so who only connects costs them
 * nothing; a refusal of the client or its HELO is then the answer to MAIL.  A client that goes idle lets them go
 * again.  RCPT and DATA are reported when our own rules have nothing against them. */
#include <stdio.h>

#include "lib/base/log.h"
#include "lib/table/table.h"
#include "smtpd/smtpd.h"

/* ---- which milters ---- */

static const struct milter_list *read_list(struct smtpd_server *server, const char *parameter, const char *value)
{
	const char *error = NULL;
	const struct milter_list *list = milter_list_new(server->arena, server->conf, span_of(value), &error);

	if (list == NULL)
		log_fatal("%s: %s", parameter, error);
	return list;
}

static bool is_overridden(const struct conf *conf)
{
	struct span rest = span_of(conf->receive_override_options), option;

	while (conf_list_next(&rest, &option))
		if (span_equal(option, span_lit("no_milters")))
			return true;
	return false;
}

static int connect_for_pool(void *user, const char *endpoint, uint64_t deadline_us)
{
	const struct smtpd_server *server = user;

	return server->backend.connect(server->backend.user, endpoint, deadline_us);
}

void smtpd_milter_load(struct smtpd_server *server)
{
	const struct conf *conf = server->conf;
	struct arena *arena = server->arena;
	const char *all = arena_printf(arena, "%s %s", conf->smtpd_milters, conf->non_smtpd_milters);
	bool uses_maps = !server->is_local && conf->smtpd_milter_maps[0] != '\0' && !is_overridden(conf);

	server->known_milters = read_list(server, "smtpd_milters, non_smtpd_milters", all);
	if (is_overridden(conf))
		server->milters = read_list(server, "receive_override_options", "");
	else if (server->is_local)
		server->milters = read_list(server, "non_smtpd_milters", conf->non_smtpd_milters);
	else
		server->milters = read_list(server, "smtpd_milters", conf->smtpd_milters);
	if (uses_maps)
		server->milter_maps = table_list_open(arena, "smtpd_milter_maps", conf->smtpd_milter_maps, "hash");
	if (strcmp(conf->milter_quarantine_action, "junk") == 0)
		server->quarantine = QUARANTINE_JUNK;
	else if (strcmp(conf->milter_quarantine_action, "hold") != 0)
		log_fatal("milter_quarantine_action: unknown value \"%s\"", conf->milter_quarantine_action);
	milter_pool_init(&server->milter_pool, connect_for_pool, server,
	                 conf->milter_connection_reuse ? (size_t)conf->milter_connection_limit : 0,
	                 conf->milter_connection_idle_time);
}

/* A list that cannot be honoured: its default action must happen, not nothing. */
static struct milter_list *barred_list(struct smtpd *s)
{
	const char *error = NULL;
	struct milter_list *list = milter_list_new(s->arena, s->conf, span_lit("unix:smtpd_milter_maps"), &error);

	if (list != NULL)
		list->milters[0].is_barred = true;
	return list;
}

static struct milter_list *list_of_value(struct smtpd *s, struct span value)
{
	const char *error = NULL;
	struct milter_list *list = milter_list_new(s->arena, s->conf, arena_dup(s->arena, value), &error);

	if (list == NULL) {
		log_warning("smtpd_milter_maps: " SPAN_FMT ": %s", SPAN_ARG(s->peer.text), error);
		return barred_list(s);
	}
	for (size_t i = 0; i < list->count; i++) {
		list->milters[i].is_barred = !milter_list_has(s->server->known_milters, list->milters[i].name);
		if (list->milters[i].is_barred)
			log_warning("smtpd_milter_maps: " SPAN_FMT ": %s is named neither by smtpd_milters nor by "
			            "non_smtpd_milters", SPAN_ARG(s->peer.text), list->milters[i].name);
	}
	return list;
}

static const struct milter_list *choose(struct smtpd *s)
{
	const struct smtpd_server *server = s->server;
	struct span value;

	if (server->milter_maps == NULL)
		return server->milters;
	switch (table_list_find(server->milter_maps, s->peer.text, TABLE_WHOLE_KEY, s->per_command, &value)) {
	case TABLE_NOT_FOUND:
		return server->milters;
	case TABLE_FAILED:
		return barred_list(s);
	case TABLE_FOUND:
		break;
	}
	return span_equal_ci(span_trim(value), span_lit("DISABLE")) ? NULL : list_of_value(s, value);
}

/* ---- answers ---- */

static void log_refusal(struct smtpd *s, const char *stage, struct span to, const struct milter_refusal *refusal)
{
	struct span line = refusal->lines[0];
	char text[WHY_TEXT_MAX];

	/* cleanup does not know the code (postfix-compat 10). */
	if (strcmp(stage, "END-OF-MESSAGE") == 0)
		snprintf(text, sizeof(text), SPAN_FMT, SPAN_ARG(line));
	else
		snprintf(text, sizeof(text), "%u " SPAN_FMT, refusal->code, SPAN_ARG(line));
	smtpd_log_event(s, "milter-reject", stage, to, text);
}

static void quarantine(struct smtpd *s, const char *stage, struct span to, struct span reason)
{
	struct smtpd_mail *m = s->mail;
	bool is_hold = s->server->quarantine == QUARANTINE_HOLD;
	char text[WHY_TEXT_MAX];

	if (m == NULL || m->is_quarantined)
		return;
	m->is_quarantined = true;
	if (is_hold)
		m->is_held = true;
	else
		m->flags |= ENVELOPE_JUNK;
	snprintf(text, sizeof(text), "%s%s" SPAN_FMT, is_hold ? "milter triggers HOLD action" : "milter triggers JUNK action",
	         reason.len > 0 ? ": " : "", SPAN_ARG(span_first(reason, 200)));
	smtpd_log_event(s, is_hold ? "milter-hold" : "milter-quarantine", stage, to, text);
}

bool smtpd_milter_answer(struct smtpd *s, const char *stage, struct span to, const struct milter_answer *answer)
{
	if (answer->is_quarantined && answer->verdict != MILTER_REFUSE)
		quarantine(s, stage, to, answer->reason);
	switch (answer->verdict) {
	case MILTER_PASS:
		return true;
	case MILTER_DROP:
		if (s->mail != NULL)
			s->mail->is_discarded = true;
		smtpd_log_event(s, "milter-discard", stage, to, "milter triggers DISCARD action");
		return true;
	case MILTER_REFUSE:
		break;
	}
	log_refusal(s, stage, to, &answer->refusal);
	smtpd_reply_lines(s, answer->refusal.code, answer->refusal.lines, answer->refusal.count);
	s->hangs_up = s->hangs_up || answer->hang_up;
	return false;
}

/* ---- the client ---- */

struct milters *smtpd_milters(struct smtpd *s)
{
	return s->mail != NULL && s->mail->is_discarded ? NULL : s->filters.milters;
}

/* The session's milters are told of the client; false: 'answer' is not a pass. */
static bool tell_of_client(struct smtpd *s, struct milter_answer *answer)
{
	const struct smtpd_peer *p = &s->peer;
	struct milter_client client = {
		.name = p->name, .address = p->text,
		.family = p->is_local_user ? AF_INET : p->address.storage.ss_family,
		.port = p->is_local_user ? 0 : net_address_port(&p->address),
	};
	struct smtpd_filters *f = &s->filters;

	f->is_connected = true;
	if (!f->is_chosen)
		f->list = choose(s);
	f->is_chosen = true;
	if (f->list == NULL || f->list->count == 0)
		return true;
	f->milters = milters_new(s->arena, f->list, &s->server->milter_pool, smtpd_milter_macro, s);
	milters_connect(f->milters, &client, answer);
	return answer->verdict == MILTER_PASS;
}

static bool tell_of_helo(struct smtpd *s, struct milter_answer *answer)
{
	s->filters.knows_helo = true;
	if (s->helo.len == 0)
		return true;
	milters_helo(s->filters.milters, s->helo, answer);
	return answer->verdict == MILTER_PASS;
}

/* What they do not know yet of client and HELO; false: the reply was sent. */
static bool catch_up(struct smtpd *s)
{
	struct milter_answer answer = { .verdict = MILTER_PASS };

	if (!s->filters.is_connected && !tell_of_client(s, &answer))
		return smtpd_milter_answer(s, "CONNECT", span_lit(""), &answer);
	if (s->filters.milters != NULL && !s->filters.knows_helo && !tell_of_helo(s, &answer))
		return smtpd_milter_answer(s, s->is_esmtp ? "EHLO" : "HELO", span_lit(""), &answer);
	return true;
}

bool smtpd_milter_connect(struct smtpd *s)
{
	struct milter_answer answer = { .verdict = MILTER_PASS };

	if (s->conf->smtpd_delay_reject || tell_of_client(s, &answer))
		return true;
	log_refusal(s, "CONNECT", span_lit(""), &answer.refusal);
	if (answer.refusal.code >= 500)
		smtpd_reply(s, 554, "", "%s ESMTP not accepting connections", s->conf->myhostname);
	else if (answer.hang_up)
		smtpd_reply(s, 421, "", "%s Service unavailable - try again later", s->conf->myhostname);
	else
		return true;	/* its MAIL will be refused */
	return false;
}

/* A refusal is told at MAIL, as Sendmail does; only who wants the connection closed gets that at once. */
bool smtpd_milter_helo(struct smtpd *s)
{
	struct milter_answer answer = { .verdict = MILTER_PASS };

	s->filters.knows_helo = false;
	if (s->conf->smtpd_delay_reject || s->filters.milters == NULL || tell_of_helo(s, &answer))
		return true;
	if (answer.hang_up)
		return smtpd_milter_answer(s, s->where, span_lit(""), &answer);
	log_refusal(s, s->where, span_lit(""), &answer.refusal);
	return true;
}

bool smtpd_milter_permits(struct smtpd *s, bool is_auth)
{
	struct milter_answer answer;

	if (s->filters.milters == NULL)
		return true;
	milters_standing(s->filters.milters, &answer);
	if (answer.verdict != MILTER_REFUSE)
		return true;
	if (is_auth && answer.refusal.code < 500)
		smtpd_reply(s, 454, "4.3.0", "Try again later");	/* what clients of AUTH understand */
	else
		smtpd_reply_lines(s, answer.refusal.code, answer.refusal.lines, answer.refusal.count);
	s->hangs_up = s->hangs_up || answer.hang_up;
	return false;
}

bool smtpd_milter_unknown(struct smtpd *s, struct span line)
{
	struct milter_answer answer;

	if (smtpd_milters(s) == NULL)
		return true;
	milters_unknown(s->filters.milters, line, &answer);
	if (answer.verdict == MILTER_DROP)
		return true;
	return smtpd_milter_answer(s, "UNKNOWN", span_lit(""), &answer);
}

void smtpd_milter_abort(struct smtpd *s)
{
	if (s->filters.milters != NULL)
		milters_abort(s->filters.milters);
}

void smtpd_milter_end(struct smtpd *s)
{
	if (s->filters.milters != NULL)
		milters_end(s->filters.milters);
	s->filters.milters = NULL;
	s->filters.is_connected = s->filters.knows_helo = false;
}

void smtpd_milter_rest(struct smtpd *s)
{
	struct milter_answer answer;

	if (!s->conf->smtpd_delay_reject || s->mail != NULL || s->filters.milters == NULL)
		return;
	/* A session that they refused stays refused. */
	milters_standing(s->filters.milters, &answer);
	if (answer.verdict == MILTER_PASS)
		smtpd_milter_end(s);
}

/* ---- the envelope ---- */

enum { WORDS_MAX = 64 };

/* The path with its <>, then the parameters, as the client wrote them. */
static size_t cut_words(struct smtpd *s, struct span args, struct span words[WORDS_MAX])
{
	size_t count = 1, end = 0;
	bool is_quoted = false, in_path = false;

	/* The path ends at a blank that is neither in quotes nor within <>. */
	for (; end < args.len && (is_quoted || in_path || args.ptr[end] != ' '); end++) {
		char c = args.ptr[end];

		if (c == '\\')
			end++;
		else if (c == '"')
			is_quoted = !is_quoted;
		else if (!is_quoted && (c == '<' || c == '>'))
			in_path = c == '<';
	}
	words[0] = span_first(args, end);
	if (!span_starts(words[0], span_lit("<")))
		words[0] = arena_printf_span(s->per_command, "<" SPAN_FMT ">", SPAN_ARG(words[0]));
	args = span_skip(args, end);
	while (count < WORDS_MAX && span_token(&args, " ", &words[count]))
		count++;
	return count;
}

bool smtpd_milter_mail(struct smtpd *s, struct span args)
{
	struct span words[WORDS_MAX];
	struct milter_answer answer;

	if (!catch_up(s))
		return false;
	if (smtpd_milters(s) == NULL)
		return true;
	milters_mail(s->filters.milters, words, cut_words(s, args, words), &answer);
	return smtpd_milter_answer(s, "MAIL", span_lit(""), &answer);
}

bool smtpd_milter_rcpt(struct smtpd *s, struct span args, const struct envelope_recipient *r,
                       const struct resolve_reply *route)
{
	struct span words[WORDS_MAX];
	struct milter_answer answer;

	if (smtpd_milters(s) == NULL)
		return true;
	s->filters.recipient = r;
	s->filters.route = route;
	milters_rcpt(s->filters.milters, words, cut_words(s, args, words), false, &answer);
	s->filters.recipient = NULL;
	return smtpd_milter_answer(s, "RCPT", r->original.len > 0 ? r->original : r->address, &answer);
}

void smtpd_milter_refused_rcpt(struct smtpd *s, struct span args, struct span recipient)
{
	struct envelope_recipient r = { .address = recipient };
	struct span words[WORDS_MAX];
	struct milter_answer ignored;

	if (smtpd_milters(s) == NULL)
		return;
	s->filters.recipient = &r;
	s->filters.route = NULL;
	milters_rcpt(s->filters.milters, words, cut_words(s, args, words), true, &ignored);
	s->filters.recipient = NULL;
}

bool smtpd_milter_data(struct smtpd *s)
{
	struct milter_answer answer;

	if (smtpd_milters(s) == NULL)
		return true;
	milters_data(s->filters.milters, &answer);
	return smtpd_milter_answer(s, "DATA", span_lit(""), &answer);
}
