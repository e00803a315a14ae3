/* SPDX-License-Identifier: ISC */
/* task.h - coroutines on one epoll loop per process
 *
 * Code in a task reads as if it blocked; only the functions here suspend, and what
 * calls them says so in its docstring.  After a suspension nothing outside the task
 * may be assumed unchanged.  Deadlines are absolute, of clock_now_us(); CLOCK_NEVER
 * waits for ever, 0 does not wait at all.  A wait that ends early gives -1 with errno ETIMEDOUT (deadline) or
 * ECANCELED (task_cancel; every later wait of that task then fails the same way). */
#ifndef TASK_TASK_H
#define TASK_TASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "lib/base/arena.h"
#include "lib/base/attributes.h"
#include "lib/base/clock.h"
#include "lib/base/list.h"

struct task;
typedef void task_fn(void *arg);

/* task_main - run fn(arg) as the first task and loop until it has returned and all other
 * tasks have ended, or task_stop was called.  Once a process at a time. */
void task_main(task_fn *fn, void *arg);
/* task_stop - make task_main return as soon as the current task suspends; the other tasks
 * are abandoned with their memory. */
void task_stop(void);

/* task_spawn - a new task; runs when the current one suspends.  name (kept, not copied) is for
 * logs and debuggers.  NULL with errno when no stack can be had or past task_set_limit. */
struct task *task_spawn(task_fn *fn, void *arg, const char *name);
/* task_set_limit - most tasks at a time (default 100,000). */
void task_set_limit(size_t most);
/* task_set_stack - bytes of stack a task (default 128 KiB; only what is touched costs memory). */
void task_set_stack(size_t bytes);
struct task *task_self(void);
size_t task_count(void);
/* task_arena - the current task's own arena, freed when it ends. */
struct arena *task_arena(void);
/* task_set_value / task_value - one pointer of the task's own, e.g. its log context. */
void task_set_value(void *value);
void *task_value(void);
/* task_cancel - wake t: its present and later waits fail with ECANCELED.  Does not suspend. */
void task_cancel(struct task *t);
bool task_is_cancelled(void);

/* Each of these suspends. */
void task_yield(void);
int  task_sleep_until(uint64_t deadline_us);
int  task_sleep_us(uint64_t us);

enum task_io { TASK_READABLE = 1, TASK_WRITABLE = 2 };

/* task_wait_fd - until fd (non-blocking) may be ready; 0, or -1 with errno.  fd is registered once,
 * edge-triggered, so try the I/O first and wait only on EAGAIN. */
int task_wait_fd(int fd, enum task_io what, uint64_t deadline_us);
/* task_read and kin - as the system calls, suspended while EAGAIN.  -1 with errno, read 0 at the end. */
ssize_t task_read(int fd, void *data, size_t n, uint64_t deadline_us);
/* task_write, task_writev - all of it: n or -1.  task_writev changes iov. */
ssize_t task_write(int fd, const void *data, size_t n, uint64_t deadline_us);
ssize_t task_writev(int fd, struct iovec *iov, int count, uint64_t deadline_us);
ssize_t task_recvmsg(int fd, struct msghdr *message, int flags, uint64_t deadline_us);
ssize_t task_sendmsg(int fd, const struct msghdr *message, int flags, uint64_t deadline_us);
/* task_accept - a connected descriptor, non-blocking and close-on-exec, or -1.  EMFILE and ENFILE are
 * given to the caller. */
int task_accept(int fd, struct sockaddr *address, socklen_t *length, uint64_t deadline_us);
int task_connect(int fd, const struct sockaddr *address, socklen_t length, uint64_t deadline_us);
/* task_forget_fd - take fd out of the loop (before it is passed on or closed by others);
 * waits on it fail with EBADF.  task_close - forget and close.  Neither suspends. */
void task_forget_fd(int fd);
int  task_close(int fd);

/* task_offload - run fn(arg), which may block, on a thread of the pool while the task sleeps;
 * always waits for its end.  fn must touch nothing but arg.  task_set_threads: default 4. */
void task_offload(void (*fn)(void *arg), void *arg);
void task_set_threads(unsigned most);

/* A waitlist: tasks that wait for one event, woken in order. */
struct task_waitlist {
	struct list waiters;
};

/* task_waitlist_init - nobody waits. */
void task_waitlist_init(struct task_waitlist *w);
/* task_wait - until woken: 0, or -1 with errno.  Check the condition again afterwards. */
int  task_wait(struct task_waitlist *w, uint64_t deadline_us);
/* task_wake_one, task_wake_all - do not suspend; false when nobody waited. */
bool task_wake_one(struct task_waitlist *w);
bool task_wake_all(struct task_waitlist *w);

/* A channel: a bounded queue of pointers between tasks. */
struct task_channel;

/* task_channel_new - room for capacity items (at least one).  task_channel_free: nobody may wait on it. */
struct task_channel *task_channel_new(size_t capacity);
void task_channel_free(struct task_channel *c);
/* task_channel_send - suspends while full.  task_channel_receive - suspends while empty;
 * -1 with EPIPE once closed and drained.  task_channel_try_send: -1 with EAGAIN when full. */
int  task_channel_send(struct task_channel *c, void *item, uint64_t deadline_us);
int  task_channel_try_send(struct task_channel *c, void *item);
int  task_channel_receive(struct task_channel *c, void **item, uint64_t deadline_us);
void task_channel_close(struct task_channel *c);

/* task_hold_allowed - debug builds abort when one task holds the loop longer than 50 ms; a tool that
 * means to (a replay at start) says so with task_hold_allowed(true) around it. */
void task_hold_allowed(bool allowed);

/* task_on_signal - run fn(signo) on the loop (not as a task: it must not suspend) when the signal comes. */
void task_on_signal(int signo, void (*fn)(int signo));

/* task_idle_memory - a session goes idle (IDLE, waiting for the next command): give back the pages
 * of the current task's stack below its present depth when it next waits. */
void task_idle_memory(void);

#endif
