/* SPDX-License-Identifier: ISC */
/* master_text.c - how a line of master.cf is split (postfix-compat 2) */
#include "lib/conf/master_text.h"

static const char blanks[] = " \t\r\n\v\f";

bool master_split_fields(struct span *text, struct span fields[MASTER_FIELDS])
{
	for (size_t i = 0; i < MASTER_FIELDS; i++)
		if (!span_token(text, blanks, &fields[i]))
			return false;
	return true;
}

bool master_next_argument(struct span *text, struct span *arg)
{
	size_t level = 0, n;

	*text = span_trim_start(*text);
	if (text->len == 0 || text->ptr[0] != '{')
		return span_token(text, blanks, arg);
	for (n = 0; n < text->len; n++) {
		if (text->ptr[n] == '{')
			level++;
		else if (text->ptr[n] == '}' && --level == 0)
			break;
	}
	*arg = span_trim(span_slice(*text, 1, n - 1));
	*text = span_skip(*text, n + 1);
	return true;
}
