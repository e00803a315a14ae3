/* SPDX-License-Identifier: ISC */
/* dkim_keystate.c - which keys of a domain sign, as text
 *
 * The file is ours, but an admin may mend it by hand: a line that is none costs that line.  If the whole file were thrown
 * away, keys would sign whose records are long gone. */
#include "lib/mailauth/dkim_keystate.h"

#include "lib/base/log.h"

static const struct {
	struct span         word;
	enum dkim_key_state state;
} words[] = {
	{ SPAN("active"),  DKIM_KEY_ACTIVE },
	{ SPAN("retired"), DKIM_KEY_RETIRED },
};

static bool read_word(struct span word, enum dkim_key_state *state)
{
	for (size_t i = 0; i < COUNT_OF(words); i++) {
		if (span_equal(words[i].word, word)) {
			*state = words[i].state;
			return true;
		}
	}
	return false;
}

static bool is_graphic(char c)
{
	return ascii_is_print(c) && c != ' ';
}

static bool read_line(struct span text, struct dkim_keystate_line *line)
{
	struct span word, since;
	unsigned long long since_s;

	if (!span_token(&text, " \t\r", &line->selector) || !span_all(line->selector, is_graphic) ||
	    !span_token(&text, " \t\r", &word) || !read_word(word, &line->state) ||
	    !span_token(&text, " \t\r", &since) || !span_u64(since, UINT64_MAX, &since_s) ||
	    span_token(&text, " \t\r", &word))
		return false;
	line->since_s = since_s;
	return true;
}

size_t dkim_keystate_read(struct arena *arena, struct span text, size_t most, struct dkim_keystate *state)
{
	struct dkim_keystate_line line;
	struct span rest = text, one;
	size_t bad = 0;

	*state = (struct dkim_keystate){ ARENA_NEW_ARRAY(arena, struct dkim_keystate_line, most), 0 };
	while (rest.len != 0) {
		(void)span_cut(&rest, '\n', &one);
		if (span_trim(one).len == 0)
			continue;
		if (state->count == most || !read_line(one, &line) || dkim_keystate_find(state, line.selector) != NULL)
			bad++;
		else
			state->line[state->count++] = line;
	}
	for (size_t i = 0; i < state->count; i++)
		state->line[i].selector = arena_dup(arena, state->line[i].selector);
	return bad;
}

void dkim_keystate_write(struct buf *out, const struct dkim_keystate *state)
{
	for (size_t i = 0; i < state->count; i++) {
		const struct dkim_keystate_line *line = &state->line[i];

		REQUIRE(line->state != DKIM_KEY_WAITING);
		buf_addf(out, SPAN_FMT " %s %llu\n", SPAN_ARG(line->selector),
		         line->state == DKIM_KEY_ACTIVE ? "active" : "retired", (unsigned long long)line->since_s);
	}
}

const struct dkim_keystate_line *dkim_keystate_find(const struct dkim_keystate *state, struct span selector)
{
	for (size_t i = 0; i < state->count; i++)
		if (span_equal(state->line[i].selector, selector))
			return &state->line[i];
	return NULL;
}
