/* SPDX-License-Identifier: ISC */
/* cmd_copy.c - COPY and MOVE (RFC 3501 6.4.7, RFC 4315 3, RFC 6851) */
#include "imapd/imapd.h"

/* open_target - the folder named; the selected view itself when it is that one. */
static enum mail_result open_target(struct imap *s, struct span name, struct mailbox **target)
{
	*target = NULL;
	if (name.ptr == NULL)
		return MAIL_NONEXISTENT;
	if (span_equal(name, s->box_name)) {
		*target = s->box;
		return mailbox_is_read_only(s->box) ? MAIL_READ_ONLY : MAIL_OK;
	}
	return mailbox_open(s->store, name, MAILBOX_NO_VIEW, target);
}

static void write_copyuid(struct imap *s, const struct mailbox_copied *copied)
{
	imap_writef(s, "[COPYUID %u ", copied->uidvalidity);
	imap_write_set(s, copied->source_uids, copied->count);
	imap_write(s, " ");
	imap_write_set(s, copied->target_uids, copied->count);
	imap_write(s, "] ");
}

/* tell - the replies of a copy or move that worked: MOVE tells COPYUID before the EXPUNGEs (RFC 6851 4.3). */
static void tell(struct imap *s, const struct mailbox_copied *copied, bool is_move)
{
	if (is_move && copied->count != 0) {
		imap_write(s, "* OK ");
		write_copyuid(s, copied);
		imap_write(s, "Moved\r\n");
	}
	imap_update(s, true);
	buf_add(&s->out, s->tag);
	imap_write(s, " OK ");
	if (!is_move && copied->count != 0)
		write_copyuid(s, copied);
	imap_write(s, is_move ? "Done\r\n" : "Copied\r\n");
	s->bad_commands = 0;
}

static void transfer(struct imap *s, struct imap_parse *p, bool is_move)
{
	struct mailbox_copied copied = { .count = 0 };
	struct sequence_set set;
	struct mailbox *target;
	enum mail_result result;
	struct span name;
	uint32_t *seqs;
	size_t count;

	if (!imap_take_space(p) || !imap_take_sequence(p, &set) || !imap_take_space(p) ||
	    !imap_take_mailbox(p, &name) || !imap_take_end(p))
		return;
	if (!imap_resolve(s, &set, s->by_uid, &seqs, &count)) {
		(void)imap_fail(p, "message number out of range");
		return;
	}
	result = is_move && mailbox_is_read_only(s->box) ? MAIL_READ_ONLY : open_target(s, name, &target);
	if (result != MAIL_OK) {
		imap_result_target(s, result);
		return;
	}
	if (count != 0 && is_move && target == s->box)
		result = MAIL_OK;	/* it is there already (RFC 6851 3.3 lets us keep it) */
	else if (count != 0 && is_move)
		result = mailbox_move(s->box, seqs, count, target, s->arena, &copied);
	else if (count != 0)
		result = mailbox_copy(s->box, seqs, count, target, s->arena, &copied);
	if (target != s->box)
		mailbox_close(target);
	if (result == MAIL_OK)
		tell(s, &copied, is_move);
	else
		imap_done(s, result, "");
}

void imap_copy(struct imap *s, struct imap_parse *p)
{
	transfer(s, p, false);
}

void imap_move(struct imap *s, struct imap_parse *p)
{
	transfer(s, p, true);
}
