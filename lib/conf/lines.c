/* SPDX-License-Identifier: ISC */
/* lines.c - logical lines: the form main.cf, master.cf and table sources share
 *
 * Called for files of the admin: trusted, but written by hand, so whatever looks odd is reported with
 * file and line.  Rules: postfix-compat 1. */
#include "lib/conf/lines.h"

#include "lib/base/log.h"

/* A logical line longer than this is a mistake (a binary file, say). */
#define LINE_BYTES_MAX ((size_t)16 << 20)

void conf_lines_init(struct conf_lines *l, const char *file, struct span content)
{
	*l = (struct conf_lines){ .file = file, .rest = content };
	buf_init(&l->joined, LINE_BYTES_MAX);
	if (span_starts(content, span_lit("\xef\xbb\xbf"))) {
		log_warning("%s, line 1: the file starts with a UTF-8 byte order mark: skipped", file);
		l->rest = span_skip(content, 3);
	}
}

void conf_lines_free(struct conf_lines *l)
{
	buf_free(&l->joined);
}

/* physical - next physical line without its newline. */
static bool physical(struct conf_lines *l, struct span *line)
{
	if (span_is_empty(l->rest))
		return false;
	span_cut(&l->rest, '\n', line);
	l->line++;
	return true;
}

static bool is_left_out(struct span line)
{
	struct span text = span_trim_start(line);

	return span_is_empty(text) || text.ptr[0] == '#';
}

/* continues - whether what follows belongs to the logical line: white space in column 1, or a line
 * that is left out anyway. */
static bool continues(const struct conf_lines *l)
{
	return l->rest.len > 0 && (ascii_is_space(l->rest.ptr[0]) || l->rest.ptr[0] == '#');
}

/* join - read on while lines continue; the common line without continuation is never copied. */
static struct span join(struct conf_lines *l, struct span start)
{
	struct span more;
	bool is_joined = false;

	while (continues(l) && physical(l, &more)) {
		if (is_left_out(more))
			continue;
		if (!is_joined) {
			buf_clear(&l->joined);
			buf_add(&l->joined, start);
			is_joined = true;
		}
		buf_add(&l->joined, more);
		l->last = l->line;
	}
	return span_trim_end(is_joined ? buf_span(&l->joined) : start);
}

bool conf_lines_next(struct conf_lines *l, struct span *line)
{
	struct span start;

	while (physical(l, &start)) {
		if (is_left_out(start))
			continue;
		l->first = l->last = l->line;
		*line = join(l, start);
		if (!ascii_is_space(line->ptr[0]))
			return true;
		log_warning("%s, line %u: logical line must not start with whitespace: \"%.*s\"",
		            l->file, l->first, SPAN_ARG(span_first(*line, 40)));
	}
	return false;
}
