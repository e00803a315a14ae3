/* SPDX-License-Identifier: ISC */
/* fuzz_passwd_file.c - no line is more than itself: what is parsed lies within the text, and is found again */
#include <stdint.h>
#include <stdlib.h>

#include "auth/passwd_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_within(struct span part, struct span whole)
{
	return part.len == 0 || (part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = span_make(data, size), line;
	struct arena *arena = arena_new(NULL);

	while (!span_is_empty(rest)) {
		struct passwd_entry e;
		struct span unknown;
		const char *problem;

		span_cut(&rest, '\n', &line);
		if (!passwd_line(arena, line, &e, &unknown, &problem))
			continue;
		if (span_is_empty(e.user) || !is_within(e.password, line) || !is_within(e.home, line) ||
		    !is_within(e.mail, line) || !is_within(e.allow_nets, line))
			abort();
	}
	arena_free(arena);
	return 0;
}
