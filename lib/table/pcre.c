/* SPDX-License-Identifier: ISC */
/* pcre.c - pcre: Perl compatible regular expressions, tried in order
 *
 * Keys come from the network: match and depth limits keep a bad pattern from holding the process. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "lib/table/rules.h"

extern const struct table_type table_pcre;

enum { MATCH_LIMIT = 100000, HEAP_LIMIT_KIB = 4096 };

struct pattern {
	pcre2_code          *code;
	pcre2_match_data    *data;
	pcre2_match_context *context;
};

static const struct {
	char     flag;
	uint32_t option;
} options[] = {
	{ 'i', PCRE2_CASELESS }, { 'm', PCRE2_MULTILINE }, { 's', PCRE2_DOTALL },
	{ 'x', PCRE2_EXTENDED }, { 'A', PCRE2_ANCHORED }, { 'E', PCRE2_DOLLAR_ENDONLY },
	{ 'U', PCRE2_UNGREEDY }, { 'X', 0 },	/* X: strict escapes, always so in PCRE2 */
};

/* Each flag turns its option over; i and s are on to begin with. */
static bool options_of(struct span flags, uint32_t *result)
{
	*result = PCRE2_CASELESS | PCRE2_DOTALL;
	for (size_t i = 0; i < flags.len; i++) {
		size_t j = 0;

		while (j < COUNT_OF(options) && options[j].flag != flags.ptr[i])
			j++;
		if (j == COUNT_OF(options))
			return false;
		*result ^= options[j].option;
	}
	return true;
}

static void release(void *pattern)
{
	struct pattern *p = pattern;

	pcre2_match_data_free(p->data);
	pcre2_match_context_free(p->context);
	pcre2_code_free(p->code);
}

static void *compile(struct span *text, struct arena *arena, const char **error)
{
	struct pattern *p = ARENA_NEW(arena, struct pattern);
	struct span pattern, flags;
	uint32_t wanted;
	PCRE2_SIZE offset;
	PCRE2_UCHAR message[256];
	int problem;

	if (!rules_take_delimited(text, &pattern, &flags)) {
		*error = "no regexp, or no closing regexp delimiter";
		return NULL;
	}
	if (!options_of(flags, &wanted)) {
		*error = arena_printf(arena, "unknown regexp option in \"" SPAN_FMT "\"", SPAN_ARG(flags));
		return NULL;
	}
	p->code = pcre2_compile((PCRE2_SPTR)pattern.ptr, pattern.len, wanted, &problem, &offset, NULL);
	if (p->code == NULL) {
		pcre2_get_error_message(problem, message, sizeof(message));
		*error = arena_printf(arena, "error in regex at offset %zu: %s", (size_t)offset,
		                      (const char *)message);
		return NULL;
	}
	pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE);	/* without it the interpreter is used */
	p->data = pcre2_match_data_create_from_pattern(p->code, NULL);
	p->context = pcre2_match_context_create(NULL);
	pcre2_set_match_limit(p->context, MATCH_LIMIT);
	pcre2_set_heap_limit(p->context, HEAP_LIMIT_KIB);
	return p;
}

static enum table_status try(const void *pattern, struct span key, struct rule_match *match)
{
	const struct pattern *p = pattern;
	const char *text = key.ptr != NULL ? key.ptr : "";
	const PCRE2_SIZE *found = pcre2_get_ovector_pointer(p->data);
	int result = pcre2_match(p->code, (PCRE2_SPTR)text, key.len, 0, 0, p->data, p->context);

	if (result == PCRE2_ERROR_NOMATCH)
		return TABLE_NOT_FOUND;
	if (result <= 0)
		return TABLE_FAILED;
	match->count = pcre2_get_ovector_count(p->data);
	if (match->count > RULE_CAPTURES_MAX)
		match->count = RULE_CAPTURES_MAX;
	for (size_t i = 0; i < match->count; i++)
		match->captures[i] = found[2 * i] == PCRE2_UNSET ? (struct span){ NULL, 0 }
		                     : span_slice(key, found[2 * i], found[2 * i + 1] - found[2 * i]);
	return TABLE_FOUND;
}

static const struct rule_methods methods = {
	.type = "pcre", .compile = compile, .try = try, .release = release, .substitutes = true,
};

static void *pcre_open(struct table_opening *o)
{
	return rules_open(o, &methods);
}

const struct table_type table_pcre = {
	.name = "pcre", .flags = TABLE_IS_PATTERN | TABLE_IS_FILE, .open = pcre_open, .find = rules_find,
	.close = rules_close,
	.text = "pcre:/file: Perl compatible regular expressions, first match; as regexp:, with more flags.",
};
