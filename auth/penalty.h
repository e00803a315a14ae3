/* SPDX-License-Identifier: ISC */
/* penalty.h - who guesses passwords waits longer and longer (imap-scope 7.4)
 *
 * Counted per IPv4 address or IPv6 /64, in a table of fixed size; the one that was quiet longest makes room. */
#ifndef AUTH_PENALTY_H
#define AUTH_PENALTY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/span.h"

struct penalties;

struct penalty_rules {
	uint64_t base_us, most_us;	/* base, 2 base, 4 base ... most; 0: none */
	size_t   table_size;
};

/* penalties_new - an empty table; copies rules.  Never NULL.  penalties_free - gives it back. */
struct penalties *penalties_new(const struct penalty_rules *rules);
void penalties_free(struct penalties *p);
/* penalty_before - how long a login from address waits before it is looked at: nothing for the first few failures. */
uint64_t penalty_before(struct penalties *p, struct span address, uint64_t now_us);
/* penalty_failed - count a failure; how long its answer is held back.  attempt: a hash of user and password: the same wrong
 * pair again (a device with an old password) is not counted.  Loopback is held back but never counted. */
uint64_t penalty_failed(struct penalties *p, struct span address, uint64_t attempt, uint64_t now_us);
/* penalty_forgive - a login from address succeeded. */
void penalty_forgive(struct penalties *p, struct span address);

#endif
