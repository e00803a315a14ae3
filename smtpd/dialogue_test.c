/* SPDX-License-Identifier: ISC */
/* dialogue_test.c - plays the conversations of tests/smtpd against smtpd, with scripted services behind it
 *
 * A conversation is a .talk file, readable as a protocol example:
 *	-o name=value	a parameter (before the first C: or S:)
 *	C: text		the client sends text and CRLF
 *	c: text		the client sends text alone; \r \n \0 \t \\ and \xHH are understood
 *	c*N: text	the same N times
 *	S: text		the next line of the server begins with text
 *	S! text		... and does not contain text (no line is read: the last one is looked at)
 *	close		the server closes the connection
 *	stored: text	the last message committed contains text (escapes as above)
 *	commits: N	so many messages were committed
 *	envelope: text	the last one's envelope contains text: <sender> flags [held ]recipients, a blank behind each
 *	leases: N	the most leases that were held at one time
 *	told: text	milters (fake_milter.h) were told text; told! text: they were not (since the last "told: ")
 *	connections: N	so many connections to milters were made
 * Each file is one test; a failing one prints file, line and what came instead. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"
#include "lib/base/test_dialogue.h"
#include "lib/task/task.h"
#include "smtpd/fake_backend.h"

enum { OPTIONS_MAX = 20, STEP_TIMEOUT_S = 20 };

struct talk {
	const char          *path;
	struct arena        *arena;
	struct span          script;
	struct conf_override options[OPTIONS_MAX];
	size_t               option_count;
	struct smtpd_server *server;
	struct fake_backend  fake;
	int                  listener, client;
	struct buf           in;
	struct span          last;	/* line of the server */
	unsigned             line;
	char                 error[1024];
};

static void fail_talk(struct talk *t, const char *format, ...) PRINTF_LIKE(2, 3);
static void fail_talk(struct talk *t, const char *format, ...)
{
	va_list args;

	if (t->error[0] != '\0')
		return;
	va_start(args, format);
	vsnprintf(t->error, sizeof(t->error), format, args);
	va_end(args);
}

/* ---- the script's words ---- */

static int hex_digit(char c)
{
	return ascii_is_digit(c) ? c - '0' : ascii_lower(c) - 'a' + 10;
}

static struct span unescape(struct arena *arena, struct span text)
{
	char *out = arena_alloc(arena, text.len + 1);
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];

		if (c != '\\' || i + 1 == text.len) {
			out[n++] = c;
			continue;
		}
		c = text.ptr[++i];
		if (c == 'x' && i + 2 < text.len) {
			out[n++] = (char)(hex_digit(text.ptr[i + 1]) * 16 + hex_digit(text.ptr[i + 2]));
			i += 2;
		} else {
			out[n++] = c == 'r' ? '\r' : c == 'n' ? '\n' : c == 't' ? '\t' : c == '0' ? '\0' : c;
		}
	}
	return span_make(out, n);
}

/* ---- the client ---- */

/* A line of the server into t->last; false: closed or too late. */
static bool read_server(struct talk *t)
{
	for (;;) {
		struct span all = buf_span(&t->in), line;
		char *room;
		ssize_t n;

		if (span_cut(&all, '\n', &line)) {
			t->last = arena_dup(t->arena, span_trim_end(line));
			if (!span_ends(line, span_lit("\r")))
				fail_talk(t, "reply without CR");
			buf_consume(&t->in, line.len + 1);
			return true;
		}
		room = buf_reserve(&t->in, 4096);
		n = room == NULL ? -1 : task_read(t->client, room, 4096, clock_in_s(STEP_TIMEOUT_S));
		if (n <= 0)
			return false;
		buf_commit(&t->in, (size_t)n);
	}
}

static void send_client(struct talk *t, struct span text, unsigned long long times)
{
	for (; times > 0 && t->error[0] == '\0'; times--)
		if (task_write(t->client, text.ptr, text.len, clock_in_s(STEP_TIMEOUT_S)) < 0)
			fail_talk(t, "send: %s", strerror(errno));
}

