/* SPDX-License-Identifier: ISC */
/* content.c - the Content-* fields of a MIME part
 *
 * Reads hostile bytes.  Rules kept here: RFC 2045 5.1 (types and parameters), 6.1
 * (encodings), RFC 2183 2, RFC 2231 3 and 4 (pieces are joined, bytes stay encoded: the
 * client decodes), RFC 3282 2. */
#include "lib/mime/content.h"

#include "lib/mime/field.h"

static bool is_value_byte(char c)
{
	return c != ';' && !ascii_is_space(c) && c != '(';
}

static bool take_byte(struct span *rest, char c)
{
	mime_skip_space(rest, NULL);
	if (rest->len == 0 || rest->ptr[0] != c)
		return false;
	*rest = span_skip(*rest, 1);
	return true;
}

/* skip_to_semicolon - past garbage; false at the end. */
static bool skip_to_semicolon(struct span *rest)
{
	size_t at = span_find(*rest, ';');

	*rest = span_skip(*rest, at == SPAN_NOT_FOUND ? rest->len : at + 1);
	return at != SPAN_NOT_FOUND;
}

/* take_param - "name=value"; false when that is not what follows. */
static bool take_param(struct arena *a, struct span *rest, struct mime_param *param)
{
	mime_skip_space(rest, NULL);
	param->name = mime_take(rest, mime_is_token_byte);
	if (param->name.len == 0 || !take_byte(rest, '='))
		return false;
	mime_skip_space(rest, NULL);
	if (rest->len != 0 && rest->ptr[0] == '"')
		param->value = mime_take_quoted(a, rest);
	else
		param->value = mime_take(rest, is_value_byte);
	return true;
}

/* piece_of - whether name is one of RFC 2231's: "base*", "base*N" or "base*N*". */
static bool piece_of(struct span name, struct span *base, unsigned long long *number, bool *encoded)
{
	struct span rest = name;

	if (!span_cut(&rest, '*', base) || base->len == 0)
		return false;
	*encoded = rest.len == 0 || rest.ptr[rest.len - 1] == '*';
	if (rest.len == 0) {
		*number = 0;
		return true;
	}
	if (*encoded)
		rest.len--;
	return span_u64(rest, MIME_PARAMS_MAX, number);
}

/* find_piece - the piece of base with that number among those not used yet. */
static struct mime_param *find_piece(struct mime_param *params, const bool *used, size_t count,
                                     struct span base, unsigned long long number, size_t *index)
{
	for (size_t i = 0; i < count; i++) {
		unsigned long long n;
		struct span b;
		bool encoded;

		if (!used[i] && piece_of(params[i].name, &b, &n, &encoded) && n == number &&
		    span_equal_ci(b, base)) {
			*index = i;
			return &params[i];
		}
	}
	return NULL;
}

/* join_pieces - one parameter of all pieces of base from number 0 on (RFC 2231 3). */
static struct mime_param *join_pieces(struct arena *a, struct mime_param *params, bool *used,
                                      size_t count, struct span base)
{
	struct mime_param *whole = ARENA_NEW(a, struct mime_param), *piece;
	bool any_encoded = false;
	size_t index, total = 0;
	size_t order[MIME_PARAMS_MAX], pieces = 0;
	char *text;

	while (pieces < count &&
	       (piece = find_piece(params, used, count, base, pieces, &index)) != NULL) {
		any_encoded = any_encoded || span_ends(piece->name, span_lit("*"));
		total += piece->value.len;
		used[index] = true;
		order[pieces++] = index;
	}
	text = arena_alloc(a, total + 1);
	whole->value = (struct span){ text, total };
	for (size_t i = 0; i < pieces; i++) {
		memcpy(text, params[order[i]].value.ptr, params[order[i]].value.len);
		text += params[order[i]].value.len;
	}
	whole->name = arena_printf_span(a, SPAN_FMT "%s", SPAN_ARG(base), any_encoded ? "*" : "");
	return whole;
}

/* link_params - plain ones first, in order, then the joined ones of RFC 2231; pieces that have no
 * beginning stay as they were sent. */
static struct mime_param *link_params(struct arena *a, struct mime_param *params, size_t count)
{
	struct mime_param *first = NULL, **tail = &first;
	bool used[MIME_PARAMS_MAX] = { false };
	unsigned long long number;
	struct span base;
	bool encoded;
	size_t index;

	for (size_t i = 0; i < count; i++) {
		if (piece_of(params[i].name, &base, &number, &encoded))
			continue;
		used[i] = true;
		*tail = &params[i];
		tail = &params[i].next;
	}
	for (size_t i = 0; i < count; i++) {
		if (used[i])
			continue;
		(void)piece_of(params[i].name, &base, &number, &encoded);
		if (find_piece(params, used, count, base, 0, &index) != NULL) {
			*tail = join_pieces(a, params, used, count, base);
		} else {
			used[i] = true;
			*tail = &params[i];
		}
		tail = &(*tail)->next;
	}
	*tail = NULL;
	return first;
}

static struct mime_param *take_params(struct arena *a, struct span rest)
{
	struct mime_param *params = NULL;
	size_t count = 0;

	while (count < MIME_PARAMS_MAX && skip_to_semicolon(&rest)) {
		if (params == NULL)
			params = ARENA_NEW_ARRAY(a, struct mime_param, MIME_PARAMS_MAX);
		if (take_param(a, &rest, &params[count]))
			count++;
	}
	return count != 0 ? link_params(a, params, count) : NULL;
}

bool mime_content_type(struct arena *a, struct span value, struct mime_value *out)
{
	mime_skip_space(&value, NULL);
	out->type = mime_take(&value, mime_is_token_byte);
	if (!take_byte(&value, '/'))
		return false;
	mime_skip_space(&value, NULL);
	out->subtype = mime_take(&value, mime_is_token_byte);
	if (out->type.len == 0 || out->subtype.len == 0)
		return false;
	out->params = take_params(a, value);
	return true;
}

bool mime_disposition(struct arena *a, struct span value, struct mime_value *out)
{
	mime_skip_space(&value, NULL);
	out->type = mime_take(&value, mime_is_token_byte);
	out->subtype = (struct span){ NULL, 0 };
	out->params = take_params(a, value);
	return out->type.len != 0;
}

bool mime_param_find(const struct mime_value *value, struct span name, struct span *out)
{
	for (const struct mime_param *p = value->params; p != NULL; p = p->next) {
		if (span_equal_ci(p->name, name)) {
			*out = p->value;
			return true;
		}
	}
	return false;
}

struct span mime_first_token(struct span value)
{
	mime_skip_space(&value, NULL);
	return mime_take(&value, mime_is_token_byte);
}

bool mime_next_language(struct span *rest, struct span *tag)
{
	for (;;) {
		mime_skip_space(rest, NULL);
		*tag = mime_take(rest, mime_is_token_byte);
		if (tag->len != 0)
			return true;
		if (rest->len == 0)
			return false;
		*rest = span_skip(*rest, 1);
	}
}
