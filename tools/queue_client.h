/* SPDX-License-Identifier: ISC */
/* queue_client.h - the queue as the tools see it: asked of qmgr while it runs, read from its files when it does not */
#ifndef TOOLS_QUEUE_CLIENT_H
#define TOOLS_QUEUE_CLIENT_H

#include "lib/base/arena.h"
#include "lib/conf/conf.h"
#include "lib/ipc/queue_admin.h"

struct queue_client {
	const struct conf *conf;
	struct arena      *arena;
	int                fd;		/* to qmgr, or -1: read the files */
};

/* queue_client_open - config_dir NULL: $MAIL_CONFIG or the built-in one.  Ends the program with a message when there is
 * no configuration. */
void queue_client_open(struct queue_client *c, const char *config_dir);
/* queue_each - fn for every message (or the one with that id), oldest first.  0, or -1 with errno. */
int queue_each(struct queue_client *c, struct span id, void (*fn)(const struct queue_entry *entry, void *user),
               void *user);
/* queue_act - gives to how many messages it was done; -1 with errno (EPERM: not allowed). */
long long queue_act(struct queue_client *c, enum queue_action action, struct span id, struct span site);
/* queue_read - the whole message; reply->file is the caller's.  0, or -1 with errno (ENOENT). */
int queue_read(struct queue_client *c, struct span id, struct queue_read_reply *reply);

/* queue_offline_... - the same on the files; private to queue_client.c. */
int queue_offline_each(struct queue_client *c, struct span id,
                       void (*fn)(const struct queue_entry *entry, void *user), void *user);
long long queue_offline_act(struct queue_client *c, enum queue_action action, struct span id);
int queue_offline_read(struct queue_client *c, struct span id, struct queue_read_reply *reply);

#endif
