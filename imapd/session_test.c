/* SPDX-License-Identifier: ISC */
/* session_test.c - whole sessions over a socket pair, from the dialogues in tests/imapd
 *
 * Each .talk file is a dialogue on a fresh Maildir (or on the one several sessions share):
 *     C: text      the client sends the line, with CRLF
 *     S: text      the server's next line; '**' matches any run of bytes
 *     A / B        the lines that follow are of that session (A is open from the start)
 *     #            a comment
 * Escapes in text: \r \n \\ and \xNN.  A C: line that ends in a backslash is sent without CRLF. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "imapd/imapd.h"
#include "lib/base/fs.h"
#include "lib/base/test_dialogue.h"
#include "lib/mime/charset.h"

enum { SESSIONS = 2, ANSWER_PATIENCE_MS = 10000 };

static const struct imap_settings settings = {
	.command_limit = 65536,
	.header_limit = 1 << 20,
	.append_limit = 100000,
	.timeout_s = 60,
	.bad_command_limit = 20,
	.mime = { .depth = 100, .parts = 10000 },
};

struct peer {
	int         fd;		/* ours; -1: not open */
	int         server_fd;
	pthread_t   thread;
	const char *maildir;
	struct buf  input;
};

struct talk {
	const char *name;
	char        maildir[64];
	struct peer peers[SESSIONS];
	struct peer *current;
	unsigned    line;
};

static void *run_session(void *argument)
{
	struct peer *p = argument;
	struct mailstore *store = mailstore_open(p->maildir, true);
	struct imap_report report;

	if (store != NULL)
		imap_session(&settings, p->server_fd, store, span_lit("L"), span_lit(""), &report);
	mailstore_close(store);
	(void)close(p->server_fd);
	return NULL;
}

/* next_byte - of the server; -1 when it is gone or says nothing. */
static int next_byte(struct peer *p)
{
	struct pollfd ready = { .fd = p->fd, .events = POLLIN };

	if (p->input.len == 0) {
		char *room = buf_reserve(&p->input, 4096);
		ssize_t n;

		if (room == NULL || poll(&ready, 1, ANSWER_PATIENCE_MS) <= 0)
			return -1;
		n = read(p->fd, room, 4096);
		if (n <= 0)
			return -1;
		buf_commit(&p->input, (size_t)n);
	}
	unsigned char byte = (unsigned char)p->input.ptr[0];

	buf_consume(&p->input, 1);
	return byte;
}

static void read_line(struct talk *t, struct buf *line)
{
	int c;

	buf_clear(line);
	while ((c = next_byte(t->current)) >= 0 && c != '\n')
		buf_add_byte(line, (char)(unsigned char)c);
	if (c < 0)
		buf_add(line, span_lit("(gone)"));
	else if (line->len != 0 && line->ptr[line->len - 1] == '\r')
		buf_truncate(line, line->len - 1);
}

static bool matches(struct span text, struct span pattern)
{
	size_t t = 0, p = 0, star = SIZE_MAX, star_at = 0;

	while (t < text.len) {
		if (p < pattern.len && pattern.ptr[p] == '*' && p + 1 < pattern.len && pattern.ptr[p + 1] == '*') {
			star = p += 2;
			star_at = t;
		} else if (p < pattern.len && pattern.ptr[p] == text.ptr[t]) {
			p++;
			t++;
		} else if (star != SIZE_MAX) {
			p = star;
			t = ++star_at;
		} else {
			return false;
		}
	}
	return p == pattern.len || (pattern.len - p == 2 && pattern.ptr[p] == '*' && pattern.ptr[p + 1] == '*');
}

static void open_peer(struct talk *t, struct peer *p)
{
	struct buf line;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	p->fd = pair[0];
	p->server_fd = pair[1];
	p->maildir = t->maildir;
	buf_init(&p->input, BUF_NO_LIMIT);
	assert_int_equal(pthread_create(&p->thread, NULL, run_session, p), 0);
	t->current = p;
	buf_init(&line, BUF_NO_LIMIT);
	read_line(t, &line);
	assert_true(span_starts(buf_span(&line), span_lit("L OK [CAPABILITY IMAP4rev1")));
	buf_free(&line);
}

static void use_peer(struct talk *t, char name)
{
	struct peer *p = &t->peers[name - 'A'];

	if (p->fd < 0)
		open_peer(t, p);
	t->current = p;
}

static void unescape(struct buf *out, struct span text)
{
	unsigned long long byte;

	for (size_t i = 0; i < text.len; i++) {
		char next = i + 1 < text.len ? text.ptr[i + 1] : '\0';

		if (text.ptr[i] != '\\') {
			buf_add_byte(out, text.ptr[i]);
		} else if (next == 'x' && span_hex_u64(span_slice(text, i + 2, 2), &byte)) {
			buf_add_byte(out, (char)(unsigned char)byte);
			i += 3;
		} else if (next == 'r' || next == 'n') {
			buf_add_byte(out, next == 'r' ? '\r' : '\n');
			i++;
		} else {
			buf_add_byte(out, '\\');
			i += next == '\\';
		}
	}
}

