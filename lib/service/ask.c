/* SPDX-License-Identifier: ISC */
/* ask.c - channels to other programs, by introduction of master
 *
 * One channel a service is shared by all tasks.  While it is being made, others wait for it; a lost one is
 * let go and made anew by whoever needs it next. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/ipc/control.h"
#include "lib/service/service_private.h"
#include "lib/task/task.h"

enum { RETRY_US = 50 * 1000 };	/* the other is being restarted */

struct link {
	struct link         *next;
	const char          *name;
	struct ipc_channel  *channel;
	bool                 is_connecting;
	struct task_waitlist connected;
};

static struct link *links;

static struct link *find_link(const char *name)
{
	struct link *l;

	for (l = links; l != NULL; l = l->next)
		if (strcmp(l->name, name) == 0)
			return l;
	l = calloc(1, sizeof(*l));
	if (l == NULL || (l->name = strdup(name)) == NULL)
		log_fatal("out of memory");
	task_waitlist_init(&l->connected);
	l->next = links;
	links = l;
	return l;
}

static bool may_ask(const struct service_run *run, const char *name)
{
	const char *const *asks = run->service->asks;

	/* Milters are known to master alone: it has the configuration. */
	if (strchr(name, ':') != NULL)
		return true;
	while (asks != NULL && *asks != NULL && strcmp(*asks, name) != 0 && strcmp(*asks, "*") != 0)
		asks++;
	return asks != NULL && *asks != NULL;
}

/* One try: a descriptor, or -1 with errno. */
static int introduce(const char *name, uint64_t deadline_us)
{
	struct control_ask_request request = { span_of(name) };
	struct control_ask_reply   reply;
	struct ipc_channel        *control = service_control_channel();
	struct arena              *arena = arena_new(NULL);
	int                        result;

	errno = EPIPE;
	result = control == NULL ? -1 : ipc_call(control, &control_ask_request_type, &request,
	                                         &control_ask_reply_type, &reply, arena, deadline_us);
	arena_free(arena);
	if (result < 0)
		return -1;
	errno = reply.error != 0 ? (int)reply.error : EPROTO;
	return reply.connection;
}

int service_connect(struct service_run *run, const char *name, uint64_t deadline_us)
{
	if (!may_ask(run, name)) {
		errno = EACCES;
		return -1;
	}
	for (;;) {
		int fd = introduce(name, deadline_us);

		if (fd >= 0)
			return fd;
		if (errno != EAGAIN && errno != ECONNREFUSED)
			return -1;
		if (clock_now_us() >= deadline_us) {
			errno = ETIMEDOUT;
			return -1;
		}
		if (task_sleep_us(RETRY_US) < 0)
			return -1;
	}
}

static void connect_link(struct service_run *run, struct link *l, uint64_t deadline_us)
{
	int error, fd;

	if (l->channel != NULL)
		ipc_channel_release(l->channel);
	l->channel = NULL;
	l->is_connecting = true;
	fd = service_connect(run, l->name, deadline_us);
	error = errno;
	l->is_connecting = false;
	if (fd >= 0) {
		l->channel = ipc_channel_open(fd, l->name);
		error = EAGAIN;
	}
	task_wake_all(&l->connected);
	errno = error;
}

struct ipc_channel *service_ask(struct service_run *run, const char *name, uint64_t deadline_us)
{
	struct link *l = find_link(name);

	while (l->is_connecting)
		if (task_wait(&l->connected, deadline_us) < 0)
			return NULL;
	if (l->channel != NULL && ipc_channel_is_open(l->channel))
		return l->channel;
	connect_link(run, l, deadline_us);
	return l->channel;
}

int service_call(struct service_run *run, const char *name, bool again_is_safe,
                 const struct ipc_type *request_type, const void *request,
                 const struct ipc_type *reply_type, void *reply, struct arena *arena,
                 uint64_t deadline_us)
{
	for (bool is_again = false;; is_again = true) {
		struct ipc_channel *c = service_ask(run, name, deadline_us);

		if (c == NULL)
			return -1;
		if (ipc_call(c, request_type, request, reply_type, reply, arena, deadline_us) == 0)
			return 0;
		/* ESHUTDOWN: the other never saw the request. */
		if (is_again || !(errno == ESHUTDOWN || (errno == EPIPE && again_is_safe)))
			return -1;
	}
}
