/* SPDX-License-Identifier: ISC */
/* test_dialogue.h - conversations kept as files, tests/PROGRAM/NAME.talk, readable as examples of the protocol
 *
 *     C: text      the client sends the line, with CRLF
 *     S: text      the server's next line
 *     #            a comment
 *
 * Each row of a table of commands names the one that proves it. */
#ifndef BASE_TEST_DIALOGUE_H
#define BASE_TEST_DIALOGUE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/fs.h"

/* dialogue_read - both sides of a conversation, each line ended by CRLF; in arena. */
static inline void dialogue_read(struct arena *arena, const char *folder, const char *name, struct span *client,
                                 struct span *server)
{
	const char *path = arena_printf(arena, "%s/%s.talk", folder, name);
	struct buf text, said, heard;
	struct span rest, line;

	buf_init(&text, BUF_NO_LIMIT);
	buf_init(&said, BUF_NO_LIMIT);
	buf_init(&heard, BUF_NO_LIMIT);
	if (fs_read_file(AT_FDCWD, path, &text) != 0)
		fail_msg("no dialogue %s", path);
	for (rest = buf_span(&text); span_cut(&rest, '\n', &line);) {
		struct buf *side = span_starts(line, span_lit("C:")) || span_starts(line, span_lit("c:")) ? &said :
		                   span_starts(line, span_lit("S:"))                                      ? &heard :
		                                                                                            NULL;

		if (side == NULL)
			continue;
		buf_add(side, span_skip(line, line.len > 2 ? 3 : 2));
		buf_add(side, span_lit("\r\n"));
	}
	*client = arena_dup(arena, buf_span(&said));
	*server = arena_dup(arena, buf_span(&heard));
	buf_free(&text);
	buf_free(&said);
	buf_free(&heard);
}

/* dialogue_says - a row names this conversation: it is there, and its client says the command, in any case. */
static inline void dialogue_says(const char *folder, const char *name, struct span command)
{
	struct arena *arena = arena_new(NULL);
	struct span client, server;
	bool found = false;
	size_t at;

	if (name == NULL)
		fail_msg("no dialogue for " SPAN_FMT, SPAN_ARG(command));
	dialogue_read(arena, folder, name, &client, &server);
	while (!found && (at = span_search_ci(client, command)) != SPAN_NOT_FOUND) {
		found = at == 0 || !ascii_is_alnum(client.ptr[at - 1]);
		client = span_skip(client, at + command.len);
		found = found && (client.len == 0 || !ascii_is_alnum(client.ptr[0]));
	}
	if (!found)
		fail_msg("nobody says " SPAN_FMT " in %s/%s.talk", SPAN_ARG(command), folder, name);
	arena_free(arena);
}

#endif
