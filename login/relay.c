/* SPDX-License-Identifier: ISC */
/* relay.c - bytes both ways between a TLS client and its session process
 *
 * Two tasks, one a direction, so that neither way waits for the other.  Buffers are on the stacks, and a task that has
 * nothing to do gives its stack back: an idle session costs what libssl keeps.  When the client ends its side the session
 * sees the end of its input and may still answer; when the session ends all is over. */
#include <errno.h>
#include <sys/socket.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/task/task.h"
#include "login/login.h"

enum { RELAY_CHUNK = 16 * 1024, IDLE_AFTER_S = 2 };

struct relaying {
	struct stream       *client;
	struct stream        session;
	uint64_t             patience_us;
	uint64_t             active_us;		/* a byte went either way */
	bool                 is_over;
	bool                 down_has_ended;
	struct task_waitlist ended;
};

/* One read and one write.  Kept out of line: its buffer must not be on the stack while the task waits. */
__attribute__((noinline)) static bool pump(struct relaying *r, struct stream *from, struct stream *to)
{
	char chunk[RELAY_CHUNK];
	ssize_t n = stream_read(from, chunk, sizeof(chunk), r->active_us + r->patience_us);

	if (n <= 0)
		return false;
	r->active_us = clock_now_us();
	return stream_write(to, chunk, (size_t)n, r->active_us + r->patience_us) == n;
}

/* Until there is something to read; false when there will be nothing. */
static bool wait_for_bytes(struct relaying *r, struct stream *from)
{
	if (stream_wait_readable(from, clock_in_s(IDLE_AFTER_S)) == 0)
		return true;
	while (errno == ETIMEDOUT && !r->is_over) {
		uint64_t until_us = r->active_us + r->patience_us;

		if (clock_now_us() >= until_us)
			return false;
		task_idle_memory();
		if (stream_wait_readable(from, until_us) == 0)
			return true;
	}
	return false;
}

static void carry(struct relaying *r, struct stream *from, struct stream *to)
{
	while (!r->is_over && wait_for_bytes(r, from) && pump(r, from, to))
		;
}

static void carry_down(void *arg)
{
	struct relaying *r = arg;

	carry(r, &r->session, r->client);
	r->is_over = true;
	r->client->methods->shutdown(r->client);
	/* Wakes the other direction; what was written still goes out. */
	(void)shutdown(r->client->fd, SHUT_RDWR);
	r->down_has_ended = true;
	task_wake_all(&r->ended);
}

void relay(struct client *c, int fd)
{
	struct relaying r = {
		.client = &c->stream,
		.patience_us = c->login->conf->login_relay_timeout * CLOCK_SECOND_US,
		.active_us = clock_now_us(),
	};

	stream_plain(&r.session, fd);
	task_waitlist_init(&r.ended);
	if (task_spawn(carry_down, &r, "relay") == NULL) {
		log_warning("no task to relay for %s", c->remote_text);
		stream_close(&r.session);
		return;
	}
	carry(&r, r.client, &r.session);
	(void)shutdown(fd, task_is_cancelled() ? SHUT_RDWR : SHUT_WR);
	/* r is on this stack: the other task must be out, even when this one is cancelled. */
	while (!r.down_has_ended) {
		if (task_wait(&r.ended, CLOCK_NEVER) < 0 && !r.down_has_ended)
			task_yield();
	}
	stream_close(&r.session);
}
