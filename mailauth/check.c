/* SPDX-License-Identifier: ISC */
/* check.c - mailauth_check: a check of lib/mailauth as a command, for tests and the conformance suites
 *
 *	mailauth_check NAME DNS ARGUMENT...
 *
 * DNS is the HOST:PORT of the name server that answers all questions.  Subcommands are rows of the table below, one
 * file each. */
#include "mailauth/check.h"

#include <stdio.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/log.h"
#include "lib/base/sysexits.h"
#include "mailauth/ask_unbound.h"

enum { INPUT_MAX_BYTES = 64 * 1024 * 1024, ARGUMENTS_AT = 3 };

static const struct subcommand {
	const char *name, *arguments;
	int         count;
	int       (*run)(struct check *c, char **args);
} subcommands[] = {
	{ "spf", "IP HELO MAILFROM", 3, check_spf },
	{ "dkim", "TIME any|whole", 2, check_dkim },
	{ "dkim-sign", "KEY DOMAIN SELECTOR ss|sr|rs|rr IDENTITY TIME", 6, check_dkim_sign },
	{ "arc", "", 0, check_arc },
	{ "arc-seal", "KEY DOMAIN SELECTOR ss|sr|rs|rr TIME RESULTS", 6, check_arc_seal },
	{ "dmarc", "PSL rfc7489|dmarcbis", 2, check_dmarc },
	{ "dmarc-collect", "FOLDER", 1, check_dmarc_collect },
	{ "dmarc-send", "PSL FOLDER SECONDS", 3, check_dmarc_send },
	{ "dmarc-take", "FILE DOMAIN", 2, check_dmarc_take },
	{ "dmarc-summary", "FILE DOMAIN", 2, check_dmarc_summary },
};

struct span check_input(struct check *c)
{
	struct buf in;
	struct span content;
	char *room;
	ssize_t got;

	buf_init(&in, INPUT_MAX_BYTES);
	while ((room = buf_reserve(&in, 65536)) != NULL && (got = read(STDIN_FILENO, room, 65536)) > 0)
		buf_commit(&in, (size_t)got);
	content = arena_dup(c->arena, buf_span(&in));
	buf_free(&in);
	return content;
}

static int usage(void)
{
	for (size_t i = 0; i < COUNT_OF(subcommands); i++)
		fprintf(stderr, "usage: mailauth_check %s DNS %s\n", subcommands[i].name, subcommands[i].arguments);
	return EXIT_USAGE;
}

static const struct subcommand *find(int argc, char **argv)
{
	for (size_t i = 0; argc >= ARGUMENTS_AT && i < COUNT_OF(subcommands); i++) {
		if (strcmp(subcommands[i].name, argv[1]) == 0 && argc == ARGUMENTS_AT + subcommands[i].count)
			return &subcommands[i];
	}
	return NULL;
}

static struct unbound *open_dns(const char *server, struct answers *answers)
{
	static struct conf conf;
	struct unbound *unbound;
	struct why why;

	conf.dns_servers = server;
	conf.dns_validate = "no";
	conf.inet_protocols = "all";
	conf.dns_query_limit = 1000;
	conf.dns_cache_size = 1 << 20;
	unbound = unbound_new(&conf, answers, &why);
	if (unbound == NULL || unbound_start(unbound, &why) != DONE)
		log_fatal("%s", why.text);
	return unbound;
}

int main(int argc, char **argv)
{
	static const struct lookups_limits limits = LOOKUPS_STANDARD_LIMITS;
	const struct subcommand *subcommand = find(argc, argv);
	struct answers *answers = answers_new(1 << 20);
	struct lookups *message;
	struct unbound *unbound;
	struct check check;
	int status;

	log_open("mailauth_check", LOG_TO_STDERR, -1);
	if (subcommand == NULL)
		return usage();
	unbound = open_dns(argv[ARGUMENTS_AT - 1], answers);
	message = lookups_new(unbound_asker(unbound), &limits);
	check = (struct check){ .arena = arena_new(NULL), .lookup = lookups_lookup(message) };
	status = subcommand->run(&check, argv + ARGUMENTS_AT);
	arena_free(check.arena);
	lookups_free(message);
	unbound_free(unbound);
	answers_free(answers);
	return status;
}
