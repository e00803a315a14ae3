/* SPDX-License-Identifier: ISC */
/* smtpd_content.c - collecting a message: line rule, limits, trace header, memory or leased file
 *
 * Up to journal_limit bytes stay in memory and travel inline with the commit; past it qmgr leases us a
 * descriptor.  Once a message is refused its rest is read and dropped, so the client gets its answer where
 * it expects it.  RFC 5321 4.4 (trace), 6.3 (loops), RFC 1870 6.3, RFC 6409 8 (missing fields of submissions). */
#include <stdio.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/smtp/received.h"
#include "smtpd/smtpd.h"

enum {
	HEADER_LINE_MAX = 256 * 1024,		/* reliability C5 */
	HEADER_BYTES_MAX = 1024 * 1024,		/* past it the rest counts as text: it must not fill our memory */
};

static void refuse(struct smtpd_content *c, unsigned code, const char *dsn, const char *text)
{
	if (c->code != 0)
		return;
	c->code = code;
	why_set(&c->why, code < 500 ? DEFER : REFUSE, dsn, "%s", text);
	buf_free(&c->bytes.buf);
}

/* ---- trace header ---- */

static void add_received(struct smtpd *s, struct buf *out)
{
	struct smtpd_mail *m = s->mail;
	bool hide = s->conf->smtpd_hide_client_session;
	struct tls_facts facts;
	struct received r = {
		.helo = s->helo, .client_name = s->peer.name, .client_address = s->peer.text,
		.has_uid = s->peer.is_local_user, .uid = s->peer.uid,
		.myhostname = span_of(s->conf->myhostname), .mail_name = span_of(s->conf->mail_name),
		.protocol = smtpd_protocol(s), .queue_id = span_of(m->queue_id),
		.wall_us = m->arrival_us,
	};

	if (s->conf->smtpd_tls_received_header && tls_describe(&s->stream, &facts))
		r.tls_comment = span_of(tls_received(s->per_command, &facts));
	if (s->conf->smtpd_sasl_authenticated_header)
		r.sasl_username = s->sasl_username;
	if (hide)
		r.helo = r.client_name = span_lit("hidden");
	if (hide)
		r.client_address = span_lit("127.0.0.1");
	/* More than one name would tell each the other (RFC 5321 7.2). */
	if (m->recipient_count == 1)
		r.recipient = m->recipients[0].original.len > 0 ? m->recipients[0].original : m->recipients[0].address;
	received_add(out, &r);
	buf_add(out, m->prepended);
}

/* ---- header facts ---- */

/* Whose mail gets the fields it lacks: local users', our own hosts' (local_header_rewrite_clients), and, as RFC 6409 8
 * wants it, that of users who logged in. */
static bool is_submission(const struct smtpd *s)
{
	struct span rest = span_of(s->conf->local_header_rewrite_clients), member;

	if (s->peer.is_local_user || s->sasl_username.len > 0 || s->conf->always_add_missing_headers)
		return true;
	while (conf_list_next(&rest, &member)) {
		if (span_equal(member, span_lit("permit_mynetworks")) && s->peer.in_mynetworks)
			return true;
		if (span_equal(member, span_lit("permit_inet_interfaces")) && s->peer.is_own_host)
			return true;
	}
	return false;
}

static bool is_field(struct span line, struct span name)
{
	return span_starts_ci(line, name) &&
	       span_starts(span_trim_start(span_skip(line, name.len)), span_lit(":"));
}

static void note_field(struct smtpd *s, struct smtpd_header *h, struct span line)
{
	if (is_field(line, span_lit("Received"))) {
		if (++h->hops > (unsigned)s->conf->hopcount_limit)
			refuse(s->mail->content, 554, "5.4.0", "Error: too many hops");
	} else if (is_field(line, span_lit("Message-ID"))) {
		size_t colon = span_find(line, ':');

		h->has_message_id = true;
		h->message_id = arena_dup(s->mail->arena, span_trim(span_skip(line, colon + 1)));
	} else if (is_field(line, span_lit("Date"))) {
		h->has_date = true;
	} else if (is_field(line, span_lit("From"))) {
		h->has_from = true;
	}
}

/* Put text into b at offset at. */
static void insert(struct buf *b, size_t at, struct span text)
{
	char *end;

	if (text.len == 0)
		return;
	end = buf_reserve(b, text.len);
	if (end == NULL)
		return;
	memmove(b->ptr + at + text.len, b->ptr + at, b->len - at);
	memcpy(b->ptr + at, text.ptr, text.len);
	buf_commit(b, text.len);
}

