/* SPDX-License-Identifier: ISC */
/* wait.c - waitlists, and channels made of two of them */
#include "lib/task/task_private.h"

#include <errno.h>
#include <stdlib.h>

#include "lib/base/log.h"

void task_waitlist_init(struct task_waitlist *w)
{
	list_init(&w->waiters);
}

int task_wait(struct task_waitlist *w, uint64_t deadline_us)
{
	return loop_wait(&w->waiters, deadline_us);
}

bool task_wake_one(struct task_waitlist *w)
{
	if (list_is_empty(&w->waiters))
		return false;
	loop_wake(CONTAINER_OF(w->waiters.next, struct task, link), 0);
	return true;
}

bool task_wake_all(struct task_waitlist *w)
{
	return loop_wake_all(&w->waiters, 0);
}

struct task_channel {
	struct task_waitlist senders, receivers;
	size_t               capacity, first, count;
	bool                 is_closed;
	void                *items[];	/* a ring */
};

struct task_channel *task_channel_new(size_t capacity)
{
	size_t room = capacity > 0 ? capacity : 1;
	struct task_channel *c = calloc(1, sizeof(*c) + room * sizeof(void *));

	if (c == NULL)
		log_fatal("no memory for a channel");
	c->capacity = room;
	task_waitlist_init(&c->senders);
	task_waitlist_init(&c->receivers);
	return c;
}

void task_channel_free(struct task_channel *c)
{
	if (c == NULL)
		return;
	REQUIRE(list_is_empty(&c->senders.waiters) && list_is_empty(&c->receivers.waiters));
	free(c);
}

int task_channel_try_send(struct task_channel *c, void *item)
{
	if (c->is_closed) {
		errno = EPIPE;
		return -1;
	}
	if (c->count == c->capacity) {
		errno = EAGAIN;
		return -1;
	}
	c->items[(c->first + c->count++) % c->capacity] = item;
	task_wake_one(&c->receivers);
	return 0;
}

int task_channel_send(struct task_channel *c, void *item, uint64_t deadline_us)
{
	while (task_channel_try_send(c, item) < 0) {
		if (errno != EAGAIN || task_wait(&c->senders, deadline_us) < 0)
			return -1;
	}
	return 0;
}

int task_channel_receive(struct task_channel *c, void **item, uint64_t deadline_us)
{
	while (c->count == 0) {
		if (c->is_closed) {
			errno = EPIPE;
			return -1;
		}
		if (task_wait(&c->receivers, deadline_us) < 0)
			return -1;
	}
	*item = c->items[c->first];
	c->first = (c->first + 1) % c->capacity;
	c->count--;
	/* Who was woken for an item and then timed out or was cancelled does not lose it: it is still here,
	 * so the next one must be told. */
	if (c->count > 0)
		task_wake_one(&c->receivers);
	task_wake_one(&c->senders);
	return 0;
}

void task_channel_close(struct task_channel *c)
{
	c->is_closed = true;
	task_wake_all(&c->senders);
	task_wake_all(&c->receivers);
}
