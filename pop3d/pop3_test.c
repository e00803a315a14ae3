/* SPDX-License-Identifier: ISC */
/* pop3_test.c - whole POP3 sessions over a socket pair, and unique ids */
#include "lib/mailbox/test_store.h"

#include <sys/socket.h>
#include <sys/wait.h>

#include "lib/base/log.h"
#include "lib/base/test_dialogue.h"
#include "pop3d/pop3d.h"

/* talk - what a session answers to these bytes, the client then closing.  uidl_format NULL: the standard one. */
static struct span talk(struct test_store *t, const char *input, const char *uidl_format)
{
	struct conf conf = { .pop3d_timeout = 60, .pop3d_bad_command_limit = 5,
	                     .pop3_uidl_format = uidl_format != NULL ? uidl_format : "%08Xu%08Xv" };
	struct buf out;
	struct span answer;
	int pair[2], status;
	pid_t pid;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct session_request r = { .user = span_lit("u"), .client = pair[0],
		                             .remote_address = span_lit("192.0.2.1") };

		close(pair[1]);
		pop3_session(&conf, &r, t->path, NULL);
		_exit(0);
	}
	close(pair[0]);
	assert_int_equal(fs_write_all(pair[1], input, strlen(input)), 0);
	assert_int_equal(shutdown(pair[1], SHUT_WR), 0);
	buf_init(&out, BUF_NO_LIMIT);
	for (ssize_t n = 1; n > 0;) {
		char *at = buf_reserve(&out, 4096);

		n = read(pair[1], at, 4096);
		buf_commit(&out, n > 0 ? (size_t)n : 0);
	}
	close(pair[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	answer = arena_dup(t->arena, buf_span(&out));
	buf_free(&out);
	return answer;
}

static void two_messages(struct test_store *t)
{
	put_file(t, "new/1.h", "A: b\n\n.dot\nlast");
	put_file(t, "cur/2.h:2,", "A: c\r\n\r\nx\r\ny\r\n");
}

/* Every row of the table names its conversation; each is played, on the two messages. */
static void test_rows_and_their_dialogues(void **state)
{
	struct test_store *t = *state;
	const char *dialogue;
	struct span command, client, server;

	put_file(t, "dovecot-uidlist", "3 V1795470838 N61\n59 :1.h\n60 :2.h\n");
	two_messages(t);
	for (size_t i = 0; (dialogue = pop3_dialogue(i, &command)) != NULL; i++) {
		dialogue_says(TALK_DIR, dialogue, command);
		dialogue_read(t->arena, TALK_DIR, dialogue, &client, &server);
		assert_span(talk(t, arena_cstr(t->arena, client), NULL), arena_cstr(t->arena, server));
	}
}

static void test_top_marks_nothing_read(void **state)
{
	struct test_store *t = *state;

	two_messages(t);
	talk(t, "TOP 2 1\r\nQUIT\r\n", NULL);
	assert_true(has_file(t, "cur/2.h:2,"));
}

static void test_retr_stuffs_dots(void **state)
{
	struct test_store *t = *state;

	two_messages(t);
	assert_span(talk(t, "RETR 1\r\nQUIT\r\n", NULL),
	            "+OK Logged in.\r\n+OK 18 octets\r\nA: b\r\n\r\n..dot\r\nlast\r\n.\r\n+OK Bye.\r\n");
	assert_true(has_file(t, "cur/1.h:2,S"));
}

static void test_quit_deletes(void **state)
{
	struct test_store *t = *state;

	two_messages(t);
	talk(t, "DELE 1\r\nQUIT\r\n", NULL);
	assert_false(has_file(t, "new/1.h"));
	assert_true(has_file(t, "cur/2.h:2,"));
	assert_false(has_file(t, "postern.index"));
}

static void test_lost_connection_deletes_nothing(void **state)
{
	struct test_store *t = *state;

	two_messages(t);
	talk(t, "DELE 1\r\nDELE 2\r\n", NULL);
	assert_true(has_file(t, "new/1.h"));
	assert_true(has_file(t, "cur/2.h:2,"));
}

static void test_rset(void **state)
{
	struct test_store *t = *state;

	two_messages(t);
	assert_span(talk(t, "DELE 1\r\nDELE 1\r\nRSET\r\nSTAT\r\nQUIT\r\n", NULL),
	            "+OK Logged in.\r\n+OK Marked to be deleted.\r\n-ERR Message is deleted.\r\n+OK\r\n+OK 2 32\r\n"
	            "+OK Bye.\r\n");
	assert_true(has_file(t, "new/1.h"));
}

static void test_uidl(void **state)
{
	struct test_store *t = *state;

	put_file(t, "dovecot-uidlist", "3 V1795470838 N61\n59 :1.h\n60 Pold :2.h\n");
	two_messages(t);
	assert_span(talk(t, "UIDL\r\nUIDL 1\r\n", NULL),
	            "+OK Logged in.\r\n+OK\r\n1 0000003b6b04b5f6\r\n2 old\r\n.\r\n+OK 1 0000003b6b04b5f6\r\n");
	assert_span(talk(t, "UIDL 1\r\n", "UID%u-%v"), "+OK Logged in.\r\n+OK 1 UID59-1795470838\r\n");
	assert_span(talk(t, "UIDL\r\n", "same"), "+OK Logged in.\r\n+OK\r\n1 same\r\n2 old\r\n.\r\n");
	assert_span(talk(t, "UIDL 1\r\n", "%f"), "+OK Logged in.\r\n+OK 1 1.h\r\n");
}

static void test_equal_ids_are_told_apart(void **state)
{
	struct test_store *t = *state;

	two_messages(t);
	assert_span(talk(t, "UIDL\r\n", "same"), "+OK Logged in.\r\n+OK\r\n1 same\r\n2 same-2\r\n.\r\n");
}

static void test_bad_commands_end_the_session(void **state)
{
	struct test_store *t = *state;
	struct span answer = talk(t, "A\r\nB\r\nC\r\nD\r\nE\r\nF\r\nNOOP\r\n", NULL);

	assert_true(span_ends(answer, span_lit("-ERR Too many bad commands.\r\n")));
}

static void test_long_lines_get_one_reply(void **state)
{
	struct test_store *t = *state;
	char line[9000];

	memset(line, 'x', sizeof(line));
	memcpy(line + sizeof(line) - 9, "\r\nNOOP\r\n", 9);
	assert_span(talk(t, line, NULL), "+OK Logged in.\r\n-ERR Line too long.\r\n+OK\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(test_rows_and_their_dialogues),
		STORE_TEST(test_top_marks_nothing_read),
		STORE_TEST(test_retr_stuffs_dots),
		STORE_TEST(test_quit_deletes),
		STORE_TEST(test_lost_connection_deletes_nothing),
		STORE_TEST(test_rset),
		STORE_TEST(test_uidl),
		STORE_TEST(test_equal_ids_are_told_apart),
		STORE_TEST(test_bad_commands_end_the_session),
		STORE_TEST(test_long_lines_get_one_reply),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
