/* SPDX-License-Identifier: ISC */
/* cache.c - sessions kept open for the next message to the same destination
 *
 * Bounded in number, idle time and age.  All idle limits are equal, so the list is in order of expiry and one
 * task watches its front.  That a session died meanwhile shows at its next use; deliver.c then takes a
 * fresh one. */
#include "lib/base/list.h"
#include "lib/base/log.h"
#include "smtp/smtp.h"

struct idle {
	struct list     link;
	struct span     destination;
	struct session *session;
	uint64_t        until_us;
};

static struct list idle = { &idle, &idle };
static size_t count;
static struct task *watcher;

/* take_out - the session; its entry lives in the session's arena. */
static struct session *take_out(struct idle *entry)
{
	list_remove(&entry->link);
	count--;
	return entry->session;
}

/* is_quiet - the server has neither closed nor said anything unasked. */
static bool is_quiet(struct session *s)
{
	return !chat_has_input(&s->chat) && stream_wait_readable(&s->stream, 0) < 0;
}

struct session *cache_take(const struct client *client, struct span destination)
{
	uint64_t oldest_us = client->conf->smtp_connection_reuse_time_limit * CLOCK_SECOND_US;

	LIST_EACH_SAFE(node, after, &idle) {
		struct idle *entry = CONTAINER_OF(node, struct idle, link);
		struct session *s;

		if (!span_equal_ci(entry->destination, destination))
			continue;
		s = take_out(entry);
		if (clock_now_us() - s->opened_us < oldest_us && is_quiet(s))
			return s;
		s->is_broken = true;
		session_close(s);
		return NULL;
	}
	return NULL;
}

static void watch(void *unused)
{
	(void)unused;
	while (!list_is_empty(&idle)) {
		struct idle *first = CONTAINER_OF(idle.next, struct idle, link);

		if (first->until_us <= clock_now_us())
			session_close(take_out(first));
		else if (task_sleep_until(first->until_us) < 0)
			break;
	}
	watcher = NULL;
}

static bool may_keep(const struct client *client, const struct session *s)
{
	const struct conf *conf = client->conf;

	return !client->is_draining && conf->smtp_connection_cache_on_demand && !s->is_broken && !s->chat.failed &&
	       count < (size_t)conf->smtp_connection_cache_limit &&
	       (conf->smtp_connection_reuse_count_limit == 0 ||
	        s->uses < (unsigned long long)conf->smtp_connection_reuse_count_limit);
}

void cache_keep(const struct client *client, struct span destination, struct session *s)
{
	struct idle *entry;

	if (!may_keep(client, s)) {
		session_close(s);
		return;
	}
	entry = ARENA_NEW(s->arena, struct idle);
	entry->session = s;
	entry->destination = arena_dup(s->arena, destination);
	entry->until_us = clock_in_s(client->conf->smtp_connection_cache_time_limit);
	list_push_back(&idle, &entry->link);
	count++;
	if (watcher == NULL)	/* without one they go at their next use, or at the end */
		watcher = task_spawn(watch, NULL, "idle sessions");
}

void cache_close_all(void)
{
	while (!list_is_empty(&idle)) {
		struct session *s = take_out(CONTAINER_OF(idle.next, struct idle, link));

		s->is_broken = true;	/* must not wait for anything now */
		session_close(s);
	}
	if (watcher != NULL)
		task_cancel(watcher);
}
