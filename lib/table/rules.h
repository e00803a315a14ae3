/* SPDX-License-Identifier: ISC */
/* rules.h - tables of rules tried in order, with if and endif: regexp, pcre and cidr share this; private to lib/table
 *
 * Each rule is a logical line: "pattern value", "!pattern value", "if pattern", "if !pattern", "endif". */
#ifndef TABLE_RULES_H
#define TABLE_RULES_H

#include "lib/table/table.h"

enum { RULE_CAPTURES_MAX = 100 };

/* What matched: captures[0] is all of it; captures that took no part are empty. */
struct rule_match {
	struct span captures[RULE_CAPTURES_MAX];
	size_t      count;
};

/* How a type reads and tries its patterns. */
struct rule_methods {
	const char *type;
	/* compile - take a pattern off *text; NULL with *error. */
	void *(*compile)(struct span *text, struct arena *arena, const char **error);
	/* try - TABLE_FAILED when the library gave up. */
	enum table_status (*try)(const void *pattern, struct span key, struct rule_match *match);
	void (*release)(void *pattern);	/* what the arena does not hold; may be NULL */
	bool substitutes;		/* $1 ${1} $(1) in values */
};

struct rules;

/* rules_open - read the rules of a file, or of a name in the form {{rule}, {rule}...}.  A bad rule is left out with a
 * warning.  NULL: opening->error. */
struct rules *rules_open(struct table_opening *opening, const struct rule_methods *methods);
void rules_close(void *rules);
enum table_status rules_find(void *rules, struct span key, struct arena *arena, struct span *value);
/* rules_take_delimited - take "/text/flags" off *text: any byte that is no letter, digit or blank may delimit,
 * a backslash protects it. */
bool rules_take_delimited(struct span *text, struct span *pattern, struct span *flags);

#endif
