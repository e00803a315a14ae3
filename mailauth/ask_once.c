/* SPDX-License-Identifier: ISC */
/* ask_once.c - questions of tasks where there is no dns program: for the rotation of DKIM keys, a few a minute
 *
 * Each is asked on a thread of the pool; of one server with a libunbound context of its own, so that no cache stands
 * between us and it. */
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/task/task.h"
#include "mailauth/ask_unbound.h"
#include "mailauth/mailauth.h"

enum { WAIT_S = 10, CACHE_BYTES = 65536 };

struct asking {
	struct conf           conf;
	struct span           name;
	enum rr_type          rr_type;
	struct arena         *arena;
	struct lookup_answer *answer;
};

static void ask_by(struct asker *asker, struct asking *a)
{
	static const struct lookups_limits limits = { .wait_us = WAIT_S * CLOCK_SECOND_US, .most_questions = 1 };
	struct lookups *lookups = lookups_new(asker, &limits);
	struct lookup lookup = lookups_lookup(lookups);

	lookup.ask(lookup.user, a->name, a->rr_type, a->arena, a->answer);
	lookups_free(lookups);
}

static void ask_as_usual_blocking(void *arg)
{
	ask_by(mailauth.asker, arg);
}

static void ask_server_blocking(void *arg)
{
	struct asking *a = arg;
	struct answers *answers = answers_new(CACHE_BYTES);
	struct why why;
	struct unbound *u = unbound_new(&a->conf, answers, &why);

	if (u != NULL && unbound_start(u, &why) == DONE)
		ask_by(unbound_asker(u), a);
	else
		log_warning("a name server cannot be asked: %s", why.text);
	if (u != NULL)
		unbound_free(u);
	answers_free(answers);
}

static void ask_server(void *user, struct span server, struct span name, enum rr_type rr_type, struct arena *arena,
                       struct lookup_answer *answer)
{
	const struct conf *conf = user;
	struct asking a = { .conf = *conf, .name = name, .rr_type = rr_type, .arena = arena, .answer = answer };

	*answer = (struct lookup_answer){ .status = DNS_FAILED };
	a.conf.dns_servers = arena_cstr(arena, server);
	a.conf.dns_validate = "no";	/* a server that is authoritative validates nothing */
	task_offload(ask_server_blocking, &a);
}

static void ask_as_usual(UNUSED void *user, struct span name, enum rr_type rr_type, struct arena *arena,
                         struct lookup_answer *answer)
{
	struct asking a = { .name = name, .rr_type = rr_type, .arena = arena, .answer = answer };

	*answer = (struct lookup_answer){ .status = DNS_FAILED };
	task_offload(ask_as_usual_blocking, &a);
}

struct rotation_askers unbound_rotation(const struct conf *conf)
{
	union { const struct conf *in; void *out; } user = { conf };

	return (struct rotation_askers){ .lookup = { .ask = ask_as_usual, .user = user.out }, .ask_server = ask_server };
}
