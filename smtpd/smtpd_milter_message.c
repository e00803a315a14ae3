/* SPDX-License-Identifier: ISC */
/* smtpd_milter_message.c - the whole message before its milters, and what they make of it
 *
 * The message stands as it was collected; a body that a milter gives in its place is collected beside it.  When
 * all have spoken, and something was changed, the message is put together anew: small in memory, large in a
 * file of its own. */
#include "lib/base/log.h"
#include "lib/smtp/data.h"
#include "smtpd/smtpd.h"

enum { COPY_BYTES = 256 * 1024 };

struct showing {
	struct smtpd            *s;
	struct milter_message    message;
	struct buf               header;	/* where it had to be read from the file */
	bool                     has_new_body, is_collecting;
	struct smtpd_bytes       body, next;	/* of milters: the present one, one under way */
	struct smtp_data_reader  reader;	/* makes the line ends of the next one right */
};

/* ---- the body ---- */

static uint64_t body_start(const struct smtpd_content *c)
{
	return c->header.fields_end + c->header.separator;
}

static enum outcome read_body(void *user, uint64_t offset, char *out, size_t n, struct why *why)
{
	struct showing *w = user;
	const struct smtpd_content *c = w->s->mail->content;

	if (w->has_new_body)
		return smtpd_bytes_read(&w->body, offset, out, n, why);
	return smtpd_bytes_read(&c->bytes, body_start(c) + offset, out, n, why);
}

static void drop_next(struct showing *w)
{
	if (w->is_collecting)
		smtpd_bytes_free(w->s, &w->next);
	w->is_collecting = false;
}

static enum outcome begin_body(void *user, UNUSED struct why *why)
{
	struct showing *w = user;

	drop_next(w);
	smtpd_bytes_init(&w->next);
	smtp_data_begin(&w->reader, false, false);
	w->is_collecting = true;
	return DONE;
}

/* What a message may have at most: what clients may send, or what this one had, and some more. */
static bool is_too_large(const struct showing *w)
{
	uint64_t had = w->s->mail->content->received, limit = smtpd_size_limit(w->s);

	return limit != 0 &&
	       smtpd_bytes_length(&w->next) > (had > limit ? had : limit) + w->s->conf->milter_added_size_limit;
}

static enum outcome add_body(void *user, struct span piece, struct why *why)
{
	struct showing *w = user;

	(void)smtp_data_feed(&w->reader, piece, &w->next.buf);
	if (is_too_large(w))
		return why_set(why, REFUSE, "5.3.4", "Error: message file too big");
	return smtpd_bytes_add(w->s, &w->next, span_lit(""), why);
}

static enum outcome end_body(void *user, struct why *why)
{
	struct showing *w = user;
	enum outcome outcome;

	smtp_data_finish(&w->reader, &w->next.buf);
	outcome = smtpd_bytes_finish(w->s, &w->next, why);
	if (outcome != DONE)
		return outcome;
	if (w->has_new_body)
		smtpd_bytes_free(w->s, &w->body);
	w->body = w->next;
	w->has_new_body = true;
	w->is_collecting = false;
	w->message.body_length = smtpd_bytes_length(&w->body);
	return DONE;
}

/* ---- the envelope ---- */

static enum outcome change_sender(void *user, struct span address, struct span args, struct why *why)
{
	return smtpd_change_sender(((struct showing *)user)->s, address, args, why);
}

static enum outcome add_recipient(void *user, struct span address, struct span args, struct why *why)
{
	return smtpd_add_recipient(((struct showing *)user)->s, address, args, why);
}

static enum outcome delete_recipient(void *user, struct span address, UNUSED struct why *why)
{
	smtpd_delete_recipient(((struct showing *)user)->s, address);
	return DONE;
}

/* ---- putting it together ---- */

static enum outcome copy_body(struct showing *w, struct smtpd_bytes *out, struct why *why)
{
	uint64_t length = w->message.body_length;
	size_t most = length < COPY_BYTES ? (size_t)length : COPY_BYTES;
	enum outcome outcome = DONE;
	struct buf piece;

	buf_init(&piece, BUF_NO_LIMIT);
	for (uint64_t at = 0; at < length && outcome == DONE; at += most) {
		size_t n = length - at < most ? (size_t)(length - at) : most;
		char *room;

		buf_clear(&piece);
		room = buf_reserve(&piece, n);
		outcome = read_body(w, at, room, n, why);
		buf_commit(&piece, n);
		if (outcome == DONE)
			outcome = smtpd_bytes_add(w->s, out, buf_span(&piece), why);
	}
	buf_free(&piece);
	return outcome;
}