/* Fields a submission lacks, and the id for the log.  Gives the bytes of the fields. */
static size_t add_missing(struct smtpd *s, struct smtpd_header *h, size_t at, bool needs_blank_line)
{
	struct smtpd_mail *m = s->mail;
	char date[CLOCK_RFC5322_SIZE];
	struct buf lines;
	size_t fields;

	buf_init(&lines, BUF_NO_LIMIT);
	if (!h->has_message_id) {
		h->message_id = arena_printf_span(m->arena, "<%s@%s>", m->queue_id, s->conf->myhostname);
		buf_addf(&lines, "Message-ID: " SPAN_FMT "\r\n", SPAN_ARG(h->message_id));
	}
	if (!h->has_date)
		buf_addf(&lines, "Date: %s\r\n", clock_rfc5322(m->arrival_us, date));
	if (!h->has_from)
		buf_addf(&lines, "From: " SPAN_FMT "\r\n",
		         SPAN_ARG(m->sender.len > 0 ? m->sender : span_lit("MAILER-DAEMON")));
	fields = lines.len;
	if (needs_blank_line)
		buf_add(&lines, span_lit("\r\n"));
	insert(&m->content->bytes.buf, at, buf_span(&lines));
	buf_free(&lines);
	return fields;
}

/* The blank line at the start of text: its bytes, 0 when there is none. */
static unsigned blank_line(struct span text)
{
	return span_starts(text, span_lit("\r\n")) ? 2 : span_starts(text, span_lit("\n")) ? 1 : 0;
}

static void end_header(struct smtpd *s, struct smtpd_header *h, size_t at, bool needs_blank_line)
{
	h->is_over = true;
	h->fields_end = at;
	if (is_submission(s))
		h->fields_end += add_missing(s, h, at, needs_blank_line);
	h->separator = blank_line(span_skip(buf_span(&s->mail->content->bytes.buf), h->fields_end));
	if (h->message_id.len > 0)
		log_as("cleanup", LOG_LEVEL_NOTE, "%s: message-id=" SPAN_FMT, s->mail->queue_id,
		       SPAN_ARG(span_first(h->message_id, 250)));
	else
		log_as("cleanup", LOG_LEVEL_NOTE, "%s: message-id=<>", s->mail->queue_id);
}

static bool is_header_line(struct span line)
{
	size_t colon = span_find(line, ':');
	struct span name = span_trim_end(span_first(line, colon == SPAN_NOT_FOUND ? 0 : colon));

	for (size_t i = 0; i < name.len; i++)
		if ((unsigned char)name.ptr[i] <= ' ' || (unsigned char)name.ptr[i] >= 0x7f)
			return false;
	return name.len > 0;
}

/* Fields that tell too much, or what only delivery may say (message_drop_headers). */
static bool is_dropped(const struct smtpd *s, struct span line)
{
	struct span rest = span_of(s->conf->message_drop_headers), name;

	while (conf_list_next(&rest, &name))
		if (is_field(line, name))
			return true;
	return false;
}

/* What the next line of the header is to us. */
enum line_kind { LINE_FIELD, LINE_CONTINUED, LINE_BLANK, LINE_BODY, LINE_NOT_WHOLE };

static enum line_kind line_kind(struct span rest, size_t lf)
{
	if (lf == SPAN_NOT_FOUND)
		return rest.len > HEADER_LINE_MAX ? LINE_BODY : LINE_NOT_WHOLE;
	if (lf == 0 || (lf == 1 && rest.ptr[0] == '\r'))
		return LINE_BLANK;
	if (rest.ptr[0] == ' ' || rest.ptr[0] == '\t')
		return LINE_CONTINUED;
	return is_header_line(span_trim_end(span_first(rest, lf))) ? LINE_FIELD : LINE_BODY;
}

/* Look at the whole header lines that have come since.  Those from h->scanned up to 'from' are done; what is kept of
 * them ends at 'to', so that dropping fields costs one pass. */
static enum line_kind scan_lines(struct smtpd *s, struct smtpd_header *h, size_t *from, size_t *to)
{
	struct smtpd_content *c = s->mail->content;

	for (;;) {
		struct span rest = span_skip(buf_span(&c->bytes.buf), *from);
		size_t lf = span_find(rest, '\n');
		enum line_kind kind = line_kind(rest, lf);

		if (kind == LINE_FIELD) {
			struct span line = span_trim_end(span_first(rest, lf));

			h->is_dropping = is_dropped(s, line);
			if (!h->is_dropping)
				note_field(s, h, line);
		} else if (kind != LINE_CONTINUED) {
			return kind;
		}
		if (c->code != 0)
			return LINE_NOT_WHOLE;
		if (!h->is_dropping) {
			if (*to < *from)
				memmove(c->bytes.buf.ptr + *to, c->bytes.buf.ptr + *from, lf + 1);
			*to += lf + 1;
		}
		*from += lf + 1;
	}
}

