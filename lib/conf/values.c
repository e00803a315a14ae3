/* SPDX-License-Identifier: ISC */
/* values.c - text of main.cf to numbers, times and yes or no
 *
 * Rules: postfix-compat 1 (types).  A value out of its range ends the start of the program: the admin
 * meant something that we would not do. */
#include "lib/conf/values.h"

#include "lib/conf/conf.h"

static bool is_separator(char c)
{
	return ascii_is_space(c) || c == ',';
}

/* braces_end - offset behind the '}' that matches the '{' at the start of s, or 0. */
static size_t braces_end(struct span s)
{
	size_t level = 0;

	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == '{')
			level++;
		else if (s.ptr[i] == '}' && --level == 0)
			return i + 1;
	}
	return 0;
}

bool conf_list_next(struct span *rest, struct span *member)
{
	size_t n = 0, level = 0;

	while (rest->len > 0 && is_separator(rest->ptr[0]))
		*rest = span_skip(*rest, 1);
	if (rest->len == 0)
		return false;
	for (; n < rest->len && (level > 0 || !is_separator(rest->ptr[n])); n++) {
		if (rest->ptr[n] == '{')
			level++;
		else if (rest->ptr[n] == '}' && level > 0)
			level--;
	}
	*member = span_first(*rest, n);
	*rest = span_skip(*rest, n);
	if (member->ptr[0] == '{' && braces_end(*member) == member->len)
		*member = span_trim(span_slice(*member, 1, member->len - 2));
	return true;
}

static unsigned long long unit_seconds(char unit)
{
	switch (unit) {
	case 's': return 1;
	case 'm': return 60;
	case 'h': return 3600;
	case 'd': return 86400;
	case 'w': return 604800;
	default:  return 0;
	}
}

bool conf_parse_time(struct span text, char unit, unsigned long long *seconds)
{
	unsigned long long number, factor;

	text = span_trim(text);
	if (text.len > 0 && ascii_is_alpha(text.ptr[text.len - 1])) {
		unit = ascii_lower(text.ptr[text.len - 1]);
		text.len--;
	}
	factor = unit_seconds(unit);
	if (factor == 0 || !span_u64(text, (unsigned long long)PARAM_MAX / factor, &number))
		return false;
	*seconds = number * factor;
	return true;
}

char values_time_unit(const struct param_row *row)
{
	struct span standard = span_of(row->standard);
	char last = standard.len > 0 ? standard.ptr[standard.len - 1] : 's';

	return ascii_is_alpha(last) && unit_seconds(last) != 0 && standard.ptr[0] != '$' ? last : 's';
}

static bool parse_bool(struct span text, bool *value)
{
	*value = span_equal_ci(text, span_lit("yes"));
	return *value || span_equal_ci(text, span_lit("no"));
}

/* parse_int - with an optional minus sign. */
static bool parse_int(struct span text, long long *value)
{
	unsigned long long magnitude;
	bool is_negative = span_starts(text, span_lit("-"));

	if (!span_u64(span_skip(text, is_negative ? 1 : 0), (unsigned long long)PARAM_MAX, &magnitude))
		return false;
	*value = is_negative ? -(long long)magnitude : (long long)magnitude;
	return true;
}

static const char *check_range(const struct param_row *row, long long value, const char *text,
                               struct arena *arena)
{
	if (value < row->least)
		return arena_printf(arena, "invalid %s parameter value %s < %lld", row->name, text, row->least);
	if (value > row->most)
		return arena_printf(arena, "invalid %s parameter value %s > %lld", row->name, text, row->most);
	return NULL;
}

static const char *store_number(const struct param_row *row, const char *text, char *at, struct arena *arena)
{
	unsigned long long seconds = 0;
	long long value = 0;
	bool ok;
	const char *error;

	if (row->kind == PARAM_TIME) {
		ok = conf_parse_time(span_of(text), values_time_unit(row), &seconds);
		value = (long long)seconds;
	} else {
		ok = parse_int(span_of(text), &value);
	}
	if (!ok)
		return arena_printf(arena, "bad %s configuration: %s = %s",
		                    row->kind == PARAM_TIME ? "time" : "numerical", row->name, text);
	error = check_range(row, value, text, arena);
	if (error == NULL && row->kind == PARAM_INT)
		memcpy(at, &value, sizeof(value));
	if (error == NULL && row->kind != PARAM_INT) {
		unsigned long long positive = (unsigned long long)value;

		memcpy(at, &positive, sizeof(positive));
	}
	return error;
}

const char *values_store(const struct param_row *row, const char *value, void *base, struct arena *arena)
{
	char *at = (char *)base + row->offset;
	bool yes;

	switch (row->kind) {
	case PARAM_STR:
	case PARAM_RAW:
	case PARAM_LIST:
		memcpy(at, &value, sizeof(value));
		return NULL;
	case PARAM_BOOL:
		if (!parse_bool(span_of(value), &yes))
			return arena_printf(arena, "bad boolean configuration: %s = %s", row->name, value);
		memcpy(at, &yes, sizeof(yes));
		return NULL;
	case PARAM_INT:
	case PARAM_SIZE:
	case PARAM_TIME:
		return store_number(row, value, at, arena);
	case PARAM_NO_EFFECT:
	case PARAM_LATER:
		return NULL;
	}
	return NULL;
}
