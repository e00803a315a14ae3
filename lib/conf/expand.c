/* SPDX-License-Identifier: ISC */
/* expand.c - $name, ${name?text} and kin
 *
 * A small recursive descent over spans.  Depth, steps and the result (by the limit of the buf) are bounded,
 * so that a=$b$b, b=$c$c ... ends early.  Rules: postfix-compat 1; odd cases as postconf -x does them. */
#include "lib/conf/expand.h"

enum { DEPTH_MAX = 100, STEPS_MAX = 100000, LEVEL_PARTS = 3 };

static bool fail(struct expander *x, const char *error)
{
	x->error = error;
	return false;
}

static bool is_name_byte(char c)
{
	return ascii_is_alnum(c) || c == '_';
}

static struct span take_name(struct span *text)
{
	size_t n = 0;
	struct span name;

	while (n < text->len && is_name_byte(text->ptr[n]))
		n++;
	name = span_first(*text, n);
	*text = span_skip(*text, n);
	return name;
}

/* take_braces - text starts with open: gives what stands before its match, which it skips. */
static bool take_braces(struct span *text, char open, char close, struct span *inner)
{
	size_t level = 0;

	for (size_t i = 0; i < text->len; i++) {
		if (text->ptr[i] == open)
			level++;
		else if (text->ptr[i] == close && --level == 0) {
			*inner = span_slice(*text, 1, i - 1);
			*text = span_skip(*text, i + 1);
			return true;
		}
	}
	return false;
}

static bool starts_with(struct span text, char c)
{
	return text.len > 0 && text.ptr[0] == c;
}

/* ---- comparisons ---- */

static bool level_parse(struct span text, unsigned long long parts[LEVEL_PARTS])
{
	struct span part;
	size_t count = 0;
	bool more = true;

	for (; more; count++) {
		if (count == LEVEL_PARTS)
			return false;
		more = span_cut(&text, '.', &part);
		if (!span_u64(part, 1000000, &parts[count]))
			return false;
	}
	for (; count < LEVEL_PARTS; count++)
		parts[count] = 0;
	return true;
}

static int order_of(unsigned long long a, unsigned long long b)
{
	return (a > b) - (a < b);
}

bool expand_level_compare(struct span a, struct span b, int *order)
{
	unsigned long long left[LEVEL_PARTS], right[LEVEL_PARTS];

	if (!level_parse(a, left) || !level_parse(b, right))
		return false;
	*order = 0;
	for (size_t i = 0; i < LEVEL_PARTS && *order == 0; i++)
		*order = order_of(left[i], right[i]);
	return true;
}

/* An operator is true for some of the orders less, equal, greater. */
enum { WHEN_LESS = 1, WHEN_EQUAL = 2, WHEN_GREATER = 4 };

static const struct operator {
	struct span text;
	unsigned    when;
	bool        is_level;
} operators[] = {	/* a longer one before its own beginning */
	{ SPAN("<=level"), WHEN_LESS | WHEN_EQUAL, true },
	{ SPAN("<level"), WHEN_LESS, true },
	{ SPAN("==level"), WHEN_EQUAL, true },
	{ SPAN("!=level"), WHEN_LESS | WHEN_GREATER, true },
	{ SPAN(">=level"), WHEN_GREATER | WHEN_EQUAL, true },
	{ SPAN(">level"), WHEN_GREATER, true },
	{ SPAN("=="), WHEN_EQUAL, false },
	{ SPAN("!="), WHEN_LESS | WHEN_GREATER, false },
	{ SPAN("<="), WHEN_LESS | WHEN_EQUAL, false },
	{ SPAN("<"), WHEN_LESS, false },
	{ SPAN(">="), WHEN_GREATER | WHEN_EQUAL, false },
	{ SPAN(">"), WHEN_GREATER, false },
};

static const struct operator *take_operator(struct span *text)
{
	for (size_t i = 0; i < COUNT_OF(operators); i++) {
		if (span_starts(*text, operators[i].text)) {
			*text = span_skip(*text, operators[i].text.len);
			return &operators[i];
		}
	}
	return NULL;
}

static bool compare(struct expander *x, const struct operator *op, struct span a, struct span b, bool *result)
{
	unsigned long long left, right;
	int order;

	if (op->is_level) {
		if (!expand_level_compare(a, b, &order))
			return fail(x, "malformed compatibility level");
	} else if (span_u64(a, ~0ULL, &left) && span_u64(b, ~0ULL, &right)) {
		order = order_of(left, right);
	} else {
		order = span_compare(a, b);
	}
	*result = (op->when & (order < 0 ? WHEN_LESS : order > 0 ? WHEN_GREATER : WHEN_EQUAL)) != 0;
	return true;
}

/* ---- references ---- */

static bool expand(struct expander *x, struct span text, struct buf *out, unsigned depth);

/* alternative - what follows '?' or ':': {text}, or all the rest. */
static bool alternative(struct expander *x, struct span *text, struct span *piece)
{
	struct span rest = span_trim_start(*text);

	if (starts_with(rest, '{')) {
		*text = rest;
		if (!take_braces(text, '{', '}', piece))
			return fail(x, "unbalanced {}");
		*text = span_trim(*text);
		return true;
	}
	*piece = *text;
	*text = span_skip(*text, text->len);
	return true;
}

