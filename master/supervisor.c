/* SPDX-License-Identifier: ISC */
/* supervisor.c - keep the right number of workers of each unit, over deaths, reloads and the end
 *
 * One state, one step(): signals, deaths and control channels only record what happened and wake the
 * first task, which calls step(). */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/ipc/control.h"
#include "lib/service/service.h"
#include "master/master.h"

enum {
	FIRST_PAUSE_MS = 100,
	START_FAILURES_MOST = 3,	/* of a unit that has never served: then "postern start" fails */
};

struct supervisor supervisor = { .report_fd = -1 };

void supervisor_changed(void)
{
	task_wake_all(&supervisor.changed);
}

void supervisor_set_log(struct arena *arena)
{
	service_open_log(supervisor.now->conf, "master", arena);
}

/* ---- to whoever started us ---- */

static void report(const char *line)
{
	supervisor.has_reported = true;
	if (supervisor.report_fd < 0)
		return;
	if (write(supervisor.report_fd, line, strlen(line)) < 0)
		log_warning("cannot report the start: %s", strerror(errno));
	(void)close(supervisor.report_fd);
	supervisor.report_fd = -1;
}

static bool is_serving(const struct unit *unit)
{
	unsigned ready = 0;

	LIST_EACH(node, &unit->workers)
		ready += worker_of(node)->state == WORKER_READY;
	return ready >= unit->wanted;
}

static void report_when_all_serve(void)
{
	bool all = true;

	for (size_t i = 0; i < supervisor.now->count; i++) {
		struct unit *unit = &supervisor.now->units[i];

		unit->was_ready = unit->was_ready || is_serving(unit);
		all = all && unit->was_ready;
	}
	if (!all || supervisor.has_reported)
		return;
	report("ready\n");
	notify_manager("READY=1");
}

/* ---- deaths ---- */

/* A service that has served was killed or met a bug: a short pause keeps mail going.  One that never came to serve
 * will most likely fail again: its pauses grow to the limit. */
static uint64_t pause_after(const struct unit *unit, const struct conf *conf)
{
	uint64_t most_us = unit->was_ready ? CLOCK_SECOND_US : conf->master_restart_delay_limit * CLOCK_SECOND_US;
	uint64_t pause_us;

	if (unit->failures <= 1)
		return 0;	/* a single death throttles nobody */
	if (unit->failures > 20)
		return most_us;
	pause_us = ((uint64_t)FIRST_PAUSE_MS * 1000) << (unit->failures - 2);
	return pause_us < most_us ? pause_us : most_us;
}

static void fail_start(const struct unit *unit)
{
	char line[256];

	(void)snprintf(line, sizeof(line), "service %s: program %s does not start; its log lines say why\n",
	               unit->name, unit->program->program);
	report(line);
	supervisor.status = 1;
	supervisor.is_stopping = true;
}

static void count_failure(struct unit *unit, const struct worker *w)
{
	const struct conf *conf = supervisor.now->conf;
	uint64_t           now_us = clock_now_us(), pause_us;

	if (w->state == WORKER_READY && now_us - w->started_us > conf->master_restart_delay_limit * CLOCK_SECOND_US)
		unit->failures = 0;
	unit->failures++;
	pause_us = pause_after(unit, conf);
	unit->restart_us = now_us + pause_us;
	if (pause_us > CLOCK_SECOND_US)
		log_warning("service %s: %s keeps dying: next start in %llu s", unit->name, unit->program->program,
		            (unsigned long long)(pause_us / CLOCK_SECOND_US));
	if (!supervisor.has_reported && !unit->was_ready && unit->failures >= START_FAILURES_MOST)
		fail_start(unit);
}

void supervisor_worker_died(struct worker *w, int status)
{
	bool as_told = w->state == WORKER_LEAVING && WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM;

	if (WIFSIGNALED(status) && !as_told)
		log_warning("process %s pid %d of service %s killed by signal %d", w->program->program, (int)w->pid,
		            w->name, WTERMSIG(status));
	else if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
		log_warning("process %s pid %d of service %s exit status %d", w->program->program, (int)w->pid,
		            w->name, WEXITSTATUS(status));
	if (w->unit != NULL && !supervisor.is_stopping)
		count_failure(w->unit, w);
}

/* ---- starting what is missing ---- */