static void say(struct talk *t, struct span text)
{
	struct buf out;

	buf_init(&out, BUF_NO_LIMIT);
	if (span_ends(text, span_lit("\\")) && !span_ends(text, span_lit("\\\\"))) {
		text.len--;
		unescape(&out, text);
	} else {
		unescape(&out, text);
		buf_add(&out, span_lit("\r\n"));
	}
	if (fs_write_all(t->current->fd, out.ptr, out.len) < 0)
		fail_msg("%s:%u: the server is gone", t->name, t->line);
	buf_free(&out);
}

static void hear(struct talk *t, struct span pattern)
{
	struct buf line, want;

	buf_init(&line, BUF_NO_LIMIT);
	buf_init(&want, BUF_NO_LIMIT);
	unescape(&want, pattern);
	read_line(t, &line);
	if (!matches(buf_span(&line), buf_span(&want)))
		fail_msg("%s:%u: got <" SPAN_FMT ">, want <" SPAN_FMT ">", t->name, t->line,
		         SPAN_ARG(buf_span(&line)), SPAN_ARG(buf_span(&want)));
	buf_free(&line);
	buf_free(&want);
}

static void obey(struct talk *t, struct span line)
{
	if (line.len == 0 || line.ptr[0] == '#')
		return;
	if (span_starts(line, span_lit("C: ")))
		say(t, span_skip(line, 3));
	else if (span_starts(line, span_lit("S: ")))
		hear(t, span_skip(line, 3));
	else if (span_equal(line, span_lit("C:")))
		say(t, span_lit(""));
	else if (line.len == 1 && line.ptr[0] >= 'A' && line.ptr[0] < 'A' + SESSIONS)
		use_peer(t, line.ptr[0]);
	else
		fail_msg("%s:%u: what is this?", t->name, t->line);
}

static void end_peers(struct talk *t)
{
	for (size_t i = 0; i < SESSIONS; i++) {
		struct peer *p = &t->peers[i];

		if (p->fd < 0)
			continue;
		(void)close(p->fd);
		(void)pthread_join(p->thread, NULL);
		buf_free(&p->input);
	}
}

static void remove_folder(const char *path)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", path);
	if (system(command) != 0)
		fprintf(stderr, "cannot remove %s\n", path);
}

/* run_talk - one dialogue: the file named by the test's state. */
static void run_talk(void **state)
{
	/* On the heap: a test that fails leaves its sessions running. */
	struct talk *t = calloc(1, sizeof(*t));
	struct span rest, line;
	struct buf text;

	assert_non_null(t);
	t->name = *state;
	strcpy(t->maildir, "/tmp/postern-talk-XXXXXX");
	for (size_t i = 0; i < SESSIONS; i++)
		t->peers[i].fd = -1;
	assert_non_null(mkdtemp(t->maildir));
	buf_init(&text, BUF_NO_LIMIT);
	assert_int_equal(fs_read_file(AT_FDCWD, t->name, &text), 0);
	use_peer(t, 'A');
	for (rest = buf_span(&text); rest.len != 0;) {
		span_cut(&rest, '\n', &line);
		t->line++;
		obey(t, line);
	}
	buf_free(&text);
	end_peers(t);
	remove_folder(t->maildir);
	free(t);
}

/* Every row names its conversation; here it is looked for. */
static void rows_have_dialogues(void **state)
{
	(void)state;
	for (size_t i = 0; i < imap_command_count; i++)
		dialogue_says(TALK_DIR, imap_commands[i].dialogue, imap_commands[i].name);
}

enum { TALKS_MAX = 200 };

static size_t find_talks(const char *folder, struct CMUnitTest *tests)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	size_t count = 0;

	while (dir != NULL && count < TALKS_MAX && (entry = readdir(dir)) != NULL) {
		char *path;

		if (!span_ends(span_of(entry->d_name), span_lit(".talk")) ||
		    asprintf(&path, "%s/%s", folder, entry->d_name) < 0)
			continue;
		tests[count++] = (struct CMUnitTest){
			.name = strrchr(path, '/') + 1, .test_func = run_talk, .initial_state = path,
		};
	}
	if (dir != NULL)
		(void)closedir(dir);
	return count;
}

int main(int argc, char **argv)
{
	static struct CMUnitTest tests[TALKS_MAX + 1];
	size_t count;

	(void)setenv("TZ", "UTC", 1);
	charset_prepare();
	count = find_talks(argc > 1 ? argv[1] : TALK_DIR, tests);
	if (count == 0) {
		fprintf(stderr, "no dialogues found\n");
		return 1;
	}
	tests[count++] = (struct CMUnitTest){ .name = "rows_have_dialogues", .test_func = rows_have_dialogues };
	return _cmocka_run_group_tests("imapd", tests, count, NULL, NULL);
}
