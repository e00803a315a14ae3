/* SPDX-License-Identifier: ISC */
/* task_test.c - tasks, waits, channels, descriptors, offload: order and outcome, never how long it took */
#include "lib/task/task.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define FAR (clock_in_s(60))

/* What happened, in order: one letter an event. */
static char story[256];

static void tell(char c)
{
	size_t at = strlen(story);

	assert_true(at + 1 < sizeof(story));
	story[at] = c;
	story[at + 1] = '\0';
}

static void run(task_fn *fn, void *arg)
{
	story[0] = '\0';
	task_main(fn, arg);
}

static void letter_twice(void *arg)
{
	const char *c = arg;

	tell(*c);
	task_yield();
	tell(*c);
}

static void spawn_three(void *arg)
{
	(void)arg;
	assert_non_null(task_spawn(letter_twice, (void *)(size_t)"a", "a"));
	assert_non_null(task_spawn(letter_twice, (void *)(size_t)"b", "b"));
	assert_non_null(task_spawn(letter_twice, (void *)(size_t)"c", "c"));
	tell('-');
	assert_int_equal(task_count(), 4);
}

static void tasks_run_in_turn(void **state)
{
	(void)state;
	run(spawn_three, NULL);
	assert_string_equal(story, "-abcabc");
}

static void loop_can_run_again(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		run(spawn_three, NULL);
		assert_string_equal(story, "-abcabc");
	}
}

static void limit_spawn(void *arg)
{
	(void)arg;
	task_set_limit(2);
	assert_non_null(task_spawn(letter_twice, (void *)(size_t)"a", "a"));
	assert_null(task_spawn(letter_twice, (void *)(size_t)"b", "b"));
	assert_int_equal(errno, EAGAIN);
	task_set_limit(100000);
}

static void spawn_stops_at_limit(void **state)
{
	(void)state;
	run(limit_spawn, NULL);
	assert_string_equal(story, "aa");
}

static void nothing(void *arg)
{
	++*(size_t *)arg;
}

static void spawn_many(void *arg)
{
	for (int i = 0; i < 5000; i++) {
		assert_non_null(task_spawn(nothing, arg, "many"));
		if (i % 500 == 499)
			task_yield();
	}
}

static void many_tasks_end(void **state)
{
	size_t ended = 0;

	(void)state;
	run(spawn_many, &ended);
	assert_int_equal(ended, 5000);
}

/* From one base, so that the order is that of the letters however late each begins. */
static uint64_t sleep_base_us;

static void sleep_then_tell(void *arg)
{
	const char *c = arg;

	assert_int_equal(task_sleep_until(sleep_base_us + (uint64_t)(*c - 'a') * 3000), 0);
	tell(*c);
}

static void sleepers(void *arg)
{
	(void)arg;
	sleep_base_us = clock_now_us();
	assert_non_null(task_spawn(sleep_then_tell, (void *)(size_t)"d", "d"));
	assert_non_null(task_spawn(sleep_then_tell, (void *)(size_t)"b", "b"));
	assert_non_null(task_spawn(sleep_then_tell, (void *)(size_t)"c", "c"));
}

static void timers_wake_in_order(void **state)
{
	(void)state;
	run(sleepers, NULL);
	assert_string_equal(story, "bcd");
}

/* Later deadlines must move a task that stands at an earlier place of the heap. */
static void deadline_moves(void *arg)
{
	uint64_t begin = clock_now_us();

	(void)arg;
	for (uint64_t i = 1; i <= 20; i++)
		assert_int_equal(task_sleep_until(begin + i * 500), 0);
	assert_true(clock_now_us() >= begin + 20 * 500);
	tell('x');
}

static void deadlines_grow(void **state)
{
	(void)state;
	run(deadline_moves, NULL);
	assert_string_equal(story, "x");
}

struct waiting {
	struct task_waitlist list;
	struct task         *task;
	int                  result, error;
};

static void wait_far(void *arg)
{
	struct waiting *w = arg;

	w->result = task_wait(&w->list, FAR);
	w->error = errno;
	tell('w');
}

static void wait_near(void *arg)
{
	struct waiting *w = arg;

	w->result = task_wait(&w->list, clock_in_ms(2));
	w->error = errno;
	tell('w');
}

static void wake_waiter(void *arg)
{
	struct waiting *w = arg;

	assert_false(task_wake_one(&w->list));
	assert_non_null(task_spawn(wait_far, w, "waiter"));
	task_yield();
	tell('1');
	assert_true(task_wake_one(&w->list));
	assert_false(task_wake_all(&w->list));
	tell('2');
}

