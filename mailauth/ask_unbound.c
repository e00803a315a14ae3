/* SPDX-License-Identifier: ISC */
/* ask_unbound.c - questions to libunbound
 *
 * libunbound resolves in a thread of its own and rings its descriptor when answers are there; the pump thread then
 * collects them. */
#include "mailauth/ask_unbound.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unbound.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/net/libunbound.h"

enum { CLASS_IN = 1 };

struct unbound {
	struct asker   asker;
	struct ub_ctx *ctx;
	pthread_t      pump;
	bool           has_pump;
	int            stop_fd;
};

/* In the pump thread. */
static void answered(void *arg, int error, struct ub_result *result)
{
	struct arena *arena = arena_new(NULL);
	struct dns_reply reply;

	libunbound_reply(arena, error, result, &reply);
	ub_resolve_free(result);
	question_answer(arg, &reply);
	arena_free(arena);
}

static struct unbound *of(struct asker *a)
{
	return CONTAINER_OF(a, struct unbound, asker);
}

static bool send_question(struct asker *a, struct question *q, const char *name, enum rr_type rr_type)
{
	return ub_resolve_async(of(a)->ctx, name, (int)rr_type, CLASS_IN, q, answered, question_value(q)) == 0;
}

static bool cancel(struct asker *a, struct question *q)
{
	return ub_cancel(of(a)->ctx, *question_value(q)) == UB_NOERROR;
}

struct unbound *unbound_new(const struct conf *conf, struct answers *answers, struct why *why)
{
	struct unbound *u = calloc(1, sizeof(*u));

	if (u == NULL)
		log_fatal("no memory for the resolver");
	asker_init(&u->asker, (size_t)conf->dns_query_limit, answers);
	u->asker.send = send_question;
	u->asker.cancel = cancel;
	u->stop_fd = eventfd(0, EFD_CLOEXEC);
	u->ctx = ub_ctx_create();
	if (u->ctx == NULL || u->stop_fd < 0)
		(void)why_set(why, REFUSE, "", "libunbound gives no context");
	else if (libunbound_setup(u->ctx, conf, why) == DONE)
		return u;
	unbound_free(u);
	return NULL;
}

static void *pump(void *arg)
{
	struct unbound *u = arg;
	struct pollfd fds[] = {
		{ .fd = ub_fd(u->ctx), .events = POLLIN },
		{ .fd = u->stop_fd, .events = POLLIN },
	};

	while (fds[1].revents == 0) {
		if (poll(fds, COUNT_OF(fds), -1) <= 0 || fds[0].revents == 0)
			continue;
		if (ub_process(u->ctx) != 0)
			log_error("libunbound cannot hand out its answers");
	}
	return NULL;
}

enum outcome unbound_start(struct unbound *u, struct why *why)
{
	sigset_t all, before;
	int error;

	sigfillset(&all);	/* signals are for the other threads */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&u->pump, NULL, pump, u);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error != 0)
		return why_set(why, DEFER, "", "no thread for the resolver: %s", strerror(error));
	u->has_pump = true;
	return DONE;
}

void unbound_free(struct unbound *u)
{
	if (u->has_pump) {
		(void)eventfd_write(u->stop_fd, 1);
		pthread_join(u->pump, NULL);
	}
	if (u->ctx != NULL)
		ub_ctx_delete(u->ctx);
	if (u->stop_fd >= 0)
		close(u->stop_fd);
	asker_end(&u->asker);
	free(u);
}

struct asker *unbound_asker(struct unbound *u)
{
	return &u->asker;
}
