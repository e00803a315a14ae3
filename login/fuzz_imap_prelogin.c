/* SPDX-License-Identifier: ISC */
/* fuzz_imap_prelogin.c - commands before login: strings never reach beyond the command, NUL never gets through */
#include <stdint.h>
#include <stdlib.h>

#include "login/imap_command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_part_of(struct span part, struct span whole)
{
	return part.len == 0 || (part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_make(data, size), value, rest;
	struct arena *arena = arena_new(NULL);
	struct imap_command command;
	unsigned long long literal;
	bool is_synchronizing;

	(void)imap_literal(text, &literal, &is_synchronizing);
	if (imap_command_parse(text, &command)) {
		if (span_is_empty(command.tag) || span_is_empty(command.name) || !is_part_of(command.arguments, text))
			abort();
		rest = command.arguments;
		while (imap_astring(arena, &rest, &value)) {
			if (!is_part_of(rest, text) || value.len > text.len || span_find(value, '\0') != SPAN_NOT_FOUND)
				abort();
		}
	}
	arena_free(arena);
	return 0;
}
