/* SPDX-License-Identifier: ISC */
/* connection.h - a connection to one milter: negotiated, gathered writes, checked reads; and a few kept for reuse
 *
 * A connection of version 6 serves one SMTP session after another, where the milter's last word was to continue at the
 * end of a message: libmilter ignores SMFIC_QUIT_NC at any other time, and then the next session, too.  One that was
 * kept and turns out to be closed before the milter answered anything is replaced by a fresh one, which is told the same
 * again. */
#ifndef MILTER_CONNECTION_H
#define MILTER_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/attributes.h"
#include "lib/base/buf.h"
#include "lib/base/list.h"
#include "lib/milter/accepted.h"
#include "lib/milter/settings.h"
#include "lib/milter/wire.h"
#include "lib/task/task.h"

/* Where connections come from, and where unused ones are kept: one a process. */
struct milter_pool {
	/* connect - a stream descriptor to the endpoint, whose connection may still be under way; -1 with errno. */
	int (*connect)(void *user, const char *endpoint, uint64_t deadline_us);
	void        *user;
	size_t       most_idle;	/* to one milter; 0: none is reused */
	uint64_t     idle_s;
	struct list  idle;	/* longest unused first */
	struct task *keeper;	/* closes those unused too long; NULL: there are none */
	bool         is_closed;
	struct milter_accepted *accepted;	/* clients; see accept_memory */
};

struct milter_connection {
	struct list            node;	/* of pool->idle */
	struct milter_pool    *pool;
	struct arena          *arena;	/* of its own */
	struct milter_settings settings;
	size_t                 packet_max;
	int                    fd;
	struct milter_terms    terms;	/* negotiated */
	uint32_t               not_sent;	/* steps: what the milter does not want, or its version does not know */
	bool                   has_macros[MILTER_STAGES];	/* those that the milter was last given are not none */
	struct buf             in, out;
	size_t                 in_at;	/* bytes of in that are used */
	size_t                 sent;	/* bytes of out that are written: kept while they may have to be said again */
	bool                   may_replay;	/* was kept, and nothing was answered since */
	bool                   has_ended;	/* a message, with SMFIR_CONTINUE; nothing was said since */
	uint64_t               idle_since_us;
};

/* milter_pool_init - connect and user are kept. */
void milter_pool_init(struct milter_pool *pool,
                      int (*connect)(void *user, const char *endpoint, uint64_t deadline_us), void *user,
                      size_t most_idle, uint64_t idle_s);
/* milter_pool_close - let all unused connections go; none is kept from now on. */
void milter_pool_close(struct milter_pool *pool);

/* milter_connection_get - a kept connection or a fresh one, negotiated.  NULL: why was logged.  Suspends. */
struct milter_connection *milter_connection_get(struct milter_pool *pool, const struct milter_settings *settings,
                                                size_t packet_max);
/* milter_connection_end - the SMTP session is over: the milter is told, and the connection kept where it can be, or
 * closed.  Does not suspend. */
void milter_connection_end(struct milter_connection *c);
/* milter_connection_quit - the same, but never kept.  milter_connection_drop - close it without a word. */
void milter_connection_quit(struct milter_connection *c);
void milter_connection_drop(struct milter_connection *c);

/* milter_connection_flush - write what was gathered in c->out.  False: logged; drop it.  Suspends. */
MUST_USE bool milter_connection_flush(struct milter_connection *c, uint64_t deadline_us);
/* milter_connection_reply - flush, then wait for the next reply; command: what it answers, for the log.  Spans of out
 * are valid until the next call.  False: logged; drop it.  Suspends. */
MUST_USE bool milter_connection_reply(struct milter_connection *c, enum milter_command command, uint64_t deadline_us,
                                      struct arena *arena, struct milter_reply *out);

#endif
