/* SPDX-License-Identifier: ISC */
/* qmgr.h - the queue manager's state, and what its files offer each other
 *
 * One thread of decisions.  A message is in one place at a time (enum place); active ones have their envelope in
 * memory.  QUEUE-INVARIANTS.md says what must be on disk at each step. */
#ifndef QMGR_QMGR_H
#define QMGR_QMGR_H

#include "lib/base/log.h"
#include "lib/ipc/deliver.h"
#include "lib/queue/store.h"
#include "lib/service/service.h"
#include "lib/task/task.h"
#include "qmgr/schedule.h"

struct segment {
	struct list            node;		/* in journal.segments, oldest first */
	struct journal_segment file;
	struct list            messages;	/* that live in it */
	bool                   is_busy;		/* being written, or its commits answered */
	bool                   is_closed;	/* takes no more records */
	bool                   is_damaged;	/* a copy is kept in queue/corrupt */
};

/* A message on its way into the journal; the caller's memory until done() is called. */
struct commit {
	struct list         node;
	struct span         id, envelope, content;
	uint32_t            flags;		/* enum message_flags */
	struct segment     *segment;		/* set before done(): where it stands */
	uint32_t            offset, length;
	void              (*done)(struct commit *commit, int error);	/* error: errno, 0: durable */
	void               *user;
};

struct journal {
	struct list          segments;
	struct segment      *current;		/* NULL: none could be had */
	struct segment      *spare;
	uint64_t             spares[2];	/* files of retired segments, to be used again */
	size_t               spare_count;
	uint64_t             next_seq;
	struct list          commits;		/* waiting */
	size_t               commit_count;	/* waiting or being written */
	struct buf           notes;		/* waiting, framed */
	struct buf           batch;		/* being written */
	uint64_t             notes_added, notes_written;	/* bytes of notes since the start */
	struct task_waitlist work, spare_work, notes_work;
	bool                 is_dirty;		/* notes written since the last sync */
	bool                 is_preparing;
	int                  last_error;
};

enum place {
	PLACE_WAITING,		/* in qmgr.waiting: to be loaded when there is room */
	PLACE_LOADING,
	PLACE_ACTIVE,
	PLACE_DEFERRED,		/* in the heap, until next_attempt_us */
	PLACE_HELD,
};

enum phase {
	PHASE_IDLE,		/* to be routed and queued */
	PHASE_QUEUED,		/* in a job: waiting or at an agent */
	PHASE_STORED,		/* delivered, not yet durable: waits for a checkpoint */
	PHASE_DEFERRED,		/* tried in this round */
	PHASE_FAILED,		/* its bounce is not yet queued */
	PHASE_OVER,
};

/* What is known of a recipient while its message is active. */
struct run {
	enum phase      phase;
	struct span     transport, nexthop;
	struct span     remote_mta, diagnostic;
	bool            wants_success_dsn;
};

struct active {
	struct queued   queued;
	struct run     *runs;		/* beside queued.states; run_capacity members */
	size_t          run_capacity;
	char           *content;	/* malloc'ed, counted in qmgr.content_bytes; NULL: to be read */
	size_t          content_length;
	uint64_t        content_offset;	/* in fd */
	int             fd;		/* of a message too large to be inline, or -1 */
	uint64_t        active_us;	/* wall clock */
	size_t          queued_count;	/* recipients in PHASE_QUEUED */
	size_t          stored_count;	/* in PHASE_STORED */
	unsigned        losses;		/* agents lost while they had it */
	unsigned        readers;	/* tasks that read its content: it must stay */
	bool            is_routing, is_bouncing, is_deleted;
	struct list     route_node;
	struct message *owner;
};

struct message {
	struct mail     mail;		/* first: store_index allocates us */
	struct list     node;		/* in waiting */
	struct list     segment_node;
	struct segment *segment;	/* holds it, or NULL */
	struct active  *active;
	size_t          heap_index;
	uint8_t         place;		/* enum place */
	bool            may_be_repeat;
	bool            is_new;		/* resolved by the receiver, never tried */
	bool            starts_over;	/* requeued: see queued_start_over, when it is loaded */
};

struct heap {
	struct message **members;
	size_t           count, capacity;
};

