/* SPDX-License-Identifier: ISC */
/* smtpd_verbs.c - the verb table and the short verbs
 *
 * The row decides who may say a verb when (503), whether it may be followed at once by more (RFC 2920
 * 3.1), whether it counts as junk, and what statistics are kept; no handler checks these again. */
#include <stdio.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/smtp/address.h"
#include "lib/smtp/reply.h"
#include "lib/task/task.h"
#include "smtpd/smtpd.h"

enum verb_flags {
	TURN    = 1,	/* the last of a pipelined group: the client must wait for our answer */
	PRE_TLS = 2,	/* allowed where TLS is required and not yet on */
	JUNK    = 4,	/* does not bring mail on: bounded by smtpd_junk_command_limit */
	GUARDED = 8,	/* not in a session that milters refused */
};

struct smtpd_verb {
	struct span name;
	const char *counter;	/* in the disconnect line */
	enum smtpd_next (*obey)(struct smtpd *s, struct span args);
	unsigned    states;	/* enum smtpd_state, those in which it is in order */
	unsigned    flags;
	const char *dialogue;	/* tests/smtpd/NAME.talk */
	const char *source;
};

/* ---- HELO, EHLO ---- */

/* A name that cannot stand in a log line or a header is no name (RFC 5321 4.1.1.1). */
static bool is_clean_name(struct span name)
{
	for (size_t i = 0; i < name.len; i++)
		if ((unsigned char)name.ptr[i] <= ' ' || name.ptr[i] == 0x7f)
			return false;
	return name.len > 0 && name.len <= SMTP_DOMAIN_MAX * 2;
}

/* What HELO and EHLO share; false: the reply was sent. */
static bool greet(struct smtpd *s, struct span args, const char *verb)
{
	struct span name;

	if (!span_token(&args, " ", &name)) {
		smtpd_reply(s, 501, "", "Syntax: %s hostname", verb);
		return false;
	}
	if (!is_clean_name(name)) {
		smtpd_reply(s, 501, "", "Syntax: %s hostname (invalid name)", verb);
		return false;
	}
	smtpd_reset(s);
	s->helo = arena_dup(s->arena, name);
	s->is_esmtp = false;
	s->state = SMTPD_GREETED;
	if (smtpd_access_helo(s) && smtpd_milter_helo(s))
		return true;
	s->helo = span_lit("");
	s->state = SMTPD_CONNECTED;
	return false;
}

static enum smtpd_next helo(struct smtpd *s, struct span args)
{
	if (greet(s, args, "HELO"))
		smtpd_reply(s, 250, "", "%s", s->conf->myhostname);
	return GO_ON;
}

static enum smtpd_next ehlo(struct smtpd *s, struct span args)
{
	struct span pending = span_of(s->conf->myhostname);	/* sent once it is known to be last or not */
	const struct smtpd_extension *e;
	struct buf line;

	if (!greet(s, args, "EHLO"))
		return GO_ON;
	s->is_esmtp = true;
	buf_init(&line, SMTP_REPLY_LINE_MAX);
	for (size_t i = 0; (e = smtpd_extension(i)) != NULL; i++) {
		buf_clear(&line);
		if (!smtpd_offers(s, e, &line))
			continue;
		smtpd_reply_line(s, 250, false, pending);
		pending = arena_dup(s->per_command, buf_span(&line));
	}
	smtpd_reply_line(s, 250, true, pending);
	buf_free(&line);
	return GO_ON;
}

/* ---- the rest of the short ones ---- */

static enum smtpd_next rset(struct smtpd *s, struct span args)
{
	if (span_trim(args).len > 0) {
		smtpd_reply(s, 501, "5.5.4", "Syntax: RSET");
		return GO_ON;
	}
	smtpd_reset(s);
	smtpd_reply(s, 250, "2.0.0", "Ok");
	return GO_ON;
}

static enum smtpd_next noop(struct smtpd *s, UNUSED struct span args)
{
	smtpd_reply(s, 250, "2.0.0", "Ok");
	return GO_ON;
}

static enum smtpd_next quit(struct smtpd *s, UNUSED struct span args)
{
	s->is_finished = true;
	smtpd_reply(s, 221, "2.0.0", "Bye");
	return HANG_UP;
}

static enum smtpd_next help(struct smtpd *s, UNUSED struct span args)
{
	smtpd_reply(s, 214, "2.0.0", "See RFC 5321 and https://www.rfc-editor.org/");
	return GO_ON;
}

static enum smtpd_next refused(struct smtpd *s, UNUSED struct span args)
{
	smtpd_reply(s, 502, "5.5.1", "Error: command not implemented");
	return GO_ON;
}

