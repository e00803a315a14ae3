/* SPDX-License-Identifier: ISC */
/* conversation.h - SASL exchanges under way on one connection, each with a number
 *
 * Both front ends use it.  A client that goes away in the middle leaves its exchange behind; there is room for so
 * many, and the oldest makes place. */
#ifndef AUTH_CONVERSATION_H
#define AUTH_CONVERSATION_H

#include <stdint.h>

#include "auth/auth.h"
#include "auth/sasl.h"
#include "lib/base/list.h"

enum { CONVERSATIONS_MAX = 4096 };

struct conversation {
	struct list          link;
	uint64_t             number;
	struct sasl_exchange exchange;
	struct auth_facts    facts;	/* of the first message */
};

struct conversations {
	struct list by_age;	/* oldest first */
	size_t      count;
};

/* conversations_init - none yet.  conversations_free - ends all; c itself is the caller's. */
void conversations_init(struct conversations *c);
void conversations_free(struct conversations *c);
/* conversation_new - with copies of the facts; number is the caller's.  NULL: no such mechanism is offered. */
struct conversation *conversation_new(const struct auth *a, struct conversations *c, uint64_t number,
                                      const struct auth_facts *facts);
/* conversation_find - by its number, or NULL. */
struct conversation *conversation_find(struct conversations *c, uint64_t number);
/* conversation_end - wipes what was said. */
void conversation_end(struct conversations *c, struct conversation *one);

/* conversation_next - take a response.  True: more is to be said, one->exchange.challenge is the challenge.  False: it is over,
 * and ended; *verdict (in arena) tells how, with AUTH_BAD for what is malformed.  Suspends. */
bool conversation_next(struct auth *a, struct conversations *c, struct conversation *one, bool has_response,
                       struct span response, struct arena *arena, struct auth_verdict *verdict);

#endif