static enum outcome assemble(struct showing *w, struct smtpd_bytes *out, struct why *why)
{
	const struct smtpd_content *c = w->s->mail->content;
	enum outcome outcome;

	milter_header_write(&w->message.header, &out->buf);
	/* A message without a body has no blank line; it gets one with its body. */
	if (c->header.separator > 0 || w->has_new_body)
		buf_add(&out->buf, span_lit("\r\n"));
	outcome = smtpd_bytes_add(w->s, out, span_lit(""), why);
	if (outcome == DONE)
		outcome = copy_body(w, out, why);
	return outcome == DONE ? smtpd_bytes_finish(w->s, out, why) : outcome;
}

/* The message as the milters left it; false: the reply was sent. */
static bool rebuild(struct showing *w)
{
	struct smtpd_content *c = w->s->mail->content;
	struct smtpd_bytes out;
	struct why why;

	if (!w->message.header.is_changed && !w->has_new_body)
		return true;
	smtpd_bytes_init(&out);
	if (assemble(w, &out, &why) != DONE) {
		smtpd_bytes_free(w->s, &out);
		smtpd_reject(w->s, "END-OF-MESSAGE", span_lit(""), strcmp(why.dsn, "4.3.1") == 0 ? 452 : 451, why.dsn,
		             why.text);
		return false;
	}
	smtpd_bytes_free(w->s, &c->bytes);
	c->bytes = out;
	return true;
}

/* ---- showing it ---- */

/* The header alone, in memory: where it is, or read from the file. */
static enum outcome find_header(struct showing *w, struct span *header, struct why *why)
{
	const struct smtpd_content *c = w->s->mail->content;
	size_t length = (size_t)c->header.fields_end;
	enum outcome outcome;

	if (c->bytes.file.fd < 0) {
		*header = span_first(buf_span(&c->bytes.buf), length);
		return DONE;
	}
	outcome = smtpd_bytes_read(&c->bytes, 0, buf_reserve(&w->header, length), length, why);
	buf_commit(&w->header, length);
	*header = buf_span(&w->header);
	return outcome;
}

static struct span last_recipient(const struct smtpd_mail *m)
{
	const struct envelope_recipient *r = m->recipient_count > 0 ? &m->recipients[m->recipient_count - 1] : NULL;

	return r == NULL ? span_lit("") : r->original.len > 0 ? r->original : r->address;
}

static bool show(struct showing *w)
{
	struct smtpd *s = w->s;
	struct smtpd_mail *m = s->mail;
	struct span to = last_recipient(m);
	struct milter_answer answer;

	milters_message(s->filters.milters, &w->message, &answer);
	if (!smtpd_milter_answer(s, "END-OF-MESSAGE", to, &answer))
		return false;
	if (m->recipient_count == 0 && !m->is_discarded) {
		m->is_discarded = true;
		smtpd_log_event(s, "milter-discard", "END-OF-MESSAGE", to, "milter left no recipient");
	}
	return m->is_discarded || rebuild(w);
}

static void set_up(struct showing *w, struct span header)
{
	const struct smtpd_content *c = w->s->mail->content;

	w->message = (struct milter_message){
		.body_length = smtpd_bytes_length(&c->bytes) - body_start(c), .user = w, .read_body = read_body,
		.begin_body = begin_body, .add_body = add_body, .end_body = end_body,
		.change_sender = change_sender, .add_recipient = add_recipient, .delete_recipient = delete_recipient,
	};
	/* Our own Received is the first field. */
	milter_header_init(&w->message.header, header, 1, (size_t)w->s->conf->milter_added_size_limit);
}

bool smtpd_milter_message(struct smtpd *s)
{
	struct showing w = { .s = s };
	struct span header;
	struct why why;
	bool is_good;

	if (smtpd_milters(s) == NULL)
		return true;
	buf_init(&w.header, BUF_NO_LIMIT);	/* smtpd_content.c bounds it */
	if (find_header(&w, &header, &why) != DONE) {
		smtpd_reject(s, "END-OF-MESSAGE", span_lit(""), 451, why.dsn, why.text);
		buf_free(&w.header);
		return false;
	}
	set_up(&w, header);
	is_good = show(&w);
	milter_header_free(&w.message.header);
	drop_next(&w);
	if (w.has_new_body)
		smtpd_bytes_free(s, &w.body);
	buf_free(&w.header);
	return is_good;
}
