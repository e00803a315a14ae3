/* SPDX-License-Identifier: ISC */
/* milters_test.c - sessions with scripted milters: what they are told, what their answers do, and what a bad one costs */
#include <errno.h>
#include <sys/socket.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/conf/test_conf.h"
#include "lib/milter/fake_milter.h"
#include "lib/milter/milters.h"
#include "lib/task/task.h"

#define OURS "Received: ours\r\n"
#define HEADER "From: a@b.test\r\nSubject:  two blanks\r\n\tfolded\r\nTo:none\r\n"

/* What a test shares: one process with its pool, and the milters that were talked to. */
struct world {
	struct arena        *arena;
	const struct conf   *conf;
	struct fake_milters  fake;
	struct milter_pool   pool;
	void               (*play)(struct world *w);
	const char          *extra;	/* more of main.cf */
	size_t               most_idle;
};

/* One SMTP session and its message. */
struct session {
	struct world  *w;
	struct arena  *arena;
	struct milters *milters;
	struct milter_message message;
	struct milter_answer  answer;
	struct buf     body, new_body, done;	/* done: changes of the envelope */
	bool           fails_edits, has_login;
	const char    *stage;	/* where the first answer came that is not a pass */
};

/* ---- the message ---- */

static enum outcome read_body(void *user, uint64_t offset, char *out, size_t n, struct why *why)
{
	struct session *s = user;
	struct span piece = span_slice(buf_span(&s->body), offset, n);

	(void)why;
	assert_int_equal(piece.len, n);
	memcpy(out, piece.ptr, n);
	return DONE;
}

static enum outcome begin_body(void *user, struct why *why)
{
	struct session *s = user;

	buf_clear(&s->new_body);
	return s->fails_edits ? why_set(why, DEFER, "4.3.1", "disk full") : DONE;
}

static enum outcome add_body(void *user, struct span piece, struct why *why)
{
	(void)why;
	buf_add(&((struct session *)user)->new_body, piece);
	return DONE;
}

static enum outcome end_body(void *user, struct why *why)
{
	struct session *s = user;

	(void)why;
	buf_clear(&s->body);
	buf_add(&s->body, buf_span(&s->new_body));
	s->message.body_length = s->body.len;
	return DONE;
}

static enum outcome change_sender(void *user, struct span address, struct span args, struct why *why)
{
	struct session *s = user;

	(void)why;
	buf_addf(&s->done, "from " SPAN_FMT " " SPAN_FMT ";", SPAN_ARG(address), SPAN_ARG(args));
	return DONE;
}

static enum outcome add_recipient(void *user, struct span address, struct span args, struct why *why)
{
	struct session *s = user;

	(void)why;
	buf_addf(&s->done, "add " SPAN_FMT " " SPAN_FMT ";", SPAN_ARG(address), SPAN_ARG(args));
	return s->fails_edits ? why_set(why, REFUSE, "5.3.4", "too large") : DONE;
}

static enum outcome delete_recipient(void *user, struct span address, struct why *why)
{
	(void)why;
	buf_addf(&((struct session *)user)->done, "delete " SPAN_FMT ";", SPAN_ARG(address));
	return DONE;
}

static bool macro(void *user, struct span name, struct span *value)
{
	const struct session *s = user;

	if (span_equal(name, span_lit("i")))
		*value = span_lit("ID");
	else if (span_equal(name, span_lit("mail_addr")))
		*value = span_lit("a@b.test");
	else if (span_equal(name, span_lit("auth_authen")) && s->has_login)
		*value = span_lit("user");
	else
		return false;
	return true;
}

/* ---- a session ---- */

static struct session *session_new(struct world *w, const char *milters)
{
	struct arena *arena = arena_new(w->arena);
	struct session *s = ARENA_NEW(arena, struct session);
	const char *error = NULL;
	struct milter_list *list = milter_list_new(arena, w->conf, span_of(milters), &error);

	if (list == NULL)
		fail_msg("%s: %s", milters, error);
	s->w = w;
	s->arena = arena;
	s->milters = milters_new(arena, list, &w->pool, macro, s);
	buf_init(&s->body, BUF_NO_LIMIT);
	buf_init(&s->new_body, BUF_NO_LIMIT);
	buf_init(&s->done, BUF_NO_LIMIT);
	buf_add_cstr(&s->body, "body\r\n");
	return s;
}

static void session_free(struct session *s)
{
	milters_end(s->milters);
	buf_free(&s->body);
	buf_free(&s->new_body);
	buf_free(&s->done);
}

/* True while all pass. */
static bool passed(struct session *s, const char *stage)
{
	if (s->answer.verdict == MILTER_PASS)
		return true;
	if (s->stage == NULL)
		s->stage = stage;
	return false;
}

