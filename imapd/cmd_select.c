/* SPDX-License-Identifier: ISC */
/* cmd_select.c - SELECT, EXAMINE, CLOSE, UNSELECT, EXPUNGE: entering and leaving a folder
 *
 * Rules kept here: RFC 3501 6.3.1 (what is told, and that a failed SELECT leaves no folder
 * selected), 6.4.2 (CLOSE expunges silently, not under EXAMINE), RFC 4315 2.1. */
#include "imapd/imapd.h"

/* skip_select_params - "(...)" behind the name: nothing in it is supported, but it may be there. */
static bool skip_select_params(struct imap_parse *p)
{
	struct span word;

	if (imap_at_end(p))
		return true;
	if (!imap_take_space(p) || !imap_take_byte(p, '('))
		return false;
	while (!imap_at(p, ')'))
		if ((imap_at(p, ' ') && !imap_take_space(p)) || !imap_take_atom(p, &word))
			return false;
	return imap_take_byte(p, ')') && imap_take_end(p);
}

static void describe(struct imap *s)
{
	uint32_t unseen = mailbox_first_unseen(s->box);

	imap_tell_keywords(s);
	imap_writef(s, "* %u EXISTS\r\n* %u RECENT\r\n", mailbox_count(s->box), mailbox_recent(s->box));
	if (unseen != 0)
		imap_writef(s, "* OK [UNSEEN %u] First unseen\r\n", unseen);
	imap_writef(s, "* OK [UIDVALIDITY %u] UIDs valid\r\n* OK [UIDNEXT %u] Predicted next UID\r\n",
	            mailbox_uidvalidity(s->box), mailbox_uidnext(s->box));
	s->exists_told = mailbox_count(s->box);
}

static void open_box(struct imap *s, struct imap_parse *p, unsigned flags)
{
	struct span name;
	enum mail_result result = MAIL_NONEXISTENT;

	if (!imap_take_space(p) || !imap_take_mailbox(p, &name) || !skip_select_params(p))
		return;
	imap_close_box(s);
	if (name.ptr != NULL)
		result = mailbox_open(s->store, name, flags, &s->box);
	if (result != MAIL_OK) {
		s->box = NULL;
		imap_result(s, result, "");
		return;
	}
	s->box_name = arena_dup(s->box_arena, name);
	describe(s);
	imap_ok(s, "[%s] Selected", mailbox_is_read_only(s->box) ? "READ-ONLY" : "READ-WRITE");
}

void imap_select(struct imap *s, struct imap_parse *p)
{
	open_box(s, p, 0);
}

void imap_examine(struct imap *s, struct imap_parse *p)
{
	open_box(s, p, MAILBOX_READ_ONLY);
}

/* expunge_deleted - those of the messages that have \Deleted. */
static enum mail_result expunge_deleted(struct imap *s, const uint32_t *seqs, size_t count)
{
	uint32_t *list = ARENA_NEW_ARRAY(s->arena, uint32_t, count + 1);
	size_t gone = 0;

	for (size_t i = 0; i < count; i++)
		if ((mailbox_message(s->box, seqs[i])->flags & MAIL_DELETED) != 0)
			list[gone++] = seqs[i];
	return gone != 0 ? mailbox_expunge(s->box, list, gone) : MAIL_OK;
}

static enum mail_result expunge_all_deleted(struct imap *s)
{
	uint32_t count = mailbox_count(s->box);
	uint32_t *all = ARENA_NEW_ARRAY(s->arena, uint32_t, (size_t)count + 1);

	for (uint32_t seq = 1; seq <= count; seq++)
		all[seq - 1] = seq;
	return expunge_deleted(s, all, count);
}

void imap_expunge(struct imap *s, struct imap_parse *p)
{
	struct sequence_set set;
	uint32_t *seqs = NULL;
	size_t count = 0;

	if (s->by_uid && (!imap_take_space(p) || !imap_take_sequence(p, &set)))
		return;
	if (!imap_take_end(p))
		return;
	if (mailbox_is_read_only(s->box)) {
		imap_done(s, MAIL_READ_ONLY, "");
		return;
	}
	if (!s->by_uid)
		imap_done(s, expunge_all_deleted(s), "Expunged");
	else if (imap_resolve(s, &set, true, &seqs, &count))
		imap_done(s, expunge_deleted(s, seqs, count), "Expunged");
}

void imap_close(struct imap *s, struct imap_parse *p)
{
	enum mail_result result = MAIL_OK;

	if (!imap_take_end(p))
		return;
	if (!mailbox_is_read_only(s->box))
		result = expunge_all_deleted(s);
	imap_close_box(s);
	imap_result(s, result, "Closed");
}

void imap_unselect(struct imap *s, struct imap_parse *p)
{
	if (!imap_take_end(p))
		return;
	imap_close_box(s);
	imap_ok(s, "Closed");
}
