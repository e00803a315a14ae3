/* SPDX-License-Identifier: ISC */
/* accepted.c - a bounded memory, oldest first */
#include "lib/milter/accepted.h"

#include <stdlib.h>

#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/hash.h"
#include "lib/base/list.h"
#include "lib/base/log.h"

enum { CLIENTS_MAX = 1024 };

struct milter_accepted {
	struct hash *by_key;
	struct list  by_age;
};

struct entry {
	struct list   node;
	struct arena *arena;
	struct span   key;
	uint64_t      until_us;
};

struct milter_accepted *milter_accepted_new(void)
{
	struct milter_accepted *a = calloc(1, sizeof(*a));

	if (a == NULL)
		log_fatal("out of memory");
	a->by_key = hash_new();
	list_init(&a->by_age);
	return a;
}

static void forget(struct milter_accepted *a, struct entry *e)
{
	(void)hash_remove(a->by_key, e->key);
	list_remove(&e->node);
	arena_free(e->arena);
}

void milter_accepted_free(struct milter_accepted *a)
{
	if (a == NULL)
		return;
	while (!list_is_empty(&a->by_age))
		forget(a, CONTAINER_OF(a->by_age.next, struct entry, node));
	hash_free(a->by_key, NULL);
	free(a);
}

static struct span key_of(struct arena *arena, const char *milter, struct span client)
{
	return arena_printf_span(arena, "%s " SPAN_FMT, milter, SPAN_ARG(client));
}

void milter_accepted_add(struct milter_accepted *a, const char *milter, struct span client, uint64_t seconds)
{
	struct arena *arena = arena_new(NULL);
	struct entry *e = ARENA_NEW(arena, struct entry), *old;

	e->arena = arena;
	e->key = key_of(arena, milter, client);
	e->until_us = clock_in_s(seconds);
	old = hash_get(a->by_key, e->key);
	if (old == NULL && hash_count(a->by_key) >= CLIENTS_MAX)
		old = CONTAINER_OF(a->by_age.next, struct entry, node);
	if (old != NULL)
		forget(a, old);
	hash_put(a->by_key, e->key, e);
	list_push_back(&a->by_age, &e->node);
}

bool milter_accepted_has(struct milter_accepted *a, const char *milter, struct span client)
{
	struct arena *arena = arena_new(NULL);
	struct entry *e = hash_get(a->by_key, key_of(arena, milter, client));

	arena_free(arena);
	if (e != NULL && clock_now_us() >= e->until_us) {
		forget(a, e);
		e = NULL;
	}
	return e != NULL;
}