static unsigned worker_count(const struct unit *unit)
{
	unsigned n = 0;

	LIST_EACH(node, &unit->workers)
		n++;
	return n;
}

/* A program that owns something (qmgr the queue) must be gone before the next one comes. */
static bool must_wait_for_old(const struct unit *unit)
{
	if ((unit->program->flags & PROGRAM_EXCLUSIVE) == 0)
		return false;
	LIST_EACH(node, worker_leaving())
		if (worker_of(node)->program == unit->program && worker_of(node)->pid != 0)
			return true;
	return false;
}

/* Gives when to look again. */
static uint64_t fill_unit(struct unit *unit)
{
	for (unsigned n = worker_count(unit); n < unit->wanted; n++) {
		if (must_wait_for_old(unit))
			return CLOCK_NEVER;
		if (clock_now_us() < unit->restart_us)
			return unit->restart_us;
		if (!worker_start(unit, supervisor.config_dir)) {
			log_warning("service %s: cannot start a process: %s", unit->name, strerror(errno));
			unit->restart_us = clock_in_s(1);
			return unit->restart_us;
		}
	}
	return CLOCK_NEVER;
}

/* ---- heartbeat ---- */

static void each_worker(void (*fn)(struct worker *w))
{
	for (size_t i = 0; i < supervisor.now->count; i++)
		LIST_EACH_SAFE(node, after, &supervisor.now->units[i].workers)
			fn(worker_of(node));
	LIST_EACH_SAFE(node, after, worker_leaving())
		fn(worker_of(node));
}

static void beat_one(struct worker *w)
{
	worker_beat(w, supervisor.now->conf);
}

static void beat_all(void)
{
	uint64_t interval_us = supervisor.now->conf->master_heartbeat_interval * CLOCK_SECOND_US;
	uint64_t now_us = clock_now_us();

	if (now_us < supervisor.beat_us)
		return;
	/* Were we away ourselves (stopped, or starved), nobody else is to blame. */
	if (supervisor.beat_us != 0 && now_us - supervisor.beat_us > interval_us)
		each_worker(worker_forgive);
	supervisor.beat_us = now_us + interval_us;
	each_worker(beat_one);
}

/* ---- reload ---- */

static struct unit *same_unit(struct generation *g, const struct unit *unit)
{
	for (size_t i = 0; g != NULL && i < g->count; i++)
		if (g->units[i].program->kind == unit->program->kind && g->units[i].is_inet == unit->is_inet &&
		    strcmp(g->units[i].name, unit->name) == 0)
			return &g->units[i];
	return NULL;
}

/* Give next all its sockets, from old where they are the same.  A unit without is dropped when there is an old
 * generation to go on with, else it is an error. */
static bool open_all_sockets(struct generation *next, struct generation *old, const char **error)
{
	bool all = true;

	for (size_t i = 0; i < next->count; i++) {
		struct unit *unit = &next->units[i];

		if (sockets_open(unit, same_unit(old, unit), next->conf, old != NULL ? old->conf : NULL, next->arena,
		                 error))
			continue;
		log_error("%s", *error);
		unit->wanted = 0;
		all = false;
	}
	return all;
}

static void retire(struct generation *old)
{
	for (size_t i = 0; i < old->count; i++) {
		struct unit *unit = &old->units[i];
		bool         drain = (unit->program->flags & PROGRAM_EXCLUSIVE) == 0;

		LIST_EACH_SAFE(node, after, &unit->workers)
			worker_leave(worker_of(node), drain, old->conf);
		sockets_close(unit);
	}
	configuration_free(old);
}

static void reopen_one(struct worker *w)
{
	struct control_reopen notice = { 0 };

	if (w->peer != NULL && ipc_peer_notify(w->peer, &control_reopen_type, &notice) < 0)
		log_warning("%s pid %d does not hear", w->program->program, (int)w->pid);
}

static void reload(void)
{
	const char        *error = NULL;
	struct generation *old = supervisor.now, *next;

	notify_manager("RELOADING=1");
	each_worker(reopen_one);
	next = configuration_read(supervisor.config_dir, &error);
	if (next == NULL) {
		log_error("reload failed, the old configuration stays: %s", error);
		notify_manager("READY=1");
		return;
	}
	log_note("reload -- version %s, configuration %s", PACKAGE_VERSION, supervisor.config_dir);
	configuration_log(next);
	if (!open_all_sockets(next, old, &error))
		log_error("reload: services without a socket are not started");
	supervisor.now = next;
	retire(old);
	notify_manager("READY=1");
}