static void waiter_is_woken(void **state)
{
	struct waiting w;

	(void)state;
	task_waitlist_init(&w.list);
	run(wake_waiter, &w);
	assert_string_equal(story, "12w");
	assert_int_equal(w.result, 0);
}

static void wait_times_out(void **state)
{
	struct waiting w;

	(void)state;
	task_waitlist_init(&w.list);
	run(wait_near, &w);
	assert_int_equal(w.result, -1);
	assert_int_equal(w.error, ETIMEDOUT);
	assert_true(list_is_empty(&w.list.waiters));
}

static void cancel_waiter(void *arg)
{
	struct waiting *w = arg;
	struct task *t = task_spawn(wait_far, w, "waiter");

	assert_non_null(t);
	task_yield();
	task_cancel(t);
	tell('c');
}

static void cancel_ends_a_wait(void **state)
{
	struct waiting w;

	(void)state;
	task_waitlist_init(&w.list);
	run(cancel_waiter, &w);
	assert_string_equal(story, "cw");
	assert_int_equal(w.result, -1);
	assert_int_equal(w.error, ECANCELED);
}

static void wait_when_cancelled(void *arg)
{
	struct waiting *w = arg;

	task_cancel(task_self());
	assert_true(task_is_cancelled());
	for (int i = 0; i < 2; i++) {
		assert_int_equal(task_wait(&w->list, FAR), -1);
		assert_int_equal(errno, ECANCELED);
		assert_int_equal(task_sleep_us(1), -1);
	}
	tell('x');
}

static void cancel_ends_later_waits(void **state)
{
	struct waiting w;

	(void)state;
	task_waitlist_init(&w.list);
	run(wait_when_cancelled, &w);
	assert_string_equal(story, "x");
}

static void receive_all(void *arg)
{
	struct task_channel *c = arg;
	void *item;

	while (task_channel_receive(c, &item, FAR) == 0)
		tell(*(const char *)item);
	assert_int_equal(errno, EPIPE);
}

static void send_all(void *arg)
{
	static const char letters[] = "abcdefgh";

	assert_non_null(task_spawn(receive_all, arg, "receiver"));
	for (size_t i = 0; i < sizeof(letters) - 1; i++)
		assert_int_equal(task_channel_send(arg, (void *)(size_t)&letters[i], FAR), 0);
	task_channel_close(arg);
	assert_int_equal(task_channel_try_send(arg, arg), -1);
	assert_int_equal(errno, EPIPE);
}

static void channel_keeps_order(void **state)
{
	(void)state;
	for (size_t capacity = 1; capacity <= 9; capacity += 4) {
		struct task_channel *c = task_channel_new(capacity);

		run(send_all, c);
		assert_string_equal(story, "abcdefgh");
		task_channel_free(c);
	}
}

