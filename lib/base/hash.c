/* SPDX-License-Identifier: ISC */
/* hash.c - open addressing with linear probing, at most three quarters full
 *
 * Removal shifts the following entries back, so there are no tombstones and a table
 * that is filled and emptied for ever stays as fast as new. */
#include "lib/base/hash.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/codec.h"
#include "lib/base/log.h"

enum { FIRST_SLOTS = 16 };

struct entry {
	char    *key;	/* NULL: free slot */
	size_t   len;
	uint64_t hash;
	void    *value;
};

struct hash {
	struct entry *slots;
	size_t        mask;	/* slots - 1, a power of two */
	size_t        count;
};

static uint64_t rotate_left(uint64_t x, unsigned bits)
{
	return x << bits | x >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotate_left(v[1], 13) ^ v[0];
	v[0] = rotate_left(v[0], 32);
	v[2] += v[3];
	v[3] = rotate_left(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate_left(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate_left(v[1], 17) ^ v[2];
	v[2] = rotate_left(v[2], 32);
}

static uint64_t read_little_endian(const char *p, size_t n)
{
	uint64_t word = 0;

	for (size_t i = 0; i < n; i++)
		word |= (uint64_t)(unsigned char)p[i] << (8 * i);
	return word;
}

uint64_t siphash_with(const uint64_t key[2], struct span s)
{
	size_t whole = s.len / 8 * 8;
	uint64_t v[4], last;

	/* The constants are those of the SipHash paper ("somepseudorandomlygeneratedbytes"). */
	v[0] = key[0] ^ 0x736f6d6570736575U;
	v[1] = key[1] ^ 0x646f72616e646f6dU;
	v[2] = key[0] ^ 0x6c7967656e657261U;
	v[3] = key[1] ^ 0x7465646279746573U;
	for (size_t i = 0; i < whole; i += 8) {
		uint64_t word = read_little_endian(s.ptr + i, 8);

		v[3] ^= word;
		sip_round(v);
		v[0] ^= word;
	}
	last = (uint64_t)s.len << 56;
	if (s.len != whole)
		last |= read_little_endian(s.ptr + whole, s.len - whole);
	v[3] ^= last;
	sip_round(v);
	v[0] ^= last;
	v[2] ^= 0xff;
	sip_round(v);
	sip_round(v);
	sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static uint64_t process_key[2];

static void make_process_key(void)
{
	random_bytes(process_key, sizeof(process_key));
}

uint64_t siphash(struct span s)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void)pthread_once(&once, make_process_key);	/* mailauth has threads */
	return siphash_with(process_key, s);
}

static struct entry *new_slots(size_t count)
{
	struct entry *slots = calloc(count, sizeof(*slots));

	if (slots == NULL)
		log_fatal("out of memory (%zu hash slots)", count);
	return slots;
}

struct hash *hash_new(void)
{
	struct hash *h = calloc(1, sizeof(*h));

	if (h == NULL)
		log_fatal("out of memory (hash table)");
	h->slots = new_slots(FIRST_SLOTS);
	h->mask = FIRST_SLOTS - 1;
	return h;
}

void hash_free(struct hash *h, void (*free_value)(void *value))
{
	if (h == NULL)
		return;
	for (size_t i = 0; i <= h->mask; i++) {
		if (h->slots[i].key == NULL)
			continue;
		if (free_value != NULL)
			free_value(h->slots[i].value);
		free(h->slots[i].key);
	}
	free(h->slots);
	free(h);
}

size_t hash_count(const struct hash *h)
{
	return h->count;
}

/* find_slot - where key is, or the free slot where it belongs. */
static size_t find_slot(const struct hash *h, struct span key, uint64_t hash)
{
	size_t i = hash & h->mask;

	for (; h->slots[i].key != NULL; i = (i + 1) & h->mask) {
		const struct entry *e = &h->slots[i];

		if (e->hash == hash && span_equal(span_make(e->key, e->len), key))
			break;
	}
	return i;
}

void *hash_get(const struct hash *h, struct span key)
{
	return h->slots[find_slot(h, key, siphash(key))].value;
}

static void double_slots(struct hash *h)
{
	struct entry *old = h->slots;
	size_t old_count = h->mask + 1;

	h->slots = new_slots(old_count * 2);
	h->mask = old_count * 2 - 1;
	for (size_t i = 0; i < old_count; i++) {
		struct entry *e = &old[i];

		if (e->key != NULL)
			h->slots[find_slot(h, span_make(e->key, e->len), e->hash)] = *e;
	}
	free(old);
}

void *hash_put(struct hash *h, struct span key, void *value)
{
	uint64_t hash = siphash(key);
	struct entry *e = &h->slots[find_slot(h, key, hash)];
	void *replaced = e->value;

	REQUIRE(value != NULL);
	if (e->key != NULL) {
		e->value = value;
		return replaced;
	}
	if ((h->count + 1) * 4 > (h->mask + 1) * 3) {
		double_slots(h);
		e = &h->slots[find_slot(h, key, hash)];
	}
	*e = (struct entry){ malloc(key.len + 1), key.len, hash, value };
	if (e->key == NULL)
		log_fatal("out of memory (hash key)");
	if (key.len != 0)
		memcpy(e->key, key.ptr, key.len);
	h->count++;
	return NULL;
}

/* close_gap - move later entries of the same run back over the free slot at 'hole'. */
static void close_gap(struct hash *h, size_t hole)
{
	for (size_t i = (hole + 1) & h->mask; h->slots[i].key != NULL; i = (i + 1) & h->mask) {
		size_t home = h->slots[i].hash & h->mask;

		if (((i - home) & h->mask) < ((i - hole) & h->mask))
			continue;
		h->slots[hole] = h->slots[i];
		h->slots[i] = (struct entry){ 0 };
		hole = i;
	}
}

void *hash_remove(struct hash *h, struct span key)
{
	size_t i = find_slot(h, key, siphash(key));
	void *value = h->slots[i].value;

	if (h->slots[i].key == NULL)
		return NULL;
	free(h->slots[i].key);
	h->slots[i] = (struct entry){ 0 };
	h->count--;
	close_gap(h, i);
	return value;
}

bool hash_next(const struct hash *h, size_t *cursor, struct span *key, void **value)
{
	for (; *cursor <= h->mask; (*cursor)++) {
		const struct entry *e = &h->slots[*cursor];

		if (e->key == NULL)
			continue;
		if (key != NULL)
			*key = span_make(e->key, e->len);
		*value = e->value;
		(*cursor)++;
		return true;
	}
	return false;
}
