/* SPDX-License-Identifier: ISC */
/* chat_test.c - lines and replies over a socket pair, however the bytes are cut */
#include "lib/net/chat.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/attributes.h"
#include "lib/task/task.h"

#define FAR (clock_in_s(60))

/* A conversation: the peer sends input in pieces of 'step' bytes; what chat_line gives is noted in 'seen'. */
struct talk {
	struct span input;
	size_t      step, line_max;
	char        seen[4096];
};

static void send_pieces(void *arg)
{
	struct talk *t = ((void **)arg)[0];
	int fd = *(int *)((void **)arg)[1];

	for (size_t i = 0; i < t->input.len; i += t->step) {
		struct span piece = span_slice(t->input, i, t->step);

		assert_int_equal(task_write(fd, piece.ptr, piece.len, FAR), (ssize_t)piece.len);
		task_yield();
	}
	task_close(fd);
}

static void note(struct talk *t, enum chat_event event, struct span line, bool bare)
{
	size_t at = strlen(t->seen);
	int n = event == CHAT_LINE
	                ? snprintf(t->seen + at, sizeof(t->seen) - at, "<" SPAN_FMT "%s>", SPAN_ARG(line),
	                           bare ? "!" : "")
	                : snprintf(t->seen + at, sizeof(t->seen) - at, "(%d)", (int)event);

	assert_true(n > 0 && (size_t)n < sizeof(t->seen) - at);
}

static void read_lines(void *arg)
{
	struct talk *t = arg;
	struct stream stream;
	struct chat chat;
	enum chat_event event;
	struct span line;
	int fds[2];
	void *sender[2] = { t, &fds[1] };

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	stream_plain(&stream, fds[0]);
	chat_init(&chat, &stream, t->line_max);
	assert_non_null(task_spawn(send_pieces, sender, "sender"));
	do {
		event = chat_line(&chat, &line, FAR);
		note(t, event, line, chat.bare_lf_seen);
		/* One read may be larger than the longest line, never much more is kept. */
		assert_true(chat.in.len <= t->line_max + 2 + 4096);
	} while (event == CHAT_LINE || event == CHAT_TOO_LONG);
	chat_free(&chat);
	stream_close(&stream);
}

static void lines_however_cut(void **state)
{
	static const struct {
		struct span input;
		const char *seen;	/* (1) too long, (2) closed */
	} rows[] = {
		{ SPAN("HELO a\r\nQUIT\r\n"), "<HELO a><QUIT>(2)" },
		{ SPAN("\r\n\r\n"), "<><>(2)" },
		{ SPAN("a\nb\r\n"), "<a!><b>(2)" },
		{ SPAN("a\r\rb\r\n"), "<a\r\rb>(2)" },
		{ SPAN("0123456789\r\nx\r\n"), "<0123456789><x>(2)" },
		{ SPAN("0123456789A\r\nx\r\n"), "(1)<x>(2)" },
		{ SPAN("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ\r\nx\r\n"), "(1)<x>(2)" },
		{ SPAN("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ\nx\r\n"), "(1)<x>(2)" },
		{ SPAN("no end"), "(2)" },
		{ SPAN(""), "(2)" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		for (size_t step = 1; step < 40; step = step * 2 + 1) {
			struct talk t = { .input = rows[i].input, .step = step, .line_max = 10 };

			task_main(read_lines, &t);
			if (strcmp(t.seen, rows[i].seen) != 0)
				fail_msg("row %zu step %zu: %s", i, step, t.seen);
		}
	}
}

static void line_may_hold_nul(void **state)
{
	struct talk t = { .input = SPAN("a\0b\r\n"), .step = 2, .line_max = 10 };

	(void)state;
	task_main(read_lines, &t);
	assert_memory_equal(t.seen, "<a", 2);
}

/* Two megabytes without a line end: bounded memory, and time that a quadratic search would not fit in. */
static void long_input_is_skipped(void **state)
{
	size_t size = 2 << 20;
	char *bytes = malloc(size);
	struct talk t = { .step = 65536, .line_max = 1000 };

	(void)state;
	assert_non_null(bytes);
	memset(bytes, 'x', size);
	memcpy(bytes + size - 5, "\r\ny\r\n", 5);
	t.input = span_make(bytes, size);
	task_main(read_lines, &t);
	assert_string_equal(t.seen, "(1)<y>(2)");
	free(bytes);
}

struct pair {
	int           fds[2];
	struct stream stream;
	struct chat   chat;
};

static void pair_open(struct pair *p)
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, p->fds), 0);
	stream_plain(&p->stream, p->fds[0]);
	chat_init(&p->chat, &p->stream, 100);
}

static void pair_close(struct pair *p)
{
	chat_free(&p->chat);
	stream_close(&p->stream);
	if (p->fds[1] >= 0)
		task_close(p->fds[1]);
}

