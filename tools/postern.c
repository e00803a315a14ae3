/* SPDX-License-Identifier: ISC */
/* postern.c - the admin's command: start, stop, reload, status ... */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/sysexits.h"
#include "tools/postern.h"

static int user(struct postern *p, int argc, char **argv)
{
	if (setenv("MAIL_CONFIG", p->config_dir, 1) < 0)
		log_fatal("out of memory");
	return postern_user(argc + 1, argv - 1);
}

static const struct {
	const char *name;
	int       (*run)(struct postern *p, int argc, char **argv);
	const char *text;
} commands[] = {
	{ "start",    postern_start,    "start the mail system; returns when it accepts mail" },
	{ "start-fg", postern_start_fg, "run it in the foreground (service managers, containers)" },
	{ "stop",     postern_stop,     "stop it, finishing what is under way" },
	{ "abort",    postern_abort,    "stop it at once" },
	{ "reload",   postern_reload,   "read the configuration anew without losing a session" },
	{ "status",   postern_status,   "say whether it runs; exit status 0 when it does" },
	{ "flush",    postern_flush,    "try to deliver all waiting mail now" },
	{ "check",    postern_check,    "look for mistakes in configuration and permissions" },
	{ "dkim",     postern_dkim,     "make, show and rotate the keys that sign mail" },
	{ "user",     user,             "add, change and remove mail users" },
	{ "dmarc",    postern_dmarc,    "what other hosts report about our domains" },
};

static int usage(void)
{
	(void)fprintf(stderr, "usage: postern [-c folder] [-v] command\n");
	for (size_t i = 0; i < COUNT_OF(commands); i++)
		(void)fprintf(stderr, "  %-9s %s\n", commands[i].name, commands[i].text);
	return EXIT_USAGE;
}

static int run(struct postern *p, int argc, char **argv)
{
	const char *error = NULL;

	for (size_t i = 0; i < COUNT_OF(commands); i++) {
		if (strcmp(commands[i].name, argv[0]) != 0)
			continue;
		p->conf = conf_load(p->arena, p->config_dir, NULL, 0, &error);
		if (p->conf == NULL)
			log_fatal("%s", error);
		return commands[i].run(p, argc - 1, argv + 1);
	}
	return usage();
}

int main(int argc, char **argv)
{
	const char    *from_environment = getenv("MAIL_CONFIG");
	struct postern p = { .config_dir = from_environment != NULL ? from_environment : CONFIG_DIR };
	int            option;

	log_open("postern", LOG_TO_STDERR, -1);
	p.arena = arena_new(NULL);
	while ((option = getopt(argc, argv, "+c:v")) != -1) {
		if (option == 'c')
			p.config_dir = optarg;
		else if (option == 'v')
			log_set_verbose(true);
		else
			return usage();
	}
	return optind < argc ? run(&p, argc - optind, argv + optind) : usage();
}