/* What was said to milters and came of it; false: the line is about something else. */
static bool step_milters(struct talk *t, struct span line)
{
	struct buf *seen = &t->fake.milters.seen;
	struct span text = line, word;
	unsigned long long number;

	if (!span_cut(&text, ' ', &word))
		return false;
	text = unescape(t->arena, text);
	if (span_equal(word, span_lit("envelope:"))) {
		if (span_search(buf_span(&t->fake.envelope), text) == SPAN_NOT_FOUND)
			fail_talk(t, "the envelope is \"" SPAN_FMT "\"", SPAN_ARG(buf_span(&t->fake.envelope)));
	} else if (span_equal(word, span_lit("told:")) || span_equal(word, span_lit("told!"))) {
		bool found = span_search(buf_span(seen), text) != SPAN_NOT_FOUND;

		if (found != (word.ptr[4] == ':'))
			fail_talk(t, "milters were told \"" SPAN_FMT "\"", SPAN_ARG(buf_span(seen)));
		if (found)
			buf_clear(seen);
	} else if (span_equal(word, span_lit("leases:")) || span_equal(word, span_lit("connections:"))) {
		unsigned got = word.ptr[0] == 'l' ? t->fake.most_leases : t->fake.milters.connections;

		if (!span_u64(text, 1000, &number) || number != got)
			fail_talk(t, "there were %u " SPAN_FMT, got, SPAN_ARG(word));
	} else {
		return false;
	}
	return true;
}

static void step(struct talk *t, struct span line)
{
	struct span text = span_trim_start(span_skip(line, 2)), word;
	unsigned long long number;

	if (span_starts(line, span_lit("C:"))) {
		send_client(t, arena_printf_span(t->arena, SPAN_FMT "\r\n", SPAN_ARG(text)), 1);
	} else if (span_starts(line, span_lit("c: "))) {
		send_client(t, unescape(t->arena, span_skip(line, 3)), 1);
	} else if (span_starts(line, span_lit("c*"))) {
		text = span_skip(line, 2);
		if (span_cut(&text, ':', &word) && span_u64(word, 1000000, &number))
			send_client(t, unescape(t->arena, span_skip(text, 1)), number);
	} else if (span_starts(line, span_lit("S:"))) {
		if (!read_server(t))
			fail_talk(t, "no line came, want \"" SPAN_FMT "\"", SPAN_ARG(text));
		else if (!span_starts(t->last, text))
			fail_talk(t, "got \"" SPAN_FMT "\", want \"" SPAN_FMT "\"", SPAN_ARG(t->last), SPAN_ARG(text));
	} else if (span_starts(line, span_lit("S!"))) {
		if (span_search(t->last, text) != SPAN_NOT_FOUND)
			fail_talk(t, "got \"" SPAN_FMT "\"", SPAN_ARG(t->last));
	} else if (span_equal(line, span_lit("close"))) {
		if (read_server(t))
			fail_talk(t, "got \"" SPAN_FMT "\", want a closed connection", SPAN_ARG(t->last));
	} else if (span_starts(line, span_lit("stored: "))) {
		if (span_search(buf_span(&t->fake.content), unescape(t->arena, span_skip(line, 8))) == SPAN_NOT_FOUND)
			fail_talk(t, "stored is \"" SPAN_FMT "\"", SPAN_ARG(buf_span(&t->fake.content)));
	} else if (span_starts(line, span_lit("commits: "))) {
		if (!span_u64(span_skip(line, 9), 1000, &number) || number != t->fake.commits)
			fail_talk(t, "%u messages were committed", t->fake.commits);
	} else if (!step_milters(t, line)) {
		fail_talk(t, "what is \"" SPAN_FMT "\"?", SPAN_ARG(line));
	}
}

static void serve(void *arg)
{
	struct talk *t = arg;
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);
	int fd = task_accept(t->listener, (struct sockaddr *)&address, &length, clock_in_s(STEP_TIMEOUT_S));

	if (fd >= 0)
		smtpd_talk(t->server, fd);
}

static void converse(void *arg)
{
	struct talk *t = arg;
	struct span rest = t->script, line;
	struct sockaddr_in address;
	socklen_t length = sizeof(address);

	if (getsockname(t->listener, (struct sockaddr *)&address, &length) < 0 ||
	    task_spawn(serve, t, "server") == NULL ||
	    task_connect(t->client, (const struct sockaddr *)&address, length, clock_in_s(STEP_TIMEOUT_S)) < 0)
		fail_talk(t, "connect: %s", strerror(errno));
	for (t->line = 1; t->error[0] == '\0' && rest.len > 0; t->line++) {
		span_cut(&rest, '\n', &line);
		if (line.len == 0 || line.ptr[0] == '#' || span_starts(line, span_lit("-o ")))
			continue;
		step(t, line);
		if (t->error[0] != '\0')
			break;
	}
	task_close(t->client);
	milter_pool_close(&t->server->milter_pool);
}

/* ---- setting up ---- */

static void read_options(struct talk *t)
{
	struct span rest = t->script, line, name;

	while (span_cut(&rest, '\n', &line)) {
		if (!span_starts(line, span_lit("-o ")) || t->option_count == OPTIONS_MAX)
			continue;
		line = span_skip(line, 3);
		span_cut(&line, '=', &name);
		t->options[t->option_count++] =
			(struct conf_override){ arena_cstr(t->arena, name), arena_cstr(t->arena, line) };
	}
}

