/* SPDX-License-Identifier: ISC */
/* hand_in.c - where reports become mail */
#include "mailauth/hand_in.h"

#include <string.h>

#include "lib/base/buf.h"
#include "lib/smtp/submit.h"

enum { SUBMIT_TIMEOUT_S = 60 };

static struct span with_crlf(struct arena *arena, struct span text)
{
	struct buf out;
	struct span line, result;

	buf_init(&out, BUF_NO_LIMIT);
	while (text.len > 0) {
		(void)span_cut(&text, '\n', &line);
		buf_add(&out, line);
		buf_add(&out, span_lit("\r\n"));
	}
	result = arena_dup(arena, buf_span(&out));
	buf_free(&out);
	return result;
}

/* "inet:HOST:PORT", or the path behind "unix:", below queue_directory when it is relative. */
static const char *where(const struct conf *conf, struct arena *arena)
{
	const char *value = conf->dmarc_report_submission;

	if (strncmp(value, "unix:", 5) != 0)
		return value;
	return value[5] == '/' ? value + 5 : arena_printf(arena, "%s/%s", conf->queue_directory, value + 5);
}

enum outcome hand_in(const struct conf *conf, struct span to, struct span mail, struct why *why)
{
	struct arena *arena = arena_new(NULL);
	struct span rcpt = arena_printf_span(arena, "RCPT TO:<" SPAN_FMT ">", SPAN_ARG(to));
	struct submission submission = { .mail = span_lit("MAIL FROM:<>"), .rcpts = &rcpt, .rcpt_count = 1,
		                         .content = with_crlf(arena, mail) };
	enum outcome outcome = submit_message(where(conf, arena), &submission, SUBMIT_TIMEOUT_S, why);

	arena_free(arena);
	return outcome;
}