static void fill_channel(void *arg)
{
	assert_int_equal(task_channel_try_send(arg, arg), 0);
	assert_int_equal(task_channel_try_send(arg, arg), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(task_channel_send(arg, arg, clock_in_ms(1)), -1);
	assert_int_equal(errno, ETIMEDOUT);
	tell('x');
}

static void channel_is_bounded(void **state)
{
	struct task_channel *c = task_channel_new(1);

	(void)state;
	run(fill_channel, c);
	assert_string_equal(story, "x");
	task_channel_free(c);
}

static void nonblocking_pair(int fds[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
}

enum { BULK = 1 << 20 };

static void write_bulk(void *arg)
{
	int fd = *(int *)arg;
	char *data = malloc(BULK);

	assert_non_null(data);
	memset(data, 'q', BULK);
	assert_int_equal(task_write(fd, data, BULK, FAR), BULK);
	free(data);
	task_close(fd);
	tell('w');
}

static void read_bulk(void *arg)
{
	int *fds = arg;
	char part[3000];
	size_t total = 0;
	ssize_t got;

	assert_non_null(task_spawn(write_bulk, &fds[1], "writer"));
	while ((got = task_read(fds[0], part, sizeof(part), FAR)) > 0)
		total += (size_t)got;
	assert_int_equal(got, 0);
	assert_int_equal(total, BULK);
	task_close(fds[0]);
	tell('r');
}

static void bulk_goes_through(void **state)
{
	int fds[2];

	(void)state;
	nonblocking_pair(fds);
	run(read_bulk, fds);
	assert_string_equal(story, "wr");
}

static void read_nothing(void *arg)
{
	int *fds = arg;
	char c;

	assert_int_equal(task_read(fds[0], &c, 1, clock_in_ms(1)), -1);
	assert_int_equal(errno, ETIMEDOUT);
	assert_int_equal(task_write(fds[1], "z", 1, FAR), 1);
	assert_int_equal(task_read(fds[0], &c, 1, FAR), 1);
	tell(c);
	task_close(fds[0]);
	task_close(fds[1]);
}

static void read_times_out(void **state)
{
	int fds[2];

	(void)state;
	nonblocking_pair(fds);
	run(read_nothing, fds);
	assert_string_equal(story, "z");
}

static void read_until_forgotten(void *arg)
{
	char c;

	assert_int_equal(task_read(*(int *)arg, &c, 1, FAR), -1);
	assert_int_equal(errno, EBADF);
	tell('f');
}

static void forget_under_reader(void *arg)
{
	int *fds = arg;

	assert_non_null(task_spawn(read_until_forgotten, &fds[0], "reader"));
	task_yield();
	task_close(fds[0]);
	task_close(fds[1]);
}

static void forget_ends_waits(void **state)
{
	int fds[2];

	(void)state;
	nonblocking_pair(fds);
	run(forget_under_reader, fds);
	assert_string_equal(story, "f");
}

/* A number is used again: the loop must not take the new descriptor for the old one. */
static void reuse_number(void *arg)
{
	char c;

	(void)arg;
	for (int i = 0; i < 50; i++) {
		int fds[2];

		nonblocking_pair(fds);
		assert_int_equal(task_read(fds[0], &c, 1, clock_in_ms(0)), -1);
		assert_int_equal(task_write(fds[1], "y", 1, FAR), 1);
		assert_int_equal(task_wait_fd(fds[0], TASK_READABLE, FAR), 0);
		assert_int_equal(task_read(fds[0], &c, 1, FAR), 1);
		task_close(fds[0]);
		task_close(fds[1]);
	}
	tell('x');
}

static void numbers_are_reused(void **state)
{
	(void)state;
	run(reuse_number, NULL);
	assert_string_equal(story, "x");
}

static void writev_many(void *arg)
{
	int *fds = arg;
	char got[64];
	struct iovec parts[] = { { (void *)(size_t)"", 0 }, { (void *)(size_t)"ab", 2 },
		                 { (void *)(size_t)"", 0 }, { (void *)(size_t)"cde", 3 } };

	assert_int_equal(task_writev(fds[1], parts, 4, FAR), 5);
	assert_int_equal(task_read(fds[0], got, sizeof(got), FAR), 5);
	assert_memory_equal(got, "abcde", 5);
	task_close(fds[0]);
	task_close(fds[1]);
	tell('x');
}

static void writev_skips_empty_parts(void **state)
{
	int fds[2];

	(void)state;
	nonblocking_pair(fds);
	run(writev_many, fds);
	assert_string_equal(story, "x");
}

static void accept_one(void *arg)
{
	int fd = task_accept(*(int *)arg, NULL, NULL, FAR);
	char c;

	assert_true(fd >= 0);
	assert_int_equal(task_read(fd, &c, 1, FAR), 1);
	tell(c);
	task_close(fd);
}

static void connect_one(void *arg)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	(void)arg;
	assert_int_equal(bind(listener, (struct sockaddr *)&address, length), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &length), 0);
	assert_int_equal(listen(listener, 5), 0);
	assert_non_null(task_spawn(accept_one, &listener, "acceptor"));
	assert_int_equal(task_connect(fd, (struct sockaddr *)&address, length, FAR), 0);
	assert_int_equal(task_write(fd, "k", 1, FAR), 1);
	while (story[0] == '\0')
		task_yield();
	task_close(fd);
	task_close(listener);
	/* Nobody listens there any more. */
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(task_connect(fd, (struct sockaddr *)&address, length, FAR), -1);
	assert_int_equal(errno, ECONNREFUSED);
	task_close(fd);
}

static void connect_and_accept(void **state)
{
	(void)state;
	run(connect_one, NULL);
	assert_string_equal(story, "k");
}

struct labour {
	pthread_t     thread;
	unsigned long sum;
};

static void toil(void *arg)
{
	struct labour *l = arg;

	l->thread = pthread_self();
	for (unsigned long i = 0; i < 1000; i++)
		l->sum += i;
}

static void offload_one(void *arg)
{
	struct labour l = { .sum = 0 };

	(void)arg;
	task_offload(toil, &l);
	assert_int_equal(l.sum, 499500);
	assert_false(pthread_equal(l.thread, pthread_self()));
	tell('o');
}

static void offload_several(void *arg)
{
	for (int i = 0; i < 20; i++)
		assert_non_null(task_spawn(offload_one, arg, "labour"));
}

