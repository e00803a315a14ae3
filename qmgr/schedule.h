/* SPDX-License-Identifier: ISC */
/* schedule.h - which delivery comes next: decisions only, no I/O and no clock of its own
 *
 * Jobs (some recipients of one message for one destination) wait in a queue per transport, destination and sender.
 * Transports, their destinations and a destination's senders each take turns, so a busy one delays no other.  A
 * destination's concurrency grows with each success and falls with each failure of the host; after a whole window
 * of failures it is dead until a moment, and its waiting jobs are given back to be deferred at once.
 *
 * All times are of the caller's monotonic clock, in microseconds. */
#ifndef QMGR_SCHEDULE_H
#define QMGR_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/attributes.h"
#include "lib/base/hash.h"
#include "lib/base/list.h"
#include "lib/base/span.h"

struct schedule_limits {
	unsigned concurrency;		/* most deliveries to one destination; 0: no limit */
	unsigned initial_concurrency;
	unsigned recipients;		/* most recipients of a job; 0: no limit, 1: a destination is a recipient */
	unsigned failed_cohorts;	/* windows of failures until a destination is dead */
	uint64_t rate_delay_us;		/* between two deliveries to one destination; makes concurrency 1 */
	uint64_t dead_us;		/* how long it stays dead */
};

struct destination;
struct transport {
	struct list            node;		/* in schedule.transports */
	char                  *name;
	struct schedule_limits limits;
	struct list            ready;		/* destinations with a job that may go */
	struct list            waiting;		/* those held up by the rate delay */
	unsigned               room;		/* deliveries its agents can take now: kept by the agents' owner */
	size_t                 jobs;		/* waiting */
	struct hash           *destinations;
	void                  *agents;		/* of the agents' owner */
};

struct job {
	struct list         node;
	struct destination *destination;
	struct sender      *sender;
	void               *message;
	uint32_t            count;
	uint32_t            recipients[];	/* indices in the message */
};

struct schedule {
	struct list  transports;
	struct hash *by_name;
	struct list  dead;	/* destinations whose waiting jobs are to be taken back */
	size_t       jobs;
	void       (*limits_of)(void *user, const char *transport, struct schedule_limits *out);
	void        *user;
};

/* schedule_init - no transports yet.  limits_of is asked once for each new transport, with user; name borrowed.
 * schedule_free - all transports, destinations and waiting jobs; jobs given out stay their takers'. */
void schedule_init(struct schedule *s,
                   void (*limits_of)(void *user, const char *transport, struct schedule_limits *out), void *user);
void schedule_free(struct schedule *s);

/* schedule_transport - by name; made when new. */
struct transport *schedule_transport(struct schedule *s, struct span name);
/* job_new - malloc'ed; job_free when it is over. */
struct job *job_new(void *message, size_t count);
void job_free(struct job *job);
/* schedule_add - let job wait for its turn. */
void schedule_add(struct schedule *s, struct transport *t, struct span nexthop, struct span sender, struct job *job,
                  uint64_t now_us);
/* schedule_dead_reason - why this destination is dead now, or NULL. */
const char *schedule_dead_reason(struct schedule *s, struct transport *t, struct span nexthop, uint64_t now_us);
/* schedule_next - the job whose turn it is, of a transport with room (of which it takes one), or NULL. */
struct job *schedule_next(struct schedule *s, uint64_t now_us);
/* schedule_take_dead - a waiting job of a destination that died (or was given up), to be deferred; NULL: none left. */
struct job *schedule_take_dead(struct schedule *s, const char **reason);

enum job_end { JOB_HOST_WORKS, JOB_HOST_FAILED, JOB_LOST /* the agent is gone: says nothing of the host */ };
/* schedule_end - a job given by schedule_next is over; reason: of the failure.  job stays the caller's, and forgets
 * its destination.  The transport's room is not changed. */
void schedule_end(struct schedule *s, struct job *job, enum job_end end, const char *reason, uint64_t now_us);
/* schedule_give_up - a transport cannot be had: its waiting jobs are taken back by schedule_take_dead. */
void schedule_give_up(struct schedule *s, struct transport *t, const char *reason);
/* schedule_flush - forget that destinations were dead. */
void schedule_flush(struct schedule *s);
/* schedule_remove - take the waiting jobs of one message out; gives how many recipients they had. */
size_t schedule_remove(struct schedule *s, const void *message);
/* schedule_wake_us - when a destination held up by its rate delay may go on; CLOCK_NEVER: none is. */
uint64_t schedule_wake_us(const struct schedule *s);
/* schedule_sweep - free destinations that were dead long enough. */
void schedule_sweep(struct schedule *s, uint64_t now_us);

/* destination_nexthop - for the agents. */
struct span destination_nexthop(const struct destination *d);
struct transport *destination_transport(const struct destination *d);

#endif
