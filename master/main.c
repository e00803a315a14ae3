/* SPDX-License-Identifier: ISC */
/* main.c - master: the supervisor of the mail system
 *
 * Opens the sockets, starts and restarts the programs, introduces them to each other; reads nothing that
 * comes from the network.  As root it keeps only the capabilities that needs. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/span.h"
#include "lib/base/sysexits.h"
#include "lib/sandbox/sandbox.h"
#include "lib/service/places.h"
#include "master/master.h"

/* Of these, what a program does not need it drops in turn. */
static const cap_value_t needed[] = {
	CAP_SETUID, CAP_SETGID, CAP_SETPCAP, CAP_NET_BIND_SERVICE, CAP_KILL, CAP_CHOWN, CAP_FOWNER,
	CAP_DAC_OVERRIDE, CAP_SYS_CHROOT, CAP_SYS_RESOURCE, CAP_IPC_LOCK,
};

static bool is_needed(cap_value_t capability)
{
	for (size_t i = 0; i < COUNT_OF(needed); i++)
		if (needed[i] == capability)
			return true;
	return false;
}

static void keep_needed_capabilities(void)
{
	cap_t have = cap_get_proc(), keep = cap_init();

	for (cap_value_t c = 0; cap_get_bound(c) >= 0; c++)
		if (!is_needed(c) && cap_get_bound(c) == 1)
			(void)cap_drop_bound(c);	/* a container may forbid it */
	for (size_t i = 0; have != NULL && keep != NULL && i < COUNT_OF(needed); i++) {
		cap_flag_value_t value = CAP_CLEAR;

		(void)cap_get_flag(have, needed[i], CAP_PERMITTED, &value);
		(void)cap_set_flag(keep, CAP_PERMITTED, 1, &needed[i], value);
		(void)cap_set_flag(keep, CAP_EFFECTIVE, 1, &needed[i], value);
	}
	if (keep == NULL || cap_set_proc(keep) < 0)
		log_fatal("capabilities: %s", strerror(errno));
	(void)cap_free(have);
	(void)cap_free(keep);
}

/* One line to "postern start" and to the log; master then ends. */
static void give_up(const char *error) NO_RETURN;
static void give_up(const char *error)
{
	if (supervisor.report_fd >= 0)
		(void)dprintf(supervisor.report_fd, "%s\n", error);
	log_fatal("%s", error);
}

static void use_all_descriptors(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return;
	files.rlim_cur = files.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &files);
}

static bool take_arguments(int argc, char **argv)
{
	unsigned long long fd;
	int                option;

	supervisor.config_dir = CONFIG_DIR;
	while ((option = getopt(argc, argv, "c:r:tv")) != -1) {
		switch (option) {
		case 'c':
			supervisor.config_dir = optarg;
			break;
		case 'r':
			if (!span_u64(span_of(optarg), INT_MAX, &fd))
				return false;
			supervisor.report_fd = (int)fd;
			(void)fcntl(supervisor.report_fd, F_SETFD, FD_CLOEXEC);
			break;
		case 't':
			supervisor.is_test = true;
			break;
		case 'v':
			log_set_verbose(true);
			break;
		default:
			return false;
		}
	}
	return optind == argc;
}

/* For good, and for all that we start: a reload does not widen it. */
static void confine(const struct generation *g)
{
	struct sandbox box = { .root = SANDBOX_NO_ROOT };
	struct stat    st;

	places_allow_suite(&box, g->conf);
	/* A program may be a link that leads out of daemon_directory. */
	for (size_t i = 0; i < g->count; i++)
		if (lstat(g->units[i].path, &st) == 0 && S_ISLNK(st.st_mode))
			sandbox_allow_programs(&box, g->units[i].path);
	sandbox_supervise(&box);
}

static void set_up(struct arena *arena)
{
	const char *error = NULL;
	char       *absolute = realpath(supervisor.config_dir, NULL);

	if (absolute == NULL)
		give_up(arena_printf(arena, "configuration folder %s: %s", supervisor.config_dir, strerror(errno)));
	supervisor.config_dir = absolute;	/* for the whole run */
	supervisor.now = configuration_read(absolute, &error);
	if (supervisor.now == NULL)
		give_up(error);
	if (supervisor.is_test)
		return;
	if (!spool_prepare(supervisor.now->conf, arena, &error) || !spool_lock(arena, &error))
		give_up(error);
	if (supervisor.is_privileged)
		keep_needed_capabilities();
	confine(supervisor.now);
}

int main(int argc, char **argv)
{
	struct arena *arena = arena_new(NULL);

	log_open("postern/master", LOG_TO_STDERR, -1);
	if (!take_arguments(argc, argv)) {
		(void)fprintf(stderr, "usage: master [-c folder] [-r descriptor] [-t] [-v]\n");
		return EXIT_USAGE;
	}
	(void)umask(022);
	(void)signal(SIGPIPE, SIG_IGN);
	supervisor.is_privileged = geteuid() == 0;
	use_all_descriptors();
	set_up(arena);
	if (supervisor.is_test)
		configuration_log(supervisor.now);
	else
		task_main(supervisor_run, NULL);
	arena_free(arena);
	return supervisor.status;
}
