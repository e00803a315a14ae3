/* SPDX-License-Identifier: ISC */
/* imap_string.c - strings on the IMAP wire (RFC 3501 4.3) */
#include "lib/mime/structure.h"

enum { QUOTED_MAX = 1000 };	/* longer text is a literal: lines stay short */

static bool may_be_quoted(struct span text)
{
	return text.len <= QUOTED_MAX && span_all(text, ascii_is_print);
}

static void add_quoted(struct buf *out, struct span text)
{
	buf_add_byte(out, '"');
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '"' || text.ptr[i] == '\\')
			buf_add_byte(out, '\\');
		buf_add_byte(out, text.ptr[i]);
	}
	buf_add_byte(out, '"');
}

static void add_literal(struct buf *out, struct span text)
{
	buf_addf(out, "{%zu}\r\n", text.len);
	size_t start = out->len;

	if (!buf_add(out, text))
		return;
	for (char *at = out->ptr + start; at < out->ptr + out->len; at++)
		if (*at == '\0')
			*at = (char)0x80;
}

void imap_add_string(struct buf *out, struct span text)
{
	if (may_be_quoted(text))
		add_quoted(out, text);
	else
		add_literal(out, text);
}

void imap_add_nstring(struct buf *out, struct span text)
{
	if (text.ptr == NULL)
		buf_add(out, span_lit("NIL"));
	else
		imap_add_string(out, text);
}
