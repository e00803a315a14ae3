/* SPDX-License-Identifier: ISC */
/* offload.c - calls that truly block, on a small pool of threads
 *
 * Threads are made when work waits and none is idle, up to the limit, and stay.  A job lives on the stack
 * of the task that waits for it.  The pool outlives a loop: threads hold nothing but their job. */
#include "lib/task/task_private.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/base/log.h"

struct job {
	struct list link;	/* queue of work, then queue of ended jobs */
	void      (*fn)(void *arg);
	void       *arg;
	struct list waiter;	/* the one task */
	bool        has_ended;	/* set on the loop */
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t  has_work;
	struct list     work, ended;
	unsigned        threads, idle, most;
	int             event_fd;
} pool = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.has_work = PTHREAD_COND_INITIALIZER,
	.work = { &pool.work, &pool.work },
	.ended = { &pool.ended, &pool.ended },
	.most = 4,
	.event_fd = -1,
};

static void *work(void *unused)
{
	(void)unused;
	pthread_mutex_lock(&pool.lock);
	for (;;) {
		struct list *node;
		struct job *job;
		uint64_t one = 1;

		while ((node = list_pop_front(&pool.work)) == NULL) {
			pool.idle++;
			pthread_cond_wait(&pool.has_work, &pool.lock);
			pool.idle--;
		}
		pthread_mutex_unlock(&pool.lock);
		job = CONTAINER_OF(node, struct job, link);
		job->fn(job->arg);
		pthread_mutex_lock(&pool.lock);
		list_push_back(&pool.ended, &job->link);
		if (write(pool.event_fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
			bug("event descriptor of the pool");
	}
	return NULL;
}

/* collect - on the loop: wake the tasks whose jobs have ended. */
static void collect(void)
{
	uint64_t times;
	struct list *node;

	if (read(pool.event_fd, &times, sizeof(times)) < 0)
		return;
	pthread_mutex_lock(&pool.lock);
	while ((node = list_pop_front(&pool.ended)) != NULL) {
		struct job *job = CONTAINER_OF(node, struct job, link);

		job->has_ended = true;
		loop_wake_all(&job->waiter, 0);
	}
	pthread_mutex_unlock(&pool.lock);
}

void offload_open(void)
{
	if (pool.event_fd < 0)
		pool.event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (pool.event_fd < 0)
		log_fatal("cannot make an event descriptor");
	fd_watch(pool.event_fd, collect);
}

/* add_thread - with all signals blocked: they belong to the loop.  False when it cannot be had. */
static bool add_thread(void)
{
	sigset_t all, before;
	pthread_attr_t attributes;
	pthread_t thread;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, 256 * 1024);
	error = pthread_create(&thread, &attributes, work, NULL);
	pthread_attr_destroy(&attributes);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error == 0;
}

void task_offload(void (*fn)(void *arg), void *arg)
{
	struct job job = { .fn = fn, .arg = arg };
	bool has_thread;

	if (task_self() == NULL) {	/* before the loop runs */
		fn(arg);
		return;
	}
	list_init(&job.link);
	list_init(&job.waiter);
	pthread_mutex_lock(&pool.lock);
	if (pool.idle == 0 && pool.threads < pool.most && add_thread())
		pool.threads++;
	has_thread = pool.threads > 0;
	if (has_thread) {
		list_push_back(&pool.work, &job.link);
		pthread_cond_signal(&pool.has_work);
	}
	pthread_mutex_unlock(&pool.lock);
	if (!has_thread) {
		fn(arg);	/* late is better than never */
		return;
	}
	while (!job.has_ended)
		loop_wait_steadfast(&job.waiter);
}

void task_set_threads(unsigned most)
{
	pool.most = most > 0 ? most : 1;
}
