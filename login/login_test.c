/* SPDX-License-Identifier: ISC */
/* login_test.c - conversations before login, with a scripted auth and session process
 *
 * A client over a socket pair says a script; all that comes back is compared.  service_call is ours here, so no other
 * process is needed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/test_dialogue.h"
#include "lib/ipc/session.h"
#include "lib/task/task.h"
#include "login/login.h"

/* ---- the rest of the suite ---- */

static struct {
	unsigned sessions;
	char     tag[16], input[64], user[64];
} fake;
static bool refuse_sessions;

static void answer_auth(const struct auth_request *ask, struct auth_reply *reply)
{
	static const struct span right[] = { SPAN("\0u1\0secret"), SPAN("\0u1\0two words") };

	*reply = (struct auth_reply){ .status = AUTH_FAILED };
	if (!span_equal_ci(ask->mechanism, span_lit("PLAIN"))) {
		reply->status = AUTH_UNKNOWN_MECHANISM;
	} else if (!ask->has_response) {
		reply->status = AUTH_CONTINUE;
		reply->conversation = 7;
	} else if (span_equal(ask->response, right[0]) || span_equal(ask->response, right[1])) {
		reply->status = AUTH_OK;
		reply->user = span_lit("u1@example.test");
	}
}

static void answer_session(const struct session_request *ask, struct session_reply *reply)
{
	fake.sessions++;
	(void)snprintf(fake.tag, sizeof(fake.tag), SPAN_FMT, SPAN_ARG(ask->tag));
	(void)snprintf(fake.input, sizeof(fake.input), SPAN_FMT, SPAN_ARG(ask->input));
	(void)snprintf(fake.user, sizeof(fake.user), SPAN_FMT, SPAN_ARG(ask->user));
	*reply = (struct session_reply){ .status = refuse_sessions ? DEFER : DONE, .reason = SPAN("too busy") };
	if (!refuse_sessions)
		assert_int_equal(write(ask->client, "SESSION\r\n", 9), 9);
}

int service_call(struct service_run *run, const char *name, bool again_is_safe,
                 const struct ipc_type *request_type, const void *request, const struct ipc_type *reply_type,
                 void *reply, struct arena *arena, uint64_t deadline_us)
{
	(void)run;
	(void)name;
	(void)again_is_safe;
	(void)reply_type;
	(void)arena;
	(void)deadline_us;
	task_yield();
	if (request_type == &auth_request_type)
		answer_auth(request, reply);
	else if (request_type == &session_request_type)
		answer_session(request, reply);
	else
		*(struct auth_mechanisms_reply *)reply = (struct auth_mechanisms_reply){ SPAN("PLAIN LOGIN") };
	return 0;
}

/* ---- one conversation ---- */

struct play {
	struct service_run run;
	struct conf        conf;
	struct login       login;
	int                fds[2];
	const char        *script;
	char               heard[8192];
	size_t             heard_length;
};

static void serve_task(void *arg)
{
	struct play *p = arg;

	client_serve(&p->login, p->fds[0]);
}

static void client_task(void *arg)
{
	struct play *p = arg;
	ssize_t n;

	(void)task_write(p->fds[1], p->script, strlen(p->script), CLOCK_NEVER);
	(void)shutdown(p->fds[1], SHUT_WR);
	while ((n = task_read(p->fds[1], p->heard + p->heard_length, sizeof(p->heard) - 1 - p->heard_length,
	                      CLOCK_NEVER)) > 0)
		p->heard_length += (size_t)n;
	task_close(p->fds[1]);
}

static void both(void *arg)
{
	assert_non_null(task_spawn(serve_task, arg, "serve"));
	assert_non_null(task_spawn(client_task, arg, "client"));
}

static struct conf test_conf(void)
{
	return (struct conf){
		.login_tls_security_level = "may",
		.login_greeting = "ready",
		.login_timeout = 60,
		.login_idle_timeout = 60,
		.login_tls_timeout = 60,
		.login_session_limit = 100,
		.login_line_length_limit = 8192,
		.login_literal_limit = 1024,
		.login_bad_command_limit = 3,
		.login_failure_limit = 3,
		.login_relay_timeout = 60,
	};
}

static const char *play(struct play *p, const struct front *front, const struct conf *conf, const char *script)
{
	p->conf = *conf;
	p->script = script;
	p->heard_length = 0;
	memset(p->heard, 0, sizeof(p->heard));
	memset(&fake, 0, sizeof(fake));
	p->run = (struct service_run){ .name = "test", .conf = &p->conf };
	p->login = (struct login){
		.run = &p->run, .conf = &p->conf, .front = front,
		.per_client = hash_new(), .per_user = hash_new(), .per_user_client = hash_new(),
		.mechanisms = "PLAIN LOGIN",
	};
	list_init(&p->login.waiting);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, p->fds), 0);
	task_main(both, p);
	hash_free(p->login.per_client, NULL);
	hash_free(p->login.per_user, NULL);
	hash_free(p->login.per_user_client, NULL);
	return p->heard;
}