static bool greet(struct session *s)
{
	static const struct milter_client client = { SPAN("c.test"), SPAN("192.0.2.1"), AF_INET, 1234 };

	milters_connect(s->milters, &client, &s->answer);
	if (!passed(s, "connect"))
		return false;
	milters_helo(s->milters, span_lit("helo.test"), &s->answer);
	return passed(s, "helo");
}

static bool envelope(struct session *s)
{
	static const struct span mail[] = { SPAN("<a@b.test>"), SPAN("SIZE=1") }, rcpt[] = { SPAN("<c@d.test>") };

	milters_mail(s->milters, mail, 2, &s->answer);
	if (!passed(s, "mail"))
		return false;
	milters_rcpt(s->milters, rcpt, 1, false, &s->answer);
	if (!passed(s, "rcpt"))
		return false;
	milters_data(s->milters, &s->answer);
	return passed(s, "data");
}

static bool content(struct session *s)
{
	struct buf header;

	s->message = (struct milter_message){
		.body_length = s->body.len, .user = s, .read_body = read_body,
		.begin_body = begin_body, .add_body = add_body, .end_body = end_body,
		.change_sender = change_sender, .add_recipient = add_recipient, .delete_recipient = delete_recipient,
	};
	milter_header_init(&s->message.header, span_lit(OURS HEADER), 1, 100000);
	milters_message(s->milters, &s->message, &s->answer);
	buf_init(&header, BUF_NO_LIMIT);
	milter_header_write(&s->message.header, &header);
	buf_addf(&s->done, "[" SPAN_FMT "]", SPAN_ARG(buf_span(&header)));
	buf_free(&header);
	milter_header_free(&s->message.header);
	return passed(s, "message");
}

static bool all_of_it(struct session *s)
{
	return greet(s) && envelope(s) && content(s);
}

/* ---- running ---- */

static void run(void *arg)
{
	struct world *w = arg;

	milter_pool_init(&w->pool, fake_milters_connect, &w->fake, w->most_idle, 60);
	w->play(w);
	milter_pool_close(&w->pool);
}

static void play_with(void (*play)(struct world *w), size_t most_idle, const char *extra)
{
	struct world w = { .arena = arena_new(NULL), .play = play, .most_idle = most_idle };

	w.conf = test_conf(w.arena, arena_printf(w.arena,
		"compatibility_level = 3.6\nmyhostname = mx.example.test\nmilter_connect_timeout = 1\n"
		"milter_command_timeout = 1\nmilter_content_timeout = 1\nmilter_default_action = tempfail\n%s", extra));
	fake_milters_init(&w.fake);
	task_main(run, &w);
	fake_milters_free(&w.fake);
	arena_free(w.arena);
}

static void assert_seen(struct world *w, const char *text)
{
	if (span_search(buf_span(&w->fake.seen), span_of(text)) == SPAN_NOT_FOUND)
		fail_msg("not seen: \"%s\" in:\n" SPAN_FMT, text, SPAN_ARG(buf_span(&w->fake.seen)));
}

static void assert_not_seen(struct world *w, const char *text)
{
	if (span_search(buf_span(&w->fake.seen), span_of(text)) != SPAN_NOT_FOUND)
		fail_msg("seen: \"%s\" in:\n" SPAN_FMT, text, SPAN_ARG(buf_span(&w->fake.seen)));
}

/* ---- what milters are told ---- */

static void each_step_is_told_once(struct world *w)
{
	static const char wanted[] =
		"Cc.test|4\004\322192.0.2.1|\n"
		"Hhelo.test|\n"
		"DMi|ID|{mail_addr}|a@b.test|\n" "M<a@b.test>|SIZE=1|\n"
		"DRi|ID|\n" "R<c@d.test>|\n"
		"DTi|ID|\n" "T\n"
		"DNi|ID|\n" "LFrom|a@b.test|\n" "LSubject| two blanks\n\tfolded|\n" "LTo|none|\n" "N\n"
		"Bbody\r\n\n"
		"DEi|ID|\n" "E\n"
		"Q\n";
	struct session *s = session_new(w, "unix:x");
	struct span seen;

	assert_true(all_of_it(s));
	session_free(s);
	task_sleep_us(1000);
	seen = buf_span(&w->fake.seen);
	assert_int_equal(seen.ptr[0], 'O');
	assert_span(span_skip(seen, 14), wanted);
}

static void steps_are_told(void **state)
{
	(void)state;
	play_with(each_step_is_told_once, 0, "");
}

static void unwanted_steps(struct world *w)
{
	/* Nothing but the end, and blanks as they are. */
	struct session *s = session_new(w, "unix:steps=10037f");

	assert_true(all_of_it(s));
	session_free(s);
	task_sleep_us(1000);
	assert_not_seen(w, "\nC");
	assert_not_seen(w, "\nL");
	assert_not_seen(w, "\nB");
	assert_seen(w, "DEi|ID|\nE\n");
}

