/* SPDX-License-Identifier: ISC */
/* timer.c - deadlines of waiting tasks, in a binary heap
 *
 * Most deadlines never come: a read with a limit of five minutes ends in a millisecond, and the next one
 * has a later limit still.  So a task stays in the heap when its wait ends; only when its old place comes up
 * do we look whether it waits, until when, and put it there. */
#include "lib/task/task_private.h"

#include <errno.h>
#include <stdlib.h>

#include "lib/base/log.h"

static struct task **heap;
static size_t count, room;

static void place(size_t at, struct task *t)
{
	heap[at] = t;
	t->timer_index = (ptrdiff_t)at;
}

static void sift_up(size_t at, struct task *t)
{
	while (at > 0 && heap[(at - 1) / 2]->timer_us > t->timer_us) {
		place(at, heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	place(at, t);
}

static void sift_down(size_t at, struct task *t)
{
	for (;;) {
		size_t child = 2 * at + 1;

		if (child >= count)
			break;
		if (child + 1 < count && heap[child + 1]->timer_us < heap[child]->timer_us)
			child++;
		if (heap[child]->timer_us >= t->timer_us)
			break;
		place(at, heap[child]);
		at = child;
	}
	place(at, t);
}

static void add(struct task *t)
{
	if (count == room) {
		size_t more = room == 0 ? 64 : room * 2;
		struct task **grown = reallocarray(heap, more, sizeof(struct task *));

		if (grown == NULL)
			log_fatal("no memory for timers");
		heap = grown;
		room = more;
	}
	sift_up(count++, t);
}

void timer_set(struct task *t, uint64_t deadline_us)
{
	t->deadline_us = deadline_us;
	if (deadline_us == CLOCK_NEVER)
		return;
	if (t->timer_index == TIMER_NONE) {
		t->timer_us = deadline_us;
		add(t);
	} else if (deadline_us < t->timer_us) {
		t->timer_us = deadline_us;
		sift_up((size_t)t->timer_index, t);
	}
}

void timer_forget(struct task *t)
{
	size_t at = (size_t)t->timer_index;
	struct task *last;

	if (t->timer_index == TIMER_NONE)
		return;
	t->timer_index = TIMER_NONE;
	last = heap[--count];
	if (last == t)
		return;
	if (at > 0 && heap[(at - 1) / 2]->timer_us > last->timer_us)
		sift_up(at, last);
	else
		sift_down(at, last);
}

uint64_t timer_next_us(void)
{
	return count > 0 ? heap[0]->timer_us : CLOCK_NEVER;
}

void timer_expire(uint64_t now_us)
{
	while (count > 0 && heap[0]->timer_us <= now_us) {
		struct task *t = heap[0];

		if (!t->is_waiting || t->deadline_us == CLOCK_NEVER) {
			timer_forget(t);
		} else if (t->deadline_us > now_us) {
			t->timer_us = t->deadline_us;
			sift_down(0, t);
		} else {
			timer_forget(t);
			loop_wake(t, ETIMEDOUT);
		}
	}
}

void timer_close(void)
{
	free(heap);
	heap = NULL;
	count = room = 0;
}