/* choose - text is "?{a}", "?{a}:{b}", ":{b}", "?a" or ":b": expand the one that condition selects. */
static bool choose(struct expander *x, struct span text, bool condition, struct buf *out, unsigned depth)
{
	struct span when_true = { NULL, 0 }, when_false = { NULL, 0 };

	if (starts_with(text, '?')) {
		text = span_skip(text, 1);
		if (!alternative(x, &text, &when_true))
			return false;
	}
	if (starts_with(text, ':')) {
		text = span_skip(text, 1);
		if (!alternative(x, &text, &when_false))
			return false;
	}
	if (text.len > 0)
		return fail(x, "bad text behind a {}");
	return expand(x, condition ? when_true : when_false, out, depth + 1);
}

/* operand - a {text} of a comparison, expanded into value. */
static bool operand(struct expander *x, struct span *text, struct buf *value, unsigned depth)
{
	struct span inner;

	*text = span_trim_start(*text);
	if (!starts_with(*text, '{') || !take_braces(text, '{', '}', &inner))
		return fail(x, "a comparison needs {text} on both sides");
	*text = span_trim_start(*text);
	return expand(x, span_trim(inner), value, depth + 1);
}

/* comparison - ${{a} op {b} ? {yes} : {no}}. */
static bool comparison(struct expander *x, struct span text, struct buf *out, unsigned depth)
{
	const struct operator *op = NULL;
	struct buf left, right;
	bool result = false, ok;

	buf_init(&left, out->limit);
	buf_init(&right, out->limit);
	ok = operand(x, &text, &left, depth);
	if (ok && (op = take_operator(&text)) == NULL)
		ok = fail(x, "unknown operator in a comparison");
	ok = ok && operand(x, &text, &right, depth) &&
	     compare(x, op, buf_span(&left), buf_span(&right), &result);
	buf_free(&left);
	buf_free(&right);
	if (ok && !starts_with(text, '?') && !starts_with(text, ':'))
		ok = fail(x, "a comparison needs ? or : behind it");
	return ok && choose(x, text, result, out, depth);
}

static bool add_value(struct expander *x, struct span name, struct buf *out, unsigned depth)
{
	struct span value;

	if (!x->find(x->user, name, &value))
		return true;
	if (x->is_recursive)
		return expand(x, value, out, depth + 1);
	buf_add(out, value);
	return true;
}

/* is_filled - whether the value of name, expanded, is not empty. */
static bool is_filled(struct expander *x, struct span name, bool *filled, unsigned depth)
{
	struct span value;
	struct buf expanded;
	bool ok = true;

	*filled = false;
	if (!x->find(x->user, name, &value))
		return true;
	if (!x->is_recursive || span_find(value, '$') == SPAN_NOT_FOUND) {
		*filled = value.len > 0;
		return true;
	}
	buf_init(&expanded, (size_t)1 << 20);
	ok = expand(x, value, &expanded, depth + 1);
	*filled = expanded.len > 0;
	buf_free(&expanded);
	return ok;
}

/* braced - the inner text of ${...} or $(...). */
static bool braced(struct expander *x, struct span text, struct buf *out, unsigned depth)
{
	struct span name;
	bool filled;

	text = span_trim(text);
	if (starts_with(text, '{'))
		return comparison(x, text, out, depth);
	name = take_name(&text);
	if (span_is_empty(name))
		return fail(x, "empty macro name");
	text = span_trim_start(text);
	if (span_is_empty(text))
		return add_value(x, name, out, depth);
	if (!starts_with(text, '?') && !starts_with(text, ':'))
		return fail(x, "bad character in a macro name");
	return is_filled(x, name, &filled, depth) && choose(x, text, filled, out, depth);
}

/* reference - text stands behind a '$'. */
static bool reference(struct expander *x, struct span *text, struct buf *out, unsigned depth)
{
	struct span inner;

	if (starts_with(*text, '$')) {
		*text = span_skip(*text, 1);
		buf_add_byte(out, '$');
		return true;
	}
	if (starts_with(*text, '{') || starts_with(*text, '(')) {
		bool is_round = text->ptr[0] == '(';

		if (!take_braces(text, is_round ? '(' : '{', is_round ? ')' : '}', &inner))
			return fail(x, "truncated macro reference");
		return braced(x, inner, out, depth);
	}
	inner = take_name(text);
	if (span_is_empty(inner))
		return fail(x, "empty macro name");
	return add_value(x, inner, out, depth);
}

static bool expand(struct expander *x, struct span text, struct buf *out, unsigned depth)
{
	size_t dollar;

	if (depth > DEPTH_MAX || ++x->steps > STEPS_MAX)
		return fail(x, "unreasonable macro call nesting");
	while ((dollar = span_find(text, '$')) != SPAN_NOT_FOUND) {
		buf_add(out, span_first(text, dollar));
		text = span_skip(text, dollar + 1);
		if (!reference(x, &text, out, depth))
			return false;
		if (out->overflowed)
			break;
	}
	buf_add(out, text);
	return out->overflowed ? fail(x, "the expanded value is too long") : true;
}

bool expand_text(struct expander *x, struct span text, struct buf *out)
{
	x->error = NULL;
	x->steps = 0;
	return expand(x, text, out, 0);
}