static void check(const struct front *front, const char *script, const char *wanted)
{
	static struct play p;
	struct conf conf = test_conf();
	const char *heard = play(&p, front, &conf, script);

	if (strcmp(heard, wanted) != 0)
		fail_msg("\"%s\" gave\n%s\nnot\n%s", script, heard, wanted);
}

static void check_has(const struct front *front, const char *script, const char *part)
{
	static struct play p;
	struct conf conf = test_conf();
	const char *heard = play(&p, front, &conf, script);

	if (strstr(heard, part) == NULL)
		fail_msg("\"%s\" gave\n%s\nwithout\n%s", script, heard, part);
}

/* Every row of both tables names its conversation; each is played. */
static void rows_and_their_dialogues(const struct front *front)
{
	struct arena *arena = arena_new(NULL);
	const char *dialogue;
	struct span command, client, server;

	for (size_t i = 0; (dialogue = front->dialogue(i, &command)) != NULL; i++) {
		dialogue_says(TALK_DIR, dialogue, command);
		dialogue_read(arena, TALK_DIR, dialogue, &client, &server);
		check(front, arena_cstr(arena, client), arena_cstr(arena, server));
	}
	arena_free(arena);
}

static void test_imap_dialogues(void **state)
{
	(void)state;
	rows_and_their_dialogues(&front_imap);
}

static void test_pop3_dialogues(void **state)
{
	(void)state;
	rows_and_their_dialogues(&front_pop3);
}

#define HELLO "* OK [CAPABILITY IMAP4rev1 SASL-IR LITERAL+ ID ENABLE IDLE AUTH=PLAIN AUTH=LOGIN] ready\r\n"

/* ---- IMAP ---- */

static void test_imap_logins(void **state)
{
	static const char *const rows[] = {
		"t1 LOGIN u1 secret\r\n",
		"t1 login \"u1\" \"secret\"\r\n",
		"t1 LOGIN {2+}\r\nu1 {6+}\r\nsecret\r\n",
		"t1 LOGIN {2}\r\nu1 {6}\r\nsecret\r\n",
		"t1 LOGIN u1 \"two words\"\r\n",
		"t1 AUTHENTICATE PLAIN AHUxAHNlY3JldA==\r\n",
		"t1 AUTHENTICATE plain\r\nAHUxAHNlY3JldA==\r\n",
		"x LOGIN u1 wrong\r\nt1 LOGIN u1 secret\r\n",
		"\r\nt1 LOGIN u1 secret\r\n",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		check_has(&front_imap, rows[i], "SESSION\r\n");
		assert_int_equal(fake.sessions, 1);
		assert_string_equal(fake.tag, "t1");
		assert_string_equal(fake.user, "u1@example.test");
	}
}

static void test_imap_input_sent_ahead_goes_to_the_session(void **state)
{
	(void)state;
	check(&front_imap, "a LOGIN u1 secret\r\nb SELECT INBOX\r\n", HELLO "SESSION\r\n");
	assert_string_equal(fake.input, "b SELECT INBOX\r\n");
}

static void test_imap_three_failures_end_it(void **state)
{
	(void)state;
	check(&front_imap, "a LOGIN u1 x\r\nb LOGIN u1 y\r\nc LOGIN u2 secret\r\nd LOGIN u1 secret\r\n",
	      HELLO "a NO [AUTHENTICATIONFAILED] Authentication failed.\r\n"
	            "b NO [AUTHENTICATIONFAILED] Authentication failed.\r\n"
	            "c NO [AUTHENTICATIONFAILED] Authentication failed.\r\n* BYE Too many failed logins\r\n");
	assert_int_equal(fake.sessions, 0);
}

static void test_imap_bad_commands(void **state)
{
	(void)state;
	check(&front_imap, "a SELECT INBOX\r\n* x\r\nb\r\nc NOOP\r\n",
	      HELLO "a BAD Unknown command, or not allowed before login.\r\n* BAD Invalid tag\r\n"
	            "b BAD Missing command\r\n* BYE Too many invalid commands\r\n");
}

