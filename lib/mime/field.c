/* SPDX-License-Identifier: ISC */
/* field.c - header fields of RFC 5322: finding them, and the tokens inside
 *
 * Reads hostile bytes and trusts none; allocates only from the arena it is given.
 * Rules kept here: RFC 5322 2.2 (fields and folding), 3.2.1 to 3.2.5 (quoted pairs,
 * comments, atoms, quoted strings), 4.2 (obsolete white space).  Comments nest without
 * recursion. */
#include "lib/mime/field.h"

static struct span take_line(struct span *rest)
{
	size_t end = span_find(*rest, '\n');
	struct span line = span_first(*rest, end == SPAN_NOT_FOUND ? rest->len : end + 1);

	*rest = span_skip(*rest, line.len);
	return line;
}

static bool is_blank(struct span line)
{
	return line.len == 0 || line.ptr[0] == '\n' ||
	       (line.len >= 2 && line.ptr[0] == '\r' && line.ptr[1] == '\n');
}

static bool is_wsp(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_name_byte(char c)
{
	return c > ' ' && c != ':' && c != 0x7f;
}

bool mime_field_next(struct span *rest, struct mime_field *field)
{
	struct span line, value, name;

	if (rest->len == 0 || is_blank(*rest))
		return false;
	line = take_line(rest);
	while (rest->len != 0 && is_wsp(rest->ptr[0]))
		line.len += take_line(rest).len;
	field->raw = line;
	value = line;
	if (!span_cut(&value, ':', &name)) {
		field->name = field->value = (struct span){ line.ptr, 0 };
		return true;
	}
	name = span_trim_end(name);
	field->name = span_all(name, is_name_byte) ? name : (struct span){ line.ptr, 0 };
	if (span_ends(value, span_lit("\n")))
		value.len--;
	if (span_ends(value, span_lit("\r")))
		value.len--;
	field->value = value;
	return true;
}

bool mime_field_find(struct span header, struct span name, struct span *value)
{
	struct mime_field field;

	while (mime_field_next(&header, &field)) {
		if (span_equal_ci(field.name, name)) {
			*value = field.value;
			return true;
		}
	}
	return false;
}

size_t mime_header_end(struct span message)
{
	struct span rest = message;

	while (rest.len != 0) {
		struct span line = take_line(&rest);

		if (is_blank(line))
			return message.len - rest.len;
	}
	return message.len;
}

struct span mime_unfold(struct arena *a, struct span value)
{
	char *out;
	size_t n = 0;

	value = span_trim(value);
	out = arena_alloc(a, value.len + 1);
	for (size_t i = 0; i < value.len; i++) {
		if (!ascii_is_space(value.ptr[i]))
			out[n++] = value.ptr[i];
		else if (n != 0 && out[n - 1] != ' ')
			out[n++] = ' ';
	}
	return (struct span){ out, n };
}

/* skip_comment - *rest behind the comment that starts it; gives what stands inside. */
static struct span skip_comment(struct span *rest)
{
	size_t depth = 0, i;

	for (i = 0; i < rest->len; i++) {
		char c = rest->ptr[i];

		if (c == '\\' && i + 1 < rest->len)
			i++;
		else if (c == '(')
			depth++;
		else if (c == ')' && --depth == 0)
			break;
	}
	struct span inside = span_slice(*rest, 1, i - 1);

	*rest = span_skip(*rest, i + 1);
	return inside;
}

void mime_skip_space(struct span *rest, struct span *comment)
{
	for (;;) {
		*rest = span_trim_start(*rest);
		if (rest->len == 0 || rest->ptr[0] != '(')
			return;
		struct span inside = skip_comment(rest);

		if (comment != NULL)
			*comment = inside;
	}
}

bool mime_is_atom_byte(char c)
{
	unsigned char byte = (unsigned char)c;

	return byte > ' ' && byte != 0x7f && strchr("()<>[]:;@\\,.\"", c) == NULL;
}

bool mime_is_token_byte(char c)
{
	unsigned char byte = (unsigned char)c;

	return byte > ' ' && byte != 0x7f && strchr("()<>@,;:\\\"/[]?=", c) == NULL;
}

struct span mime_take(struct span *rest, bool (*test)(char c))
{
	struct span run;
	size_t n = 0;

	while (n < rest->len && test(rest->ptr[n]))
		n++;
	run = span_first(*rest, n);
	*rest = span_skip(*rest, n);
	return run;
}

struct span mime_take_quoted(struct arena *a, struct span *rest)
{
	size_t end, n = 0;
	char *out;

	for (end = 1; end < rest->len && rest->ptr[end] != '"'; end++)
		if (rest->ptr[end] == '\\' && end + 1 < rest->len)
			end++;
	out = arena_alloc(a, end);
	for (size_t i = 1; i < end; i++) {
		if (rest->ptr[i] == '\\' && i + 1 < end)
			i++;
		if (rest->ptr[i] != '\r' && rest->ptr[i] != '\n')
			out[n++] = rest->ptr[i];
	}
	*rest = span_skip(*rest, end + 1);
	return (struct span){ out, n };
}
