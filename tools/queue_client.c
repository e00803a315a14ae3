/* SPDX-License-Identifier: ISC */
/* queue_client.c - the queue tools' end of public/qmgr (lib/ipc/queue_admin.h) */
#include "tools/queue_client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/sysexits.h"
#include "lib/base/log.h"

enum { PATIENCE_S = 300 };

void queue_client_open(struct queue_client *c, const char *config_dir)
{
	const char *error = NULL;

	if (config_dir == NULL)
		config_dir = getenv("MAIL_CONFIG");
	if (config_dir == NULL)
		config_dir = CONFIG_DIR;
	c->arena = arena_new(NULL);
	c->conf = conf_load(c->arena, config_dir, NULL, 0, &error);
	if (c->conf == NULL) {
		log_error("%s", error);
		exit(EXIT_CONFIG);
	}
	c->fd = ipc_connect_path(arena_printf(c->arena, "%s/public/qmgr", c->conf->queue_directory));
}

int queue_each(struct queue_client *c, struct span id, void (*fn)(const struct queue_entry *entry, void *user),
               void *user)
{
	struct queue_list_request request = { id };
	struct queue_entry entry;
	struct arena *arena;
	int more;

	if (c->fd < 0)
		return queue_offline_each(c, id, fn, user);
	if (ipc_blocking_send(c->fd, &queue_list_request_type, 0, 1, &request) < 0)
		return -1;
	arena = arena_new(c->arena);
	while ((more = ipc_blocking_next(c->fd, &queue_entry_type, &entry, arena, PATIENCE_S)) > 0) {
		fn(&entry, user);
		arena_reset(arena);
	}
	arena_free(arena);
	return more;
}

long long queue_act(struct queue_client *c, enum queue_action action, struct span id, struct span site)
{
	struct queue_action_request request = { .action = action, .queue_id = id, .site = site };
	struct queue_action_reply reply;

	if (c->fd < 0)
		return queue_offline_act(c, action, id);
	if (ipc_blocking_call(c->fd, &queue_action_request_type, &request, &queue_action_reply_type, &reply, c->arena,
	                      PATIENCE_S) < 0)
		return -1;
	if (reply.refused) {
		errno = EPERM;
		return -1;
	}
	return (long long)reply.count;
}

int queue_read(struct queue_client *c, struct span id, struct queue_read_reply *reply)
{
	struct queue_read_request request = { id };

	if (c->fd < 0)
		return queue_offline_read(c, id, reply);
	if (ipc_blocking_call(c->fd, &queue_read_request_type, &request, &queue_read_reply_type, reply, c->arena,
	                      PATIENCE_S) < 0)
		return -1;
	errno = ENOENT;
	return reply->is_found ? 0 : -1;
}
