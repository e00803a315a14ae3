/* SPDX-License-Identifier: ISC */
/* reply.c - SMTP replies */
#include "lib/smtp/reply.h"

/* Digits at offset i of s: one to three, no leading zero but "0" itself. */
static size_t digits_at(struct span s, size_t i)
{
	size_t n = 0;

	while (n < 3 && i + n < s.len && ascii_is_digit(s.ptr[i + n]))
		n++;
	return n;
}

size_t smtp_dsn_parse(struct span s)
{
	size_t at = 2, n;

	if (s.len < 5 || strchr("245", s.ptr[0]) == NULL || s.ptr[0] == '\0' || s.ptr[1] != '.')
		return 0;
	n = digits_at(s, at);
	at += n;
	if (n == 0 || at >= s.len || s.ptr[at] != '.')
		return 0;
	n = digits_at(s, ++at);
	at += n;
	return n > 0 && (at == s.len || s.ptr[at] == ' ') ? at : 0;
}

bool smtp_reply_line_parse(struct span line, struct smtp_reply_line *out)
{
	size_t n;

	if (line.len < 3 || line.ptr[0] < '2' || line.ptr[0] > '5' || digits_at(line, 0) != 3)
		return false;
	if (line.len > 3 && line.ptr[3] != ' ' && line.ptr[3] != '-')
		return false;
	*out = (struct smtp_reply_line){
		.code = (unsigned)(line.ptr[0] - '0') * 100 + (unsigned)(line.ptr[1] - '0') * 10 +
		        (unsigned)(line.ptr[2] - '0'),
		.is_last = line.len == 3 || line.ptr[3] == ' ',
		.text = span_skip(line, 4),
	};
	n = smtp_dsn_parse(out->text);
	if (n > 0 && out->text.ptr[0] == line.ptr[0]) {
		out->dsn = span_first(out->text, n);
		out->text = span_trim_start(span_skip(out->text, n));
	}
	return true;
}

size_t smtp_reply_format(char out[SMTP_REPLY_LINE_MAX + 2], unsigned code, bool is_last, struct span dsn,
                         struct span text)
{
	size_t n = 0;

	out[n++] = (char)('0' + code / 100 % 10);
	out[n++] = (char)('0' + code / 10 % 10);
	out[n++] = (char)('0' + code % 10);
	out[n++] = is_last ? ' ' : '-';
	if (dsn.len > 0 && dsn.len <= WHY_DSN_MAX) {
		memcpy(out + n, dsn.ptr, dsn.len);
		n += dsn.len;
		out[n++] = ' ';
	}
	for (size_t i = 0; i < text.len && n < SMTP_REPLY_LINE_MAX; i++)
		out[n++] = ascii_is_print(text.ptr[i]) ? text.ptr[i] : '?';
	out[n++] = '\r';
	out[n++] = '\n';
	return n;
}

const char *smtp_dsn_default(unsigned code)
{
	return code >= 500 ? "5.0.0" : code >= 400 ? "4.0.0" : "2.0.0";
}

enum outcome smtp_outcome(unsigned code)
{
	return code >= 500 ? REFUSE : code >= 400 ? DEFER : DONE;
}
