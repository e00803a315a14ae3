/* SPDX-License-Identifier: ISC */
/* postconf5.c - write postconf(5), the manual of main.cf, from the parameter table
 *
 * Run by make: prints mdoc to standard output. */
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/span.h"
#include "lib/conf/params.h"

static const char *const kinds[] = {
	[PARAM_STR] = "text", [PARAM_RAW] = "text, expanded where it is used", [PARAM_LIST] = "list",
	[PARAM_BOOL] = "yes or no", [PARAM_INT] = "number", [PARAM_SIZE] = "bytes", [PARAM_TIME] = "time",
};

/* put_text - as roff: what would be a request or an escape is protected, and each sentence has a line of its own. */
static void put_text(const char *text)
{
	for (bool at_start = true; *text != '\0'; text++) {
		if (at_start && (*text == '.' || *text == '\''))
			fputs("\\&", stdout);
		at_start = text[0] == '.' && text[1] == ' ';
		if (*text == '\\')
			fputs("\\e", stdout);
		else
			putchar(*text);
		if (at_start) {
			putchar('\n');
			while (text[1] == ' ')
				text++;
		}
	}
}

static void put_head(const struct param_row *row)
{
	printf(".It Nm %s Pq default : ", row->name);
	if (row->standard[0] == '\0')
		fputs("empty or computed", stdout);
	else
		put_text(row->standard);
	putchar('\n');
}

static void put_row(const struct param_row *row)
{
	put_head(row);
	if (row->meaning[0] != '\0') {
		put_text(row->meaning);
		putchar('\n');
	}
	printf("Kind: %s.\n", kinds[row->kind]);
	if (row->kind == PARAM_INT || row->kind == PARAM_SIZE || row->kind == PARAM_TIME)
		printf("At least %lld.\n", row->least);
	if (row->most > 0 && row->most < 9223372036854775807LL)
		printf("At most %lld.\n", row->most);
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(const struct param_row *const *)a)->name, (*(const struct param_row *const *)b)->name);
}

static bool has_effect(const struct param_row *row)
{
	return row->kind != PARAM_NO_EFFECT && row->kind != PARAM_LATER;
}

/* is_of_transport - one that qmgr reads by the name of a transport, whatever its kind. */
static bool is_of_transport(const struct param_row *row)
{
	static const char *const suffixes[] = {
		"_destination_concurrency_limit", "_destination_concurrency_failed_cohort_limit",
		"_destination_rate_delay", "_destination_recipient_limit",
	};

	for (size_t i = 0; i < COUNT_OF(suffixes); i++)
		if (row->kind == PARAM_LATER && span_ends(span_of(row->name), span_of(suffixes[i])))
			return true;
	return false;
}

static bool is_later(const struct param_row *row)
{
	return row->kind == PARAM_LATER && !is_of_transport(row);
}

static bool has_no_effect(const struct param_row *row)
{
	return row->kind == PARAM_NO_EFFECT;
}

static void put_others(const struct param_row **rows, bool (*is_one)(const struct param_row *row), const char *title,
                       const char *text)
{
	printf(".Sh %s\n%s\n.Bl -tag -width Ds -compact\n", title, text);
	for (size_t i = 0; i < param_row_count; i++)
		if (is_one(rows[i])) {
			put_head(rows[i]);
			put_text(rows[i]->meaning);
			putchar('\n');
		}
	puts(".El");
}

static const char introduction[] =
	".Dd November 24, 2026\n.Dt POSTCONF 5\n.Os\n.Sh NAME\n.Nm main.cf\n.Nd parameters of main.cf\n"
	".Sh DESCRIPTION\n"
	"A line of\n.Pa main.cf\nis\n.Ql name = value ;\nlines that start with white space continue it, comments start with\n"
	".Ql # .\nA value may refer to others:\n.Ql $name ,\n.Ql ${name?text} ,\n.Ql ${name:text} ,\n"
	".Ql ${name?{a}:{b}}\nand\n.Ql ${{x} == {y} ? {a} : {b}} .\n"
	"A time is a number and one of\n.Ql s m h d w .\nLists are split at commas and white space;\n"
	".Ql { }\nprotect a member with blanks.\nEvery parameter may be set for one service in\n.Xr master 5\nby\n"
	".Fl o .\n.Sh PARAMETERS\n.Bl -tag -width Ds\n";

int main(void)
{
	const struct param_row **rows = calloc(param_row_count, sizeof(*rows));

	if (rows == NULL)
		return 1;
	for (size_t i = 0; i < param_row_count; i++)
		rows[i] = &param_rows[i];
	qsort(rows, param_row_count, sizeof(struct param_row *), by_name);
	fputs(introduction, stdout);
	for (size_t i = 0; i < param_row_count; i++)
		if (has_effect(rows[i]))
			put_row(rows[i]);
	puts(".El");
	put_others(rows, is_of_transport, "PARAMETERS OF TRANSPORTS",
	           "A transport by any other name has them, too.");
	put_others(rows, is_later, "NOT SUPPORTED YET",
	           "These parameters of Postfix load and are listed, but change nothing yet.");
	put_others(rows, has_no_effect, "WITHOUT EFFECT",
	           "These parameters of Postfix load and are listed, and need not do anything here.");
	puts(".Sh SEE ALSO\n.Xr postconf 1 ,\n.Xr master 5");
	free(rows);
	return fflush(stdout) == 0 ? 0 : 1;
}
