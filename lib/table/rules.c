/* SPDX-License-Identifier: ISC */
/* rules.c - tables of rules tried in order, with if and endif (postfix-compat 7) */
#include "lib/table/rules.h"

#include <errno.h>
#include <fcntl.h>

#include "lib/base/buf.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"
#include "lib/conf/conf.h"
#include "lib/conf/expand.h"
#include "lib/conf/lines.h"
#include "lib/table/nested.h"

#define RULES_BYTES_MAX ((size_t)64 << 20)
#define VALUE_BYTES_MAX ((size_t)1 << 16)

struct rule {
	enum { RULE_MATCH, RULE_IF, RULE_ENDIF } kind;
	bool        is_negated;
	bool        has_references;	/* the value has a '$' */
	size_t      endif;		/* of RULE_IF: index of its RULE_ENDIF */
	void       *pattern;
	struct span value;
	unsigned    line;
};

struct rules {
	const struct rule_methods *methods;
	const char                *name;
	struct arena              *arena;
	struct rule               *rules;
	size_t                     count, room;
};

bool rules_take_delimited(struct span *text, struct span *pattern, struct span *flags)
{
	char delimiter;
	size_t i, n = 0;

	if (text->len == 0 || ascii_is_alnum(text->ptr[0]) || ascii_is_space(text->ptr[0]))
		return false;
	delimiter = text->ptr[0];
	for (i = 1; i < text->len && text->ptr[i] != delimiter; i++)
		if (text->ptr[i] == '\\')
			i++;
	if (i >= text->len)
		return false;
	*pattern = span_slice(*text, 1, i - 1);
	*text = span_skip(*text, i + 1);
	while (n < text->len && ascii_is_alpha(text->ptr[n]))
		n++;
	*flags = span_first(*text, n);
	*text = span_skip(*text, n);
	return true;
}

/* ---- reading ---- */

static struct rule *add(struct rules *r)
{
	if (r->count == r->room) {
		struct rule *grown;

		r->room = r->room == 0 ? 64 : 2 * r->room;
		grown = ARENA_NEW_ARRAY(r->arena, struct rule, r->room);
		if (r->count > 0)
			memcpy(grown, r->rules, r->count * sizeof(*grown));
		r->rules = grown;
	}
	return &r->rules[r->count++];
}

static void ignored(const struct rules *r, unsigned line, const char *why)
{
	log_warning("%s, line %u: %s: skipping this rule", r->name, line, why);
}

static bool take_word(struct span *text, const char *word)
{
	size_t n = strlen(word);

	if (!span_starts_ci(*text, span_of(word)) || (text->len > n && !ascii_is_space(text->ptr[n]) &&
	    text->ptr[n] != '!' && ascii_is_alnum(text->ptr[n])))
		return false;
	*text = span_trim_start(span_skip(*text, n));
	return true;
}

static void read_rule(struct rules *r, struct span text, unsigned line)
{
	struct rule rule = { .kind = RULE_MATCH, .line = line };
	const char *error = NULL;

	if (take_word(&text, "endif")) {
		rule.kind = RULE_ENDIF;
		*add(r) = rule;
		return;
	}
	if (take_word(&text, "if"))
		rule.kind = RULE_IF;
	while (text.len > 0 && text.ptr[0] == '!') {
		rule.is_negated = !rule.is_negated;
		text = span_trim_start(span_skip(text, 1));
	}
	rule.pattern = r->methods->compile(&text, r->arena, &error);
	if (rule.pattern == NULL) {
		ignored(r, line, error);
		return;
	}
	rule.value = arena_dup(r->arena, span_trim(text));
	rule.has_references = r->methods->substitutes && span_find(rule.value, '$') != SPAN_NOT_FOUND;
	if (rule.kind == RULE_MATCH && rule.value.len == 0)
		log_warning("%s, line %u: no replacement text: using empty string", r->name, line);
	if (rule.kind == RULE_IF && rule.value.len > 0)
		log_warning("%s, line %u: ignoring extra text after IF statement", r->name, line);
	*add(r) = rule;
}

