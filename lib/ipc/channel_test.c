/* SPDX-License-Identifier: ISC */
/* channel_test.c - asking and answering over a socket pair, on the loop */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/ipc/ipc.h"
#include "lib/ipc/wire.h"
#include "lib/task/task.h"

#define ECHO_REQUEST(F, M) F(M, U64, number) F(M, SPAN, text) F(M, FD, file)
IPC_DECLARE(echo_request, ECHO_REQUEST);
IPC_DEFINE(echo_request, 2, ECHO_REQUEST);
#define ECHO_REPLY(F, M) F(M, U64, number) F(M, SPAN, text) F(M, FD, file)
IPC_DECLARE(echo_reply, ECHO_REPLY);
IPC_DEFINE(echo_reply, 3, ECHO_REPLY);
#define OTHER_REQUEST(F, M) F(M, U64, number)
IPC_DECLARE(other_request, OTHER_REQUEST);
IPC_DEFINE(other_request, 4, OTHER_REQUEST);

/* What a scene of the test has: a channel and its server on a socket pair. */
struct scene {
	struct ipc_server   server;
	struct ipc_channel *channel;
	int                 server_fd, raw_fd;
	unsigned            opened, closed, handled;
	struct ipc_request *kept;
	void (*play)(struct scene *s);
};

static void echo(struct ipc_request *r)
{
	const struct echo_request *in = r->message;
	struct scene              *s = r->user;
	struct echo_reply          out = { in->number, in->text, in->file };

	s->handled++;
	if (in->number % 2 == 1)
		task_yield();
	(void)ipc_reply(r, &echo_reply_type, &out, false);
	ipc_close_fds(&echo_reply_type, &out);
}

/* Counts down: number replies, the last without IPC_MORE. */
static void count_down(struct ipc_request *r)
{
	uint64_t n = ((const struct echo_request *)r->message)->number;

	while (n-- > 0) {
		struct echo_reply out = { .number = n, .text = SPAN("more"), .file = -1 };

		if (ipc_reply(r, &echo_reply_type, &out, n > 0) < 0 && n > 0)
			break;
	}
}

static void keep(struct ipc_request *r)
{
	((struct scene *)r->user)->kept = r;
}

static void count_opened(struct ipc_peer *peer, void *user)
{
	ipc_peer_set_value(peer, user);
	((struct scene *)user)->opened++;
}

static void count_closed(struct ipc_peer *peer, void *user)
{
	assert_ptr_equal(ipc_peer_value(peer), user);
	((struct scene *)user)->closed++;
}

static void serve(void *arg)
{
	struct scene *s = arg;

	ipc_serve(&s->server, s->server_fd);
}

static void stage(void *arg)
{
	struct scene *s = arg;

	if (s->server.handlers != NULL)
		assert_non_null(task_spawn(serve, s, "server"));
	s->channel = ipc_channel_open(s->raw_fd, "test");
	assert_non_null(s->channel);
	s->play(s);
	if (s->channel != NULL)
		ipc_channel_close(s->channel);
}

static void perform(void (*play)(struct scene *s), const struct ipc_handler *handlers, size_t count,
                    struct scene *s)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
	*s = (struct scene){
		.server = { handlers, count, s, 100, count_opened, count_closed },
		.raw_fd = fds[0], .server_fd = fds[1], .play = play,
	};
	task_main(stage, s);
}

static const struct ipc_handler suspending[] = { { &echo_request_type, echo, true } };
static const struct ipc_handler counting[] = { { &echo_request_type, count_down, true } };
static const struct ipc_handler keeping[] = { { &echo_request_type, keep, false } };

static int call(struct scene *s, uint64_t number, struct span text, int file, struct echo_reply *reply,
                struct arena *a, uint64_t deadline_us)
{
	struct echo_request in = { number, text, file };

	return ipc_call(s->channel, &echo_request_type, &in, &echo_reply_type, reply, a, deadline_us);
}

/* ---- scenes ---- */

static void play_echo(struct scene *s)
{
	struct echo_reply reply;

	assert_int_equal(call(s, 4, span_lit("text\0with NUL"), -1, &reply, task_arena(), CLOCK_NEVER), 0);
	assert_int_equal(reply.number, 4);
	assert_true(span_equal(reply.text, span_lit("text\0with NUL")));
	assert_int_equal(reply.file, -1);
}