static void test_imap_limits(void **state)
{
	static char line[10000];

	(void)state;
	check_has(&front_imap, "a LOGIN {1025}\r\n", "* BAD [TOOBIG]");
	check_has(&front_imap, "a LOGIN {1025+}\r\n", "* BYE Literal too long");
	check_has(&front_imap, "a LOGIN {4294967295+}\r\n", "* BYE Literal too long");
	check_has(&front_imap, "a X {1+}\r\na{1+}\r\nb{1+}\r\nc{1+}\r\nd\r\n", "* BYE Literal too long");
	check_has(&front_imap, "a LOGIN \xff x\r\n", "* BAD Unusable command line");
	memset(line, 'x', sizeof(line) - 3);
	memcpy(line + sizeof(line) - 3, "\r\n", 3);
	check_has(&front_imap, line, "* BAD Command line too long");
}

static void test_imap_unknown_mechanism(void **state)
{
	(void)state;
	check_has(&front_imap, "a AUTHENTICATE XFOO\r\n", "a NO Unsupported");
}

static void test_imap_other_protocols_are_cut(void **state)
{
	(void)state;
	check(&front_imap, "GET / HTTP/1.1\r\na NOOP\r\n", HELLO);
	check(&front_imap, "EHLO x\r\na NOOP\r\n", HELLO);
}

static void test_imap_no_password_in_the_clear(void **state)
{
	static struct play p;
	struct conf conf = test_conf();
	const char *heard;

	(void)state;
	conf.disable_plaintext_auth = true;
	heard = play(&p, &front_imap, &conf, "a LOGIN u1 secret\r\nb AUTHENTICATE PLAIN AHUxAHNlY3JldA==\r\n");
	assert_non_null(strstr(heard, "LOGINDISABLED] ready"));
	assert_non_null(strstr(heard, "a NO [PRIVACYREQUIRED]"));
	assert_non_null(strstr(heard, "b NO [PRIVACYREQUIRED]"));
	assert_int_equal(fake.sessions, 0);
}

static void test_session_not_to_be_had(void **state)
{
	(void)state;
	refuse_sessions = true;
	check_has(&front_imap, "a LOGIN u1 secret\r\nb NOOP\r\n",
	          "a NO [UNAVAILABLE] too busy\r\nb OK NOOP completed.\r\n");
	check_has(&front_pop3, "USER u1\r\nPASS secret\r\nQUIT\r\n",
	          "-ERR [SYS/TEMP] too busy\r\n+OK Logging out\r\n");
	refuse_sessions = false;
}

/* ---- POP3 ---- */

static void test_pop3_logins(void **state)
{
	static const char *const rows[] = {
		"USER u1\r\nPASS secret\r\n",
		"user u1\r\npass two words\r\n",
		"AUTH PLAIN AHUxAHNlY3JldA==\r\n",
		"AUTH PLAIN\r\nAHUxAHNlY3JldA==\r\n",
		"USER u1\r\nPASS wrong\r\nUSER u1\r\nPASS secret\r\n",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		check_has(&front_pop3, rows[i], "SESSION\r\n");
		assert_int_equal(fake.sessions, 1);
	}
}

static void test_pop3_pipelined_commands_go_to_the_session(void **state)
{
	(void)state;
	check(&front_pop3, "USER u1\r\nPASS secret\r\nSTAT\r\nQUIT\r\n", "+OK ready\r\n+OK \r\nSESSION\r\n");
	assert_string_equal(fake.input, "STAT\r\nQUIT\r\n");
}

static void test_pop3_errors(void **state)
{
	(void)state;
	check_has(&front_pop3, "USER\r\n", "-ERR USER needs a name.");
	check_has(&front_pop3, "AUTH XFOO\r\n", "-ERR Unsupported");
	check(&front_pop3, "A\r\nB\r\nC\r\nQUIT\r\n",
	      "+OK ready\r\n-ERR Unknown command.\r\n-ERR Unknown command.\r\n-ERR Unknown command.\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_imap_dialogues),
		cmocka_unit_test(test_pop3_dialogues),
		cmocka_unit_test(test_imap_logins),
		cmocka_unit_test(test_imap_input_sent_ahead_goes_to_the_session),
		cmocka_unit_test(test_imap_three_failures_end_it),
		cmocka_unit_test(test_imap_bad_commands),
		cmocka_unit_test(test_imap_limits),
		cmocka_unit_test(test_imap_unknown_mechanism),
		cmocka_unit_test(test_imap_other_protocols_are_cut),
		cmocka_unit_test(test_imap_no_password_in_the_clear),
		cmocka_unit_test(test_session_not_to_be_had),
		cmocka_unit_test(test_pop3_logins),
		cmocka_unit_test(test_pop3_pipelined_commands_go_to_the_session),
		cmocka_unit_test(test_pop3_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
