/* SPDX-License-Identifier: ISC */
/* heap.c - deferred messages by the time of their next attempt: a binary heap of pointers */
#include <stdlib.h>

#include "lib/base/log.h"
#include "qmgr/qmgr.h"

static bool is_before(const struct message *a, const struct message *b)
{
	return a->mail.next_attempt_us < b->mail.next_attempt_us;
}

static void put(struct heap *h, size_t at, struct message *m)
{
	h->members[at] = m;
	m->heap_index = at;
}

static void sift_up(struct heap *h, size_t at)
{
	struct message *m = h->members[at];

	for (; at > 0 && is_before(m, h->members[(at - 1) / 2]); at = (at - 1) / 2)
		put(h, at, h->members[(at - 1) / 2]);
	put(h, at, m);
}

static void sift_down(struct heap *h, size_t at)
{
	struct message *m = h->members[at];

	for (;;) {
		size_t child = 2 * at + 1;

		if (child + 1 < h->count && is_before(h->members[child + 1], h->members[child]))
			child++;
		if (child >= h->count || !is_before(h->members[child], m))
			break;
		put(h, at, h->members[child]);
		at = child;
	}
	put(h, at, m);
}

void heap_add(struct heap *h, struct message *m)
{
	if (h->count == h->capacity) {
		h->capacity = h->capacity == 0 ? 64 : 2 * h->capacity;
		h->members = realloc(h->members, h->capacity * sizeof(struct message *));
		if (h->members == NULL)
			log_fatal("out of memory");
	}
	put(h, h->count, m);
	h->count++;
	sift_up(h, h->count - 1);
}

void heap_remove(struct heap *h, struct message *m)
{
	size_t at = m->heap_index;
	struct message *last = h->members[--h->count];

	if (last == m)
		return;
	put(h, at, last);
	sift_up(h, at);
	sift_down(h, last->heap_index);
}
