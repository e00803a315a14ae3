/* SPDX-License-Identifier: ISC */
/* check_spf.c - mailauth_check spf DNS IP HELO MAILFROM: the result, and behind "fail" its explanation
 *
 * A second line, "# ...", says more. */
#include <stdio.h>

#include "lib/base/sysexits.h"
#include "lib/mailauth/spf.h"
#include "mailauth/check.h"

int check_spf(struct check *c, char **args)
{
	struct spf_settings settings = SPF_STANDARD_SETTINGS;
	struct spf_client client = { .helo = span_of(args[1]), .mail_from = span_of(args[2]) };
	struct spf_verdict verdict;
	struct span name;

	if (!net_address_parse(span_of(args[0]), 0, &client.ip)) {
		fprintf(stderr, "%s is no IP address\n", args[0]);
		return EXIT_USAGE;
	}
	settings.explanation = span_lit("DEFAULT");
	spf_check(&client, SPF_MAILFROM, &c->lookup, c->arena, &settings, &verdict);
	name = spf_result_name(verdict.result);
	printf(SPAN_FMT "%s" SPAN_FMT "\n", SPAN_ARG(name), verdict.explanation.len > 0 ? " " : "",
	       SPAN_ARG(verdict.explanation));
	printf("# domain=" SPAN_FMT " mechanism=" SPAN_FMT " reason=" SPAN_FMT "\n", SPAN_ARG(verdict.domain),
	       SPAN_ARG(verdict.mechanism), SPAN_ARG(verdict.reason));
	return 0;
}