static void unwanted_steps_are_left_out(void **state)
{
	(void)state;
	play_with(unwanted_steps, 0, "");
}

static void old_versions(struct world *w)
{
	struct session *s = session_new(w, "{unix:version=2, protocol=6} {unix:version=4, protocol=4}");

	assert_true(all_of_it(s));
	milters_unknown(s->milters, span_lit("WHAT now"), &s->answer);
	session_free(s);
	task_sleep_us(1000);
	/* DATA is not of version 2, unknown commands neither. */
	assert_int_equal(w->fake.connections, 2);
	assert_seen(w, "\nT\n");
	assert_seen(w, "UWHAT now|\n");
	assert_int_equal(span_search(span_skip(buf_span(&w->fake.seen),
	                                       span_search(buf_span(&w->fake.seen), span_lit("\nT\n")) + 2),
	                             span_lit("\nT\n")), SPAN_NOT_FOUND);
	w->fake.connections = 0;
	s = session_new(w, "{unix:version=6, protocol=4}");
	assert_false(greet(s));
	assert_int_equal(s->answer.refusal.code, 451);
	session_free(s);
}

static void unknown_in_a_message(struct world *w)
{
	/* libmilter would ignore the header after it: told to one that hears of DATA first only. */
	struct session *s = session_new(w, "{unix:version=3, protocol=3} unix:steps=200");

	assert_true(greet(s) && envelope(s));
	milters_unknown(s->milters, span_lit("WHAT now"), &s->answer);
	assert_true(content(s));
	assert_not_seen(w, "UWHAT");
	milters_unknown(s->milters, span_lit("WHAT then"), &s->answer);
	assert_seen(w, "UWHAT then|\nUWHAT then|\n");
	session_free(s);
}

static void unknown_commands_need_care(void **state)
{
	(void)state;
	play_with(unknown_in_a_message, 0, "");
}

static void versions_are_kept(void **state)
{
	(void)state;
	play_with(old_versions, 0, "");
}

static void blanks(struct world *w)
{
	struct session *s = session_new(w, "unix:steps=100000;E:i1.X-A|_v|;E:hX-B|w|");

	assert_true(all_of_it(s));
	assert_seen(w, "LSubject|  two blanks\n\tfolded|\n");
	assert_seen(w, "LTo|none|\n");
	assert_span(buf_span(&s->done), "[" OURS "X-A: v\r\n" HEADER "X-B:w\r\n]");
	session_free(s);
}

static void leading_blanks_are_the_milters_affair(void **state)
{
	(void)state;
	play_with(blanks, 0, "");
}

static void macros(struct world *w)
{
	struct session *s = session_new(w, "unix:macros=2.{mail_addr}+none;macros=5.{auth_results};E:i0.Authentication-Results|mx:_spf=pass~_fold|"
	                                   " unix:macros=1.what+{j} unix:macros=5.i");

	assert_true(all_of_it(s));
	assert_seen(w, "DM{mail_addr}|a@b.test|none|by|\n");
	assert_seen(w, "DHwhat|1|\n");
	/* The first had nothing to be told of itself; the second is told unasked; the third asked for another list. */
	assert_seen(w, "Bbody\r\n\n" "E\n");
	session_free(s);
}

static void macros_are_chosen(void **state)
{
	(void)state;
	play_with(macros, 0, "milter_macro_defaults = none = x, {none}=by, { {none} = by default } what=1\n");
}

static void passing_macros(struct world *w)
{
	/* Who has no login must not be taken for the last who had one, on a connection that is used again. */
	for (int i = 0; i < 3; i++) {
		struct session *s = session_new(w, "unix:macros=2.{auth_authen};macros=3.");

		s->has_login = i == 0;
		assert_true(all_of_it(s));
		session_free(s);
	}
	assert_int_equal(w->fake.connections, 1);
	assert_seen(w, "DM{auth_authen}|user|\nM<a@b.test>");
	assert_seen(w, "Hhelo.test|\nDM\nM<a@b.test>");
	assert_seen(w, "Hhelo.test|\nM<a@b.test>");
	assert_not_seen(w, "DR");
}

static void macros_that_are_no_more_are_taken_back(void **state)
{
	(void)state;
	play_with(passing_macros, 1, "");
}

static void results(struct world *w)
{
	struct session *s = session_new(w, "unix:E:i0.Authentication-Results|mx:_spf=pass~_fold| unix:1 unix:macros=5.i");

	assert_true(all_of_it(s));
	assert_seen(w, "DEi|ID|\nE\n");
	assert_seen(w, "DEi|ID|{auth_results}|mx: spf=pass fold|\nE\n");
	/* The later milters are shown the field as well. */
	assert_seen(w, "LAuthentication-Results|mx: spf=pass\n fold|\nLFrom|a@b.test|\n");
	session_free(s);
}

