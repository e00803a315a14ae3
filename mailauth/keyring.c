/* SPDX-License-Identifier: ISC */
/* keyring.c - snapshots of the private keys
 *
 * The lock guards which ring is the present one and how many hold each; a ring's content needs none. */
#include "mailauth/keyring.h"

#include <pthread.h>
#include <stdint.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/hash.h"
#include "lib/base/log.h"
#include "lib/task/task.h"

enum { LOOK_EVERY_S = 5, RETRY_AFTER_S = 300 };

struct ring_domain {
	struct ring_key *key;	/* the active ones first */
	size_t           count, active_count;
};

struct ring {
	struct dkim_keyset *keys;
	struct arena       *arena;
	struct hash        *domains;
	unsigned            holders;	/* with the lock; the keyring is one of them */
};

struct keyring {
	const struct conf   *conf;
	struct arena        *arena;
	struct dkim_keydir   folder;
	pthread_mutex_t      lock;
	struct ring         *ring;	/* with the lock; only the loop changes it */
	struct task_waitlist renewed, idle;
	uint64_t             renewed_us, serial;
	bool                 is_renewing;
};

/* ---- rings ---- */

static void add_keys(struct ring_domain *to, const struct dkim_key_domain *from, struct span name, bool is_active)
{
	for (size_t i = 0; i < from->count; i++)
		if ((from->key[i].state == DKIM_KEY_ACTIVE) == is_active)
			to->key[to->count++] = (struct ring_key){ name, from->key[i].selector, from->key[i].key };
}

static void add_domain(struct ring *ring, const struct dkim_key_domain *from)
{
	struct ring_domain *domain = ARENA_NEW(ring->arena, struct ring_domain);

	domain->key = ARENA_NEW_ARRAY(ring->arena, struct ring_key, from->count);
	add_keys(domain, from, from->name, true);
	domain->active_count = domain->count;
	add_keys(domain, from, from->name, false);
	if (domain->count != 0)
		(void)hash_put(ring->domains, from->name, domain);
}

static struct ring *ring_new(struct dkim_keyset *keys)
{
	struct arena *arena = arena_new(NULL);
	struct ring *ring = ARENA_NEW(arena, struct ring);
	const struct dkim_key_domain *domain;
	size_t cursor = 0;

	*ring = (struct ring){ .keys = keys, .arena = arena, .domains = hash_new(), .holders = 1 };
	while ((domain = dkim_keyset_next(keys, &cursor)) != NULL)
		add_domain(ring, domain);
	return ring;
}

static void ring_free(struct ring *ring)
{
	hash_free(ring->domains, NULL);
	dkim_keyset_free(ring->keys);
	arena_free(ring->arena);
}

bool ring_is_empty(const struct ring *ring)
{
	return hash_count(ring->domains) == 0;
}

const struct ring_key *ring_active(const struct ring *ring, struct span domain, size_t *count)
{
	const struct ring_domain *found = hash_get(ring->domains, domain);

	*count = found != NULL ? found->active_count : 0;
	return found != NULL ? found->key : NULL;
}

const struct ring_key *ring_key(const struct ring *ring, struct span domain, struct span selector)
{
	const struct ring_domain *found = hash_get(ring->domains, domain);

	for (size_t i = 0; found != NULL && i < found->count; i++)
		if (span_equal_ci(found->key[i].selector, selector))
			return &found->key[i];
	return NULL;
}

const struct dkim_keyset *ring_keys(const struct ring *ring)
{
	return ring->keys;
}

/* ---- holding them ---- */

const struct ring *keyring_hold(struct keyring *k)
{
	struct ring *ring;

	pthread_mutex_lock(&k->lock);
	ring = k->ring;
	ring->holders++;
	pthread_mutex_unlock(&k->lock);
	return ring;
}

/* leave - one holder less, with the lock; gives the ring when it was the last. */
static struct ring *leave(struct ring *ring)
{
	return --ring->holders == 0 ? ring : NULL;
}

void keyring_release(struct keyring *k, const struct ring *held)
{
	struct ring *ring = (struct ring *)(uintptr_t)held, *last;

	pthread_mutex_lock(&k->lock);
	last = leave(ring);
	pthread_mutex_unlock(&k->lock);
	if (last != NULL)
		ring_free(last);
}

bool keyring_has_keys(struct keyring *k)
{
	const struct ring *ring = keyring_hold(k);
	bool is_empty = ring_is_empty(ring);

	keyring_release(k, ring);
	return !is_empty;
}

