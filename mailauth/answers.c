/* SPDX-License-Identifier: ISC */
/* answers.c - a bounded table of answers under one lock, which is held for a look and a copy only */
#include "mailauth/answers.h"

#include <pthread.h>
#include <stdlib.h>

#include "lib/base/clock.h"
#include "lib/base/hash.h"
#include "lib/base/list.h"
#include "lib/base/log.h"

struct answers {
	pthread_mutex_t lock;
	struct hash    *by_question;
	struct list     by_age;		/* oldest first */
	size_t          bytes, most_bytes;
};

struct kept {
	struct list      node;
	struct arena    *arena;
	struct span      question;
	struct dns_reply reply;
	uint64_t         until_us;
	size_t           bytes;
};

struct answers *answers_new(size_t most_bytes)
{
	struct answers *a = calloc(1, sizeof(*a));

	if (a == NULL)
		log_fatal("no memory for answers");
	pthread_mutex_init(&a->lock, NULL);
	a->by_question = hash_new();
	list_init(&a->by_age);
	a->most_bytes = most_bytes;
	return a;
}

static void forget(struct answers *a, struct kept *k)
{
	hash_remove(a->by_question, k->question);
	list_remove(&k->node);
	a->bytes -= k->bytes;
	arena_free(k->arena);
}

void answers_free(struct answers *a)
{
	while (!list_is_empty(&a->by_age))
		forget(a, CONTAINER_OF(a->by_age.next, struct kept, node));
	hash_free(a->by_question, NULL);
	pthread_mutex_destroy(&a->lock);
	free(a);
}

static void copy(struct arena *arena, const struct dns_reply *from, struct dns_reply *to)
{
	*to = *from;
	to->canonical = arena_dup(arena, from->canonical);
	to->answers = arena_dup(arena, from->answers);
	to->reason = arena_dup(arena, from->reason);
}

static struct kept *keep(struct span question, const struct dns_reply *reply)
{
	struct arena *arena = arena_new(NULL);
	struct kept *k = ARENA_NEW(arena, struct kept);

	k->arena = arena;
	k->question = arena_dup(arena, question);
	copy(arena, reply, &k->reply);
	k->until_us = clock_in_s(reply->ttl_s);
	k->bytes = sizeof(*k) + question.len + reply->canonical.len + reply->answers.len + reply->reason.len;
	return k;
}

void answers_put(struct answers *a, struct span question, const struct dns_reply *reply)
{
	struct kept *k, *old;

	if (reply->status == DNS_FAILED || reply->ttl_s == 0)
		return;
	k = keep(question, reply);
	if (k->bytes > a->most_bytes) {
		arena_free(k->arena);
		return;
	}
	pthread_mutex_lock(&a->lock);
	old = hash_get(a->by_question, question);
	if (old != NULL)
		forget(a, old);
	while (!list_is_empty(&a->by_age) && a->bytes + k->bytes > a->most_bytes)
		forget(a, CONTAINER_OF(a->by_age.next, struct kept, node));
	hash_put(a->by_question, k->question, k);
	list_push_back(&a->by_age, &k->node);
	a->bytes += k->bytes;
	pthread_mutex_unlock(&a->lock);
}

bool answers_get(struct answers *a, struct span question, struct arena *arena, struct dns_reply *reply)
{
	struct kept *k;
	bool is_known;

	pthread_mutex_lock(&a->lock);
	k = hash_get(a->by_question, question);
	is_known = k != NULL && clock_now_us() < k->until_us;
	if (is_known)
		copy(arena, &k->reply, reply);
	else if (k != NULL)
		forget(a, k);
	pthread_mutex_unlock(&a->lock);
	return is_known;
}