static void earlier_results_travel_as_a_macro(void **state)
{
	(void)state;
	play_with(results, 0, "");
}

/* ---- answers ---- */

struct verdict_row {
	const char *milters, *stage;
	unsigned    code;
	const char *line;
	bool        hang_up, is_quarantined;
	enum milter_verdict verdict;
};

static void verdicts(struct world *w)
{
	static const struct verdict_row rows[] = {
		{ "unix:C:r", "connect", 550, "5.7.1 Command rejected", false, false, MILTER_REFUSE },
		{ "unix:C:t", "connect", 451, "4.7.1 Service unavailable - try again later", false, false, MILTER_REFUSE },
		{ "unix:C:d", NULL, 0, NULL, false, false, MILTER_PASS },
		{ "unix:C:a;H:r;E:r", NULL, 0, NULL, false, false, MILTER_PASS },
		{ "unix:C:s", NULL, 0, NULL, false, false, MILTER_PASS },
		{ "unix:H:y554_5.7.1_bad_helo", "helo", 554, "5.7.1 bad helo", false, false, MILTER_REFUSE },
		{ "unix:H:4", "helo", 421, "4.7.0 Server closing connection", true, false, MILTER_REFUSE },
		{ "unix:H:f", "helo", 421, "4.7.0 Server closing connection", true, false, MILTER_REFUSE },
		{ "unix:M:r", "mail", 550, "5.7.1 Command rejected", false, false, MILTER_REFUSE },
		{ "unix:M:y421_4.7.0_bye|", "mail", 421, "4.7.0 bye", true, false, MILTER_REFUSE },
		{ "unix:M:a;R:r;E:r", NULL, 0, NULL, false, false, MILTER_PASS },
		{ "unix:M:d", "mail", 0, NULL, false, false, MILTER_DROP },
		{ "unix:R:t", "rcpt", 451, "4.7.1 Service unavailable - try again later", false, false, MILTER_REFUSE },
		{ "unix:R:p;R:p;R:r", "rcpt", 550, "5.7.1 Command rejected", false, false, MILTER_REFUSE },
		{ "unix:T:d", "data", 0, NULL, false, false, MILTER_DROP },
		{ "unix:L:r", "message", 550, "5.7.1 Command rejected", false, false, MILTER_REFUSE },
		{ "unix:L:a;E:r", NULL, 0, NULL, false, false, MILTER_PASS },
		{ "unix:L:s;B:s;E:c", NULL, 0, NULL, false, false, MILTER_PASS },
		{ "unix:N:y550-5.7.1_one~550_5.7.1_two|", "message", 550, "5.7.1 one", false, false, MILTER_REFUSE },
		{ "unix:B:t", "message", 451, "4.7.1 Service unavailable - try again later", false, false, MILTER_REFUSE },
		{ "unix:E:d", "message", 0, NULL, false, false, MILTER_DROP },
		{ "unix:E:qvirus|;E:c", NULL, 0, NULL, false, true, MILTER_PASS },
		{ "unix:E:qvirus|;E:r", "message", 550, "5.7.1 Command rejected", false, true, MILTER_REFUSE },
		/* The first that refuses ends it; what only quarantines does not. */
		{ "unix:E:qvirus|;E:a unix:E:y550_no", "message", 550, "no", false, true, MILTER_REFUSE },
		{ "unix:x unix:E:y550_5.1.1_second unix:E:y551_third", "message", 550, "5.1.1 second", false, false,
		  MILTER_REFUSE },
		/* A change where none may be; an answer that is none. */
		{ "unix:M:hX|y|", "mail", 451, "4.7.1 Service unavailable - try again later", false, false, MILTER_REFUSE },
		{ "unix:R:lx", "rcpt", 451, "4.7.1 Service unavailable - try again later", false, false, MILTER_REFUSE },
		{ "unix:R:y250_fine", "rcpt", 451, "4.7.1 Service unavailable - try again later", false, false, MILTER_REFUSE },
		{ "{unix:R:y250_fine, default_action=accept}", NULL, 0, NULL, false, false, MILTER_PASS },
		{ "{unix:O:c, default_action=reject}", "connect", 550, "5.5.0 Service unavailable", false, false, MILTER_REFUSE },
		{ "{unix:actions=ffff, default_action=reject}", "connect", 550, "5.5.0 Service unavailable", false, false,
		  MILTER_REFUSE },
		{ "{unix:version=1, default_action=reject}", "connect", 550, "5.5.0 Service unavailable", false, false,
		  MILTER_REFUSE },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct verdict_row *r = &rows[i];
		struct session *s = session_new(w, r->milters);
		bool passes = all_of_it(s);

		if (passes != (r->verdict == MILTER_PASS) || s->answer.verdict != r->verdict ||
		    (r->stage != NULL && strcmp(s->stage, r->stage) != 0) ||
		    (r->code != 0 && s->answer.refusal.code != r->code) || s->answer.hang_up != r->hang_up ||
		    s->answer.is_quarantined != r->is_quarantined)
			fail_msg("%s: %s %u", r->milters, s->stage != NULL ? s->stage : "passed", s->answer.refusal.code);
		if (r->line != NULL)
			assert_span(s->answer.refusal.lines[0], r->line);
		session_free(s);
	}
}

