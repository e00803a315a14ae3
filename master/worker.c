/* SPDX-License-Identifier: ISC */
/* worker.c - one process of a service, from fork to its end
 *
 * It gets the control channel as descriptor 3 and its sockets from 4 on.  It is gone when both its process
 * has been waited for and its control channel has ended, in whatever order. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/ipc/control.h"
#include "master/master.h"

enum { CONTROL_FD = 3, FIRST_LISTENER = 4, KILL_GRACE_S = 2 };

static struct list leaving = { &leaving, &leaving };

struct list *worker_leaving(void)
{
	return &leaving;
}

struct worker *worker_of(struct list *node)
{
	return CONTAINER_OF(node, struct worker, link);
}

static void free_if_gone(struct worker *w)
{
	if (w->pid != 0 || w->control_fd >= 0)
		return;
	list_remove(&w->link);
	free(w->name);
	free(w);
	supervisor_changed();
}

/* ---- what it says on the control channel ---- */

static void on_ready(struct ipc_request *r)
{
	struct worker *w = r->user;

	if (w->state == WORKER_STARTING)
		w->state = WORKER_READY;
	w->alive_us = clock_now_us();
	supervisor_changed();
}

static void on_alive(struct ipc_request *r)
{
	struct worker *w = r->user;

	if (((const struct control_alive *)r->message)->number == w->beat)
		w->alive_us = clock_now_us();
}

static void on_ask(struct ipc_request *r)
{
	const struct control_ask_request *ask = r->message;
	struct worker                    *w = r->user;
	struct control_ask_reply          reply = { 0, -1 };

	reply.connection = introduce(supervisor.now, w->program, w->name, arena_cstr(r->arena, ask->service));
	if (reply.connection < 0)
		reply.error = (uint64_t)errno;
	if (reply.error == EACCES)
		log_warning("%s pid %d asks for service " SPAN_FMT ", which is not for it", w->program->program,
		            (int)w->pid, SPAN_ARG(ask->service));
	(void)ipc_reply(r, &control_ask_reply_type, &reply, false);
	if (reply.connection >= 0)
		(void)close(reply.connection);
}

static const struct ipc_handler handlers[] = {
	{ &control_ready_type,       on_ready, false },
	{ &control_alive_type,       on_alive, false },
	{ &control_ask_request_type, on_ask,   false },
};

static void on_opened(struct ipc_peer *peer, void *user)
{
	((struct worker *)user)->peer = peer;
}

static void on_closed(struct ipc_peer *peer, void *user)
{
	(void)peer;
	((struct worker *)user)->peer = NULL;
}

static void control_task(void *arg)
{
	struct worker *w = arg;

	ipc_serve(&w->server, w->control_fd);
	w->control_fd = -1;
	free_if_gone(w);
}

/* ---- start ---- */

/* In the child: bring the descriptors where the program expects them. */
static bool place_descriptors(const struct unit *unit, int control)
{
	int high = FIRST_LISTENER + UNIT_LISTENERS_MAX;
	int moved[UNIT_LISTENERS_MAX + 1];

	for (size_t i = 0; i <= unit->listener_count; i++) {
		moved[i] = fcntl(i == 0 ? control : unit->listeners[i - 1], F_DUPFD_CLOEXEC, high);
		if (moved[i] < 0)
			return false;
	}
	for (size_t i = 0; i <= unit->listener_count; i++)
		if (dup2(moved[i], CONTROL_FD + (int)i) < 0)
			return false;
	return true;
}

static char **arguments(const struct unit *unit, const char *config_dir, struct arena *arena)
{
	union { const char *in; char *out; } word;
	char **argv = ARENA_NEW_ARRAY(arena, char *, 12 + 2 * unit->override_count);
	size_t n = 0;

#define ADD(text) (word.in = (text), argv[n++] = word.out)
	ADD(unit->program->program);
	ADD("-c"), ADD(config_dir);
	ADD("-n"), ADD(unit->name);
	ADD("-t"), ADD(unit->type);
	ADD("-s"), ADD(arena_printf(arena, "%zu", unit->listener_count));
	if (unit->verbose > 0)
		ADD("-v");
	for (size_t i = 0; i < unit->override_count; i++) {
		ADD("-o");
		ADD(arena_printf(arena, "%s=%s", unit->overrides[i].name, unit->overrides[i].value));
	}
#undef ADD
	return argv;
}

