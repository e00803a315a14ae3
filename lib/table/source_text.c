/* SPDX-License-Identifier: ISC */
/* source_text.c - the text form of a table (postfix-compat 7) */
#include "lib/table/source_text.h"

#include "lib/base/log.h"

/* key_length - up to the first blank that is not protected; SPAN_NOT_FOUND when a quote is left open. */
static size_t key_length(struct span text)
{
	bool is_quoted = false;
	size_t i;

	for (i = 0; i < text.len && (is_quoted || !ascii_is_space(text.ptr[i])); i++) {
		if (text.ptr[i] == '\\' && i + 1 < text.len)
			i++;
		else if (text.ptr[i] == '"')
			is_quoted = !is_quoted;
	}
	return is_quoted ? SPAN_NOT_FOUND : i;
}

bool table_source_next(struct conf_lines *lines, struct span *key, struct span *value)
{
	struct span text;

	while (conf_lines_next(lines, &text)) {
		size_t n = key_length(text);

		if (n == SPAN_NOT_FOUND) {
			log_warning("%s, line %u: unbalanced '\"' in '" SPAN_FMT "' -- ignoring this line", lines->file,
			            lines->last, SPAN_ARG(text));
			continue;
		}
		*key = span_first(text, n);
		*value = span_trim(span_skip(text, n));
		if (key->len == 0 || value->len == 0) {
			log_warning("%s, line %u: expected format: key whitespace value", lines->file, lines->last);
			continue;
		}
		if (span_ends(*key, span_lit(":")))
			log_warning("%s, line %u: record is in \"key: value\" format; is this an alias file?",
			            lines->file, lines->last);
		return true;
	}
	return false;
}