static void answers(void **state)
{
	struct scene s;

	(void)state;
	perform(play_echo, suspending, 1, &s);
	assert_int_equal(s.opened, 1);
	assert_int_equal(s.closed, 1);
}

static void play_descriptor(struct scene *s)
{
	struct echo_reply reply;
	int               file = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_int_equal(call(s, 4, span_lit(""), file, &reply, task_arena(), CLOCK_NEVER), 0);
	assert_true(reply.file >= 0 && reply.file != file);
	assert_int_not_equal(fcntl(reply.file, F_GETFD) & FD_CLOEXEC, 0);
	assert_int_equal(close(reply.file), 0);
	assert_int_equal(close(file), 0);
}

static size_t open_descriptors(void)
{
	size_t n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void descriptor_goes_and_comes(void **state)
{
	struct scene s;
	size_t       before = open_descriptors();

	(void)state;
	perform(play_descriptor, suspending, 1, &s);
	assert_int_equal(open_descriptors(), before);
}

static void give_descriptor(struct ipc_request *r)
{
	struct echo_reply out = { .text = SPAN("here"), .file = ((struct scene *)r->user)->server_fd };

	(void)ipc_reply(r, &echo_reply_type, &out, false);
}

static const struct ipc_handler giving[] = { { &echo_request_type, give_descriptor, false } };

static void set_descriptor_limit(rlim_t most)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = most;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void play_no_descriptor_left(struct scene *s)
{
	struct echo_request in = { .file = -1 };
	struct echo_reply   out;
	struct rlimit       before;
	int                 result;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	set_descriptor_limit(3);
	result = ipc_call(s->channel, &echo_request_type, &in, &echo_reply_type, &out, task_arena(), CLOCK_NEVER);
	set_descriptor_limit(before.rlim_cur);
	assert_int_equal(result, -1);
	assert_int_equal(errno, EMFILE);
	/* It costs that call, not the channel. */
	assert_int_equal(ipc_call(s->channel, &echo_request_type, &in, &echo_reply_type, &out, task_arena(),
	                          CLOCK_NEVER), 0);
	assert_true(out.file >= 0);
	(void)close(out.file);
}

static void no_descriptor_left_fails_one_call(void **state)
{
	struct scene s;

	(void)state;
	perform(play_no_descriptor_left, giving, COUNT_OF(giving), &s);
}

static void play_large(struct scene *s)
{
	size_t            n = IPC_MESSAGE_MAX - 64;
	char             *bytes = malloc(n);
	struct echo_reply reply;

	memset(bytes, 'x', n);
	for (uint64_t i = 0; i < 8; i++) {
		assert_int_equal(call(s, i, span_make(bytes, n), -1, &reply, task_arena(), CLOCK_NEVER), 0);
		assert_int_equal(reply.text.len, n);
	}
	assert_int_equal(call(s, 0, span_make(bytes, IPC_MESSAGE_MAX), -1, &reply, task_arena(), CLOCK_NEVER), -1);
	assert_int_equal(errno, EMSGSIZE);
	assert_true(ipc_channel_is_open(s->channel));
	free(bytes);
}

static void largest_message_passes(void **state)
{
	struct scene s;

	(void)state;
	perform(play_large, suspending, 1, &s);
}

struct caller {
	struct scene *scene;
	uint64_t      number;
	unsigned     *finished;
};

static void call_once(void *arg)
{
	struct caller    *c = arg;
	struct echo_reply reply;
	char              text[4096];

	memset(text, (int)('a' + c->number % 26), sizeof(text));
	assert_int_equal(call(c->scene, c->number, span_make(text, sizeof(text)), -1, &reply, task_arena(),
	                      CLOCK_NEVER), 0);
	assert_int_equal(reply.number, c->number);
	assert_memory_equal(reply.text.ptr, text, sizeof(text));
	(*c->finished)++;
}

enum { CALLERS = 500 };

static void play_many(struct scene *s)
{
	struct caller callers[CALLERS];
	unsigned      finished = 0;

	for (unsigned i = 0; i < CALLERS; i++) {
		callers[i] = (struct caller){ s, i, &finished };
		assert_non_null(task_spawn(call_once, &callers[i], "caller"));
	}
	while (finished < CALLERS)
		task_yield();
}

static void many_calls_share_a_channel(void **state)
{
	struct scene s;

	(void)state;
	perform(play_many, suspending, 1, &s);
	assert_int_equal(s.handled, CALLERS);
}

static void play_several(struct scene *s)
{
	struct echo_request in = { 5, SPAN(""), -1 };
	struct echo_reply   reply;
	struct ipc_ask     *ask = ipc_ask_start(s->channel, &echo_request_type, &in, CLOCK_NEVER);

	assert_non_null(ask);
	for (uint64_t left = 4; left > 0; left--) {
		assert_int_equal(ipc_ask_next(ask, &echo_reply_type, &reply, task_arena(), CLOCK_NEVER), 1);
		assert_int_equal(reply.number, left);
	}
	assert_int_equal(ipc_ask_next(ask, &echo_reply_type, &reply, task_arena(), CLOCK_NEVER), 0);
	assert_int_equal(ipc_ask_next(ask, &echo_reply_type, &reply, task_arena(), CLOCK_NEVER), -1);
	ipc_ask_end(ask);
}

static void several_replies_in_order(void **state)
{
	struct scene s;

	(void)state;
	perform(play_several, counting, 1, &s);
}

static void play_call_gets_many(struct scene *s)
{
	struct echo_reply reply;

	assert_int_equal(call(s, 2, span_lit(""), -1, &reply, task_arena(), CLOCK_NEVER), -1);
	assert_int_equal(errno, EPROTO);
	assert_true(ipc_channel_is_open(s->channel));
}

static void call_refuses_several_replies(void **state)
{
	struct scene s;

	(void)state;
	perform(play_call_gets_many, counting, 1, &s);
}

static void play_timeout(struct scene *s)
{
	struct echo_reply reply, late = { .number = 1, .file = -1 };

	assert_int_equal(call(s, 1, span_lit(""), -1, &reply, task_arena(), clock_in_ms(1)), -1);
	assert_int_equal(errno, ETIMEDOUT);
	assert_non_null(s->kept);
	assert_int_equal(ipc_reply(s->kept, &echo_reply_type, &late, false), 0);
	task_yield();
	task_yield();
	assert_true(ipc_channel_is_open(s->channel));	/* a late answer is no offence */
}

static void late_answer_is_dropped(void **state)
{
	struct scene s;

	(void)state;
	perform(play_timeout, keeping, 1, &s);
}

static void play_unknown_request(struct scene *s)
{
	struct other_request in = { 1 };
	struct echo_reply    reply;

	assert_int_equal(ipc_call(s->channel, &other_request_type, &in, &echo_reply_type, &reply, task_arena(),
	                          CLOCK_NEVER), -1);
	assert_int_equal(errno, EPIPE);
	assert_false(ipc_channel_is_open(s->channel));
	assert_int_equal(call(s, 1, span_lit(""), -1, &reply, task_arena(), CLOCK_NEVER), -1);
	assert_int_equal(errno, ESHUTDOWN);
}

static void unknown_request_costs_the_channel(void **state)
{
	struct scene s;

	(void)state;
	perform(play_unknown_request, suspending, 1, &s);
	assert_int_equal(s.closed, 1);
}

/* Here the test itself plays the server, badly. */
static void play_bad_reply(struct scene *s, struct span packet)
{
	struct echo_reply reply;

	assert_int_equal(send(s->server_fd, packet.ptr, packet.len, 0), packet.len);
	assert_int_equal(call(s, 1, span_lit(""), -1, &reply, task_arena(), CLOCK_NEVER), -1);
	assert_false(ipc_channel_is_open(s->channel));
	assert_int_equal(close(s->server_fd), 0);
}

static void play_garbage(struct scene *s)
{
	play_bad_reply(s, span_lit("GET / HTTP/1.0\r\n\r\n"));
}

static void garbage_costs_the_channel(void **state)
{
	struct scene s;

	(void)state;
	perform(play_garbage, NULL, 0, &s);
}

static void play_unasked(struct scene *s)
{
	struct echo_reply reply = { .number = 1, .file = -1 };
	struct buf        out;

	buf_init(&out, BUF_NO_LIMIT);
	ipc_encode(&out, &echo_reply_type, 0, 99, &reply);
	play_bad_reply(s, buf_span(&out));
	buf_free(&out);
}

static void unasked_reply_costs_the_channel(void **state)
{
	struct scene s;

	(void)state;
	perform(play_unasked, NULL, 0, &s);
}

static void play_lost(struct scene *s)
{
	struct echo_reply reply;

	assert_int_equal(close(s->server_fd), 0);
	assert_int_equal(call(s, 1, span_lit(""), -1, &reply, task_arena(), CLOCK_NEVER), -1);
	assert_true(errno == ESHUTDOWN || errno == EPIPE);
}

static void lost_peer_ends_the_call(void **state)
{
	struct scene s;

	(void)state;
	perform(play_lost, NULL, 0, &s);
}

static void answer_kept(void *arg)
{
	struct scene     *s = arg;
	struct echo_reply reply = { .number = 8, .file = -1 };

	while (s->kept == NULL)
		task_yield();
	ipc_serve_drain();
	assert_int_equal(ipc_reply(s->kept, &echo_reply_type, &reply, false), 0);
}

static void play_drain(struct scene *s)
{
	struct echo_reply reply;

	assert_non_null(task_spawn(answer_kept, s, "answer"));
	assert_int_equal(call(s, 8, span_lit(""), -1, &reply, task_arena(), CLOCK_NEVER), 0);
	assert_int_equal(reply.number, 8);
	assert_int_equal(call(s, 9, span_lit(""), -1, &reply, task_arena(), CLOCK_NEVER), -1);
	assert_int_equal(errno, ESHUTDOWN);
}

static void drain_loses_no_request(void **state)
{
	struct scene s;

	(void)state;
	perform(play_drain, keeping, 1, &s);
	assert_int_equal(s.closed, 1);
}

static void release_later(void *arg)
{
	struct scene     *s = arg;
	struct echo_reply reply = { .number = 8, .file = -1 };

	while (s->kept == NULL)
		task_yield();
	ipc_channel_release(s->channel);
	s->channel = NULL;
	assert_int_equal(ipc_reply(s->kept, &echo_reply_type, &reply, false), 0);
}

static void play_release(struct scene *s)
{
	struct echo_reply reply;

	assert_non_null(task_spawn(release_later, s, "release"));
	assert_int_equal(call(s, 8, span_lit(""), -1, &reply, task_arena(), CLOCK_NEVER), 0);
}

static void release_lets_calls_finish(void **state)
{
	struct scene s;

	(void)state;
	perform(play_release, keeping, 1, &s);
}

/* ---- notices ---- */

static void notice_back(struct ipc_request *r)
{
	struct echo_reply out = { ((const struct echo_request *)r->message)->number + 1, SPAN("back"), -1 };

	assert_true(r->id == 0);
	((struct scene *)r->user)->handled++;
	assert_int_equal(ipc_peer_notify(r->peer, &echo_reply_type, &out), 0);
}

static void note_notice(struct ipc_request *r)
{
	struct scene *s = r->user;

	assert_true(((const struct echo_reply *)r->message)->number == 8);
	s->handled++;
}

static void note_lost(void *user)
{
	((struct scene *)user)->opened += 100;
}

static void play_notices(struct scene *s)
{
	static const struct ipc_handler handlers[] = { { &echo_reply_type, note_notice, false } };
	struct echo_request             in = { 7, SPAN("there"), -1 };

	ipc_channel_on_notice(s->channel, handlers, 1, note_lost, s);
	assert_int_equal(ipc_channel_notify(s->channel, &echo_request_type, &in), 0);
	while (s->handled < 2)
		task_yield();
	assert_true(ipc_channel_is_open(s->channel));
}

static void notices_go_both_ways(void **state)
{
	static const struct ipc_handler handlers[] = { { &echo_request_type, notice_back, false } };
	struct scene                    s;

	(void)state;
	perform(play_notices, handlers, 1, &s);
	assert_int_equal(s.opened, 101);	/* and the end was told once */
}

static void play_unwanted_notice(struct scene *s)
{
	struct echo_reply out = { 1, SPAN(""), -1 };

	assert_int_equal(ipc_blocking_send(s->server_fd, &echo_reply_type, 0, 0, &out), 0);
	while (ipc_channel_is_open(s->channel))
		task_yield();
	assert_int_equal(close(s->server_fd), 0);
}

static void unwanted_notice_costs_the_channel(void **state)
{
	struct scene s;

	(void)state;
	perform(play_unwanted_notice, NULL, 0, &s);
	assert_false(s.handled);
}

/* ---- blocking ---- */

static void blocking_side(void **state)
{
	struct echo_request in = { 3, SPAN("abc"), -1 };
	struct echo_reply   out = { 4, SPAN("def"), -1 }, reply;
	struct arena       *a = arena_new(NULL);
	int                 pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	assert_int_equal(ipc_blocking_send(pair[1], &echo_reply_type, IPC_MORE, 1, &out), 0);
	out.number = 5;
	assert_int_equal(ipc_blocking_send(pair[1], &echo_reply_type, 0, 1, &out), 0);
	assert_int_equal(ipc_blocking_next(pair[0], &echo_reply_type, &reply, a, 5), 1);
	assert_int_equal(ipc_blocking_call(pair[0], &echo_request_type, &in, &echo_reply_type, &reply, a, 5), 0);
	assert_int_equal(reply.number, 5);
	assert_true(span_equal(reply.text, span_lit("def")));

	struct ipc_header header;
	struct span       packet;
	int               fds[IPC_FDS_MAX];
	size_t            fd_count;

	assert_int_equal(ipc_blocking_receive(pair[1], a, &header, &packet, fds, &fd_count), 0);
	assert_int_equal(header.type, 2);
	assert_true(ipc_decode(packet, &echo_request_type, fds, fd_count, &in));
	assert_int_equal(close(pair[1]), 0);
	assert_int_equal(ipc_blocking_next(pair[0], &echo_reply_type, &reply, a, 5), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(close(pair[0]), 0);
	arena_free(a);
}

static void too_many_descriptors_are_closed(void **state)
{
	struct arena     *a = arena_new(NULL);
	char              byte = 'x';
	struct iovec      iov = { &byte, 1 };
	union { char bytes[CMSG_SPACE(sizeof(int) * 6)]; size_t aligned; } control = { { 0 } };
	struct msghdr     message = { .msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control.bytes) };
	struct cmsghdr   *c = CMSG_FIRSTHDR(&message);
	int               pair[2], six[6];
	size_t            before, fd_count;
	struct ipc_header header;
	struct span       packet;
	int               fds[IPC_FDS_MAX];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	for (size_t i = 0; i < 6; i++)
		six[i] = pair[1];
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(six));
	memcpy(CMSG_DATA(c), six, sizeof(six));
	assert_int_equal(sendmsg(pair[1], &message, 0), 1);
	before = open_descriptors();
	assert_int_equal(ipc_blocking_receive(pair[0], a, &header, &packet, fds, &fd_count), -1);
	assert_int_equal(errno, EPROTO);
	assert_int_equal(open_descriptors(), before);
	close(pair[0]);
	close(pair[1]);
	arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers),
		cmocka_unit_test(descriptor_goes_and_comes),
		cmocka_unit_test(no_descriptor_left_fails_one_call),
		cmocka_unit_test(largest_message_passes),
		cmocka_unit_test(many_calls_share_a_channel),
		cmocka_unit_test(several_replies_in_order),
		cmocka_unit_test(call_refuses_several_replies),
		cmocka_unit_test(late_answer_is_dropped),
		cmocka_unit_test(unknown_request_costs_the_channel),
		cmocka_unit_test(garbage_costs_the_channel),
		cmocka_unit_test(unasked_reply_costs_the_channel),
		cmocka_unit_test(lost_peer_ends_the_call),
		cmocka_unit_test(drain_loses_no_request),
		cmocka_unit_test(release_lets_calls_finish),
		cmocka_unit_test(notices_go_both_ways),
		cmocka_unit_test(unwanted_notice_costs_the_channel),
		cmocka_unit_test(blocking_side),
		cmocka_unit_test(too_many_descriptors_are_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
