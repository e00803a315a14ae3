/* SPDX-License-Identifier: ISC */
/* auth_results_read.c - a field of results taken apart (RFC 8601 2.2, RFC 8617 4.1.1)
 *
 * Strict about where parts begin and end: white space and comments are allowed wherever the RFC has CFWS.  Tolerant
 * of what is common inside: values that should have been quoted, properties without a ptype, a ';' at the end.  A malformed
 * result is left out, up to the next ';' outside quotes and comments. */
#include "lib/mailauth/auth_results.h"
#include "lib/mime/field.h"

enum { INSTANCE_MAX = 50, VERSION_MAX = 1000000 };

struct reader {
	struct arena                     *arena;
	const struct auth_results_limits *limits;
	struct span                       rest;
};

static bool take_byte(struct reader *r, char c)
{
	mime_skip_space(&r->rest, NULL);
	if (r->rest.len == 0 || r->rest.ptr[0] != c)
		return false;
	r->rest = span_skip(r->rest, 1);
	return true;
}

static bool is_keyword_byte(char c)
{
	return ascii_is_alnum(c) || c == '-' || c == '_';
}

static bool take_keyword(struct reader *r, struct span *word)
{
	mime_skip_space(&r->rest, NULL);
	*word = mime_take(&r->rest, is_keyword_byte);
	return word->len > 0;
}

static bool take_number(struct reader *r, unsigned most, unsigned *number)
{
	unsigned long long value;

	mime_skip_space(&r->rest, NULL);
	if (!span_u64(mime_take(&r->rest, ascii_is_digit), most, &value))
		return false;
	*number = (unsigned)value;
	return true;
}

/* quoted_end - offset behind the quoted-string that starts s; 0 when it is not closed. */
static size_t quoted_end(struct span s)
{
	for (size_t i = 1; i < s.len; i++) {
		if (s.ptr[i] == '\\')
			i++;
		else if (s.ptr[i] == '"')
			return i + 1;
	}
	return 0;
}

static bool is_value_byte(char c)
{
	return (unsigned char)c > ' ' && c != 0x7f && strchr(";()\"", c) == NULL;
}

/* take_value - a quoted-string, unquoted, or a run of bytes that need no quotes.  What follows a quoted local part is one
 * value with it, as it stands. */
static bool take_value(struct reader *r, struct span *value)
{
	struct span start;
	size_t end;

	mime_skip_space(&r->rest, NULL);
	start = r->rest;
	if (!span_starts(start, span_lit("\""))) {
		*value = mime_take(&r->rest, is_value_byte);
		return value->len > 0;
	}
	end = quoted_end(start);
	if (end == 0)
		return false;
	if (end < start.len && start.ptr[end] == '@') {
		r->rest = span_skip(start, end);
		*value = span_first(start, end + mime_take(&r->rest, is_value_byte).len);
		return true;
	}
	*value = mime_take_quoted(r->arena, &r->rest);
	return true;
}

/* skip_quoted - one that is not closed reaches to the end. */
static void skip_quoted(struct reader *r)
{
	size_t end = quoted_end(r->rest);

	r->rest = span_skip(r->rest, end > 0 ? end : r->rest.len);
}

/* skip_to_semicolon - past what cannot be read. */
static void skip_to_semicolon(struct reader *r)
{
	while (r->rest.len > 0 && r->rest.ptr[0] != ';') {
		if (r->rest.ptr[0] == '(')
			mime_skip_space(&r->rest, NULL);
		else if (r->rest.ptr[0] == '"')
			skip_quoted(r);
		else
			r->rest = span_skip(r->rest, 1);
	}
}

static bool at_end_of_result(struct reader *r)
{
	mime_skip_space(&r->rest, NULL);
	return r->rest.len == 0 || r->rest.ptr[0] == ';';
}

/* take_property - reason=value, ptype.property=value, or property=value as some write it. */
static bool take_property(struct reader *r, struct auth_result *result, bool *is_whole)
{
	struct auth_property p = { .ptype = SPAN("") };

	if (!take_keyword(r, &p.name))
		return false;
	if (take_byte(r, '.')) {
		p.ptype = p.name;
		if (!take_keyword(r, &p.name))
			return false;
	}
	if (!take_byte(r, '=') || !take_value(r, &p.value))
		return false;
	if (p.ptype.len == 0 && span_equal_ci(p.name, span_lit("reason"))) {
		result->reason = p.value;
		return true;
	}
	*is_whole = *is_whole && p.ptype.len > 0 && result->count < r->limits->most_properties;
	if (result->count < r->limits->most_properties)
		result->properties[result->count++] = p;
	return true;
}

