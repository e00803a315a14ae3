/* SPDX-License-Identifier: ISC */
/* fake_milter.c - scripted milters for tests */
#include "lib/milter/fake_milter.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "lib/milter/wire.h"
#include "lib/task/task.h"

enum { WAIT_S = 60 };

struct fake {
	struct fake_milters *all;
	struct arena        *arena;
	struct span          script;
	unsigned             number;	/* of this connection, from 1 */
	int                  fd;
	struct buf           in;
	bool                 had_session;
};

void fake_milters_init(struct fake_milters *f)
{
	*f = (struct fake_milters){ .connections = 0 };
	buf_init(&f->seen, BUF_NO_LIMIT);
}

void fake_milters_free(struct fake_milters *f)
{
	buf_free(&f->seen);
}

/* ---- the script ---- */

/* The value of the next word "key=" or "key:" in *rest. */
static bool next_word(struct span *rest, struct span key, struct span *value)
{
	struct span word;

	while (span_token(rest, ";", &word)) {
		if (!span_starts(word, key))
			continue;
		*value = span_skip(word, key.len);
		return true;
	}
	return false;
}

static struct span setting(struct fake *f, const char *key, const char *standard)
{
	struct span rest = f->script, value;

	return next_word(&rest, span_of(key), &value) ? value : span_of(standard);
}

static uint32_t number(struct fake *f, const char *key, const char *standard)
{
	unsigned long long value = 0;

	if (!span_hex_u64(setting(f, key, standard), &value))
		abort();
	return (uint32_t)value;
}

static char decoded(char c)
{
	return c == '_' ? ' ' : c == '|' ? '\0' : c;
}

static void add_text(struct buf *out, struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '~')
			buf_add_cstr(out, "\r\n");
		else
			buf_add_byte(out, decoded(text.ptr[i]));
	}
}

static void add_reply(struct buf *out, struct span text)
{
	size_t start = milter_packet_begin(out, (enum milter_command)text.ptr[0]);
	struct span rest = span_skip(text, 1), index;
	unsigned long long n;

	if ((text.ptr[0] == 'i' || text.ptr[0] == 'm') && span_cut(&rest, '.', &index) &&
	    span_u64(index, UINT32_MAX, &n))
		milter_add_u32(out, (uint32_t)n);
	add_text(out, rest);
	milter_packet_end(out, start);
}

/* ---- answering ---- */

static void add_negotiation(struct fake *f, struct buf *out)
{
	size_t start = milter_packet_begin(out, MILTER_NEGOTIATE);
	struct span rest = f->script, list, stage;

	milter_add_u32(out, number(f, "version=", "6"));
	milter_add_u32(out, number(f, "actions=", "1ff"));
	milter_add_u32(out, number(f, "steps=", "0"));
	while (next_word(&rest, span_lit("macros="), &list)) {
		unsigned long long n;

		span_cut(&list, '.', &stage);
		if (span_u64(stage, 100, &n))
			milter_add_u32(out, (uint32_t)n);
		for (size_t i = 0; i < list.len; i++)
			buf_add_byte(out, list.ptr[i] == '+' ? ' ' : list.ptr[i]);
		buf_add_byte(out, '\0');
	}
	milter_packet_end(out, start);
}

/* A misdeed named in the script; false: it was none.  is_over: the connection is to end. */
static bool misbehave(struct span what, struct buf *out, bool *is_over, bool *hangs)
{
	if (span_equal(what, span_lit("hang")))
		*hangs = true;
	else if (span_equal(what, span_lit("close")))
		*is_over = true;
	else if (span_equal(what, span_lit("garbage")))
		buf_add_cstr(out, "HTTP/1.1 400 Bad Request\r\n\r\n");
	else if (span_equal(what, span_lit("huge")))
		buf_add(out, span_lit("\x7f\xff\xff\xff" "b"));
	else if (span_equal(what, span_lit("empty")))
		buf_add(out, span_lit("\0\0\0\0"));
	else if (span_equal(what, span_lit("half"))) {
		buf_add(out, span_lit("\0\0\0\x10y5"));
		*is_over = true;
	} else {
		return false;
	}
	return true;
}

