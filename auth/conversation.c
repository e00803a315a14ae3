/* SPDX-License-Identifier: ISC */
/* conversation.c - SASL exchanges from the first message to the verdict */
#include "auth/conversation.h"

#include "lib/base/codec.h"

static bool is_offered(const struct auth *a, struct span mechanism)
{
	struct span rest = span_of(a->conf->auth_mechanisms), one;

	while (conf_list_next(&rest, &one)) {
		if (span_equal_ci(one, mechanism))
			return true;
	}
	return false;
}

struct span auth_mechanisms(const struct auth *a, struct arena *arena)
{
	struct span list = { 0 };

	for (size_t i = 0; i < sasl_mechanism_count; i++) {
		if (is_offered(a, sasl_mechanisms[i].name))
			list = arena_printf_span(arena, SPAN_FMT "%s" SPAN_FMT, SPAN_ARG(list), list.len != 0 ? " " : "",
			                         SPAN_ARG(sasl_mechanisms[i].name));
	}
	return list;
}

void conversations_init(struct conversations *c)
{
	list_init(&c->by_age);
	c->count = 0;
}

static void wipe(struct span s)
{
	if (s.len != 0)
		memory_wipe((void *)(uintptr_t)s.ptr, s.len);
}

static void detach(struct conversations *c, struct conversation *one)
{
	list_remove(&one->link);
	c->count--;
}

static void destroy(struct conversation *one)
{
	wipe(one->exchange.password);
	arena_free(one->exchange.arena);	/* holds one too */
}

void conversation_end(struct conversations *c, struct conversation *one)
{
	detach(c, one);
	destroy(one);
}

void conversations_free(struct conversations *c)
{
	LIST_EACH_SAFE(node, after, &c->by_age)
		conversation_end(c, CONTAINER_OF(node, struct conversation, link));
}

struct conversation *conversation_find(struct conversations *c, uint64_t number)
{
	for (struct list *node = c->by_age.prev; node != &c->by_age; node = node->prev) {
		struct conversation *one = CONTAINER_OF(node, struct conversation, link);

		if (one->number == number)
			return one;
	}
	return NULL;
}

struct conversation *conversation_new(const struct auth *a, struct conversations *c, uint64_t number,
                                      const struct auth_facts *facts)
{
	const struct sasl_mechanism *mechanism = sasl_find(facts->mechanism);
	struct conversation *one;
	struct arena *arena;

	if (mechanism == NULL || !is_offered(a, mechanism->name))
		return NULL;
	if (c->count >= CONVERSATIONS_MAX)
		conversation_end(c, CONTAINER_OF(c->by_age.next, struct conversation, link));
	arena = arena_new(NULL);
	one = ARENA_NEW(arena, struct conversation);
	one->number = number;
	one->exchange = (struct sasl_exchange){ .mechanism = mechanism, .arena = arena };
	one->facts = (struct auth_facts){
		.service = arena_dup(arena, facts->service),
		.mechanism = mechanism->name,
		.remote_address = arena_dup(arena, facts->remote_address),
		.local_address = arena_dup(arena, facts->local_address),
		.is_secured = facts->is_secured,
	};
	list_init(&one->link);
	list_push_back(&c->by_age, &one->link);
	c->count++;
	return one;
}

static void malformed(struct auth_verdict *verdict, struct arena *arena, const struct conversation *one,
                      enum sasl_step step)
{
	bool is_other = step == SASL_OTHER_USER;

	*verdict = (struct auth_verdict){
		.status = is_other ? AUTH_FAILED : AUTH_BAD,
		.user = arena_dup(arena, one->exchange.user),
		.reason = span_of(is_other ? "authorization as another user is not supported" : "malformed response"),
	};
}

bool conversation_next(struct auth *a, struct conversations *c, struct conversation *one, bool has_response,
                       struct span response, struct arena *arena, struct auth_verdict *verdict)
{
	enum sasl_step step = sasl_next(&one->exchange, has_response, response);

	if (step == SASL_CHALLENGE)
		return true;
	/* Out of the list while verify suspends: nobody else may end it or go on with it. */
	detach(c, one);
	if (step == SASL_CREDENTIALS)
		auth_verify(a, arena, &one->facts, one->exchange.user, one->exchange.password, verdict);
	else
		malformed(verdict, arena, one, step);
	destroy(one);
	return false;
}
