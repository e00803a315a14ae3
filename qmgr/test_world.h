/* SPDX-License-Identifier: ISC */
/* test_world.h - a scripted master, receiver, router and delivery agent around the real qmgr, for its tests
 *
 * Messages go in by commits and come out at the agent; a test says how the agent behaves and looks at what it saw.
 * The program is $QMGR or qmgr/qmgr; QMGR_VERBOSE shows its log, QMGR_KEEP keeps its folder. */
#ifndef QMGR_TEST_WORLD_H
#define QMGR_TEST_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/types.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/ipc/commit.h"
#include "lib/ipc/deliver.h"
#include "lib/ipc/queue_admin.h"
#include "lib/queue/envelope.h"
#include "lib/queue/queue_id.h"

enum { AGENTS_MAX = 64, PATIENCE_MS = 20000, CONTROL = 3, LISTENER = 4 };

struct agent {
	int  fd;
	char transport[16];
};

struct world {
	char         path[64];
	pid_t        pid;
	int          control, listener, public_listener, log, receiver;
	const char  *more_main_cf;	/* lines */
	struct agent agents[AGENTS_MAX];
	size_t       agent_count;
	/* how the agent behaves */
	enum deliver_status status;
	bool         is_durable, is_silent, loses_connection, checkpoint_fails, reports_itself;
	bool         owns_lists;	/* an address list@... is expanded by the agent, for owner-list@... */
	const char  *transport;		/* the router's answer */
	struct span  list;		/* what it makes of list@..., each ended by NUL */
	uint32_t     notify;		/* of what is committed */
	/* what it saw */
	struct buf   lines;		/* of the log */
	size_t       routes, deliveries, repeats, checkpoints, commits_done;
	uint64_t     last_pause_ms;
	char         last_id[QUEUE_ID_MAX], last_sender[64], last_recipient[64];
	char        *last_content;
	size_t       last_length;
	uint64_t     next_request;
};

extern const struct span mail;		/* a small one */

int world_set_up(void **state);
int world_tear_down(void **state);
/* world_main_cf - write main.cf anew; it counts from the next start. */
void world_main_cf(const struct world *w, const char *backoff);
void world_start(struct world *w);
/* world_stop - kill -9. */
void world_stop(struct world *w);
/* world_play - one round; false when nothing happened for so long. */
bool world_play(struct world *w, int timeout_ms);
/* run_until - play until *counter is value. */
void run_until(struct world *w, const size_t *counter, size_t value);
/* run_until_empty - play until the queue is. */
void run_until_empty(struct world *w);

/* commit_to - a message to address, which the receiver has resolved when is_resolved. */
void commit_to(struct world *w, const char *sender, const char *address, bool is_resolved, struct span content);
/* commit - the same to u1@example.test. */
void commit(struct world *w, const char *sender, struct span content);
/* fill_segment - until the journal has gone on to the next one. */
void fill_segment(struct world *w, size_t from);

/* listed - messages in the queue.  act, flush - as the admin; give how many it was done to. */
size_t listed(struct world *w);
uint64_t act(struct world *w, enum queue_action action, const char *id);
void flush(struct world *w);
/* public_socket - a connection to public/qmgr. */
int public_socket(const struct world *w);
/* wait_for_log - play until a line of its log has that text. */
void wait_for_log(struct world *w, const char *text);
/* files_of - how many message files there are. */
size_t files_of(const struct world *w);
/* wait_for_files - until there are that many. */
void wait_for_files(struct world *w, size_t count);

#endif
