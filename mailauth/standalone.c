/* SPDX-License-Identifier: ISC */
/* standalone.c - mailauth beside another mail server that speaks the milter protocol (Postfix, Sendmail ...)
 *
 *	mailauth -l unix:PATH|inet:PORT@HOST [-c FOLDER] [-o name=value ...] [-u USER] [-v]
 *
 * Reads FOLDER/main.cf for its parameters, or nothing but what -o says with "-c /dev/null"'s like.  Started as root it
 * becomes USER (filter_owner).  Stays in the foreground, as service managers want it. */
#include "mailauth/standalone.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/sysexits.h"
#include "lib/sandbox/sandbox.h"
#include "lib/task/task.h"
#include "mailauth/ask_unbound.h"
#include "mailauth/mailauth.h"
#include "mailauth/milter.h"
#include "mailauth/reports.h"

enum { OVERRIDES_MAX = 100 };

struct options {
	const char          *socket, *config_dir, *user;
	struct conf_override overrides[OVERRIDES_MAX];
	size_t               override_count;
};

static int usage(void)
{
	(void)fprintf(stderr, "usage: mailauth -l unix:PATH|inet:PORT@HOST [-c folder] [-o name=value] [-u user] [-v]\n");
	return EXIT_USAGE;
}

static bool take_override(struct options *o, char *text)
{
	char *equals = strchr(text, '=');

	if (equals == NULL || o->override_count == OVERRIDES_MAX)
		return false;
	*equals = '\0';
	o->overrides[o->override_count++] = (struct conf_override){ text, equals + 1 };
	return true;
}

static bool take_options(struct options *o, int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "l:c:o:u:v")) != -1) {
		switch (option) {
		case 'l':
			o->socket = optarg;
			break;
		case 'c':
			o->config_dir = optarg;
			break;
		case 'o':
			if (!take_override(o, optarg))
				return false;
			break;
		case 'u':
			o->user = optarg;
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

/* ---- the loop ---- */

static void on_terminate(int signo)
{
	(void)signo;
	reports_stop(mailauth.reports);
	task_stop();
}

static void begin(void *arg)
{
	struct rotation_askers askers = unbound_rotation(mailauth.conf);
	struct why why;

	task_on_signal(SIGTERM, on_terminate);
	task_on_signal(SIGINT, on_terminate);
	if (unbound_start(arg, &why) != DONE)
		log_fatal("%s", why.text);
	start_tasks(&askers);
	milter_start();
	log_note("ready");
	(void)task_sleep_until(CLOCK_NEVER);
}

/* ---- the start ---- */

static void plan_sandbox(struct sandbox *box, const struct options *o, const struct conf *conf)
{
	const char *user = o->user != NULL ? o->user : conf->filter_owner;

	*box = (struct sandbox){ .root = SANDBOX_NO_ROOT, .strict = conf->sandbox_strict,
		                 .may = MAY_ACCEPT | MAY_READ_FILES | MAY_WRITE_FILES | MAY_CONNECT_UNIX |
		                        MAY_CONNECT_INET | MAY_BIND_INET };
	if (geteuid() != 0)
		return;
	if (!sandbox_user(user, &box->uid, &box->gid))
		log_fatal("unknown user %s", user);
	box->has_user = true;
}

/* Another server's users come by the socket's mode. */
static void open_socket(const char *where)
{
	mode_t before = umask(0117);

	milter_open(where);
	(void)umask(before);
	if (strncmp(where, "unix:", 5) == 0 || strncmp(where, "local:", 6) == 0)
		(void)chmod(strchr(where, ':') + 1, 0666);
}

int standalone_main(int argc, char **argv)
{
	struct options o = { .config_dir = CONFIG_DIR };
	struct arena *arena = arena_new(NULL);
	const struct conf *conf;
	const char *error = NULL, *folder;
	struct unbound *unbound;
	struct sandbox box;
	struct why why;

	log_open("mailauth", LOG_TO_STDERR, -1);
	if (!take_options(&o, argc, argv) || o.socket == NULL)
		return usage();
	(void)signal(SIGPIPE, SIG_IGN);
	conf = conf_load(arena, o.config_dir, o.overrides, o.override_count, &error);
	if (conf == NULL)
		log_fatal("%s", error);
	plan_sandbox(&box, &o, conf);
	folder = prepare_checks(conf, box.has_user ? box.uid : (uid_t)-1, box.has_user ? box.gid : (gid_t)-1);
	unbound = unbound_new(conf, answers_new((size_t)conf->mailauth_answer_cache_size), &why);
	if (unbound == NULL)
		log_fatal("%s", why.text);
	mailauth.asker = unbound_asker(unbound);
	open_socket(o.socket);
	allow_paths(&box, conf, folder);
	sandbox_enter(&box);
	task_main(begin, unbound);
	_exit(EXIT_SUCCESS);
}