static void scan_header(struct smtpd *s)
{
	struct smtpd_content *c = s->mail->content;
	struct smtpd_header *h = &c->header;
	size_t from = h->scanned, to = from;
	enum line_kind kind = scan_lines(s, h, &from, &to);

	if (c->code != 0)
		return;
	if (to < from) {
		memmove(c->bytes.buf.ptr + to, c->bytes.buf.ptr + from, c->bytes.buf.len - from);
		c->bytes.buf.len -= from - to;
	}
	h->scanned = to;
	if (kind == LINE_BLANK || kind == LINE_BODY)
		end_header(s, h, to, kind == LINE_BODY);
	else if (h->scanned > HEADER_BYTES_MAX)
		end_header(s, h, to, false);
}

/* ---- memory and file ---- */

static void take_failure(struct smtpd_content *c, enum outcome outcome, const struct why *why)
{
	if (outcome != DONE)
		refuse(c, strcmp(why->dsn, "4.3.1") == 0 ? 452 : 451, why->dsn, why->text);
}

void smtpd_content_spill(struct smtpd *s)
{
	struct smtpd_content *c = s->mail->content;
	struct why why;

	take_failure(c, smtpd_bytes_spill(s, &c->bytes, &why), &why);
	c->header.scanned = 0;
}

/* ---- the reader's side ---- */

void smtpd_content_begin(struct smtpd *s, bool is_dotted)
{
	struct smtpd_content *c = ARENA_NEW(s->mail->arena, struct smtpd_content);
	bool is_excluded = s->server->bare_newline == BARE_NO ||
	                   smtpd_match_peer(s->server->bare_newline_excluded, &s->peer);

	smtpd_bytes_init(&c->bytes);
	c->begun_us = clock_now_us();
	s->mail->content = c;
	smtp_data_begin(&c->reader, is_dotted, false);
	c->reader.keep_bare = is_excluded || s->server->bare_newline == BARE_NOTE;
	add_received(s, &c->bytes.buf);
	c->header.scanned = c->bytes.buf.len;
}

size_t smtpd_content_feed(struct smtpd *s, struct span bytes)
{
	struct smtpd_content *c = s->mail->content;
	unsigned long long limit = smtpd_size_limit(s);
	size_t used = smtp_data_feed(&c->reader, bytes, &c->bytes.buf);

	c->received += used;
	if (c->code != 0)
		buf_clear(&c->bytes.buf);
	else if (limit != 0 && c->received > limit)
		refuse(c, 552, "5.3.4", "Error: message file too big");
	if (c->code == 0 && !c->header.is_over)
		scan_header(s);
	/* A header line that is not whole yet stays in memory; its length is bounded. */
	if (c->code == 0 && c->bytes.buf.len > s->server->journal_limit && c->header.is_over)
		smtpd_content_spill(s);
	return used;
}

/* Bare line ends under "reject" (postfix-compat 4.5; reliability C2). */
static void judge_line_ends(struct smtpd *s, struct smtpd_content *c)
{
	if (!c->reader.bare_lf && !c->reader.bare_cr)
		return;
	if (c->reader.bare_lf && s->server->bare_newline != BARE_NO && !s->noted_bare_newline) {
		s->noted_bare_newline = true;
		log_note("%s: bare <LF> received after DATA from " SPAN_FMT, s->mail->queue_id,
		         SPAN_ARG(s->peer.label));
	}
	if (s->server->bare_newline == BARE_REJECT &&
	    !smtpd_match_peer(s->server->bare_newline_excluded, &s->peer))
		refuse(c, (unsigned)s->conf->smtpd_forbid_bare_newline_reject_code, "5.5.2",
		       c->reader.bare_lf ? "Error: bare <LF> received" : "Error: bare <CR> received");
}

void smtpd_content_finish(struct smtpd *s)
{
	struct smtpd_content *c = s->mail->content;

	if (!c->reader.is_dotted)
		smtp_data_finish(&c->reader, &c->bytes.buf);
	judge_line_ends(s, c);
	if (c->code == 0 && !c->header.is_over) {
		scan_header(s);
		if (!c->header.is_over)
			end_header(s, &c->header, c->bytes.buf.len, false);
	}
	if (c->code == 0 && c->bytes.buf.len > 0 &&
	    (c->bytes.file.fd >= 0 || c->bytes.buf.len > s->server->journal_limit))
		smtpd_content_spill(s);
}

void smtpd_content_free(struct smtpd *s, struct smtpd_content *c)
{
	smtpd_bytes_free(s, &c->bytes);
}
