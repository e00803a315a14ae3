/* SPDX-License-Identifier: ISC */
/* hosts.c - hosts(5), for smtp_host_lookup = native: read once, before the sandbox */
#include <fcntl.h>

#include "lib/base/fs.h"
#include "smtp/smtp.h"

enum { HOSTS_FILE_MAX = 1 << 20, KNOWN_MAX = 1000 };

static void add_line(struct arena *arena, struct span line, struct hosts *out)
{
	struct net_address address;
	struct span word;

	if (!span_token(&line, " \t\r", &word) || !net_address_parse(word, 0, &address))
		return;
	while (out->count < KNOWN_MAX && span_token(&line, " \t\r", &word))
		out->list[out->count++] = (struct host){ .name = arena_cstr(arena, word), .address = address };
}

void hosts_load(struct arena *arena, const char *path, struct hosts *out)
{
	struct buf text;
	struct span rest, line, names;

	*out = (struct hosts){ .list = ARENA_NEW_ARRAY(arena, struct host, KNOWN_MAX) };
	buf_init(&text, HOSTS_FILE_MAX);
	if (fs_read_file(AT_FDCWD, path, &text) == 0) {
		rest = buf_span(&text);
		while (rest.len > 0) {
			span_cut(&rest, '\n', &line);
			span_cut(&line, '#', &names);
			add_line(arena, names, out);
		}
	}
	buf_free(&text);
}
