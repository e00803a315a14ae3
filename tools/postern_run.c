/* SPDX-License-Identifier: ISC */
/* postern_run.c - start, stop, reload, status: signals to the master that holds the spool lock */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/ipc/queue_admin.h"
#include "tools/postern.h"

enum { LINE_SIZE = 512, LOOK_AGAIN_US = 20 * 1000, FLUSH_TIMEOUT_S = 30, KILL_GRACE_S = 5 };

static const char *lock_path(const struct postern *p)
{
	return arena_printf(p->arena, "%s/pid/master.pid", p->conf->queue_directory);
}

int postern_master_pid(const struct postern *p)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char         text[24] = "";
	int          fd = open(lock_path(p), O_RDONLY | O_CLOEXEC);
	bool         is_running;

	if (fd < 0)
		return 0;
	is_running = fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
	if (is_running && read(fd, text, sizeof(text) - 1) <= 0)
		is_running = false;	/* it has the lock and is just starting */
	(void)close(fd);
	return is_running ? (int)strtol(text, NULL, 10) : 0;
}

const char *postern_master_path(const struct postern *p)
{
	return arena_printf(p->arena, "%s/master", conf_daemon_directory(p->conf));
}

/* ---- start ---- */

/* In the child: away from the terminal, then become master. */
static void become_master(const struct postern *p, int report) NO_RETURN;
static void become_master(const struct postern *p, int report)
{
	const char *program = postern_master_path(p);
	char        fd[16];
	int         null = open("/dev/null", O_RDWR);

	(void)setsid();
	for (int i = 0; i < 3 && null >= 0; i++)
		(void)dup2(null, i);
	(void)snprintf(fd, sizeof(fd), "%d", report);
	(void)execl(program, "master", "-c", p->config_dir, "-r", fd, (char *)NULL);
	(void)dprintf(report, "%s: %s\n", program, strerror(errno));
	_exit(126);
}

/* The one line master reports; empty when it ended without a word. */
static void read_report(int fd, char line[LINE_SIZE])
{
	size_t  length = 0;
	ssize_t n;

	while (length < LINE_SIZE - 1 && (n = read(fd, line + length, LINE_SIZE - 1 - length)) != 0) {
		if (n < 0 && errno != EINTR)
			break;
		length += n > 0 ? (size_t)n : 0;
	}
	while (length > 0 && line[length - 1] == '\n')
		length--;
	line[length] = '\0';
}

int postern_start(struct postern *p, int argc, char **argv)
{
	char  line[LINE_SIZE];
	int   report[2];
	pid_t pid;

	(void)argc;
	(void)argv;
	if (postern_master_pid(p) != 0)
		log_fatal("the mail system is already running");
	if (postern_look(p) > 0)
		return 1;
	if (pipe2(report, O_CLOEXEC) < 0 || (pid = fork()) < 0)
		log_fatal("cannot start: %s", strerror(errno));
	if (pid == 0)
		become_master(p, fcntl(report[1], F_DUPFD, 3));
	(void)close(report[1]);
	read_report(report[0], line);
	if (strcmp(line, "ready") == 0)
		return 0;
	log_error("%s", line[0] != '\0' ? line : "master ended without a word; see the log");
	return 1;
}

int postern_start_fg(struct postern *p, int argc, char **argv)
{
	const char *program = postern_master_path(p);

	(void)argc;
	(void)argv;
	if (postern_look(p) > 0)
		return 1;
	(void)execl(program, "master", "-c", p->config_dir, (char *)NULL);
	log_fatal("%s: %s", program, strerror(errno));
}

/* ---- signals ---- */

static pid_t running(const struct postern *p)
{
	int pid = postern_master_pid(p);

	if (pid == 0)
		log_fatal("the mail system is not running");
	return pid;
}

static void signal_master(pid_t pid, int signo)
{
	if (kill(pid, signo) < 0)
		log_fatal("cannot signal master, pid %d: %s", (int)pid, strerror(errno));
}

/* Until its lock is free. */
static int await_end(const struct postern *p, pid_t pid)
{
	uint64_t limit_us = clock_in_s(p->conf->service_stop_time_limit + KILL_GRACE_S);

	while (postern_master_pid(p) == pid) {
		if (clock_now_us() > limit_us)
			log_fatal("master, pid %d, does not stop", (int)pid);
		(void)usleep(LOOK_AGAIN_US);
	}
	return 0;
}

int postern_stop(struct postern *p, int argc, char **argv)
{
	pid_t pid = running(p);

	(void)argc;
	(void)argv;
	signal_master(pid, SIGTERM);
	return await_end(p, pid);
}

int postern_abort(struct postern *p, int argc, char **argv)
{
	pid_t pid = running(p);

	(void)argc;
	(void)argv;
	signal_master(pid, SIGQUIT);
	return await_end(p, pid);
}

int postern_reload(struct postern *p, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	signal_master(running(p), SIGHUP);
	return 0;
}

int postern_status(struct postern *p, int argc, char **argv)
{
	int pid = postern_master_pid(p);

	(void)argc;
	(void)argv;
	if (pid == 0)
		log_note("the mail system is not running");
	else
		log_note("the mail system is running: PID: %d", pid);
	return pid != 0 ? 0 : 1;
}

int postern_flush(struct postern *p, int argc, char **argv)
{
	struct queue_action_request request = { .action = QUEUE_FLUSH };
	struct queue_action_reply   reply;
	int fd = ipc_connect_path(arena_printf(p->arena, "%s/public/qmgr", p->conf->queue_directory));

	(void)argc;
	(void)argv;
	if (fd < 0)
		log_fatal("qmgr is not there: %s", strerror(errno));
	if (ipc_blocking_call(fd, &queue_action_request_type, &request, &queue_action_reply_type, &reply, p->arena,
	                      FLUSH_TIMEOUT_S) < 0)
		log_fatal("qmgr does not answer: %s", strerror(errno));
	(void)close(fd);
	if (reply.refused)
		log_fatal("you may not flush the queue");
	return 0;
}
