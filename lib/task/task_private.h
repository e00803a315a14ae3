/* SPDX-License-Identifier: ISC */
/* task_private.h - what the files of lib/task share; nobody outside includes it */
#ifndef TASK_TASK_PRIVATE_H
#define TASK_TASK_PRIVATE_H

#include "lib/task/context.h"
#include "lib/task/task.h"

/* A stack with its context, which outlives a task and runs the next one. */
struct task_stack {
	struct context     context;
	char              *map;		/* guard page first */
	size_t             map_size;
	unsigned           valgrind_id;
	struct task_stack *next;	/* in the pool */
};

enum { TIMER_NONE = -1 };

struct task {
	struct list        link;	/* in the run queue or in a waitlist */
	struct task_stack *stack;
	const char        *name;
	task_fn           *fn;
	void              *arg;
	struct arena      *arena;	/* made when first asked for */
	void              *value;
	uint64_t           deadline_us;	/* of the present wait */
	uint64_t           timer_us;	/* where it stands in the heap: never later than deadline_us */
	ptrdiff_t          timer_index;	/* in the heap, or TIMER_NONE */
	const char        *depth;	/* of the stack, when it suspended */
	int                wait_errno;	/* how the wait ended; 0: woken */
	unsigned           io_streak;	/* I/O done without a wait: others get their turn */
	bool               is_waiting;
	bool               is_steadfast;	/* this wait ends neither by deadline nor by cancel */
	bool               is_cancelled;
	bool               gives_memory_back;	/* at the next wait */
};

/* ---- task.c: the loop ---- */

/* loop_open - make the loop when it is not there yet (signals may be asked for before task_main). */
void loop_open(void);
/* loop_wait - the current task joins waiters (may be NULL: only the deadline ends it).  0 or -1 with errno. */
int loop_wait(struct list *waiters, uint64_t deadline_us);
/* loop_wait_steadfast - until woken, whatever happens. */
void loop_wait_steadfast(struct list *waiters);
/* loop_wake - t, taken out of its waitlist, runs again; error: 0 or what its wait says. */
void loop_wake(struct task *t, int error);
bool loop_wake_all(struct list *waiters, int error);
/* loop_share - the current task did I/O without waiting; after a run of that it yields. */
void loop_share(void);

/* ---- timer.c: a heap of tasks by timer_us ---- */

/* timer_set - wake t at that monotonic time (CLOCK_NEVER: not).  timer_forget - not any more. */
void timer_set(struct task *t, uint64_t deadline_us);
void timer_forget(struct task *t);
/* timer_next_us - when the loop must look at the timers, or CLOCK_NEVER. */
uint64_t timer_next_us(void);
void timer_expire(uint64_t now_us);
void timer_close(void);

/* ---- fd.c: epoll ---- */

/* fd_open, fd_close - the loop's epoll descriptor. */
void fd_open(void);
void fd_close(void);
/* fd_poll - wait that many milliseconds (-1: for ever) for events, wake who waits for them. */
void fd_poll(int timeout_ms);
/* fd_watch - call fn on the loop whenever fd becomes readable. */
void fd_watch(int fd, void (*fn)(void));

/* ---- stack.c ---- */

/* stack_take - from the pool, or a new one of the given size running entry; NULL with errno. */
struct task_stack *stack_take(size_t bytes, void (*entry)(void));
void stack_give(struct task_stack *s);
/* stack_trim - give back the pages below depth. */
void stack_trim(struct task_stack *s, const char *depth);
void stack_close_pool(void);

/* ---- offload.c, signal.c ---- */

/* offload_open, signal_open - join a loop just opened. */
void offload_open(void);
void signal_open(void);

#endif