static bool take_result(struct reader *r, struct auth_result *result, bool *is_whole)
{
	*result = (struct auth_result){ .version = 1 };
	if (!take_keyword(r, &result->method) ||
	    (take_byte(r, '/') && !take_number(r, VERSION_MAX, &result->version)) || !take_byte(r, '=') ||
	    !take_keyword(r, &result->result))
		return false;
	result->properties = ARENA_NEW_ARRAY(r->arena, struct auth_property, r->limits->most_properties);
	while (!at_end_of_result(r)) {
		if (!take_property(r, result, is_whole))
			return false;
	}
	return true;
}

/* take_none - "none" alone in the place of a result. */
static bool take_none(struct reader *r)
{
	struct reader ahead = *r;
	struct span word;

	if (!take_keyword(&ahead, &word) || !span_equal_ci(word, span_lit("none")) || !at_end_of_result(&ahead))
		return false;
	*r = ahead;
	return true;
}

static void take_results(struct reader *r, struct auth_results *out)
{
	while (!at_end_of_result(r) || r->rest.len > 0) {
		struct auth_result result;

		if (!take_byte(r, ';')) {
			out->is_whole = false;
			skip_to_semicolon(r);
			continue;
		}
		if (at_end_of_result(r) || take_none(r))
			continue;
		if (out->count < r->limits->most_results && take_result(r, &result, &out->is_whole)) {
			out->results[out->count++] = result;
			continue;
		}
		out->is_whole = false;
		skip_to_semicolon(r);
	}
}

/* take_authserv_id - with its version; only results or nothing may follow. */
static bool take_authserv_id(struct reader *r, struct auth_results *out)
{
	mime_skip_space(&r->rest, NULL);
	if (span_starts(r->rest, span_lit("\""))) {
		if (!take_value(r, &out->authserv_id))
			return false;
	} else {
		out->authserv_id = mime_take(&r->rest, mime_is_token_byte);
	}
	out->version = 1;
	return out->authserv_id.len > 0 &&
	       (at_end_of_result(r) || (take_number(r, VERSION_MAX, &out->version) && at_end_of_result(r)));
}

static bool parse(struct reader *r, struct auth_results *out)
{
	size_t semicolons = 0;

	if (!take_authserv_id(r, out))
		return false;
	for (size_t i = 0; i < r->rest.len; i++)
		semicolons += r->rest.ptr[i] == ';';
	out->is_whole = true;
	if (semicolons > r->limits->most_results)
		semicolons = r->limits->most_results;
	out->results = ARENA_NEW_ARRAY(r->arena, struct auth_result, semicolons);
	take_results(r, out);
	return true;
}

bool auth_results_parse(struct arena *arena, struct span value, const struct auth_results_limits *limits,
                        struct auth_results *out)
{
	struct reader r = { .arena = arena, .limits = limits, .rest = value };

	*out = (struct auth_results){ 0 };
	return value.len <= limits->most_bytes && parse(&r, out);
}

bool auth_results_parse_arc(struct arena *arena, struct span value, const struct auth_results_limits *limits,
                            struct auth_results *out)
{
	struct reader r = { .arena = arena, .limits = limits, .rest = value };
	struct span tag;

	*out = (struct auth_results){ 0 };
	if (value.len > limits->most_bytes || !take_keyword(&r, &tag) || !span_equal(tag, span_lit("i")) ||
	    !take_byte(&r, '=') || !take_number(&r, INSTANCE_MAX, &out->instance) || out->instance == 0 ||
	    !take_byte(&r, ';'))
		return false;
	return parse(&r, out);
}

const struct auth_result *auth_result_find(const struct auth_results *results, struct span method, size_t from)
{
	for (size_t i = from; i < results->count; i++) {
		if (span_equal_ci(results->results[i].method, method))
			return &results->results[i];
	}
	return NULL;
}

struct span auth_property_find(const struct auth_result *result, struct span name)
{
	struct span ptype;

	span_cut(&name, '.', &ptype);
	for (size_t i = 0; i < result->count; i++) {
		const struct auth_property *p = &result->properties[i];

		if (span_equal_ci(p->ptype, ptype) && span_equal_ci(p->name, name))
			return p->value;
	}
	return span_lit("");
}
