/* SPDX-License-Identifier: ISC */
/* master.h - what the files of master share; nobody outside includes it
 *
 * A unit is a service of master.cf that we run: its sockets and its workers.  A worker is one process of it.
 * Units belong to a generation: what one reading of the configuration gave. */
#ifndef MASTER_MASTER_H
#define MASTER_MASTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/arena.h"
#include "lib/base/attributes.h"
#include "lib/base/list.h"
#include "lib/conf/conf.h"
#include "lib/ipc/ipc.h"
#include "lib/net/address.h"
#include "lib/task/task.h"

enum { UNIT_LISTENERS_MAX = 64 };

/* ---- programs.c: which command of master.cf is which program of ours, and whom it may ask ---- */

struct program {
	const char        *command;	/* as master.cf says it */
	const char        *program;	/* ours; NULL: its work is done by others, nothing to start */
	int                kind;	/* SOCK_SEQPACKET, SOCK_STREAM, SOCK_DGRAM of a unix socket */
	unsigned           flags;
	const char *const *asks;	/* services it may be introduced to */
};

enum program_flags {
	PROGRAM_SINGLE     = 1,		/* one worker */
	PROGRAM_EXCLUSIVE  = 2,		/* the old worker must be gone before the new one starts */
	PROGRAM_TRANSPORT  = 4,		/* qmgr may ask for every service of it */
	PROGRAM_ASKS_TRANSPORTS = 8,
	PROGRAM_ACCEPTS_ITSELF = 16,	/* has no loop: connections come by its listener only */
	PROGRAM_ASKS_MILTERS = 64,	/* is connected to the milters its configuration names */
	PROGRAM_MAKES_SOCKET = 128,	/* its listener is its own affair: libmilter takes none of ours */
	PROGRAM_KNOWS_ASKERS = 32,	/* is told the program at the other end (router_asker) */
};

/* program_find - NULL when unknown. */
const struct program *program_find(const char *command);
/* program_may_ask - is this program introduced to a service of that name, run by that program? */
bool program_may_ask(const struct program *asker, const char *service, const struct program *answerer);

/* ---- configuration.c ---- */

/* A milter, as smtpd_milters names it. */
struct endpoint {
	struct endpoint   *next;
	struct span        text;
	struct net_address address;
	bool               is_usable;
};

struct unit {
	const char                 *name, *type;
	const struct program       *program;
	const char                 *path;	/* of the executable */
	const struct conf_override *overrides;
	size_t                      override_count;
	unsigned                    verbose;
	bool                        is_inet, is_private;
	struct endpoint            *endpoints;	/* what it may be connected to outside the suite */
	unsigned                    wanted;	/* workers */
	int                         listeners[UNIT_LISTENERS_MAX];
	size_t                      listener_count;

	struct list                 workers;	/* struct worker */
	unsigned                    next_worker;	/* whose turn it is to get a connection */
	unsigned                    failures;	/* deaths in a row */
	uint64_t                    restart_us;	/* not before */
	bool                        was_ready;	/* all workers have served at some time */
};

struct generation {
	struct arena      *arena;
	const struct conf *conf;
	const struct master_conf *entries;	/* of master.cf */
	const char        *daemon_directory;
	struct unit       *units;
	size_t             count;
	const char       **complaints;	/* what could not be honoured, for the log once it is open */
	size_t             complaint_count;
};

/* configuration_read - NULL with *error (in arena of nobody: static until the next call) when unusable. */
struct generation *configuration_read(const char *config_dir, const char **error);
void configuration_free(struct generation *g);
/* configuration_log - what of it could not be honoured, and which settings nobody reads. */
void configuration_log(const struct generation *g);
struct unit *configuration_unit(struct generation *g, const char *name);

/* ---- spool.c ---- */

/* spool_prepare - make what is missing below queue_directory, with the right owners; go there.  False with *error. */
MUST_USE bool spool_prepare(const struct conf *conf, struct arena *arena, const char **error);
/* spool_lock - the lock of the one master, with our pid in its file.  Held until we end. */
MUST_USE bool spool_lock(struct arena *arena, const char **error);

