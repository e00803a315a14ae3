/* SPDX-License-Identifier: ISC */
/* aliases_text.c - the text form of aliases(5): "name: value, value" a logical line */
#include "tools/aliases_text.h"

#include <limits.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/log.h"

/* colon_of - offset of the ':' behind the name, quotes respected. */
static size_t colon_of(struct span text)
{
	bool is_quoted = false;

	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '\\')
			i++;
		else if (text.ptr[i] == '"')
			is_quoted = !is_quoted;
		else if (text.ptr[i] == ':' && !is_quoted)
			return i;
	}
	return SPAN_NOT_FOUND;
}

static struct span unquote(struct arena *arena, struct span text)
{
	char *out = arena_alloc(arena, text.len + 1);
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '"')
			continue;
		if (text.ptr[i] == '\\' && i + 1 < text.len)
			i++;
		out[n++] = text.ptr[i];
	}
	return span_make(out, n);
}

/* squeeze - runs of white space outside quotes become one blank. */
static struct span squeeze(struct arena *arena, struct span text)
{
	char *out = arena_alloc(arena, text.len + 1);
	bool is_quoted = false;
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];

		if (c == '"')
			is_quoted = !is_quoted;
		if (!is_quoted && ascii_is_space(c)) {
			if (n > 0 && out[n - 1] != ' ')
				out[n++] = ' ';
		} else {
			out[n++] = c;
		}
	}
	return span_trim(span_make(out, n));
}

bool aliases_next(struct map_tool *tool, struct conf_lines *lines, struct span *key, struct span *value)
{
	struct span text;

	while (conf_lines_next(lines, &text)) {
		size_t colon = colon_of(text);

		if (colon != SPAN_NOT_FOUND) {
			*key = unquote(tool->arena, span_trim(span_first(text, colon)));
			*value = squeeze(tool->arena, span_skip(text, colon + 1));
		}
		if (colon == SPAN_NOT_FOUND || key->len == 0 || value->len == 0) {
			log_warning("%s, line %u: need name:value pair", lines->file, lines->last);
			continue;
		}
		if (span_find(*key, '@') != SPAN_NOT_FOUND) {
			log_warning("%s, line %u: name must be local", lines->file, lines->last);
			continue;
		}
		return true;
	}
	return false;
}

void aliases_finish(struct map_tool *tool, const struct table_writes *writes, void *db)
{
	char host[HOST_NAME_MAX + 1] = "localhost";

	/* Sendmail and NIS look for these. */
	(void)gethostname(host, HOST_NAME_MAX);
	(void)writes->put(db, span_lit("@"), span_lit("@"), true);
	(void)writes->put(db, span_lit("YP_LAST_MODIFIED"),
	                  arena_printf_span(tool->arena, "%010lld", (long long)time(NULL)), true);
	(void)writes->put(db, span_lit("YP_MASTER_NAME"), span_of(host), true);
}
