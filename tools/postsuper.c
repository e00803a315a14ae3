/* SPDX-License-Identifier: ISC */
/* postsuper.c - delete, hold, release, requeue or expire messages (postsuper(1)) */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/sysexits.h"
#include "lib/queue/queue_id.h"
#include "tools/queue_client.h"

struct verb {
	char              letter;
	enum queue_action action;
	const char       *done;		/* for the summary */
	long long         count;
};

static struct verb verbs[] = {
	{ 'd', QUEUE_DELETE,  "Deleted", 0 },
	{ 'e', QUEUE_EXPIRE,  "Expired", 0 },
	{ 'f', QUEUE_EXPIRE,  "Expired", 0 },
	{ 'h', QUEUE_HOLD,    "Placed on hold", 0 },
	{ 'H', QUEUE_RELEASE, "Released from hold", 0 },
	{ 'r', QUEUE_REQUEUE, "Requeued", 0 },
};

static struct verb *find_verb(int letter)
{
	for (size_t i = 0; i < COUNT_OF(verbs); i++)
		if (verbs[i].letter == letter)
			return &verbs[i];
	return NULL;
}

static void act(struct queue_client *c, struct verb *verb, struct span id)
{
	long long count;

	if (id.len > 0 && !queue_id_is_valid(id)) {
		log_warning("invalid mail queue id: " SPAN_FMT, SPAN_ARG(id));
		return;
	}
	count = queue_act(c, verb->action, id, span_lit(""));
	if (count < 0) {
		log_error("%s", errno == EPERM || errno == EACCES ? "use of this command is reserved for the superuser"
		                                                  : strerror(errno));
		exit(errno == EPERM || errno == EACCES ? EXIT_NO_PERMISSION : 1);
	}
	verb->count += count;
}

static void act_on_lines(struct queue_client *c, struct verb *verb)
{
	char line[256];

	while (fgets(line, sizeof(line), stdin) != NULL) {
		struct span id = span_trim(span_of(line));

		if (id.len > 0)
			act(c, verb, id);
	}
}

static void obey(struct queue_client *c, struct verb *verb, const char *what)
{
	if (strcmp(what, "ALL") == 0)
		act(c, verb, span_lit(""));
	else if (strcmp(what, "-") == 0)
		act_on_lines(c, verb);
	else
		act(c, verb, span_of(what));
}

static void say_summary(void)
{
	for (size_t i = 0; i < COUNT_OF(verbs); i++)
		if (verbs[i].count > 0)
			fprintf(stderr, "postsuper: %s: %lld message%s\n", verbs[i].done, verbs[i].count,
			        verbs[i].count == 1 ? "" : "s");
}

static int usage(void)
{
	log_error("usage: postsuper [-c config_dir] [-d id] [-e id] [-f id] [-h id] [-H id] [-r id] [-psSv]; "
	          "id may be - or ALL");
	return EXIT_USAGE;
}

/* Options that ask for clean-ups qmgr does by itself, at its start. */
static bool is_housekeeping(int option)
{
	return option == 'p' || option == 's' || option == 'S';
}

int main(int argc, char **argv)
{
	static const char options[] = "c:d:e:f:h:H:pr:sSv";
	const char *config_dir = NULL;
	struct queue_client c;
	int option, asked = 0;

	log_open("postsuper", LOG_TO_STDERR, -1);
	while ((option = getopt(argc, argv, options)) >= 0) {
		if (option == '?')
			return usage();
		if (option == 'c')
			config_dir = optarg;
		asked += find_verb(option) != NULL || is_housekeeping(option);
	}
	/* Names of queues may follow: with us they are views of one queue. */
	if (asked == 0)
		return usage();
	queue_client_open(&c, config_dir);
	optind = 1;
	while ((option = getopt(argc, argv, options)) >= 0)
		if (find_verb(option) != NULL)
			obey(&c, find_verb(option), optarg);
	say_summary();
	return 0;
}