static const struct smtpd_verb verbs[] = {
	{ SPAN("HELO"), "helo", helo, SMTPD_ANY, TURN | PRE_TLS | JUNK, "helo", "RFC 5321 4.1.1.1" },
	{ SPAN("EHLO"), "ehlo", ehlo, SMTPD_ANY, TURN | PRE_TLS | JUNK, "helo", "RFC 5321 4.1.1.1" },
	{ SPAN("STARTTLS"), "starttls", smtpd_starttls, SMTPD_CONNECTED | SMTPD_GREETED,
	  TURN | PRE_TLS | GUARDED, "starttls", "RFC 3207 4" },
	{ SPAN("AUTH"), "auth", smtpd_auth, SMTPD_GREETED, TURN | GUARDED, "auth", "RFC 4954 4" },
	{ SPAN("MAIL"), "mail", smtpd_mail, SMTPD_CONNECTED | SMTPD_GREETED, 0, "mail",
	  "RFC 5321 4.1.1.2" },
	{ SPAN("RCPT"), "rcpt", smtpd_rcpt, SMTPD_MAILING | SMTPD_ADDRESSED, 0, "rcpt",
	  "RFC 5321 4.1.1.3" },
	{ SPAN("DATA"), "data", smtpd_data, SMTPD_ADDRESSED, TURN, "data", "RFC 5321 4.1.1.4" },
	/* Its chunk must be read in every state, so BDAT looks at the state itself. */
	{ SPAN("BDAT"), "bdat", smtpd_bdat, SMTPD_ANY, 0, "bdat", "RFC 3030 2" },
	{ SPAN("RSET"), "rset", rset, SMTPD_ANY, JUNK, "rset", "RFC 5321 4.1.1.5" },
	{ SPAN("NOOP"), "noop", noop, SMTPD_ANY, PRE_TLS | JUNK, "noop", "RFC 5321 4.1.1.9" },
	{ SPAN("VRFY"), "vrfy", smtpd_vrfy, SMTPD_ANY, TURN | JUNK | GUARDED, "vrfy", "RFC 5321 4.1.1.6" },
	{ SPAN("ETRN"), "etrn", refused, SMTPD_ANY, JUNK, "vrfy", "RFC 1985 5" },
	{ SPAN("EXPN"), "expn", refused, SMTPD_ANY, JUNK, "vrfy", "RFC 5321 4.1.1.7" },
	{ SPAN("QUIT"), "quit", quit, SMTPD_ANY, PRE_TLS, "helo", "RFC 5321 4.1.1.10" },
	{ SPAN("HELP"), "help", help, SMTPD_ANY, PRE_TLS | JUNK, "helo", "RFC 5321 4.1.1.8" },
	{ { NULL, 0 }, "unknown", NULL, 0, 0, NULL, NULL },	/* counts all others */
};

const char *smtpd_verb_dialogue(size_t number, struct span *verb)
{
	if (number >= COUNT_OF(verbs))
		return NULL;
	*verb = verbs[number].name;
	return verbs[number].dialogue;	/* the last row has none */
}

enum { VERB_UNKNOWN = COUNT_OF(verbs) - 1 };
_Static_assert(COUNT_OF(verbs) <= SMTPD_VERBS_MAX, "raise SMTPD_VERBS_MAX");

static size_t find_verb(struct span word)
{
	for (size_t i = 0; i < VERB_UNKNOWN; i++)
		if (span_equal_ci(word, verbs[i].name))
			return i;
	return VERB_UNKNOWN;
}

/* ---- what is looked at before a verb runs ---- */

/* Words that no SMTP client says: HTTP requests and the like, sent here to abuse us (smtpd_forbidden_commands).
 * Of table patterns the default one is known: a command that does not begin with a letter. */
static bool is_forbidden(struct smtpd *s, struct span word)
{
	struct span rest = span_of(s->conf->smtpd_forbidden_commands), name;

	while (conf_list_next(&rest, &name)) {
		if (span_starts_ci(name, span_lit("regexp:"))) {
			if (word.len > 0 && !ascii_is_alpha(word.ptr[0]))
				return true;
		} else if (span_equal_ci(word, name)) {
			return true;
		}
	}
	return false;
}

static bool is_listed(const char *list, struct span word)
{
	struct span rest = span_of(list), name;

	while (conf_list_next(&rest, &name))
		if (span_equal_ci(word, name))
			return true;
	return false;
}

/* A verb whose answer must be waited for, with more behind it (RFC 2920 3.1; any verb of a client that did not
 * say EHLO). */
static enum smtpd_next judge_pipelining(struct smtpd *s, const struct smtpd_verb *verb)
{
	if (s->noted_pipelining || s->peer.is_local_user || !chat_has_input(&s->chat))
		return GO_ON;
	/* STARTTLS throws the input away and answers for itself (RFC 3207 4.2). */
	if (verb->obey == smtpd_starttls || ((verb->flags & TURN) == 0 && s->is_esmtp))
		return GO_ON;
	s->noted_pipelining = true;
	log_note("improper command pipelining after " SPAN_FMT " from " SPAN_FMT ": " SPAN_FMT,
	         SPAN_ARG(verb->name), SPAN_ARG(s->peer.label),
	         SPAN_ARG(span_first(span_skip(buf_span(&s->chat.in), s->chat.consumed), 100)));
	if (!s->conf->smtpd_forbid_unauth_pipelining)
		return GO_ON;
	s->is_finished = true;
	smtpd_reply(s, 554, "5.5.0", "Error: SMTP protocol synchronization");
	return HANG_UP;
}

