/* SPDX-License-Identifier: ISC */
/* cmd_append.c - APPEND of one or many messages (RFC 3501 6.3.11, RFC 3502, RFC 4315 3)
 *
 * The folder and the size are checked before the client is told to send a message; the
 * bytes go to the store in pieces as they come.  All messages appear together or none. */
#include "imapd/imapd.h"

struct append {
	struct mailbox        *box;
	bool                   is_own;	/* opened here, not the selected view */
	struct mailbox_append *batch;
	enum mail_result       result;
	const char            *refusal;	/* of a message, with its [CODE]; NULL: none */
};

/* The arguments in front of one message. */
struct append_message {
	struct flag_list    list;
	int64_t             date;
	struct literal_mark mark;
};

static bool take_message(struct imap_parse *p, struct append_message *m)
{
	*m = (struct append_message){ .date = INT64_MIN };
	if (!imap_take_space(p))
		return false;
	if (imap_at(p, '(') && (!imap_take_flags(p, false, &m->list) || !imap_take_space(p)))
		return false;
	if (imap_at(p, '"') && (!imap_take_date_time(p, &m->date) || !imap_take_space(p)))
		return false;
	if (!imap_literal_mark(p->rest, &m->mark) || m->mark.offset != 0)
		return imap_fail(p, "message literal expected");
	return true;
}

static void open_target(struct imap *s, struct append *a, struct span name)
{
	if (name.ptr == NULL) {
		a->result = MAIL_NONEXISTENT;
		return;
	}
	a->is_own = s->box == NULL || !span_equal(name, s->box_name);
	a->box = s->box;
	if (a->is_own)
		a->result = mailbox_open(s->store, name, MAILBOX_NO_VIEW, &a->box);
	if (a->result != MAIL_OK)
		return;
	a->batch = mailbox_append_begin(a->box);
	if (a->batch == NULL)
		a->result = MAIL_READ_ONLY;
}

static bool is_over_limit(const struct imap *s, uint64_t size)
{
	return s->settings->append_limit != 0 && size > s->settings->append_limit;
}

/* begin_message - flags and date are known; may the bytes come? */
static void begin_message(struct imap *s, struct append *a, const struct append_message *m)
{
	uint64_t keywords = 0;

	if (a->result != MAIL_OK || a->refusal != NULL)
		return;
	if (is_over_limit(s, m->mark.size)) {
		a->refusal = "[TOOBIG] Message too large";
		return;
	}
	if (m->mark.size == 0) {
		a->refusal = "Empty message";
		return;
	}
	for (size_t i = 0; i < m->list.keyword_count; i++) {
		int n = mailbox_keyword_number(a->box, m->list.keywords[i], true);

		if (n >= 0)
			keywords |= (uint64_t)1 << n;
	}
	a->result = mailbox_append_message(a->batch, m->list.flags, keywords, m->date);
}

/* take_bytes - the message itself, to the store or to nowhere; false when the client is gone. */
static bool take_bytes(struct imap *s, struct append *a, uint64_t size)
{
	while (size != 0) {
		struct span piece = input_bytes(s, size);

		if (piece.len == 0)
			return false;
		size -= piece.len;
		if (a->result == MAIL_OK && a->refusal == NULL)
			a->result = mailbox_append_write(a->batch, piece);
	}
	return true;
}

/* receive - one message and what is behind it, up to the next one.  False when nothing more can be read of this
 * command: it ended, or the client waits for an answer, or is gone. */
static bool receive(struct imap *s, struct append *a, const struct append_message *m, struct span *behind)
{
	bool is_refused;

	s->input.unread = 0;
	begin_message(s, a, m);
	is_refused = a->result != MAIL_OK || a->refusal != NULL;
	if (is_refused && m->mark.is_sync)
		return false;
	if (m->mark.is_sync)
		imap_write(s, "+ OK\r\n");
	/* A refused message that comes unasked is read to nowhere, so that the client learns why; within reason. */
	if (is_over_limit(s, m->mark.size) ? !input_discard(s, m->mark.size)
	                                   : !take_bytes(s, a, m->mark.size)) {
		s->report.end = "message cut short";
		imap_write(s, "* BYE message cut short\r\n");
		s->ended = true;
		return false;
	}
	switch (input_continue(s, behind)) {
	case INPUT_COMMAND:
	case INPUT_LITERAL:
		return behind->len != 0;
	case INPUT_TOO_LONG:
		a->refusal = "[TOOBIG] Command too long";
		return false;
	case INPUT_GONE:
		break;
	}
	s->ended = true;
	return false;
}

static void finish(struct imap *s, struct append *a)
{
	uint32_t uidvalidity = mailbox_uidvalidity(a->box);
	const uint32_t *uids;
	size_t count;

	a->result = mailbox_append_commit(a->batch, s->arena, &uids, &count);
	a->batch = NULL;
	if (a->result != MAIL_OK)
		return;
	if (a->is_own)
		mailbox_close(a->box);
	imap_update(s, true);
	buf_add(&s->out, s->tag);
	imap_writef(s, " OK [APPENDUID %u ", uidvalidity);
	imap_write_set(s, uids, count);
	imap_write(s, "] Appended\r\n");
	s->bad_commands = 0;
}

static void give_up(struct imap *s, struct append *a)
{
	if (a->batch != NULL)
		mailbox_append_cancel(a->batch);
	if (a->is_own)
		mailbox_close(a->box);
	if (s->ended)
		return;
	if (a->refusal != NULL)
		imap_no(s, "%s", a->refusal);
	else if (a->result != MAIL_OK)
		imap_result_target(s, a->result);
}

void imap_append(struct imap *s, struct imap_parse *p)
{
	struct append a = { .result = MAIL_OK };
	struct append_message m;
	struct span name, behind;

	if (!imap_take_space(p) || !imap_take_mailbox(p, &name))
		return;
	/* Names from the command's text are copied: the text is used again for what follows. */
	p->rest = arena_dup(s->arena, p->rest);
	name = name.ptr != NULL ? arena_dup(s->arena, name) : name;
	if (!take_message(p, &m))
		return;
	open_target(s, &a, name);
	while (receive(s, &a, &m, &behind)) {
		p->rest = arena_dup(s->arena, behind);
		if (!take_message(p, &m))
			break;
	}
	if (!s->ended && p->error == NULL && a.result == MAIL_OK && a.refusal == NULL)
		finish(s, &a);
	if (a.result != MAIL_OK || a.batch != NULL)
		give_up(s, &a);
}