struct qmgr {
	struct service_run  *run;
	const struct conf   *conf;
	struct store         store;
	struct store_index   index;	/* .mails: every message by id */
	struct journal       journal;
	struct schedule      schedule;
	struct heap          deferred;
	struct list          waiting;
	size_t               active_count;
	size_t               content_bytes;
	struct list          to_route;
	struct task_waitlist load_work, route_work, dispatch_work;
	unsigned long long   free_bytes;	/* of the spool, as of the last tick */
	bool                 is_scanned;
	struct task_waitlist scan_end;
	struct hash         *publishing;	/* ids whose files are being named: the scan leaves them alone */
	struct ipc_server    ipc;
};

extern struct qmgr *qmgr;	/* the one of this process */

/* ---- journal.c ---- */
void journal_start(struct qmgr *q);
/* journal_commit - the caller's commit joins the next batch; done() tells. */
void journal_commit(struct commit *commit);
/* journal_note - a record without a sync of its own. */
void journal_note(const struct message *m, enum journal_type type, struct span payload);
/* journal_settle - until all that has been noted so far is on stable storage; false: not by the deadline.  Suspends. */
bool journal_settle(uint64_t deadline_us);
void journal_kick(void);
/* journal_is_behind - more is waiting to be noted than may: nothing more is begun until it is written. */
bool journal_is_behind(void);
/* journal_sync - results of the last second survive a power cut, too: less is delivered twice.  Suspends. */
void journal_sync(void);
/* journal_leave - m no longer lives in its segment. */
void journal_leave(struct message *m);
/* ---- retire.c ---- */
/* journal_tick - retire what is over, move out what stays; once a second. */
void journal_tick(void);

/* ---- messages.c ---- */
/* message_find - by queue id; NULL: not in the queue. */
struct message *message_find(struct span id);
/* message_accept - a message just made durable joins the queue. */
struct message *message_accept(const struct commit *commit, bool is_held);
/* message_adopt_file - the same for a large one, published as its own file. */
struct message *message_adopt_file(struct span id, uint64_t arrival_us, uint64_t length, uint32_t flags);
/* message_wait - to be loaded and scheduled when there is room. */
void message_wait(struct message *m);
void message_defer_until(struct message *m, uint64_t wall_us);
/* message_step - something changed: what is next for m?  May free it. */
void message_step(struct message *m);
/* message_forget - delete it from the queue and memory (DONE record, file removed). */
void message_forget(struct message *m);
void message_set_flags(struct message *m, uint32_t flags);
/* message_start_over - at its next try recipients are those it came with, resolved again. */
void message_start_over(struct message *m);
/* message_deactivate - free what only an active message has. */
void message_deactivate(struct message *m);
void message_drop_content(struct message *m);
/* message_recipient_over - recipient i ended: in memory, in the journal or the file. */
void message_recipient_over(struct message *m, size_t i, enum recipient_status status);
/* message_note_expansion - recipients from first on took the place of i. */
void message_note_expansion(struct message *m, size_t i, size_t first);
/* message_read_content - bring content back to memory; 0 or -1.  Suspends. */
MUST_USE int message_read_content(struct message *m);
void loader_task(void *arg);
/* messages_due - move deferred messages whose time has come; until the wall clock says wall_us. */
void messages_due(uint64_t wall_us);
void heap_add(struct heap *h, struct message *m);
void heap_remove(struct heap *h, struct message *m);

/* ---- marks.c: changes of message files, written behind, in order.  None suspends, but marks_await. ---- */
/* marks_start - the task that writes. */
void marks_start(void);
/* mark_recipient - state of recipient i.  mark_retry - of all open ones, and when to try again. */
void mark_recipient(const struct message *m, size_t i);
void mark_retry(const struct message *m);
void mark_flags(const struct message *m);
/* mark_table - recipients have joined: the file gets a new table of them, durable before it counts. */
void mark_table(const struct message *m);
/* mark_removed - the file goes. */
void mark_removed(struct span id);
bool marks_are_pending(struct span id);
/* marks_await - until nothing is pending for that file. */
void marks_await(struct span id);

/* ---- recipients.c ---- */
/* run_of - of recipient i of an active message. */
struct run *run_of(struct message *m, size_t i);
/* recipients_queue - make jobs of the routed recipients of m. */
void recipients_queue(struct message *m);
/* recipient_... - the end of one try.  None steps the message. */
void recipient_sent(struct message *m, size_t i, bool is_durable);
void recipient_deferred(struct message *m, size_t i, struct span dsn, struct span reason);
void recipient_failed(struct message *m, size_t i, struct span dsn, struct span reason);
enum expanded_by { EXPANDED_BY_AGENT, EXPANDED_BY_ROUTER };
/* recipient_expanded - addresses take the place of i.  What an agent leads back to an ancestor is a loop and dropped;
 * the router ended its loops itself, and a virtual alias may keep a copy for its own address. */
