/* SPDX-License-Identifier: ISC */
/* service.c - main() of all programs: configuration, log, prepare, sandbox, loop */
#include "lib/service/service.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/sysexits.h"
#include "lib/service/service_private.h"

enum { FILES_MOST = 1 << 16 };

/* Descriptor 0 is never a terminal or a socket; 1 and 2 are at least open. */
static void settle_standard_files(void)
{
	int null = open("/dev/null", O_RDWR);

	if (null < 0)
		log_fatal("/dev/null: %s", strerror(errno));
	while (null < 2 && null >= 0)
		null = dup(null);
	(void)dup2(null, 0);
	if (null > 2)
		(void)close(null);
}

/* No program of ours takes anything from the environment but the time zone. */
static void clear_environment(struct arena *arena)
{
	const char *zone = getenv("TZ");
	const char *kept = zone != NULL ? arena_cstr(arena, span_of(zone)) : NULL;

	(void)clearenv();
	(void)setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
	if (kept != NULL)
		(void)setenv("TZ", kept, 1);
	tzset();
}

/* The datagram socket that postlogd reads and master keeps; connected, it survives a restart of postlogd. */
static int connect_log(const char *queue_directory)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int                length = snprintf(address.sun_path, sizeof(address.sun_path), "%s/public/postlog",
	                                     queue_directory);
	int                fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	if (length < (int)sizeof(address.sun_path) &&
	    connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	(void)close(fd);
	return -1;
}

void service_open_log(const struct conf *conf, const char *program, struct arena *arena)
{
	const char *ident = arena_printf(arena, "%s/%s", conf->syslog_name, program);
	int         fd = conf->maillog_file[0] != '\0' ? connect_log(conf->queue_directory) : -1;

	if (fd >= 0)
		log_open(ident, LOG_TO_SOCKET, fd);
	else
		log_open(ident, LOG_TO_SYSLOG, -1);
}

/* As many descriptors as the system lets us have: one a connection. */
static size_t most_files(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return 0;
	return files.rlim_max == RLIM_INFINITY || files.rlim_max > FILES_MOST ? FILES_MOST
	                                                                      : (size_t)files.rlim_max;
}

static void load_configuration(struct service_run *run, struct arena *arena,
                               const struct conf_override *overrides, size_t count)
{
	const char *error = NULL;

	run->conf = conf_load(arena, run->config_dir, overrides, count, &error);
	if (run->conf == NULL)
		log_fatal("%s", error);
}

/* What the row says about users, roots and rights; prepare() may add to it. */
static void plan_sandbox(struct service_run *run, struct arena *arena)
{
	const struct service *service = run->service;
	struct sandbox       *s = &run->sandbox;
	const char           *user;

	s->root = service->root;
	s->may = service->may;
	s->files_max = most_files();
	s->strict = run->conf->sandbox_strict;
	if (service->root == SANDBOX_EMPTY_ROOT)
		s->root_path = arena_printf(arena, "%s/empty", run->conf->queue_directory);
	if (service->user == NULL || !run->is_privileged)
		return;
	user = conf_value(run->conf, service->user, arena);
	if (user == NULL || !sandbox_user(user, &s->uid, &s->gid))
		log_fatal("parameter %s: unknown user %s", service->user, user != NULL ? user : "(none)");
	s->has_user = true;
}

static void check_descriptors(struct service_run *run)
{
	for (size_t i = 0; i < run->listener_count; i++)
		if (fcntl(run->listeners[i], F_GETFD) < 0)
			log_fatal("descriptor %d is not open: this program is started by master", run->listeners[i]);
	if (fcntl(run->control_fd, F_GETFD) < 0)
		log_fatal("no control channel: this program is started by master");
	(void)fcntl(run->control_fd, F_SETFD, FD_CLOEXEC);
	for (size_t i = 0; i < run->listener_count; i++)
		(void)fcntl(run->listeners[i], F_SETFD, FD_CLOEXEC);
}

static void run_inside(struct service_run *run)
{
	if (run->service->blocking_main == NULL) {
		service_loop(run);
		return;
	}
	service_blocking_signals(run);
	service_blocking_ready(run);
	run->service->blocking_main(run);
}

int service_main(const struct service *service, int argc, char **argv)
{
	struct arena         *arena = arena_new(NULL);
	struct service_run    run = { .service = service, .control_fd = SERVICE_CONTROL_FD };
	struct conf_override *overrides;
	size_t                override_count;
	bool                  verbose = false;

	log_open(service->name, LOG_TO_STDERR, -1);
	if (!service_arguments(&run, arena, argc, argv, &overrides, &override_count, &verbose))
		return EXIT_USAGE;
	settle_standard_files();
	clear_environment(arena);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)umask(077);
	log_set_verbose(verbose);
	load_configuration(&run, arena, overrides, override_count);
	service_open_log(run.conf, service->name, arena);
	check_descriptors(&run);
	run.is_privileged = geteuid() == 0;
	plan_sandbox(&run, arena);
	if (service->prepare != NULL)
		service->prepare(&run);
	sandbox_enter(&run.sandbox);
	run_inside(&run);
	sandbox_report();
	/* Tasks were left in mid-air with what they held; exit handlers of libraries have no business in the sandbox. */
	_exit(0);
}
