/* SPDX-License-Identifier: ISC */
/* fold.h - writing a header field word by word, folded where its lines get long (RFC 5322 2.1.1, 2.2.3)
 *
 * Nothing is folded inside a word, so a long one makes a long line: whoever writes bounds its words. */
#ifndef MIME_FOLD_H
#define MIME_FOLD_H

#include <stdbool.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/span.h"

enum { MIME_FOLD_COLUMNS = 78 };

struct mime_fold {
	struct buf *out;	/* borrowed until mime_fold_end */
	struct span line_end;
	size_t      column;	/* bytes on the present line */
	bool        is_fresh;	/* which has nothing but its tab */
};

/* mime_fold_begin - "Name:" to out; line_end is CRLF or LF. */
void mime_fold_begin(struct mime_fold *f, struct buf *out, struct span name, struct span line_end);
/* mime_fold_word - a space and the word, or the word on a line of its own where it would not fit. */
void mime_fold_word(struct mime_fold *f, struct span word);
/* mime_fold_text - the words of text, as one each.  Read unfolded there is one space between any two, so the inside of
 * quotes and comments may be written like this. */
void mime_fold_text(struct mime_fold *f, struct span text);
/* mime_fold_append - bytes directly behind what is there. */
void mime_fold_append(struct mime_fold *f, struct span bytes);
/* mime_fold_line - the next word begins a line. */
void mime_fold_line(struct mime_fold *f);
/* mime_fold_end - end the last line. */
void mime_fold_end(struct mime_fold *f);

/* mime_quoted - s as a quoted-string (RFC 5322 3.2.4), whatever its bytes.  Line ends and other control bytes must have
 * been taken out of it. */
struct span mime_quoted(struct arena *a, struct span s);
/* mime_word - s as it is when plain accepts all of it and it is not empty; else as a quoted-string. */
struct span mime_word(struct arena *a, struct span s, bool (*plain)(char c));

#endif