static void offload_runs_elsewhere(void **state)
{
	(void)state;
	run(offload_several, NULL);
	assert_string_equal(story, "oooooooooooooooooooo");
}

static void offload_under_cancel(void *arg)
{
	struct labour l = { .sum = 0 };

	(void)arg;
	task_cancel(task_self());
	task_offload(toil, &l);
	assert_int_equal(l.sum, 499500);
	tell('o');
}

static void offload_is_not_cancelled(void **state)
{
	(void)state;
	run(offload_under_cancel, NULL);
	assert_string_equal(story, "o");
}

static struct task_waitlist signalled;

static void on_signal(int signo)
{
	tell(signo == SIGUSR1 ? 's' : '?');
	task_wake_all(&signalled);
}

static void await_signal(void *arg)
{
	(void)arg;
	task_waitlist_init(&signalled);
	task_on_signal(SIGUSR1, on_signal);
	assert_int_equal(kill(getpid(), SIGUSR1), 0);
	assert_int_equal(task_wait(&signalled, FAR), 0);
	tell('w');
}

static void signals_come_on_the_loop(void **state)
{
	(void)state;
	run(await_signal, NULL);
	assert_string_equal(story, "sw");
}

static void own_things(void *arg)
{
	struct arena *mine = task_arena();

	assert_ptr_equal(mine, task_arena());
	assert_null(task_value());
	task_set_value(arg);
	task_yield();
	assert_ptr_equal(task_value(), arg);
	tell('x');
}

static void own_things_of_two(void *arg)
{
	assert_non_null(task_spawn(own_things, arg, "one"));
	assert_non_null(task_spawn(own_things, &signalled, "two"));
}

static void value_and_arena_are_its_own(void **state)
{
	int mark;

	(void)state;
	run(own_things_of_two, &mark);
	assert_string_equal(story, "xx");
}

static __attribute__((noinline)) size_t dig(size_t depth)
{
	volatile char hole[1024];

	hole[0] = (char)depth;
	hole[1023] = 1;
	return depth == 0 ? 0 : dig(depth - 1) + (size_t)hole[1023];
}

/* resident - pages in memory among the 64 KiB below here. */
static size_t resident(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t top = (size_t)__builtin_frame_address(0) & ~(page - 1);
	unsigned char in_memory[64];
	size_t pages = 65536 / page, count = 0;

	assert_int_equal(mincore((void *)(top - 65536), 65536, in_memory), 0);
	for (size_t i = 0; i < pages; i++)
		count += in_memory[i] & 1;
	return count;
}

static void go_idle(void *arg)
{
	size_t before;

	(void)arg;
	assert_int_equal(dig(50), 50);
	before = resident();
	task_idle_memory();
	assert_int_equal(task_sleep_us(100), 0);
	assert_true(before >= 8);
	assert_true(resident() < before / 2);
	tell('x');
}

static void idle_gives_stack_back(void **state)
{
	(void)state;
#ifdef WITH_SANITIZERS
	skip();	/* frames are not where they seem */
#endif
	run(go_idle, NULL);
	assert_string_equal(story, "x");
}

static void stop_early(void *arg)
{
	(void)arg;
	tell('s');
	task_stop();
}

static void stop_ends_the_loop(void **state)
{
	(void)state;
	run(stop_early, NULL);
	assert_string_equal(story, "s");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tasks_run_in_turn),
		cmocka_unit_test(loop_can_run_again),
		cmocka_unit_test(spawn_stops_at_limit),
		cmocka_unit_test(many_tasks_end),
		cmocka_unit_test(timers_wake_in_order),
		cmocka_unit_test(deadlines_grow),
		cmocka_unit_test(waiter_is_woken),
		cmocka_unit_test(wait_times_out),
		cmocka_unit_test(cancel_ends_a_wait),
		cmocka_unit_test(cancel_ends_later_waits),
		cmocka_unit_test(channel_keeps_order),
		cmocka_unit_test(channel_is_bounded),
		cmocka_unit_test(bulk_goes_through),
		cmocka_unit_test(read_times_out),
		cmocka_unit_test(forget_ends_waits),
		cmocka_unit_test(numbers_are_reused),
		cmocka_unit_test(writev_skips_empty_parts),
		cmocka_unit_test(connect_and_accept),
		cmocka_unit_test(offload_runs_elsewhere),
		cmocka_unit_test(offload_is_not_cancelled),
		cmocka_unit_test(signals_come_on_the_loop),
		cmocka_unit_test(value_and_arena_are_its_own),
		cmocka_unit_test(idle_gives_stack_back),
		cmocka_unit_test(stop_ends_the_loop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
