/* SPDX-License-Identifier: ISC */
/* penalty.c - delays for addresses from which logins fail */
#include "auth/penalty.h"

#include <stdlib.h>
#include <string.h>

#include <netinet/in.h>

#include "lib/base/hash.h"
#include "lib/base/list.h"
#include "lib/base/log.h"
#include "lib/net/address.h"

enum { SAME_ATTEMPTS = 4, FREE_FAILURES = 4, FORGET_AFTER = 10, MOST_DOUBLINGS = 16 };

struct penalty {
	struct list   link;	/* oldest first */
	unsigned char key[16];
	unsigned      failures;
	uint64_t      last_us;
	uint64_t      attempts[SAME_ATTEMPTS];
	size_t        next_attempt;
};

struct penalties {
	struct penalty_rules rules;
	struct hash         *by_key;
	struct list          by_age;
};

struct penalties *penalties_new(const struct penalty_rules *rules)
{
	struct penalties *p = calloc(1, sizeof(*p));

	if (p == NULL)
		log_fatal("out of memory");
	p->rules = *rules;
	p->by_key = hash_new();
	list_init(&p->by_age);
	return p;
}

void penalties_free(struct penalties *p)
{
	hash_free(p->by_key, free);
	free(p);
}

/* The address without the part a single site may choose freely; false: loopback, or not an address. */
static bool key_of(struct span address, unsigned char key[16])
{
	struct net_address a;

	memset(key, 0, 16);
	if (!net_address_parse(address, 0, &a) || net_address_is_loopback(&a))
		return false;
	if (a.storage.ss_family == AF_INET)
		memcpy(key, &((const struct sockaddr_in *)(const void *)&a.storage)->sin_addr, 4);
	else
		memcpy(key, &((const struct sockaddr_in6 *)(const void *)&a.storage)->sin6_addr, 8);
	key[15] = a.storage.ss_family == AF_INET ? 4 : 6;
	return true;
}

static void drop(struct penalties *p, struct penalty *one)
{
	hash_remove(p->by_key, span_make(one->key, sizeof(one->key)));
	list_remove(&one->link);
	free(one);
}

/* What is known of the key, unless it was quiet for long. */
static struct penalty *find(struct penalties *p, const unsigned char key[16], uint64_t now_us)
{
	struct penalty *one = hash_get(p->by_key, span_make(key, 16));

	if (one != NULL && now_us - one->last_us > p->rules.most_us * FORGET_AFTER) {
		drop(p, one);
		return NULL;
	}
	return one;
}

static struct penalty *find_or_add(struct penalties *p, const unsigned char key[16], uint64_t now_us)
{
	struct penalty *one = find(p, key, now_us);

	if (one != NULL)
		return one;
	if (hash_count(p->by_key) >= p->rules.table_size)
		drop(p, CONTAINER_OF(p->by_age.next, struct penalty, link));
	one = calloc(1, sizeof(*one));
	if (one == NULL)
		log_fatal("out of memory");
	memcpy(one->key, key, sizeof(one->key));
	list_init(&one->link);
	hash_put(p->by_key, span_make(one->key, sizeof(one->key)), one);
	return one;
}

static uint64_t delay_for(const struct penalties *p, unsigned failures)
{
	uint64_t delay = p->rules.base_us;

	if (failures > MOST_DOUBLINGS)
		failures = MOST_DOUBLINGS;
	for (unsigned i = 1; i < failures; i++)
		delay *= 2;
	return delay < p->rules.most_us ? delay : p->rules.most_us;
}

static bool is_known_attempt(struct penalty *one, uint64_t attempt)
{
	for (size_t i = 0; i < SAME_ATTEMPTS; i++) {
		if (one->attempts[i] == attempt)
			return true;
	}
	one->attempts[one->next_attempt++ % SAME_ATTEMPTS] = attempt;
	return false;
}

uint64_t penalty_before(struct penalties *p, struct span address, uint64_t now_us)
{
	unsigned char key[16];
	const struct penalty *one = key_of(address, key) ? find(p, key, now_us) : NULL;

	return one == NULL || one->failures < FREE_FAILURES ? 0 : delay_for(p, one->failures);
}

uint64_t penalty_failed(struct penalties *p, struct span address, uint64_t attempt, uint64_t now_us)
{
	unsigned char key[16];
	struct penalty *one;

	if (!key_of(address, key))
		return delay_for(p, 1);
	one = find_or_add(p, key, now_us);
	if (!is_known_attempt(one, attempt))
		one->failures++;
	one->last_us = now_us;
	list_remove(&one->link);
	list_push_back(&p->by_age, &one->link);
	return delay_for(p, one->failures);
}

void penalty_forgive(struct penalties *p, struct span address)
{
	unsigned char key[16];
	struct penalty *one = key_of(address, key) ? hash_get(p->by_key, span_make(key, sizeof(key))) : NULL;

	if (one != NULL)
		drop(p, one);
}
