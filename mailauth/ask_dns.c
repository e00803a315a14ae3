/* SPDX-License-Identifier: ISC */
/* ask_dns.c - a queue from threads to the loop, a task for each question */
#include "mailauth/ask_dns.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "lib/base/clock.h"
#include "lib/base/list.h"
#include "lib/base/log.h"
#include "lib/ipc/services.h"
#include "lib/net/libunbound.h"
#include "lib/task/task.h"

enum { SLACK_S = 5 };

struct ask_dns {
	struct asker        asker;
	struct service_run *run;
	pthread_mutex_t     lock;
	struct list         waiting;	/* with the lock */
	int                 bell;	/* rung when waiting is no longer empty */
};

struct errand {
	struct list      node;
	struct ask_dns  *dns;
	struct question *question;
	const char      *name;
	enum rr_type     rr_type;
};

static bool send_question(struct asker *a, struct question *q, const char *name, enum rr_type rr_type)
{
	struct ask_dns *d = CONTAINER_OF(a, struct ask_dns, asker);
	struct errand *e = malloc(sizeof(*e));
	bool was_empty;

	if (e == NULL)
		return false;
	*e = (struct errand){ .dns = d, .question = q, .name = name, .rr_type = rr_type };
	pthread_mutex_lock(&d->lock);
	was_empty = list_is_empty(&d->waiting);
	list_push_back(&d->waiting, &e->node);
	pthread_mutex_unlock(&d->lock);
	if (was_empty)
		(void)eventfd_write(d->bell, 1);
	return true;
}

static void fail(struct errand *e)
{
	struct dns_reply reply;

	dns_reply_fail(&reply, span_lit("the dns service does not answer"));
	question_answer(e->question, &reply);
	free(e);
}

static void ask(void *arg)
{
	struct errand *e = arg;
	struct service_run *run = e->dns->run;
	struct dns_request request = { .name = span_of(e->name), .rr_type = e->rr_type };
	struct dns_reply reply;

	if (service_call(run, SERVICE_DNS, true, &dns_request_type, &request, &dns_reply_type, &reply, task_arena(),
	                 clock_in_s(run->conf->dns_timeout + SLACK_S)) < 0) {
		fail(e);
		return;
	}
	question_answer(e->question, &reply);
	free(e);
}

static struct errand *take(struct ask_dns *d)
{
	struct list *node;

	pthread_mutex_lock(&d->lock);
	node = list_pop_front(&d->waiting);
	pthread_mutex_unlock(&d->lock);
	return node != NULL ? CONTAINER_OF(node, struct errand, node) : NULL;
}

static void run_errands(void *arg)
{
	struct ask_dns *d = arg;
	eventfd_t rings;

	while (task_wait_fd(d->bell, TASK_READABLE, CLOCK_NEVER) == 0) {
		struct errand *e;

		(void)eventfd_read(d->bell, &rings);
		while ((e = take(d)) != NULL)
			if (task_spawn(ask, e, "look-up") == NULL)
				fail(e);
	}
}

struct ask_dns *ask_dns_new(struct service_run *run, struct answers *answers)
{
	struct ask_dns *d = calloc(1, sizeof(*d));

	if (d == NULL)
		log_fatal("no memory for look-ups");
	asker_init(&d->asker, (size_t)run->conf->dns_query_limit, answers);
	d->asker.send = send_question;
	d->run = run;
	pthread_mutex_init(&d->lock, NULL);
	list_init(&d->waiting);
	d->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (d->bell < 0)
		log_fatal("no descriptor for look-ups");
	return d;
}

void ask_dns_start(struct ask_dns *d)
{
	if (task_spawn(run_errands, d, "look-ups") == NULL)
		log_fatal("cannot start look-ups");
}

/* ---- for tasks of the loop ---- */

static void ask_server(void *user, struct span server, struct span name, enum rr_type rr_type, struct arena *arena,
                       struct lookup_answer *answer)
{
	struct dns_request request = { .name = name, .rr_type = rr_type, .server = server };
	struct service_run *run = user;
	struct dns_reply reply;

	*answer = (struct lookup_answer){ .status = DNS_FAILED };
	if (service_call(run, SERVICE_DNS, true, &dns_request_type, &request, &dns_reply_type, &reply, arena,
	                 clock_in_s(run->conf->dns_timeout + SLACK_S)) == 0)
		*answer = (struct lookup_answer){ (enum dns_status)reply.status, reply.is_secure, reply.answers };
}

static void ask_as_usual(void *user, struct span name, enum rr_type rr_type, struct arena *arena,
                         struct lookup_answer *answer)
{
	ask_server(user, span_lit(""), name, rr_type, arena, answer);
}

struct rotation_askers ask_dns_rotation(struct ask_dns *d)
{
	return (struct rotation_askers){ .lookup = { .ask = ask_as_usual, .user = d->run }, .ask_server = ask_server };
}

struct asker *ask_dns_asker(struct ask_dns *d)
{
	return &d->asker;
}
