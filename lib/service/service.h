/* SPDX-License-Identifier: ISC */
/* service.h - what every program of ours is: one row, and main() is one call
 *
 * master starts a program as
 *     PROGRAM -c CONFIG_DIR -n SERVICE -t TYPE -s LISTENERS [-o name=value ...] [-v]
 * with descriptor 3 the control channel to master (SEQPACKET) and LISTENERS listening sockets from
 * descriptor 4 on.  service_main reads the configuration, opens the log, calls prepare() with the privileges
 * it was started with, enters the sandbox, then runs the loop: accept, one task a connection.
 *
 * Nobody can connect to a private socket but master: a program that needs another asks master for a
 * connection over its control channel (service_ask), and master gives it only what the row's 'asks'
 * names.  So whoever is at the other end of a private socket has been introduced by master. */
#ifndef SERVICE_SERVICE_H
#define SERVICE_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/attributes.h"
#include "lib/conf/conf.h"
#include "lib/ipc/ipc.h"
#include "lib/sandbox/sandbox.h"

struct service_run;

struct service {
	const char *name;	/* of the program: smtpd, qmgr ... */
	/* Parameter whose value is the user to become (a name or a number, optionally user:group), for example
	 * "mail_owner".  NULL: stays what it is (imapd's zygote, which becomes each user; local). */
	const char *user;
	enum sandbox_root root;	/* SANDBOX_EMPTY_ROOT, SANDBOX_DIR_ROOT (prepare() names it), SANDBOX_NO_ROOT */
	unsigned    may;	/* MAY_... of sandbox.h: seccomp and Landlock follow from it */
	const char *const *asks;	/* NULL-terminated service names it may be introduced to ("*": any), or NULL */
	/* prepare - with the privileges of the start, before the sandbox and before the loop: open what must be
	 * open (keys, tables, folders), fill run->sandbox (paths), set run->user.  May call log_fatal. */
	void (*prepare)(struct service_run *run);
	/* start - the first task inside the sandbox; returns when set up (it may have spawned tasks).  May be NULL. */
	void (*start)(struct service_run *run);
	/* serve - a task for each accepted connection: stream connections of inet and unix services.
	 * fd is taken; listener is its index.  NULL when ipc_server is used for all. */
	void (*serve)(struct service_run *run, int fd, size_t listener);
	/* ipc - filled by prepare or start: SEQPACKET listeners are answered by this server.  NULL: none. */
	struct ipc_server *(*ipc)(struct service_run *run);
	/* blocking_main - for programs without a loop (imapd, pop3d): called inside the sandbox instead of all
	 * above but prepare; polls the descriptors itself and returns as service_blocking_control tells. */
	void (*blocking_main)(struct service_run *run);
	/* drain - no new connections come any more (a reload, or the end); the process ends when the last connection
	 * task has.  stop - that is to be soon, within service_stop_time_limit: the suite ends, or a drain took
	 * longer than service_drain_time_limit; clients are to be told.  Each is called once at most, drain first,
	 * on the loop; they must not suspend.  May be NULL. */
	void (*drain)(struct service_run *run);
	void (*stop)(struct service_run *run);
};

struct service_run {
	const struct service *service;
	const char           *name;	/* of the master.cf entry: smtp, submission, relay ... */
	const char           *type;	/* inet, unix, pass */
	const struct conf    *conf;
	const char           *config_dir;
	int                   control_fd;
	int                  *listeners;
	size_t                listener_count;
	size_t                connections;	/* tasks of serve under way, in this process */
	size_t                connection_limit;	/* prepare may set it; 0: none */
	bool                  draining;
	bool                  is_privileged;	/* started as root: uids and chroot apply */
	struct sandbox        sandbox;	/* prepare adds paths; service_main adds the rest from the row */
	/* reopen - the admin reloads: open log files anew (postlogd).  On the loop, must not suspend.  May be NULL. */
	void                (*reopen)(struct service_run *run);
	void                 *user;	/* the program's own state */
};

/* service_main - all of main().  Returns the exit status. */
int service_main(const struct service *service, int argc, char **argv);

/* service_open_log - to syslog, or to postlogd's socket when maillog_file is set; master and tools use it too. */
void service_open_log(const struct conf *conf, const char *program, struct arena *arena);

/* For blocking_main: handle what waits on control_fd (poll it for reading); never waits itself. */
enum service_event {
	SERVICE_GO_ON,
	SERVICE_DRAIN,		/* take no new work, end when the present is done */
	SERVICE_STOP,	/* end soon: SIGTERM came, or master is gone.  control_fd stays readable */
};
MUST_USE enum service_event service_blocking_control(struct service_run *run);
/* service_blocking_ready - tell master that we serve; service_main does it before blocking_main. */
void service_blocking_ready(struct service_run *run);

/* service_ask - an open channel to the named service ("router", "qmgr", "dns" ...), shared by all tasks of this
 * process, made anew when the old one was lost.  NULL with errno when it cannot be had before the
 * deadline.  Suspends. */
struct ipc_channel *service_ask(struct service_run *run, const char *name, uint64_t deadline_us);
/* service_call - service_ask and ipc_call in one; tries once more over a new channel when the old one was lost
 * before the reply and again_is_safe. */
MUST_USE int service_call(struct service_run *run, const char *name, bool again_is_safe,
                          const struct ipc_type *request_type, const void *request,
                          const struct ipc_type *reply_type, void *reply, struct arena *arena,
                          uint64_t deadline_us);
/* service_connect - a fresh connected descriptor to the named service, the caller's own (qmgr opens one per agent
 * worker; login passes sessions), or to a milter as smtpd_milters of the caller's own configuration spells it
 * ("unix:PATH", "inet:HOST:PORT"): a non-blocking stream whose connection may still be under way.  -1 with errno:
 * EHOSTDOWN nobody serves there, EACCES not in the configuration.  Suspends. */
int service_connect(struct service_run *run, const char *name, uint64_t deadline_us);

#endif