static void verdicts_are_taken(void **state)
{
	(void)state;
	play_with(verdicts, 0, "");
}

static void standing(struct world *w)
{
	struct session *s = session_new(w, "unix:C:y550_5.7.1_never");

	/* A refused session stays refused, and the milter is not asked again. */
	assert_false(greet(s));
	for (int i = 0; i < 2; i++) {
		assert_false(envelope(s));
		assert_int_equal(s->answer.refusal.code, 550);
		milters_abort(s->milters);
	}
	milters_standing(s->milters, &s->answer);
	assert_span(s->answer.refusal.lines[0], "5.7.1 never");
	session_free(s);
	task_sleep_us(1000);
	assert_not_seen(w, "\nM");

	/* A refused recipient is one recipient. */
	s = session_new(w, "unix:R:r;M:c");
	assert_true(greet(s));
	assert_false(envelope(s));
	milters_standing(s->milters, &s->answer);
	assert_int_equal(s->answer.verdict, MILTER_PASS);
	milters_data(s->milters, &s->answer);
	assert_int_equal(s->answer.verdict, MILTER_PASS);
	milters_abort(s->milters);
	milters_abort(s->milters);
	session_free(s);
	task_sleep_us(1000);
	assert_seen(w, "\nT\nA\nQ\n");
}

static void refusals_last_as_long_as_they_should(void **state)
{
	(void)state;
	play_with(standing, 0, "");
}

static void refused_recipients(struct world *w)
{
	static const struct span words[] = { SPAN("<no@d.test>") };
	struct session *s = session_new(w, "unix:x unix:steps=800;R:r");

	assert_true(greet(s));
	milters_rcpt(s->milters, words, 1, true, &s->answer);
	session_free(s);
	task_sleep_us(1000);
	assert_seen(w, "R<no@d.test>|\n");
	assert_int_equal(span_search(span_skip(buf_span(&w->fake.seen),
	                                       span_search(buf_span(&w->fake.seen), span_lit("R<no@")) + 1),
	                             span_lit("R<no@")), SPAN_NOT_FOUND);
}

static void who_asked_is_told_of_refused_recipients(void **state)
{
	(void)state;
	play_with(refused_recipients, 0, "");
}

/* ---- changes ---- */

static void changes(struct world *w)
{
	struct session *s = session_new(w, "unix:E:+<x@y.test>|;E:2<p@q.test>|NOTIFY=NEVER|;E:-<c@d.test>|;E:e<s@t.test>|;E:bnew_;E:m1.Subject||;"
	                                   "E:bbody~;E:i0.X-Top|t|;E:m1.From|z|;E:hX-End|e|;E:c unix:x");

	assert_true(all_of_it(s));
	assert_span(buf_span(&s->done),
	            "add <x@y.test> ;add <p@q.test> NOTIFY=NEVER;delete <c@d.test>;from <s@t.test> ;"
	            "[X-Top: t\r\n" OURS "From: z\r\nTo:none\r\nX-End: e\r\n]");
	assert_span(buf_span(&s->body), "new body\r\n");
	/* The second milter sees what the first made of it. */
	assert_seen(w, "LX-Top|t|\nLFrom|z|\nLTo|none|\nLX-End|e|\nN\nBnew body\r\n\n");
	session_free(s);
}

static void changes_are_done_and_seen(void **state)
{
	(void)state;
	play_with(changes, 0, "");
}

static void broken_off(struct world *w)
{
	/* It dies in the middle of its changes: none of them was made. */
	struct session *s = session_new(w, "{unix:E:+<x@y.test>|;E:i0.X-A|1|;E:bnew;E:close, default_action=accept} unix:x");

	assert_true(all_of_it(s));
	assert_span(buf_span(&s->done), "[" OURS HEADER "]");
	assert_span(buf_span(&s->body), "body\r\n");
	session_free(s);

	/* What is refused or dropped need not be changed. */
	s = session_new(w, "unix:E:+<x@y.test>|;E:d");
	assert_false(all_of_it(s));
	assert_span(buf_span(&s->done), "[" OURS HEADER "]");
	session_free(s);
}

static void a_milter_that_fails_has_changed_nothing(void **state)
{
	(void)state;
	play_with(broken_off, 0, "");
}

