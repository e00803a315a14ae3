/* SPDX-License-Identifier: ISC */
/* fuzz_keystate.c - what is read from any text, written and read again is the same, and within the limit */
#include <stdint.h>

#include "lib/base/log.h"
#include "lib/mailauth/dkim_keystate.h"

enum { MOST = 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new(NULL);
	struct dkim_keystate state, again;
	struct buf text;

	(void)dkim_keystate_read(arena, span_make(data, size), MOST, &state);
	REQUIRE(state.count <= MOST);
	buf_init(&text, BUF_NO_LIMIT);
	dkim_keystate_write(&text, &state);
	REQUIRE(dkim_keystate_read(arena, buf_span(&text), MOST, &again) == 0 && again.count == state.count);
	for (size_t i = 0; i < state.count; i++) {
		const struct dkim_keystate_line *line = &again.line[i];

		REQUIRE(span_equal(line->selector, state.line[i].selector) && line->state == state.line[i].state &&
		        line->since_s == state.line[i].since_s);
		REQUIRE(dkim_keystate_find(&state, line->selector) == &state.line[i]);
	}
	buf_free(&text);
	arena_free(arena);
	return 0;
}
