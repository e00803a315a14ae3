/* SPDX-License-Identifier: ISC */
/* fold.c - a header field, folded */
#include "lib/mime/fold.h"

static void break_line(struct mime_fold *f, char indent)
{
	buf_add(f->out, f->line_end);
	buf_add_byte(f->out, indent);
	f->column = 1;
	f->is_fresh = true;
}

static void add_word(struct mime_fold *f, struct span word, char indent)
{
	if (!f->is_fresh && f->column + 1 + word.len > MIME_FOLD_COLUMNS) {
		break_line(f, indent);
	} else if (!f->is_fresh) {
		buf_add_byte(f->out, ' ');
		f->column++;
	}
	mime_fold_append(f, word);
}

void mime_fold_begin(struct mime_fold *f, struct buf *out, struct span name, struct span line_end)
{
	*f = (struct mime_fold){ .out = out, .line_end = line_end, .column = name.len + 1 };
	buf_add(out, name);
	buf_add_byte(out, ':');
}

void mime_fold_word(struct mime_fold *f, struct span word)
{
	if (word.len > 0)
		add_word(f, word, '\t');
}

void mime_fold_text(struct mime_fold *f, struct span text)
{
	struct span word;
	char indent = '\t';

	while (span_token(&text, " ", &word)) {
		add_word(f, word, indent);
		indent = ' ';	/* where the text has a space, so has what is read */
	}
}

void mime_fold_append(struct mime_fold *f, struct span bytes)
{
	buf_add(f->out, bytes);
	f->column += bytes.len;
	f->is_fresh = f->is_fresh && bytes.len == 0;
}

void mime_fold_line(struct mime_fold *f)
{
	if (!f->is_fresh)
		break_line(f, '\t');
}

void mime_fold_end(struct mime_fold *f)
{
	buf_add(f->out, f->line_end);
}

struct span mime_quoted(struct arena *a, struct span s)
{
	char *out = arena_alloc(a, 2 * s.len + 2);
	size_t n = 0;

	out[n++] = '"';
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == '"' || s.ptr[i] == '\\')
			out[n++] = '\\';
		out[n++] = s.ptr[i];
	}
	out[n++] = '"';
	return span_make(out, n);
}

struct span mime_word(struct arena *a, struct span s, bool (*plain)(char c))
{
	return s.len > 0 && span_all(s, plain) ? s : mime_quoted(a, s);
}
