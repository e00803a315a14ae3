/* SPDX-License-Identifier: ISC */
/* task.c - the loop: tasks run in turn until each waits for something
 *
 * One loop a process, all in one thread; offload.c alone knows of others.  A waiting task is a node of
 * exactly one waitlist (of a descriptor, of an event, or its own when only time ends the wait); waking moves
 * it to the run queue.  Deadlines are in timer.c, descriptors in fd.c. */
#include "lib/task/task_private.h"

#include <errno.h>
#include <stdlib.h>

#include "lib/base/log.h"

enum {
	STACK_BYTES     = 128 * 1024,
	TASKS_MOST      = 100000,
	POLL_EVERY      = 64,	/* switches, while some task can always run */
	STREAK_MAX      = 64,	/* reads and writes without waiting, before others get a turn */
	HOLD_MAX_US     = 50000,
	POLL_MAX_MS     = 3600 * 1000,
	LOG_RETRY_MS    = 20,
};

static struct loop {
	struct list    ready;
	struct context context;		/* of task_main */
	struct task   *current;
	size_t         count, most;
	size_t         stack_bytes;
	unsigned       switches;	/* since events were last looked for */
	bool           is_open, is_stopping;
	bool           may_hold;
} loop = { .most = TASKS_MOST, .stack_bytes = STACK_BYTES };

void loop_open(void)
{
	if (loop.is_open)
		return;
	loop.is_open = true;
	list_init(&loop.ready);
	fd_open();
	offload_open();
	signal_open();
}

static void loop_close(void)
{
	fd_close();
	timer_close();
	stack_close_pool();
	loop.is_open = loop.is_stopping = false;
	loop.count = 0;
	loop.switches = 0;
}

/* run_tasks - what every stack does: run its task, hand itself back, wait for the next. */
static void run_tasks(void)
{
	context_arrived();
	for (;;) {
		struct task *t = loop.current;
		struct context *here = &t->stack->context;

		t->fn(t->arg);
		t->fn = NULL;
		here->is_ending = true;
		context_switch(here, &loop.context);
		here->is_ending = false;
	}
}

struct task *task_spawn(task_fn *fn, void *arg, const char *name)
{
	struct task *t;

	loop_open();
	if (loop.count >= loop.most) {
		errno = EAGAIN;
		return NULL;
	}
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return NULL;
	t->stack = stack_take(loop.stack_bytes, run_tasks);
	if (t->stack == NULL) {
		free(t);
		return NULL;
	}
	t->fn = fn;
	t->arg = arg;
	t->name = name;
	t->timer_index = TIMER_NONE;
	list_push_back(&loop.ready, &t->link);
	loop.count++;
	return t;
}

static void bury(struct task *t)
{
	timer_forget(t);
	if (t->arena != NULL)
		arena_free(t->arena);
	stack_give(t->stack);
	free(t);
	loop.count--;
}

static void check_hold(const struct task *t, uint64_t since_us)
{
#ifdef WITH_DEBUG
	if (!loop.may_hold && clock_now_us() - since_us > HOLD_MAX_US)
		bug("task %s held the loop for more than %d ms", t->name, HOLD_MAX_US / 1000);
#else
	(void)t;
	(void)since_us;
#endif
}

static uint64_t hold_begins(void)
{
#ifdef WITH_DEBUG
	return clock_now_us();
#else
	return 0;
#endif
}

static void resume(struct task *t)
{
	uint64_t since_us = hold_begins();

	loop.current = t;
	t->io_streak = 0;
	context_switch(&loop.context, &t->stack->context);
	loop.current = NULL;
	check_hold(t, since_us);
	if (t->fn == NULL) {
		bury(t);
	} else if (t->gives_memory_back && t->is_waiting) {
		t->gives_memory_back = false;
		stack_trim(t->stack, t->depth);
	}
}

static int poll_timeout_ms(void)
{
	uint64_t next_us = timer_next_us();
	uint64_t now_us;

	if (!list_is_empty(&loop.ready))
		return 0;
	if (next_us == CLOCK_NEVER)
		return -1;
	now_us = clock_now_us();
	if (next_us <= now_us)
		return 0;
	/* Rounded up: waking too early would only mean another turn. */
	next_us = (next_us - now_us + 999) / 1000;
	return next_us > POLL_MAX_MS ? POLL_MAX_MS : (int)next_us;
}

/* The log goes out when there is time; while its reader has no room we look again soon. */
static int flush_log_before(int timeout_ms)
{
	if (timeout_ms == 0 || log_flush())
		return timeout_ms;
	return timeout_ms < 0 || timeout_ms > LOG_RETRY_MS ? LOG_RETRY_MS : timeout_ms;
}