/* link_ifs - find each if's endif; one without the other is left out. */
static void link_ifs(struct rules *r)
{
	size_t *open = ARENA_NEW_ARRAY(r->arena, size_t, r->count + 1);
	size_t depth = 0;

	for (size_t i = 0; i < r->count; i++) {
		if (r->rules[i].kind == RULE_IF)
			open[depth++] = i;
		else if (r->rules[i].kind == RULE_ENDIF && depth > 0)
			r->rules[open[--depth]].endif = i;
		else if (r->rules[i].kind == RULE_ENDIF)
			log_warning("%s, line %u: ignoring ENDIF without matching IF", r->name, r->rules[i].line);
	}
	while (depth > 0) {
		struct rule *rule = &r->rules[open[--depth]];

		log_warning("%s, line %u: IF has no matching ENDIF", r->name, rule->line);
		rule->endif = r->count;
	}
}

static void read_inline(struct rules *r, struct span name)
{
	struct span rest = nested_members(name), rule;
	unsigned number = 0;

	while (conf_list_next(&rest, &rule))
		read_rule(r, rule, ++number);
}

static bool read_file(struct rules *r, const char **error)
{
	struct conf_lines lines;
	struct span line;
	struct buf text;
	bool ok;

	buf_init(&text, RULES_BYTES_MAX);
	ok = fs_read_file(AT_FDCWD, r->name, &text) == 0;
	if (!ok)
		*error = arena_printf(r->arena, "open %s: %s", r->name, strerror(errno));
	conf_lines_init(&lines, r->name, ok ? buf_span(&text) : (struct span){ NULL, 0 });
	while (conf_lines_next(&lines, &line))
		read_rule(r, line, lines.last);
	conf_lines_free(&lines);
	buf_free(&text);
	return ok;
}

struct rules *rules_open(struct table_opening *opening, const struct rule_methods *methods)
{
	struct rules *r = ARENA_NEW(opening->arena, struct rules);

	r->methods = methods;
	r->arena = opening->arena;
	r->name = opening->name;
	if (r->name[0] == '{')
		read_inline(r, span_of(r->name));
	else if (!read_file(r, &opening->error))
		return NULL;
	link_ifs(r);
	return r;
}

void rules_close(void *rules)
{
	struct rules *r = rules;

	for (size_t i = 0; r->methods->release != NULL && i < r->count; i++)
		if (r->rules[i].pattern != NULL)
			r->methods->release(r->rules[i].pattern);
}

/* ---- finding ---- */

static bool find_capture(void *user, struct span name, struct span *value)
{
	const struct rule_match *match = user;
	unsigned long long number;

	if (!span_u64(name, RULE_CAPTURES_MAX - 1, &number) || number >= match->count)
		return false;
	*value = match->captures[number];
	return true;
}

static enum table_status substitute(const struct rules *r, const struct rule *rule, struct rule_match *match,
                                    struct arena *arena, struct span *value)
{
	struct expander x = { .find = find_capture, .user = match };
	struct buf out;
	bool ok;

	buf_init(&out, VALUE_BYTES_MAX);
	ok = expand_text(&x, rule->value, &out);
	if (ok)
		*value = arena_dup(arena, buf_span(&out));
	else
		log_warning("%s, line %u: %s", r->name, rule->line, x.error);
	buf_free(&out);
	return ok ? TABLE_FOUND : TABLE_FAILED;
}

enum table_status rules_find(void *rules, struct span key, struct arena *arena, struct span *value)
{
	const struct rules *r = rules;
	struct rule_match match;

	for (size_t i = 0; i < r->count; i++) {
		const struct rule *rule = &r->rules[i];
		enum table_status status;
		bool matches;

		if (rule->kind == RULE_ENDIF)
			continue;
		match.count = 0;
		status = r->methods->try(rule->pattern, key, &match);
		if (status == TABLE_FAILED) {
			log_warning("%s, line %u: the pattern needs too much time or memory", r->name, rule->line);
			return TABLE_FAILED;
		}
		matches = (status == TABLE_FOUND) != rule->is_negated;
		if (rule->kind == RULE_IF) {
			if (!matches)
				i = rule->endif;
			continue;
		}
		if (!matches)
			continue;
		if (rule->has_references)
			return substitute(r, rule, &match, arena, value);
		*value = arena_dup(arena, rule->value);
		return TABLE_FOUND;
	}
	return TABLE_NOT_FOUND;
}