static bool is_final(struct span reply)
{
	return strchr("+-2behimqp", reply.ptr[0]) == NULL;
}

/* "E:" and "E/2:" of the second connection. */
static bool next_reply(struct fake *f, struct span *rest, char letter, struct span *reply)
{
	char key[2] = { letter, ':' }, numbered[4] = { letter, '/', (char)('0' + f->number), ':' };
	struct span word;

	while (span_token(rest, ";", &word)) {
		if (span_starts(word, span_make(key, 2)))
			*reply = span_skip(word, 2);
		else if (span_starts(word, span_make(numbered, 4)))
			*reply = span_skip(word, 4);
		else
			continue;
		return true;
	}
	return false;
}

/* True while the connection goes on. */
static bool answer(struct fake *f, char letter)
{
	struct span rest = f->script, reply;
	bool is_over = false, hangs = false, needs_verdict = true, misbehaved = false;
	struct buf out;

	if (memchr("DAQK", letter, 4) != NULL || span_find(setting(f, "nr=", ""), letter) != SPAN_NOT_FOUND)
		return letter != 'Q';
	buf_init(&out, BUF_NO_LIMIT);
	while (!is_over && !hangs && next_reply(f, &rest, letter, &reply)) {
		if (misbehave(reply, &out, &is_over, &hangs)) {
			misbehaved = true;
			continue;
		}
		add_reply(&out, reply);
		needs_verdict = !is_final(reply);
	}
	if (letter == 'O' && needs_verdict && !misbehaved)
		add_negotiation(f, &out);
	else if (needs_verdict && !misbehaved)
		milter_packet(&out, (enum milter_command)MILTER_CONTINUE);
	if (out.len > 0 && task_write(f->fd, out.ptr, out.len, clock_in_s(WAIT_S)) < 0)
		is_over = true;
	buf_free(&out);
	return !is_over;
}

static void note(struct fake *f, const struct milter_packet *packet)
{
	struct buf *seen = &f->all->seen;

	buf_add_byte(seen, (char)packet->letter);
	for (size_t i = 0; i < packet->data.len; i++)
		buf_add_byte(seen, packet->data.ptr[i] == '\0' ? '|' : packet->data.ptr[i]);
	buf_add_byte(seen, '\n');
}

static void serve(void *arg)
{
	struct fake *f = arg;
	struct milter_packet packet;
	uint32_t length;
	bool goes_on = true;

	while (goes_on) {
		ssize_t got;

		while (goes_on && milter_frame(buf_span(&f->in), 1 << 20, &packet, &length) == MILTER_FRAME_WHOLE) {
			char letter = (char)packet.letter;

			note(f, &packet);
			buf_consume(&f->in, 4 + (size_t)length);
			goes_on = (letter != (char)MILTER_CONNECT || !f->had_session || !f->all->closes_when_used_again) &&
			          answer(f, letter);
			f->had_session = f->had_session || letter == (char)MILTER_QUIT_NC;
		}
		got = goes_on ? task_read(f->fd, buf_reserve(&f->in, 65536), 65536, clock_in_s(WAIT_S)) : 0;
		f->all->writes++;
		goes_on = got > 0;
		if (goes_on)
			buf_commit(&f->in, (size_t)got);
	}
	task_close(f->fd);
	buf_free(&f->in);
	arena_free(f->arena);
}

int fake_milters_connect(void *user, const char *endpoint, uint64_t deadline_us)
{
	struct fake_milters *all = user;
	struct arena *arena = arena_new(NULL);
	struct fake *f = ARENA_NEW(arena, struct fake);
	int pair[2];

	(void)deadline_us;
	(void)signal(SIGPIPE, SIG_IGN);
	errno = all->refuse_errno;
	if (all->refuse_errno != 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0) {
		arena_free(arena);
		return -1;
	}
	f->all = all;
	f->arena = arena;
	f->number = ++all->connections;
	f->script = arena_dup(arena, span_skip(span_of(endpoint), strlen("unix:")));
	f->fd = pair[0];
	buf_init(&f->in, BUF_NO_LIMIT);
	if (task_spawn(serve, f, "fake milter") == NULL)
		abort();
	return pair[1];
}
