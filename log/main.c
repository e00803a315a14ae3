/* SPDX-License-Identifier: ISC */
/* main.c - postlogd: the log file, where syslog is not used
 *
 * Reads finished lines from a datagram socket that master owns (so it outlives us) and appends them to
 * maillog_file.  Senders never wait: they drop and count when the socket is full; so do we when
 * the disk is. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"
#include "lib/service/service.h"
#include "lib/task/task.h"
#include "log/postlogd.h"

static struct {
	struct postlogd_file file;
	struct buf           lines;
} postlogd;

static bool is_allowed(const struct conf *conf, struct span path, struct arena *arena)
{
	const char *prefixes = conf_value(conf, "maillog_file_prefixes", arena);
	struct span rest = span_of(prefixes), prefix;

	while (conf_list_next(&rest, &prefix))
		if (span_starts(path, prefix))
			return true;
	return false;
}

static void prepare(struct service_run *run)
{
	struct arena *arena = arena_new(NULL);
	const char   *path = run->conf->maillog_file;
	const char   *slash = strrchr(path, '/');

	if (path[0] == '\0') {
		postlogd.file.fd = -1;	/* syslog is used: nobody sends us anything */
		arena_free(arena);
		return;
	}
	if (!is_allowed(run->conf, span_of(path), arena))
		log_fatal("maillog_file %s is outside maillog_file_prefixes", path);
	postlogd_open(&postlogd.file, path, run->sandbox.has_user ? &run->sandbox.uid : NULL);
	if (postlogd.file.fd < 0)
		log_fatal("open %s: %s", path, strerror(errno));
	if (slash != NULL && slash != path && strncmp(path, "/dev/", 5) != 0)
		sandbox_allow(&run->sandbox, strndup(path, (size_t)(slash - path)), true);
	arena_free(arena);
}

static void reopen(struct service_run *run)
{
	if (run->conf->maillog_file[0] != '\0')
		postlogd_reopen(&postlogd.file);
}

static void write_what_waits(int fd)
{
	while (postlogd_receive(fd, &postlogd.lines) > 0)
		postlogd_write(&postlogd.file, &postlogd.lines);
}

static void read_lines(void *arg)
{
	int fd = *(const int *)arg;

	do {
		write_what_waits(fd);
	} while (errno == EAGAIN && task_wait_fd(fd, TASK_READABLE, CLOCK_NEVER) == 0);
}

static void start(struct service_run *run)
{
	run->reopen = reopen;
	buf_init(&postlogd.lines, BUF_NO_LIMIT);
	if (run->listener_count != 1)
		log_fatal("one datagram socket is needed: is this entry of type unix-dgram?");
	(void)fcntl(run->listeners[0], F_SETFL, O_RDWR | O_NONBLOCK);
	if (task_spawn(read_lines, &run->listeners[0], "lines") == NULL)
		log_fatal("no task");
}

/* What has come before the end was told is still written. */
static void drain(struct service_run *run)
{
	write_what_waits(run->listeners[0]);
}

int main(int argc, char **argv)
{
	static const struct service row = {
		.name = "postlogd", .user = "log_owner", .root = SANDBOX_NO_ROOT,
		.may = MAY_WRITE_FILES, .prepare = prepare, .start = start, .drain = drain,
	};

	return service_main(&row, argc, argv);
}