static void put(struct keyring *k, struct ring *ring)
{
	struct ring *last;

	pthread_mutex_lock(&k->lock);
	last = leave(k->ring);
	k->ring = ring;
	pthread_mutex_unlock(&k->lock);
	if (last != NULL)
		ring_free(last);
}

/* ---- the keyring ---- */

struct keyring *keyring_new(const struct conf *conf, struct dkim_owner owner, struct why *why)
{
	struct arena *arena = arena_new(NULL);
	struct keyring *k = ARENA_NEW(arena, struct keyring);

	k->conf = conf;
	k->arena = arena;
	k->folder = (struct dkim_keydir){
		.path = conf->dkim_key_directory,
		.state_path = arena_printf(arena, "%s/mailauth/dkim", conf->data_directory),
		.limits = DKIM_KEYDIR_STANDARD_LIMITS,
	};
	k->folder.limits.rsa_bits_min = (unsigned)conf->dkim_key_bits_min;
	if (dkim_keydir_prepare_state(&k->folder, owner, why) == DONE) {
		pthread_mutex_init(&k->lock, NULL);
		task_waitlist_init(&k->renewed);
		task_waitlist_init(&k->idle);
		k->ring = ring_new(dkim_keyset_read(&k->folder, NULL));
		k->renewed_us = clock_now_us();
		return k;
	}
	arena_free(arena);
	return NULL;
}

void keyring_free(struct keyring *k)
{
	ring_free(k->ring);
	pthread_mutex_destroy(&k->lock);
	arena_free(k->arena);
}

void keyring_allow(const struct keyring *k, struct sandbox *s)
{
	struct span above = span_of(k->folder.path);

	sandbox_allow(s, arena_printf(k->arena, "%s/mailauth", k->conf->data_directory), true);
	if (access(k->folder.path, F_OK) == 0) {
		sandbox_allow(s, k->folder.path, false);
		return;
	}
	/* It may be made later, by the first "postern dkim keygen". */
	above.len = span_rfind(above, '/') != SPAN_NOT_FOUND ? span_rfind(above, '/') : 0;
	if (above.len != 0 && access(arena_cstr(k->arena, above), F_OK) == 0)
		sandbox_allow(s, arena_cstr(k->arena, above), false);
	else
		log_warning("dkim_key_directory %s is not there: keys that are made will be seen after a reload",
		            k->folder.path);
}

const struct dkim_keydir *keyring_folder(const struct keyring *k)
{
	return &k->folder;
}

/* ---- renewing it ---- */

struct renewal {
	const struct dkim_keydir *folder;
	const struct ring        *before;
	bool                      is_wanted;	/* in any case */
	struct dkim_keyset       *keys;		/* NULL: nothing has changed */
};

/* read_again - in a thread of the pool. */
static void read_again(void *arg)
{
	struct renewal *r = arg;

	if (r->is_wanted || dkim_keyset_is_stale(r->before->keys, r->folder))
		r->keys = dkim_keyset_read(r->folder, r->before->keys);
}

static void look(struct keyring *k, bool is_wanted)
{
	struct renewal r = { .folder = &k->folder, .is_wanted = is_wanted };

	while (k->is_renewing)	/* one at a time, so that an older look does not end last */
		if (task_wait(&k->idle, CLOCK_NEVER) < 0)
			return;
	k->is_renewing = true;
	r.before = keyring_hold(k);
	task_offload(read_again, &r);
	keyring_release(k, r.before);
	k->is_renewing = false;
	if (r.keys != NULL) {
		put(k, ring_new(r.keys));
		k->renewed_us = clock_now_us();
		k->serial++;
		(void)task_wake_all(&k->renewed);
	}
	(void)task_wake_one(&k->idle);
}

void keyring_renew(struct keyring *k)
{
	look(k, true);
}

uint64_t keyring_serial(const struct keyring *k)
{
	return k->serial;
}

void keyring_wait(struct keyring *k, uint64_t serial, uint64_t deadline_us)
{
	while (k->serial == serial)
		if (task_wait(&k->renewed, deadline_us) < 0)
			return;
}

static void watch(void *arg)
{
	struct keyring *k = arg;

	while (task_sleep_until(clock_in_s(LOOK_EVERY_S)) == 0)
		look(k, dkim_keyset_has_fault(k->ring->keys) &&
		                clock_now_us() > k->renewed_us + RETRY_AFTER_S * CLOCK_SECOND_US);
}

void keyring_start(struct keyring *k)
{
	if (task_spawn(watch, k, "keys") == NULL)
		log_fatal("cannot start the look-out for DKIM keys");
}