/* ---- the end ---- */

static bool keeps_log(const struct worker *w)
{
	return w->program->kind == SOCK_DGRAM;
}

static void leave_one(struct worker *w)
{
	if (w->state == WORKER_LEAVING)
		worker_kill(w, SIGTERM);
	else if (!keeps_log(w))
		worker_leave(w, false, supervisor.now->conf);
}

static void leave_log(struct worker *w)
{
	if (w->state != WORKER_LEAVING && keeps_log(w))
		worker_leave(w, false, supervisor.now->conf);
}

/* Only the log is left: nobody has anything more to say to it. */
static bool only_log_is_left(void)
{
	for (size_t i = 0; i < supervisor.now->count; i++)
		LIST_EACH(node, &supervisor.now->units[i].workers)
			if (!keeps_log(worker_of(node)))
				return false;
	LIST_EACH(node, worker_leaving())
		if (!keeps_log(worker_of(node)))
			return false;
	return true;
}

static void kill_one(struct worker *w)
{
	worker_kill(w, SIGKILL);
}

static void begin_stop(void)
{
	notify_manager("STOPPING=1");
	each_worker(leave_one);
	supervisor.stop_us = clock_in_s(supervisor.now->conf->service_stop_time_limit + 1);
}

static uint64_t step_stopping(void)
{
	if (supervisor.stop_us == 0)
		begin_stop();
	if (only_log_is_left())
		each_worker(leave_log);
	if (clock_now_us() >= supervisor.stop_us)
		each_worker(kill_one);
	return clock_in_ms(FIRST_PAUSE_MS);
}

static bool all_gone(void)
{
	for (size_t i = 0; i < supervisor.now->count; i++)
		if (!list_is_empty(&supervisor.now->units[i].workers))
			return false;
	return list_is_empty(worker_leaving());
}

/* ---- the one step ---- */

/* Do all that is to be done now; gives when to look again. */
static uint64_t step(void)
{
	uint64_t wake_us;

	if (supervisor.is_stopping)
		return step_stopping();
	beat_all();
	wake_us = supervisor.beat_us;
	for (size_t i = 0; i < supervisor.now->count; i++) {
		uint64_t unit_us = fill_unit(&supervisor.now->units[i]);

		wake_us = unit_us < wake_us ? unit_us : wake_us;
	}
	report_when_all_serve();
	return wake_us;
}

static void on_child(int signo)
{
	(void)signo;
	worker_reap();
}

static void on_reload(int signo)
{
	(void)signo;
	if (!supervisor.is_stopping)
		reload();
	supervisor_changed();
}

static void on_stop(int signo)
{
	log_note("terminating on signal %d", signo);
	supervisor.is_stopping = true;
	supervisor_changed();
}

/* postern abort: at once. */
static void on_abort(int signo)
{
	on_stop(signo);
	supervisor.stop_us = clock_now_us();
}

void supervisor_run(void *arg)
{
	const char *error = NULL;

	(void)arg;
	task_waitlist_init(&supervisor.changed);
	task_on_signal(SIGCHLD, on_child);
	task_on_signal(SIGHUP, on_reload);
	task_on_signal(SIGTERM, on_stop);
	task_on_signal(SIGINT, on_stop);
	task_on_signal(SIGQUIT, on_abort);
	if (!open_all_sockets(supervisor.now, NULL, &error)) {
		report(arena_printf(task_arena(), "%s\n", error));
		supervisor.status = 1;
		task_stop();
		return;
	}
	supervisor_set_log(task_arena());
	log_note("daemon started -- version %s, configuration %s", PACKAGE_VERSION, supervisor.config_dir);
	configuration_log(supervisor.now);
	if (!supervisor.is_privileged)
		log_note("running as uid %u: all programs share it, without chroot", (unsigned)geteuid());
	while (!supervisor.is_stopping || !all_gone()) {
		uint64_t wake_us = step();

		if (supervisor.is_stopping && all_gone())
			break;
		(void)task_wait(&supervisor.changed, wake_us);
	}
	task_stop();
}