static void become_program(const struct unit *unit, int control, char **argv) NO_RETURN;
static void become_program(const struct unit *unit, int control, char **argv)
{
	(void)signal(SIGPIPE, SIG_DFL);
	if (place_descriptors(unit, control))
		execv(unit->path, argv);
	log_error("cannot start %s: %s", unit->path, strerror(errno));
	_exit(126);
}

static struct worker *new_worker(struct unit *unit, int control_fd)
{
	struct worker *w = calloc(1, sizeof(*w));

	if (w == NULL || (w->name = strdup(unit->name)) == NULL)
		log_fatal("out of memory");
	w->unit = unit;
	w->program = unit->program;
	w->control_fd = control_fd;
	w->started_us = w->alive_us = clock_now_us();
	w->server = (struct ipc_server){ handlers, COUNT_OF(handlers), w, 0, on_opened, on_closed };
	return w;
}

bool worker_start(struct unit *unit, const char *config_dir)
{
	struct arena  *arena = arena_new(NULL);
	char         **argv = arguments(unit, config_dir, arena);
	struct worker *w;
	int            pair[2];
	pid_t          pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		arena_free(arena);
		return false;
	}
	pid = fork();
	if (pid == 0)
		become_program(unit, pair[1], argv);
	arena_free(arena);
	(void)close(pair[1]);
	if (pid < 0) {
		(void)close(pair[0]);
		return false;
	}
	w = new_worker(unit, pair[0]);
	w->pid = pid;
	list_push_back(&unit->workers, &w->link);
	if (task_spawn(control_task, w, "control") == NULL)
		log_fatal("no task for a worker");
	return true;
}

/* ---- end ---- */

void worker_kill(struct worker *w, int signo)
{
	if (w->pid != 0)
		(void)kill(w->pid, signo);
}

void worker_leave(struct worker *w, bool drain, const struct conf *conf)
{
	struct control_drain notice = { 0 };
	uint64_t             patience_s = conf->service_stop_time_limit;

	if (drain)
		patience_s += conf->service_drain_time_limit;	/* then it stops by itself */
	w->state = WORKER_LEAVING;
	w->unit = NULL;
	w->leave_us = clock_in_s(patience_s + KILL_GRACE_S);
	list_remove(&w->link);
	list_push_back(&leaving, &w->link);
	if (!drain || w->peer == NULL || ipc_peer_notify(w->peer, &control_drain_type, &notice) < 0)
		worker_kill(w, SIGTERM);
}

static struct worker *find(pid_t pid)
{
	for (size_t i = 0; i < supervisor.now->count; i++)
		LIST_EACH(node, &supervisor.now->units[i].workers)
			if (worker_of(node)->pid == pid)
				return worker_of(node);
	LIST_EACH(node, &leaving)
		if (worker_of(node)->pid == pid)
			return worker_of(node);
	return NULL;
}

void worker_reap(void)
{
	int   status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct worker *w = find(pid);

		if (w == NULL)
			continue;
		supervisor_worker_died(w, status);
		w->pid = 0;
		w->state = WORKER_LEAVING;
		w->unit = NULL;
		list_remove(&w->link);
		list_push_back(&leaving, &w->link);
		free_if_gone(w);
	}
	supervisor_changed();
}

/* ---- heartbeat ---- */

void worker_forgive(struct worker *w)
{
	w->alive_us = clock_now_us();
}

/* Give it up when the event is longer ago than the limit. */
static bool is_overdue(struct worker *w, uint64_t since_us, uint64_t limit_s, const char *fault)
{
	if (clock_now_us() - since_us < limit_s * CLOCK_SECOND_US)
		return false;
	log_warning("process %s pid %d of service %s %s for %llu s: killing it", w->program->program, (int)w->pid,
	            w->name, fault, (unsigned long long)limit_s);
	worker_kill(w, SIGKILL);
	return true;
}

void worker_beat(struct worker *w, const struct conf *conf)
{
	struct control_beat beat = { w->beat + 1 };

	if (w->pid == 0)
		return;
	if (w->state == WORKER_LEAVING) {
		if (clock_now_us() > w->leave_us)
			worker_kill(w, SIGKILL);
		return;
	}
	if (w->state == WORKER_STARTING) {
		(void)is_overdue(w, w->started_us, conf->master_start_time_limit, "has been starting");
		return;
	}
	if (is_overdue(w, w->alive_us, conf->master_heartbeat_limit, "has not answered") || w->peer == NULL)
		return;
	if (ipc_peer_notify(w->peer, &control_beat_type, &beat) == 0)
		w->beat = beat.number;
}
