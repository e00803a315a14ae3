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

/* put_text - one line of roff: what would be a request or an escape is protected. */
static void put_text(const char *text)
{
	if (*text == '.' || *text == '\'')
		fputs("\\&", stdout);
	for (; *text != '\0'; text++) {
		if (*text == '\\')
			fputs("\\e", stdout);
		else
			putchar(*text);
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
	printf("Kind: %s.", kinds[row->kind]);
	if (row->kind == PARAM_INT || row->kind == PARAM_SIZE || row->kind == PARAM_TIME)
		printf(" At least %lld.", row->least);
	if (row->most > 0 && row->most < 9223372036854775807LL)
		printf(" At most %lld.", row->most);
	putchar('\n');
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(const struct param_row *const *)a)->name, (*(const struct param_row *const *)b)->name);
}

static bool has_effect(const struct param_row *row)
{
	return row->kind != PARAM_NO_EFFECT && row->kind != PARAM_LATER;
}

static void put_others(const struct param_row **rows, enum param_kind kind, const char *title, const char *text)
{
	printf(".Sh %s\n%s\n.Bl -tag -width Ds -compact\n", title, text);
	for (size_t i = 0; i < param_row_count; i++)
		if (rows[i]->kind == kind) {
			put_head(rows[i]);
			put_text(rows[i]->meaning);
			putchar('\n');
		}
	puts(".El");
}

static const char introduction[] =
	".Dd $Mdocdate$\n.Dt POSTCONF 5\n.Os\n.Sh NAME\n.Nm postconf\n.Nd parameters of main.cf\n"
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
	put_others(rows, PARAM_LATER, "NOT SUPPORTED YET",
	           "These parameters of Postfix load and are listed, but change nothing yet.");
	put_others(rows, PARAM_NO_EFFECT, "WITHOUT EFFECT",
	           "These parameters of Postfix load and are listed, and need not do anything here.");
	puts(".Sh SEE ALSO\n.Xr postconf 1 ,\n.Xr master 5");
	free(rows);
	return fflush(stdout) == 0 ? 0 : 1;
}