static void pipelined(void *arg)
{
	struct pair p;
	struct span line;
	char got[64];

	(void)arg;
	pair_open(&p);
	assert_int_equal(task_write(p.fds[1], "A\r\nB\r\n", 6, FAR), 6);
	assert_int_equal(chat_line(&p.chat, &line, FAR), CHAT_LINE);
	assert_true(chat_has_input(&p.chat));
	chat_printf(&p.chat, "250 %s\r\n", "one");
	assert_int_equal(chat_line(&p.chat, &line, FAR), CHAT_LINE);
	assert_false(chat_has_input(&p.chat));
	chat_write(&p.chat, span_lit("250 two\r\n"));
	/* Nothing was sent while commands were waiting; both replies go as one. */
	assert_int_equal(recv(p.fds[1], got, sizeof(got), MSG_DONTWAIT), -1);
	assert_int_equal(chat_line(&p.chat, &line, clock_in_ms(1)), CHAT_TIMEOUT);
	assert_int_equal(recv(p.fds[1], got, sizeof(got), MSG_DONTWAIT), 18);
	assert_memory_equal(got, "250 one\r\n250 two\r\n", 18);
	pair_close(&p);
}

static void replies_are_gathered(void **state)
{
	(void)state;
	task_main(pipelined, NULL);
}

static void idle(void *arg)
{
	struct pair p;
	struct span line;

	(void)arg;
	pair_open(&p);
	assert_int_equal(task_write(p.fds[1], "A\r\n", 3, FAR), 3);
	assert_int_equal(chat_line(&p.chat, &line, FAR), CHAT_LINE);
	assert_int_equal(chat_line(&p.chat, &line, clock_in_ms(1)), CHAT_TIMEOUT);
	assert_null(p.chat.in.ptr);
	assert_null(p.chat.out.ptr);
	pair_close(&p);
}

static void idle_chat_holds_no_memory(void **state)
{
	(void)state;
	task_main(idle, NULL);
}

static void content(void *arg)
{
	struct pair p;
	struct span bytes, line;

	(void)arg;
	pair_open(&p);
	assert_int_equal(task_write(p.fds[1], "BDAT 5\r\n12345QUIT\r\n", 19, FAR), 19);
	assert_int_equal(chat_line(&p.chat, &line, FAR), CHAT_LINE);
	assert_int_equal(chat_more(&p.chat, &bytes, FAR), CHAT_LINE);
	assert_int_equal(bytes.len, 11);
	assert_memory_equal(bytes.ptr, "12345", 5);
	chat_take(&p.chat, 5);
	assert_int_equal(chat_line(&p.chat, &line, FAR), CHAT_LINE);
	assert_true(span_equal(line, span_lit("QUIT")));
	pair_close(&p);
}

static void content_between_lines(void **state)
{
	(void)state;
	task_main(content, NULL);
}

static void injected(void *arg)
{
	struct pair p;
	struct span line;

	(void)arg;
	pair_open(&p);
	assert_int_equal(task_write(p.fds[1], "STARTTLS\r\nEVIL\r\n", 16, FAR), 16);
	assert_int_equal(chat_line(&p.chat, &line, FAR), CHAT_LINE);
	assert_int_equal(chat_discard_input(&p.chat), 6);
	assert_int_equal(chat_line(&p.chat, &line, clock_in_ms(1)), CHAT_TIMEOUT);
	pair_close(&p);
}

static void input_can_be_discarded(void **state)
{
	(void)state;
	task_main(injected, NULL);
}

static void gone(void *arg)
{
	struct pair p;
	struct span line;

	(void)arg;
	pair_open(&p);
	task_close(p.fds[1]);
	p.fds[1] = -1;
	chat_write(&p.chat, span_lit("220 hello\r\n"));
	assert_int_equal(chat_flush(&p.chat, FAR), -1);
	assert_int_equal(chat_line(&p.chat, &line, FAR), CHAT_CLOSED);
	pair_close(&p);
}

static void gone_peer_is_closed(void **state)
{
	(void)state;
	task_main(gone, NULL);
}

static void cancelled(void *arg)
{
	struct pair p;
	struct span line;

	(void)arg;
	pair_open(&p);
	task_cancel(task_self());
	assert_int_equal(chat_line(&p.chat, &line, FAR), CHAT_CANCELLED);
	pair_close(&p);
}

static void cancel_reaches_the_session(void **state)
{
	(void)state;
	task_main(cancelled, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_however_cut),
		cmocka_unit_test(line_may_hold_nul),
		cmocka_unit_test(long_input_is_skipped),
		cmocka_unit_test(replies_are_gathered),
		cmocka_unit_test(idle_chat_holds_no_memory),
		cmocka_unit_test(content_between_lines),
		cmocka_unit_test(input_can_be_discarded),
		cmocka_unit_test(gone_peer_is_closed),
		cmocka_unit_test(cancel_reaches_the_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
