/* SPDX-License-Identifier: ISC */
/* hash.h - a hash table from bytes to pointers
 *
 * Keyed with a random SipHash key a process, so that remote keys cannot collide on
 * purpose.  Keys are copied; values are the caller's. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/span.h"

struct hash;

/* hash_new - an empty table; the caller's to free. */
struct hash *hash_new(void);
/* hash_free - free_value (may be NULL) is called for each value. */
void hash_free(struct hash *h, void (*free_value)(void *value));
size_t hash_count(const struct hash *h);
/* hash_get - the value, or NULL. */
void *hash_get(const struct hash *h, struct span key);
/* hash_put - set the value (not NULL); gives the one it replaces, or NULL. */
void *hash_put(struct hash *h, struct span key, void *value);
/* hash_remove - gives the value taken out, or NULL. */
void *hash_remove(struct hash *h, struct span key);
/* hash_next - walk: *cursor starts at 0; false at the end.  Removing the entry just given is
 * allowed, adding is not. */
bool hash_next(const struct hash *h, size_t *cursor, struct span *key, void **value);

/* siphash - SipHash-1-3 of s under the process key. */
uint64_t siphash(struct span s);
/* siphash_with - the same under a key of the caller's. */
uint64_t siphash_with(const uint64_t key[2], struct span s);

#endif