/* 503 for a verb out of order: says what is missing. */
static void out_of_order(struct smtpd *s, const struct smtpd_verb *verb)
{
	bool in_mail = (s->state & (SMTPD_MAILING | SMTPD_ADDRESSED)) != 0;

	if (s->state == SMTPD_CHUNKING)
		smtpd_reply(s, 503, "5.5.1", "Error: " SPAN_FMT " inside a BDAT message",
		            SPAN_ARG(verb->name));
	else if (in_mail && verb->obey == smtpd_data)
		smtpd_reply(s, 503, "5.5.1", "Error: need RCPT command");
	else if (in_mail && verb->obey == smtpd_mail)
		smtpd_reply(s, 503, "5.5.1", "Error: nested MAIL command");
	else if (in_mail)
		smtpd_reply(s, 503, "5.5.1", "Error: MAIL transaction in progress");
	else if (verb->obey == smtpd_rcpt || verb->obey == smtpd_data)
		smtpd_reply(s, 503, "5.5.1", "Error: need MAIL command");
	else
		smtpd_reply(s, 503, "5.5.1", "Error: send HELO/EHLO first");
}

/* True when the verb may run; else the reply was sent. */
static bool may_obey(struct smtpd *s, const struct smtpd_verb *verb)
{
	bool is_mail = verb->obey == smtpd_mail;

	if (s->server->tls_level == TLS_ENCRYPT && !s->has_tls && (verb->flags & PRE_TLS) == 0) {
		smtpd_reply(s, 530, "5.7.0", "Must issue a STARTTLS command first");
		return false;
	}
	if ((s->state & verb->states) == 0 ||
	    (is_mail && s->state == SMTPD_CONNECTED && s->conf->smtpd_helo_required)) {
		out_of_order(s, verb);
		return false;
	}
	return (verb->flags & GUARDED) == 0 || smtpd_milter_permits(s, verb->obey == smtpd_auth);
}

static enum smtpd_next unknown(struct smtpd *s, struct span line, struct span word)
{
	if (is_forbidden(s, word)) {
		s->is_finished = true;
		log_warning("non-SMTP command from " SPAN_FMT ": " SPAN_FMT, SPAN_ARG(s->peer.label),
		            SPAN_ARG(span_first(line, 100)));
		smtpd_reply(s, 221, "2.7.0", "Error: I can break rules, too. Goodbye.");
		return HANG_UP;
	}
	if (is_listed(s->conf->smtpd_noop_commands, word))
		smtpd_reply(s, 250, "2.0.0", "Ok");
	else if (!smtpd_milter_unknown(s, line))
		return GO_ON;
	else if (word.len == 0)
		smtpd_reply(s, 500, "5.5.2", "Error: bad syntax");
	else
		smtpd_reply(s, 502, "5.5.2", "Error: command not recognized");
	return GO_ON;
}

/* A well-behaved client that only says NOOP and RSET uses up the junk allowance of a mail. */
static void count_junk(struct smtpd *s, const struct smtpd_verb *verb)
{
	if ((verb->flags & JUNK) == 0)
		return;
	if (++s->junk > (unsigned)s->conf->smtpd_junk_command_limit &&
	    s->conf->smtpd_junk_command_limit > 0)
		s->errors++;
}

enum smtpd_next smtpd_obey(struct smtpd *s, struct span line)
{
	struct span args = line, word;
	enum smtpd_next next = GO_ON;
	const struct smtpd_verb *verb;
	struct smtpd_count *count;

	span_cut(&args, ' ', &word);
	verb = &verbs[find_verb(word)];
	count = &s->counts[verb - verbs];
	count->total++;
	s->reply_code = 0;
	s->where = verb->name.len > 0 ? verb->name.ptr : "UNKNOWN";
	if (verb->obey == NULL) {
		next = unknown(s, line, word);
	} else if (line.len > (size_t)s->conf->smtpd_line_length_limit && verb->obey != smtpd_auth) {
		smtpd_reply(s, 500, "5.5.2", "Error: line too long");
	} else if (may_obey(s, verb)) {
		count_junk(s, verb);
		next = judge_pipelining(s, verb);
		if (next == GO_ON)
			next = verb->obey(s, args);
	}
	count->ok += s->reply_code < 400;
	return next;
}

struct span smtpd_counts_text(struct smtpd *s, struct arena *arena)
{
	struct smtpd_count all = { 0, 0 };
	char *text = arena_printf(arena, "%s", "");

	for (size_t i = 0; i < COUNT_OF(verbs); i++) {
		const struct smtpd_count *c = &s->counts[i];

		all.ok += c->ok;
		all.total += c->total;
		if (c->total > 0 && c->ok == c->total)
			text = arena_printf(arena, "%s %s=%u", text, verbs[i].counter, c->ok);
		else if (c->total > 0)
			text = arena_printf(arena, "%s %s=%u/%u", text, verbs[i].counter, c->ok, c->total);
	}
	if (all.ok == all.total)
		return arena_printf_span(arena, "%s commands=%u", text, all.ok);
	return arena_printf_span(arena, "%s commands=%u/%u", text, all.ok, all.total);
}