void recipient_expanded(struct message *m, size_t i, struct span addresses, enum expanded_by by);
/* recipient_is_own_ancestor - i came out of the expansion of its own address: not to be expanded again. */
bool recipient_is_own_ancestor(struct message *m, size_t i);
/* recipient_log - the line of a try that no agent of its own logs (error, retry, discard roles). */
void recipient_log(struct message *m, size_t i, const char *role, struct span dsn, const char *status,
                   struct span reason);
/* jobs_of_dead - defer the jobs of destinations that died. */
void jobs_of_dead(void);
/* jobs_defer - all recipients of a job that cannot go now; frees it. */
void jobs_defer(struct job *job, struct span dsn, const char *reason);

/* ---- route.c ---- */
/* route_start - the tasks that ask router. */
void route_start(struct qmgr *q);
/* route_message - look up transport and nexthop of the idle recipients, then queue them. */
void route_message(struct message *m);

/* ---- agents.c ---- */
/* agents_start - the task that gives jobs to agents.  agents_tick - once a second: ask for checkpoints, lose
 * those that hang.  dispatch_kick - a job may go now. */
void agents_start(struct qmgr *q);
void agents_tick(void);
void dispatch_kick(void);
/* limits_of - for schedule_init: the limits of a transport by its parameters; user is the qmgr. */
void limits_of(void *user, const char *transport, struct schedule_limits *out);

/* ---- bounce.c ---- */
enum bounce_kind { BOUNCE_FAILURE, BOUNCE_DELAY, BOUNCE_SUCCESS };
/* bounce_needed - is there a recipient of m such a notice tells of? */
bool bounce_needed(struct message *m, enum bounce_kind kind);
/* bounce_start - compose and queue the notice in a task of its own, then message_step(m). */
void bounce_start(struct message *m, enum bounce_kind kind);

/* owner_start - an owner- alias: the expansion of recipient i becomes a message of its own, from owner. */
void owner_start(struct message *m, size_t i, struct span owner, struct span expansion);

/* ---- submit.c ---- */
/* derived_id - the id of a message made of m: the same each time for the same kind and number. */
void derived_id(const struct message *m, uint32_t kind, uint32_t number, char out[QUEUE_ID_MAX]);
/* submit - queue a message of our own; one with that id that is here already, or was, counts as queued.  0 when it is
 * durable, else an errno.  Suspends. */
int submit(const char *id, const struct envelope *e, struct span content);

/* ---- bounce_text.c ---- */
/* bounce_compose - the notice's content (RFC 3464) into out. */
void bounce_compose(struct message *m, enum bounce_kind kind, const char *id, struct span to, struct span original,
                    bool headers_only, struct buf *out);
/* bounce_tells - does this kind of notice tell of recipient i? */
bool bounce_tells(struct message *m, size_t i, enum bounce_kind kind);

/* ---- scan.c ---- */
/* scan_task - find the message files, beside service. */
void scan_task(void *arg);
/* scan_await - until every message is known.  Suspends. */
void scan_await(void);
/* message_resume - a message found at start. */
void message_resume(struct message *m);

/* ---- allowed.c ---- */
enum allowed_list { ALLOWED_MAILQ, ALLOWED_FLUSH, ALLOWED_COUNT };
/* allowed_prepare - before the sandbox: names become numbers. */
void allowed_prepare(const struct conf *conf);
bool allowed(enum allowed_list list, uint64_t uid);

/* ---- intake.c, admin.c ---- */
/* handle_... - the requests of lib/ipc/commit.h and lib/ipc/queue_admin.h, each replies once.  handle_commit and handle_room do not suspend. */
void handle_lease(struct ipc_request *request);
void handle_lease_end(struct ipc_request *request);
void handle_commit(struct ipc_request *request);
void handle_room(struct ipc_request *request);
void handle_list(struct ipc_request *request);
void handle_action(struct ipc_request *request);
void handle_read(struct ipc_request *request);
/* intake_opened, intake_closed - a connection begins and ends; on the public socket nothing can be committed. */
void intake_opened(struct ipc_peer *peer, void *user);
void intake_closed(struct ipc_peer *peer, void *user);

#endif