/* ---- sockets.c ---- */

/* sockets_open - the listeners of a unit; taken over from old (may be NULL) where nothing has changed. */
MUST_USE bool sockets_open(struct unit *unit, struct unit *old, const struct conf *conf,
                           const struct conf *old_conf, struct arena *arena, const char **error);
void sockets_close(struct unit *unit);

/* ---- worker.c ---- */

enum worker_state { WORKER_STARTING, WORKER_READY, WORKER_LEAVING };

struct worker {
	struct list           link;	/* of its unit, or of those that leave */
	struct unit          *unit;	/* NULL when leaving */
	const struct program *program;
	char                 *name;	/* of the service, for logs */
	pid_t                 pid;	/* 0: dead, its connection is still being closed */
	enum worker_state     state;
	struct ipc_server     server;	/* of the control channel */
	int                   control_fd;
	struct ipc_peer      *peer;	/* NULL: not connected */
	uint64_t              started_us, alive_us;
	uint64_t              leave_us;	/* leaving: killed when still there then */
	uint64_t              beat;	/* number of the last one sent */
};

/* worker_start - fork and exec one worker of unit; false when the system has no process for us now. */
bool worker_start(struct unit *unit, const char *config_dir);
/* worker_leave - it is to end: drain (finish what it has) or terminate (soon); killed when it has not by the limits. */
void worker_leave(struct worker *w, bool drain, const struct conf *conf);
/* worker_reap - wait for those that have died; each is given to supervisor_worker_died. */
void worker_reap(void);
/* worker_beat - ask for a sign of life, kill what has given none for too long. */
void worker_beat(struct worker *w, const struct conf *conf);
/* worker_forgive - we were away ourselves: its silence does not count. */
void worker_forgive(struct worker *w);
void worker_kill(struct worker *w, int signo);
/* worker_leaving - all that have been told to leave or have died, until the last of them is gone. */
struct list *worker_leaving(void);
struct worker *worker_of(struct list *node);

/* ---- introduce.c ---- */

/* introduce - a connected descriptor to the named service, or milter, for a worker of 'asker' (in the entry of that
 * name), or -1 with errno. */
int introduce(struct generation *g, const struct program *asker, const char *asker_name, const char *service);

/* ---- endpoints.c ---- */

/* endpoints_read - the milters that the unit's configuration names.  Looks names of hosts up: blocks. */
void endpoints_read(struct generation *g, struct unit *unit);
/* endpoint_is_named - it is spelled as a milter, not as a service of master.cf. */
bool endpoint_is_named(const char *service);
/* endpoint_connect - as introduce.  The connection may still be under way (its first write waits for it); nobody
 * there is EHOSTDOWN. */
int endpoint_connect(const struct generation *g, const struct program *asker, const char *asker_name,
                     const char *service);

/* ---- supervisor.c ---- */

struct supervisor {
	const char          *config_dir;
	struct generation   *now;
	bool                 is_stopping, is_privileged;
	bool                 has_reported;
	bool                 is_test;	/* -t: only say what is wrong with the configuration */
	int                  report_fd;	/* to postern start: "ready" or one line that says what is wrong; -1 none */
	uint64_t             stop_us;	/* then what is left is killed */
	uint64_t             beat_us;
	struct task_waitlist changed;
	int                  status;
};

extern struct supervisor supervisor;

/* supervisor_set_log - log where the configuration says; called again once postlogd's socket is there. */
void supervisor_set_log(struct arena *arena);
/* supervisor_run - the first task: start all, watch, until told to stop. */
void supervisor_run(void *arg);
void supervisor_changed(void);
void supervisor_worker_died(struct worker *w, int status);

/* ---- notify.c ---- */

/* notify_manager - tell systemd (sd_notify protocol); nothing when it does not listen. */
void notify_manager(const char *state);

#endif
