/* SPDX-License-Identifier: ISC */
/* smtpd_data.c - DATA and BDAT: the client's bytes on their way to smtpd_content.c
 *
 * A slow sender has smtpd_timeout (under stress a tenth of it) for the whole message plus the time its bytes take at
 * smtpd_min_data_rate, so a drip of bytes does not hold a session for ever (reliability O2).  RFC 5321 4.1.1.4, RFC 3030 2. */
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "smtpd/smtpd.h"

static uint64_t data_deadline(const struct smtpd *s, const struct smtpd_content *c)
{
	uint64_t rate = (uint64_t)s->conf->smtpd_min_data_rate;
	uint64_t whole, now = clock_now_us(), next = smtpd_deadline(s);

	if (rate == 0)
		return next;
	whole = c->begun_us + (next - now) + c->received / rate * CLOCK_SECOND_US;
	return whole < next ? whole : next;
}

/* The client went away inside a message: nothing of it stays. */
static enum smtpd_next lost(struct smtpd *s, enum chat_event event, const char *verb)
{
	s->is_finished = true;
	log_note("%s after %s (%llu bytes) from " SPAN_FMT,
	         event == CHAT_TIMEOUT ? "timeout" : "lost connection", verb,
	         s->mail != NULL && s->mail->content != NULL
	                 ? (unsigned long long)s->mail->content->received : 0ULL,
	         SPAN_ARG(s->peer.label));
	if (event == CHAT_TIMEOUT)
		smtpd_reply(s, 421, "4.4.2", "%s Error: timeout exceeded", s->conf->myhostname);
	return HANG_UP;
}

/* The whole message is here: answer for it.  A client that smuggles is shown the door. */
static enum smtpd_next finish(struct smtpd *s)
{
	struct smtpd_content *c = s->mail->content;
	bool is_smuggled;

	s->where = "END-OF-MESSAGE";
	smtpd_content_finish(s);
	is_smuggled = c->code != 0 && strcmp(c->why.dsn, "5.5.2") == 0;
	if (c->code != 0)
		smtpd_reject(s, "END-OF-MESSAGE", span_lit(""), c->code, c->why.dsn, c->why.text);
	else if (smtpd_access_data(s, SMTPD_AT_END_OF_DATA) && smtpd_milter_message(s))
		smtpd_commit(s);
	smtpd_reset(s);
	if (is_smuggled)
		s->is_finished = true;
	return is_smuggled ? HANG_UP : GO_ON;
}

enum smtpd_next smtpd_data(struct smtpd *s, struct span args)
{
	struct smtpd_content *c;

	if (span_trim(args).len > 0) {
		smtpd_reply(s, 501, "5.5.4", "Syntax: DATA");
		return GO_ON;
	}
	if (!smtpd_access_data(s, SMTPD_AT_DATA))
		return GO_ON;
	if (!smtpd_milter_data(s)) {
		smtpd_reset(s);
		return GO_ON;
	}
	smtpd_reply(s, 354, "", "End data with <CR><LF>.<CR><LF>");
	smtpd_content_begin(s, true);
	c = s->mail->content;
	while (c->reader.state != SMTP_DATA_END) {
		struct span bytes;
		enum chat_event event = chat_more(&s->chat, &bytes, data_deadline(s, c));

		if (event != CHAT_LINE)
			return lost(s, event, "DATA");
		chat_take(&s->chat, smtpd_content_feed(s, bytes));
	}
	return finish(s);
}

/* ---- BDAT ---- */

/* Read and drop a chunk that has no place: its bytes must never be taken for commands (RFC 3030 2). */
static enum smtpd_next skip_chunk(struct smtpd *s, unsigned long long left)
{
	while (left > 0) {
		struct span bytes;
		enum chat_event event = chat_more(&s->chat, &bytes, smtpd_deadline(s));

		if (event != CHAT_LINE)
			return lost(s, event, "BDAT");
		if (bytes.len > left)
			bytes = span_first(bytes, (size_t)left);
		chat_take(&s->chat, bytes.len);
		left -= bytes.len;
	}
	return GO_ON;
}

static enum smtpd_next read_chunk(struct smtpd *s, unsigned long long left)
{
	struct smtpd_content *c = s->mail->content;

	while (left > 0) {
		struct span bytes;
		enum chat_event event = chat_more(&s->chat, &bytes, data_deadline(s, c));

		if (event != CHAT_LINE)
			return lost(s, event, "BDAT");
		if (bytes.len > left)
			bytes = span_first(bytes, (size_t)left);
		left -= bytes.len;
		chat_take(&s->chat, smtpd_content_feed(s, bytes));
	}
	return GO_ON;
}

/* "SIZE [LAST]" */
static bool parse_bdat(struct span args, unsigned long long *size, bool *is_last)
{
	struct span word;

	if (!span_token(&args, " ", &word) || word.len > 20 || !span_u64(word, UINT64_MAX, size))
		return false;
	*is_last = span_token(&args, " ", &word);
	return !*is_last || (span_equal_ci(word, span_lit("LAST")) && span_trim(args).len == 0);
}

/* True when a chunk is in order now; else the reply is set in code and text. */
static bool may_take_chunk(const struct smtpd *s, const char **text)
{
	*text = (s->state & (SMTPD_CONNECTED | SMTPD_GREETED)) != 0 ? "Error: need MAIL command"
	                                                          : "Error: need RCPT command";
	return (s->state & (SMTPD_ADDRESSED | SMTPD_CHUNKING)) != 0;
}

static enum smtpd_next refuse_chunk(struct smtpd *s, unsigned long long size, const char *text)
{
	if (skip_chunk(s, size) == HANG_UP)
		return HANG_UP;
	smtpd_reply(s, 503, "5.5.1", "%s", text);
	return GO_ON;
}

enum smtpd_next smtpd_bdat(struct smtpd *s, struct span args)
{
	unsigned long long size;
	const char *text;
	bool is_last;

	if (!parse_bdat(args, &size, &is_last)) {
		/* Where the chunk ends is unknown, so nothing that follows can be understood. */
		smtpd_reply(s, 521, "5.5.4", "Syntax: BDAT count [LAST]");
		s->is_finished = true;
		return HANG_UP;
	}
	if (!may_take_chunk(s, &text))
		return refuse_chunk(s, size, text);
	if (s->state == SMTPD_ADDRESSED) {
		if (!smtpd_access_data(s, SMTPD_AT_DATA))
			return skip_chunk(s, size);
		if (!smtpd_milter_data(s)) {
			smtpd_reset(s);
			return skip_chunk(s, size);
		}
		smtpd_content_begin(s, false);
		s->state = SMTPD_CHUNKING;
	}
	if (read_chunk(s, size) == HANG_UP)
		return HANG_UP;
	if (is_last)
		return finish(s);
	if (s->mail->content->code != 0)
		smtpd_reply(s, s->mail->content->code, s->mail->content->why.dsn, "%s",
		            s->mail->content->why.text);
	else
		smtpd_reply(s, 250, "2.0.0", "Ok: %llu bytes", size);
	return GO_ON;
}
