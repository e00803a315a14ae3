/* SPDX-License-Identifier: ISC */
/* regexp.c - regexp: POSIX regular expressions, tried in order */
#include <regex.h>

#include "lib/table/rules.h"

extern const struct table_type table_regexp;

/* Each flag turns its option over; i and x are on to begin with. */
static bool options_of(struct span flags, int *options)
{
	*options = REG_ICASE | REG_EXTENDED;
	for (size_t i = 0; i < flags.len; i++) {
		switch (flags.ptr[i]) {
		case 'i': *options ^= REG_ICASE; break;
		case 'm': *options ^= REG_NEWLINE; break;
		case 'x': *options ^= REG_EXTENDED; break;
		default:  return false;
		}
	}
	return true;
}

static void *compile(struct span *text, struct arena *arena, const char **error)
{
	struct span pattern, flags;
	regex_t *regex = ARENA_NEW(arena, regex_t);
	int options, problem;
	char message[256];

	if (!rules_take_delimited(text, &pattern, &flags)) {
		*error = "no regexp, or no closing regexp delimiter";
		return NULL;
	}
	if (!options_of(flags, &options)) {
		*error = arena_printf(arena, "unknown regexp option in \"" SPAN_FMT "\"", SPAN_ARG(flags));
		return NULL;
	}
	problem = regcomp(regex, arena_cstr(arena, pattern), options);
	if (problem != 0) {
		regerror(problem, regex, message, sizeof(message));
		*error = arena_printf(arena, "error in regexp: %s", message);
		return NULL;
	}
	return regex;
}

static enum table_status try(const void *pattern, struct span key, struct rule_match *match)
{
	regmatch_t found[RULE_CAPTURES_MAX];
	int result;

	/* REG_STARTEND: the key need not end in NUL. */
	found[0].rm_so = 0;
	found[0].rm_eo = (regoff_t)key.len;
	result = regexec(pattern, key.ptr != NULL ? key.ptr : "", RULE_CAPTURES_MAX, found, REG_STARTEND);
	if (result == REG_NOMATCH)
		return TABLE_NOT_FOUND;
	if (result != 0)
		return TABLE_FAILED;
	match->count = ((const regex_t *)pattern)->re_nsub + 1;
	if (match->count > RULE_CAPTURES_MAX)
		match->count = RULE_CAPTURES_MAX;
	for (size_t i = 0; i < match->count; i++)
		match->captures[i] = found[i].rm_so < 0 ? (struct span){ NULL, 0 }
		                     : span_slice(key, (size_t)found[i].rm_so,
		                                  (size_t)(found[i].rm_eo - found[i].rm_so));
	return TABLE_FOUND;
}

static void release(void *pattern)
{
	regfree(pattern);
}

static const struct rule_methods methods = {
	.type = "regexp", .compile = compile, .try = try, .release = release, .substitutes = true,
};

static void *regexp_open(struct table_opening *o)
{
	return rules_open(o, &methods);
}

const struct table_type table_regexp = {
	.name = "regexp", .flags = TABLE_IS_PATTERN | TABLE_IS_FILE, .open = regexp_open, .find = rules_find,
	.close = rules_close,
	.text = "regexp:/file: POSIX regular expressions, first match; /re/flags value, !, if and endif, $1.",
};