static void failing_changes(struct world *w)
{
	static const struct { const char *milters; unsigned code; const char *line; } rows[] = {
		{ "unix:E:+<x@y.test>|;E:c", 552, "5.3.4 too large" },
		{ "unix:E:bx;E:by;E:hX|y|;E:a", 452, "4.3.1 disk full" },
		{ "unix:E:+<x@y.test>|;E:r", 552, "5.3.4 too large" },
		{ "unix:E:+<x@y.test>|;E:t", 451, "4.7.1 Service unavailable - try again later" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct session *s = session_new(w, rows[i].milters);

		s->fails_edits = true;
		assert_false(all_of_it(s));
		assert_int_equal(s->answer.refusal.code, rows[i].code);
		assert_span(s->answer.refusal.lines[0], rows[i].line);
		/* The milter is still in step: the next message goes through. */
		s->fails_edits = false;
		milters_abort(s->milters);
		if (rows[i].code != 451)
			assert_int_equal(envelope(s) && content(s), i != 2);
		session_free(s);
	}
}

static void changes_that_fail_refuse_the_message(void **state)
{
	(void)state;
	play_with(failing_changes, 0, "");
}

static void endless_changes(struct world *w)
{
	struct buf script;
	struct session *s;

	buf_init(&script, BUF_NO_LIMIT);
	buf_add_cstr(&script, "{unix:x");
	for (unsigned i = 0; i < 6000; i++)
		buf_add_cstr(&script, "E:m1.X||;");
	buf_add_cstr(&script, "E:c, command_timeout=60, content_timeout=60}");
	s = session_new(w, arena_cstr(w->arena, buf_span(&script)));
	buf_free(&script);
	assert_false(all_of_it(s));
	assert_int_equal(s->answer.refusal.code, 451);
	assert_span(s->answer.refusal.lines[0], "4.3.0 Error: too many changes by a milter");
	session_free(s);
}

static void changes_are_bounded(void **state)
{
	(void)state;
	play_with(endless_changes, 0, "milter_added_size_limit = 50000\n");
}

/* ---- milters that misbehave ---- */

/* One case: its own session, in a task of its own, for some only end when a second is over. */
struct misdeed {
	struct world *w;
	const char   *milters, *wanted;
	char          got[80];
	uint64_t      took_us;
};

static void run_misdeed(void *arg)
{
	struct misdeed *m = arg;
	struct session *s = session_new(m->w, m->milters);
	uint64_t begun = clock_now_us();
	bool passes = all_of_it(s);

	m->took_us = clock_now_us() - begun;
	(void)snprintf(m->got, sizeof(m->got), "%u%s%s", passes ? 0 : s->answer.refusal.code,
	               s->answer.hang_up ? " hang up" : "", s->answer.is_quarantined ? " quarantine" : "");
	session_free(s);
}

static const struct { const char *action, *result; } default_actions[] = {
	{ "accept", "0" }, { "reject", "550" }, { "tempfail", "451" }, { "quarantine", "0 quarantine" },
	{ "shutdown", "421 hang up" },
};

static void misdeeds(struct world *w)
{
	static const char letters[] = "OCHMRTLNBE";
	static const char *const deeds[] = { "hang", "close", "garbage", "huge", "empty", "half", "+", "hX|y" };
	struct misdeed *all = ARENA_NEW_ARRAY(w->arena, struct misdeed, 10 * 8 * COUNT_OF(default_actions));
	size_t count = 0;

	for (size_t i = 0; i < sizeof(letters) - 1; i++) {
		for (size_t k = 0; k < COUNT_OF(deeds); k++) {
			for (size_t a = 0; a < COUNT_OF(default_actions); a++) {
				struct misdeed *m = &all[count++];

				m->w = w;
				/* Another milter behind it must not suffer. */
				m->milters = arena_printf(w->arena, "{unix:%c:%s, default_action=%s} unix:x", letters[i],
				                          deeds[k], default_actions[a].action);
				m->wanted = default_actions[a].result;
				if (task_spawn(run_misdeed, m, "misdeed") == NULL)
					fail_msg("no task");
			}
		}
	}
	while (task_count() > 1)
		(void)task_sleep_us(20000);
	for (size_t i = 0; i < count; i++)
		if (strcmp(all[i].got, all[i].wanted) != 0 || all[i].took_us > 5000000)
			fail_msg("%s: %s after %llu us, wanted %s", all[i].milters, all[i].got,
			         (unsigned long long)all[i].took_us, all[i].wanted);
}

static void misdeeds_cost_the_default_action(void **state)
{
	(void)state;
	play_with(misdeeds, 0, "");
}

static void not_there(struct world *w)
{
	struct session *s;

	w->fake.refuse_errno = ECONNREFUSED;
	for (size_t i = 0; i < COUNT_OF(default_actions); i++) {
		struct misdeed m = { .w = w, .wanted = default_actions[i].result,
			             .milters = arena_printf(w->arena, "{unix:x, default_action=%s}",
			                                     default_actions[i].action) };

		run_misdeed(&m);
		assert_string_equal(m.got, m.wanted);
	}
	/* A failed milter is out for the session. */
	s = session_new(w, "{unix:x, default_action=quarantine}");
	assert_true(all_of_it(s));
	w->fake.refuse_errno = 0;
	milters_abort(s->milters);
	assert_true(envelope(s) && content(s));
	assert_true(s->answer.is_quarantined);
	assert_int_equal(w->fake.connections, 0);
	session_free(s);
}

static void a_milter_that_is_not_there(void **state)
{
	(void)state;
	play_with(not_there, 0, "");
}

static void busy(struct world *w)
{
	struct session *s = session_new(w, "unix:E:p;E:p;E:hang");
	uint64_t begun = clock_now_us();

	assert_false(all_of_it(s));
	assert_int_equal(s->answer.refusal.code, 451);
	assert_true(clock_now_us() - begun < 3 * CLOCK_SECOND_US);
	session_free(s);
}

static void saying_busy_is_not_for_ever(void **state)
{
	(void)state;
	play_with(busy, 0, "");
}

/* ---- writes ---- */

static void gathered(struct world *w)
{
	/* Nothing is answered but connect and the end: two writes, and the negotiation. */
	struct session *s = session_new(w, "unix:steps=fe080;nr=HMRTLNB");

	assert_true(all_of_it(s));
	assert_true(w->fake.writes <= 4);
	session_free(s);

	/* A large body leaves in pieces, whether they are answered or not. */
	for (int i = 0; i < 2; i++) {
		buf_clear(&w->fake.seen);
		s = session_new(w, i == 0 ? "unix:steps=fe080;nr=HMRTLNB" : "unix:x");
		for (unsigned k = 0; k < 40000; k++)
			buf_add_cstr(&s->body, "0123456789012345678901\r\n");
		assert_true(all_of_it(s));
		assert_true(w->fake.seen.len > 40000 * 24);
		session_free(s);
	}
	/* And a milter that wants no more of it is left alone. */
	buf_clear(&w->fake.seen);
	s = session_new(w, "unix:B:s");
	for (unsigned k = 0; k < 40000; k++)
		buf_add_cstr(&s->body, "0123456789012345678901\r\n");
	assert_true(all_of_it(s));
	assert_true(w->fake.seen.len < 70000);
	assert_seen(w, "\nE\n");
	session_free(s);
}

static void unanswered_steps_are_gathered(void **state)
{
	(void)state;
	play_with(gathered, 0, "");
}

static void long_header(struct world *w)
{
	struct session *s = session_new(w, "unix:E:hX-Long|");
	struct milter_message message = { .user = s, .read_body = read_body };
	struct buf header;

	buf_init(&header, BUF_NO_LIMIT);
	buf_add_cstr(&header, OURS "X-Long: ");
	for (unsigned i = 0; i < 100000; i++)
		buf_add_byte(&header, 'x');
	buf_add(&header, span_make("\0after\r\n", 8));
	assert_true(greet(s) && envelope(s));
	milter_header_init(&message.header, buf_span(&header), 1, 100);
	milters_message(s->milters, &message, &s->answer);
	/* Its last change was cut off in the script: a string without end. */
	assert_int_equal(s->answer.refusal.code, 451);
	milter_header_free(&message.header);
	buf_free(&header);
	/* As much as libmilter takes, no more. */
	assert_true(w->fake.seen.len > 65000 && w->fake.seen.len < 67000);
	session_free(s);
}

static void long_fields_are_cut_to_a_packet(void **state)
{
	(void)state;
	play_with(long_header, 0, "");
}

/* ---- connections kept ---- */

static void reuse(struct world *w)
{
	struct session *s;

	for (int i = 0; i < 3; i++) {
		s = session_new(w, "unix:x");
		assert_true(all_of_it(s));
		session_free(s);
	}
	assert_int_equal(w->fake.connections, 1);
	assert_seen(w, "E\nK\nC");
	/* Version 4 does not know how. */
	for (int i = 0; i < 3; i++) {
		s = session_new(w, "{unix:version=4, protocol=6}");
		assert_true(all_of_it(s));
		session_free(s);
	}
	assert_int_equal(w->fake.connections, 1 + 3);
	/* Two sessions at once need two; of unused ones no more than the limit are kept. */
	s = session_new(w, "unix:x");
	assert_true(greet(s));
	for (int i = 0; i < 2; i++) {
		struct session *other = session_new(w, "unix:x");

		assert_true(all_of_it(other));
		session_free(other);
	}
	session_free(s);
	assert_int_equal(w->fake.connections, 5);
	/* One that refused the session is not used again. */
	s = session_new(w, "unix:C:r");
	assert_false(all_of_it(s));
	session_free(s);
	s = session_new(w, "unix:C:r");
	assert_false(all_of_it(s));
	session_free(s);
	assert_int_equal(w->fake.connections, 7);
}

static void connections_are_used_again(void **state)
{
	(void)state;
	play_with(reuse, 1, "");
}

/* libmilter ignores the end of a session but after a message that it let pass, and then all of the next session. */
static void not_reusable(struct world *w)
{
	struct session *s = session_new(w, "unix:x");

	assert_true(greet(s));
	session_free(s);
	s = session_new(w, "unix:x");
	assert_true(greet(s) && envelope(s));
	milters_abort(s->milters);
	session_free(s);
	s = session_new(w, "unix:E:a");
	assert_true(all_of_it(s));
	session_free(s);
	s = session_new(w, "unix:x");
	assert_true(all_of_it(s) && envelope(s));
	session_free(s);
	assert_int_equal(w->fake.connections, 4);
	(void)task_sleep_us(1000);
	assert_not_seen(w, "K\n");
}

static void sessions_end_in_a_known_state(void **state)
{
	(void)state;
	play_with(not_reusable, 5, "");
}

static void closed_meanwhile(struct world *w)
{
	struct session *s = session_new(w, "unix:K:x;C/1:c");

	/* Closed while nobody used it: another is made. */
	assert_true(all_of_it(s));
	session_free(s);
	{
		struct milter_connection *idle = CONTAINER_OF(w->pool.idle.next, struct milter_connection, node);

		assert_false(list_is_empty(&w->pool.idle));
		assert_int_equal(shutdown(idle->fd, SHUT_RDWR), 0);
	}
	s = session_new(w, "unix:K:x;C/1:c");
	assert_true(all_of_it(s));
	session_free(s);
	assert_int_equal(w->fake.connections, 2);
}

static void lost_at_first_use(struct world *w)
{
	/* The first connection closes when it is told of a second client: all is said again on another, once. */
	struct session *s = session_new(w, "unix:H/1:c");

	assert_true(all_of_it(s));
	session_free(s);
	buf_clear(&w->fake.seen);
	w->fake.closes_when_used_again = true;
	s = session_new(w, "unix:H/1:c");
	assert_true(all_of_it(s));
	session_free(s);
	assert_int_equal(w->fake.connections, 2);
	assert_seen(w, "Cc.test|4\004\322192.0.2.1|\nHhelo.test|\n");
}

static void kept_connections_may_be_closed(void **state)
{
	(void)state;
	play_with(closed_meanwhile, 5, "");
	play_with(lost_at_first_use, 5, "");
}

static void grown_old(struct world *w)
{
	struct session *s = session_new(w, "unix:x");

	w->pool.idle_s = 1;
	assert_true(all_of_it(s));
	session_free(s);
	assert_false(list_is_empty(&w->pool.idle));
	(void)task_sleep_us(1200000);
	assert_true(list_is_empty(&w->pool.idle));
	assert_null(w->pool.keeper);
	assert_seen(w, "K\nQ\n");
}

static void unused_connections_are_closed(void **state)
{
	(void)state;
	play_with(grown_old, 5, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(steps_are_told),
		cmocka_unit_test(unwanted_steps_are_left_out),
		cmocka_unit_test(versions_are_kept),
		cmocka_unit_test(unknown_commands_need_care),
		cmocka_unit_test(leading_blanks_are_the_milters_affair),
		cmocka_unit_test(macros_are_chosen),
		cmocka_unit_test(macros_that_are_no_more_are_taken_back),
		cmocka_unit_test(earlier_results_travel_as_a_macro),
		cmocka_unit_test(verdicts_are_taken),
		cmocka_unit_test(refusals_last_as_long_as_they_should),
		cmocka_unit_test(who_asked_is_told_of_refused_recipients),
		cmocka_unit_test(changes_are_done_and_seen),
		cmocka_unit_test(a_milter_that_fails_has_changed_nothing),
		cmocka_unit_test(changes_that_fail_refuse_the_message),
		cmocka_unit_test(changes_are_bounded),
		cmocka_unit_test(misdeeds_cost_the_default_action),
		cmocka_unit_test(a_milter_that_is_not_there),
		cmocka_unit_test(saying_busy_is_not_for_ever),
		cmocka_unit_test(unanswered_steps_are_gathered),
		cmocka_unit_test(long_fields_are_cut_to_a_packet),
		cmocka_unit_test(connections_are_used_again),
		cmocka_unit_test(sessions_end_in_a_known_state),
		cmocka_unit_test(kept_connections_may_be_closed),
		cmocka_unit_test(unused_connections_are_closed),
	};

	log_open("milters", LOG_TO_FD, open("/dev/null", O_WRONLY | O_CLOEXEC));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