static void look_for_events(void)
{
	if (!list_is_empty(&loop.ready) && loop.switches < POLL_EVERY)
		return;
	loop.switches = 0;
	fd_poll(flush_log_before(poll_timeout_ms()));
	if (timer_next_us() != CLOCK_NEVER)
		timer_expire(clock_now_us());
}

void task_main(task_fn *fn, void *arg)
{
	struct list *node;

	loop_open();
	log_set_deferred(true);
	if (task_spawn(fn, arg, "main") == NULL)
		log_fatal("cannot make the first task");
	while (loop.count > 0 && !loop.is_stopping) {
		look_for_events();
		while (!loop.is_stopping && loop.switches < POLL_EVERY &&
		       (node = list_pop_front(&loop.ready)) != NULL) {
			loop.switches++;
			resume(CONTAINER_OF(node, struct task, link));
		}
	}
	log_set_deferred(false);
	(void)log_flush();
	loop_close();
}

void task_stop(void)
{
	loop.is_stopping = true;
}

static void suspend(void)
{
	struct task *t = loop.current;

	/* The frame of the switch itself is below.  Not the address of a local: AddressSanitizer may keep those elsewhere. */
	t->depth = (const char *)__builtin_frame_address(0) - 512;
	context_switch(&t->stack->context, &loop.context);
}

static struct task *require_task(void)
{
	if (loop.current == NULL)
		bug("a wait outside of any task");
	return loop.current;
}

static int wait_until_woken(struct task *t, struct list *waiters)
{
	t->wait_errno = 0;
	t->is_waiting = true;
	if (waiters != NULL)
		list_push_back(waiters, &t->link);
	else
		list_init(&t->link);
	suspend();
	if (t->wait_errno == 0)
		return 0;
	errno = t->wait_errno;
	return -1;
}

int loop_wait(struct list *waiters, uint64_t deadline_us)
{
	struct task *t = require_task();

	if (t->is_cancelled) {
		errno = ECANCELED;
		return -1;
	}
	if (deadline_us == 0) {	/* just a try: not worth a turn of the loop */
		errno = ETIMEDOUT;
		return -1;
	}
	timer_set(t, deadline_us);
	return wait_until_woken(t, waiters);
}

void loop_wait_steadfast(struct list *waiters)
{
	struct task *t = require_task();

	t->is_steadfast = true;
	t->deadline_us = CLOCK_NEVER;
	(void)wait_until_woken(t, waiters);
	t->is_steadfast = false;
}

void loop_wake(struct task *t, int error)
{
	t->wait_errno = error;
	t->is_waiting = false;
	list_remove(&t->link);
	list_push_back(&loop.ready, &t->link);
}

bool loop_wake_all(struct list *waiters, int error)
{
	bool any = !list_is_empty(waiters);

	while (!list_is_empty(waiters))
		loop_wake(CONTAINER_OF(waiters->next, struct task, link), error);
	return any;
}

void task_yield(void)
{
	struct task *t = require_task();

	list_push_back(&loop.ready, &t->link);
	suspend();
}

void loop_share(void)
{
	if (loop.current == NULL || ++loop.current->io_streak < STREAK_MAX)
		return;
	loop.switches = POLL_EVERY;	/* others may have become ready meanwhile */
	task_yield();
}

int task_sleep_until(uint64_t deadline_us)
{
	if (loop_wait(NULL, deadline_us) < 0 && errno == ETIMEDOUT)
		return 0;
	return -1;
}

int task_sleep_us(uint64_t us)
{
	return task_sleep_until(clock_now_us() + us);
}

void task_cancel(struct task *t)
{
	t->is_cancelled = true;
	if (t->is_waiting && !t->is_steadfast)
		loop_wake(t, ECANCELED);
}

bool task_is_cancelled(void)
{
	return loop.current != NULL && loop.current->is_cancelled;
}

void task_set_limit(size_t most)
{
	loop.most = most;
}

void task_set_stack(size_t bytes)
{
	loop.stack_bytes = bytes;
}

struct task *task_self(void)
{
	return loop.current;
}

size_t task_count(void)
{
	return loop.count;
}

struct arena *task_arena(void)
{
	struct task *t = require_task();

	if (t->arena == NULL)
		t->arena = arena_new(NULL);
	return t->arena;
}

void task_set_value(void *value)
{
	require_task()->value = value;
}

void *task_value(void)
{
	return loop.current != NULL ? loop.current->value : NULL;
}

void task_hold_allowed(bool allowed)
{
	loop.may_hold = allowed;
}

void task_idle_memory(void)
{
	if (loop.current != NULL)
		loop.current->gives_memory_back = true;
}