static const struct conf *load_conf(struct talk *t)
{
	static const struct conf_override standard[] = {
		{ "myhostname", "mx.example.test" }, { "mydomain", "example.test" }, { "mynetworks", "192.0.2.0/24" },
		{ "smtpd_error_sleep_time", "0" }, { "smtpd_peername_lookup", "no" },
		{ "message_size_limit", "200000" }, { "alias_maps", "" }, { "local_recipient_maps", "" },
	};
	struct conf_override all[COUNT_OF(standard) + OPTIONS_MAX];
	char dir[] = "/tmp/dialogue.XXXXXX";
	const struct conf *conf;
	const char *error = NULL;
	int fd;

	memcpy(all, standard, sizeof(standard));
	memcpy(all + COUNT_OF(standard), t->options, t->option_count * sizeof(*all));
	assert_non_null(mkdtemp(dir));
	fd = open(arena_printf(t->arena, "%s/main.cf", dir), O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	assert_int_equal(fs_write_all(fd, "compatibility_level = 3.6\n", 26), 0);
	close(fd);
	conf = conf_load(t->arena, dir, all, COUNT_OF(standard) + t->option_count, &error);
	unlink(arena_printf(t->arena, "%s/main.cf", dir));
	rmdir(dir);
	if (conf == NULL)
		fail_msg("%s", error);
	return conf;
}

static void open_sockets(struct talk *t)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	t->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	t->client = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_true(t->listener >= 0 && t->client >= 0);
	assert_int_equal(bind(t->listener, (const struct sockaddr *)&any, sizeof(any)), 0);
	assert_int_equal(listen(t->listener, 5), 0);
}

static void play(void **state)
{
	struct talk t = { .path = *state };
	struct buf script;

	t.arena = arena_new(NULL);
	buf_init(&script, 1000000);
	assert_int_equal(fs_read_file(AT_FDCWD, t.path, &script), 0);
	t.script = buf_span(&script);
	read_options(&t);
	fake_backend_init(&t.fake);
	buf_init(&t.in, 1000000);
	t.server = smtpd_server_new(load_conf(&t), "smtp", false, NULL);
	t.server->backend = (struct smtpd_backend){ fake_backend_call, fake_backend_connect, &t.fake };
	open_sockets(&t);
	task_main(converse, &t);
	close(t.listener);
	smtpd_server_free(t.server);
	fake_backend_free(&t.fake);
	buf_free(&t.in);
	buf_free(&script);
	arena_free(t.arena);
	if (t.error[0] != '\0')
		fail_msg("%s:%u: %s", t.path, t.line, t.error);
}

/* ---- one test a file ---- */

static int is_talk(const struct dirent *entry)
{
	return span_ends(span_of(entry->d_name), span_lit(".talk"));
}

/* Every verb and extension row names its conversation; here it is looked for. */
static void rows_have_dialogues(void **state)
{
	const struct smtpd_extension *e;
	const char *dialogue;
	struct span verb;

	(void)state;
	for (size_t i = 0; (dialogue = smtpd_verb_dialogue(i, &verb)) != NULL; i++)
		dialogue_says(TALK_DIR, dialogue, verb);
	for (size_t i = 0; (e = smtpd_extension(i)) != NULL; i++) {
		char path[512];

		snprintf(path, sizeof(path), "%s/%s.talk", TALK_DIR, e->dialogue);
		if (access(path, R_OK) < 0)
			fail_msg("no dialogue for " SPAN_FMT ": %s", SPAN_ARG(e->keyword), path);
	}
}

int main(void)
{
	struct dirent **entries;
	int count = scandir(TALK_DIR, &entries, is_talk, alphasort);
	struct arena *arena = arena_new(NULL);
	struct CMUnitTest *tests;
	int failed;

	if (count <= 0) {
		fprintf(stderr, "no conversations in %s\n", TALK_DIR);
		return 1;
	}
	log_open("dialogue", LOG_TO_FD, open("/dev/null", O_WRONLY | O_CLOEXEC));
	tests = ARENA_NEW_ARRAY(arena, struct CMUnitTest, (size_t)count + 1);
	for (int i = 0; i < count; i++)
		tests[i] = (struct CMUnitTest){
			.name = arena_cstr(arena, span_of(entries[i]->d_name)), .test_func = play,
			.initial_state = arena_printf(arena, "%s/%s", TALK_DIR, entries[i]->d_name),
		};
	tests[count] = (struct CMUnitTest){ .name = "rows_have_dialogues", .test_func = rows_have_dialogues };
	failed = _cmocka_run_group_tests("dialogues", tests, (size_t)count + 1, NULL, NULL);
	for (int i = 0; i < count; i++)
		free(entries[i]);
	free(entries);
	arena_free(arena);
	return failed;
}
