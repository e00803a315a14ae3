/* SPDX-License-Identifier: ISC */
/* imap_command.c - tags, names and strings of IMAP commands, from hostile bytes */
#include "login/imap_command.h"

#include <stdint.h>
#include <string.h>

enum { TAG_MAX = 64, NAME_MAX_LENGTH = 32 };

bool imap_literal(struct span line, unsigned long long *size, bool *is_synchronizing)
{
	size_t open = span_rfind(line, '{');
	struct span digits;

	if (open == SPAN_NOT_FOUND || !span_ends(line, span_lit("}")))
		return false;
	digits = span_slice(line, open + 1, line.len - open - 2);
	*is_synchronizing = !span_ends(digits, span_lit("+"));
	if (!*is_synchronizing)
		digits.len--;
	return span_u64(digits, UINT32_MAX, size);
}

bool imap_is_clean(struct span line)
{
	for (size_t i = 0; i < line.len; i++) {
		if (line.ptr[i] == '\0' || (unsigned char)line.ptr[i] >= 0x80)
			return false;
	}
	return true;
}

/* RFC 3501 9: ATOM-CHAR */
static bool is_atom_char(char c)
{
	return ascii_is_print(c) && c != ' ' && strchr("(){%*\"\\]", c) == NULL;
}

static bool is_astring_char(char c)
{
	return is_atom_char(c) || c == ']';
}

static bool is_tag_char(char c)
{
	return is_astring_char(c) && c != '+';
}

static struct span take_while(struct span *rest, bool (*test)(char c))
{
	size_t n = 0;
	struct span taken;

	while (n < rest->len && test(rest->ptr[n]))
		n++;
	taken = span_first(*rest, n);
	*rest = span_skip(*rest, n);
	return taken;
}

static bool take_byte(struct span *rest, char c)
{
	if (rest->len == 0 || rest->ptr[0] != c)
		return false;
	*rest = span_skip(*rest, 1);
	return true;
}

bool imap_command_parse(struct span text, struct imap_command *command)
{
	struct span rest = text;

	*command = (struct imap_command){ .tag = take_while(&rest, is_tag_char) };
	if (span_is_empty(command->tag) || command->tag.len > TAG_MAX || !take_byte(&rest, ' ')) {
		/* A tag alone can still be answered to; anything else cannot. */
		if (!span_is_empty(rest) || command->tag.len > TAG_MAX)
			command->tag = (struct span){ 0 };
		return false;
	}
	command->name = take_while(&rest, is_atom_char);
	command->arguments = rest;
	return !span_is_empty(command->name) && command->name.len <= NAME_MAX_LENGTH &&
	       (span_is_empty(rest) || rest.ptr[0] == ' ');
}

static bool take_quoted(struct arena *arena, struct span *rest, struct span *value)
{
	char *out = arena_alloc(arena, rest->len + 1);
	size_t n = 0;

	for (size_t i = 1; i < rest->len; i++) {
		char c = rest->ptr[i];

		if (c == '"') {
			*value = span_make(out, n);
			*rest = span_skip(*rest, i + 1);
			return true;
		}
		if (c == '\r' || c == '\n' || c == '\0')
			return false;
		if (c == '\\') {
			if (++i >= rest->len || (rest->ptr[i] != '"' && rest->ptr[i] != '\\'))
				return false;
			c = rest->ptr[i];
		}
		out[n++] = c;
	}
	return false;
}

static bool take_literal(struct arena *arena, struct span *rest, struct span *value)
{
	size_t end = span_search(*rest, span_lit("\r\n"));
	unsigned long long size;
	bool is_synchronizing;
	struct span behind;

	if (end == SPAN_NOT_FOUND || span_find(span_skip(span_first(*rest, end), 1), '{') != SPAN_NOT_FOUND ||
	    !imap_literal(span_first(*rest, end), &size, &is_synchronizing))
		return false;
	behind = span_skip(*rest, end + 2);
	if (size > behind.len || memchr(behind.ptr, '\0', size) != NULL)
		return false;
	*value = arena_dup(arena, span_first(behind, size));
	*rest = span_skip(behind, size);
	return true;
}

bool imap_astring(struct arena *arena, struct span *rest, struct span *value)
{
	if (!take_byte(rest, ' ') || span_is_empty(*rest))
		return false;
	if (rest->ptr[0] == '"')
		return take_quoted(arena, rest, value);
	if (rest->ptr[0] == '{')
		return take_literal(arena, rest, value);
	*value = arena_dup(arena, take_while(rest, is_astring_char));
	return !span_is_empty(*value);
}
