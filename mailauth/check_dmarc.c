/* SPDX-License-Identifier: ISC */
/* check_dmarc.c - mailauth_check dmarc DNS PSL rfc7489|dmarcbis
 *
 * Standard input: "SPF result domain", then a line "DKIM result domain" for each signature, an empty line, and a
 * header.  Prints: result, policy to apply, domain of the record, organisation. */
#include <stdio.h>

#include "lib/base/log.h"
#include "lib/mailauth/dmarc.h"
#include "lib/mime/field.h"
#include "mailauth/check.h"

enum { IDENTIFIERS_MAX = 100, FROM_MAX = 100 };

static enum dmarc_auth status_of(struct span result)
{
	if (span_equal_ci(result, span_lit("pass")))
		return DMARC_AUTH_PASS;
	return span_equal_ci(result, span_lit("temperror")) ? DMARC_AUTH_TEMPERROR : DMARC_AUTH_NO;
}

/* read_results - the lines before the header. */
static void read_results(struct span *rest, struct dmarc_message *m, struct dmarc_identifier *dkim)
{
	struct span line, word, result;

	while (span_cut(rest, '\n', &line) && span_trim(line).len != 0) {
		struct dmarc_identifier identifier = { .status = DMARC_AUTH_NO };

		if (!span_token(&line, " \t\r", &word) || !span_token(&line, " \t\r", &result))
			continue;
		identifier.status = status_of(result);
		identifier.domain = span_trim(line);
		if (span_equal_ci(word, span_lit("SPF")))
			m->spf = identifier;
		else if (m->dkim_count < IDENTIFIERS_MAX)
			dkim[m->dkim_count++] = identifier;
	}
	m->dkim = dkim;
}

static void read_from(struct span header, struct dmarc_message *m, struct span *from)
{
	struct mime_field field;

	while (mime_field_next(&header, &field))
		if (span_equal_ci(field.name, span_lit("From")) && m->from_count < FROM_MAX)
			from[m->from_count++] = field.value;
	m->from = from;
}

static void print_domain(struct span domain)
{
	printf(" " SPAN_FMT, SPAN_ARG(domain.len != 0 ? domain : span_lit("-")));
}

int check_dmarc(struct check *c, char **args)
{
	struct dmarc_identifier dkim[IDENTIFIERS_MAX];
	struct span from[FROM_MAX], input = check_input(c);
	struct dmarc_message message = { .random = 99 };
	struct dmarc_verdict verdict;
	struct why why;
	struct dmarc_psl *psl = dmarc_psl_open(args[0], &why);
	struct dmarc_settings settings = {
		.text = strcmp(args[1], "dmarcbis") == 0 ? DMARC_BIS : DMARC_RFC7489, .psl = psl,
		.most_authors = DMARC_AUTHORS_MAX, .most_dkim = DMARC_DKIM_MAX,
		.most_questions = DMARC_QUESTIONS_MAX,
	};

	if (psl == NULL)
		log_fatal("%s", why.text);
	read_results(&input, &message, dkim);
	read_from(input, &message, from);
	dmarc_check(c->arena, &settings, &c->lookup, &message, &verdict);
	printf("%s %s", dmarc_result_name(verdict.result), dmarc_policy_name(verdict.applied));
	print_domain(verdict.policy_domain);
	print_domain(verdict.has_record ? verdict.organization : span_first(input, 0));
	printf(" # %s\n", verdict.reason);
	dmarc_psl_close(psl);
	return 0;
}
