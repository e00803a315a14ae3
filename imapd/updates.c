/* SPDX-License-Identifier: ISC */
/* updates.c - the selected folder as this session has been told
 *
 * Sequence numbers change only here: mailbox_sync takes gone messages out of the view only
 * when the client may be told at once (RFC 3501 7.4.1), so view and client always agree. */
#include "imapd/imapd.h"

static unsigned keyword_count(struct imap *s)
{
	unsigned count = 0;

	for (unsigned n = 0; n < MAIL_KEYWORDS_MAX; n++)
		count += mailbox_keyword(s->box, n).len != 0;
	return count;
}

void imap_tell_keywords(struct imap *s)
{
	unsigned count = keyword_count(s);

	if (s->has_told_keywords && s->keywords_told == count)
		return;
	s->has_told_keywords = true;
	s->keywords_told = count;
	imap_write_flag_lists(s);
}

void imap_update(struct imap *s, bool may_expunge)
{
	struct mailbox_changes changes = { .count = 0 };

	if (s->box == NULL ||
	    mailbox_sync(s->box, may_expunge ? SYNC_MAY_EXPUNGE : 0, s->arena, &changes) != MAIL_OK)
		return;
	for (size_t i = 0; i < changes.expunged_count; i++) {
		imap_writef(s, "* %u EXPUNGE\r\n", changes.expunged[i]);
		imap_room(s);
	}
	/* Own appends and copies grow the view before a sync sees them. */
	s->exists_told -= (uint32_t)changes.expunged_count;
	if (mailbox_count(s->box) != s->exists_told) {
		s->exists_told = mailbox_count(s->box);
		imap_writef(s, "* %u EXISTS\r\n* %u RECENT\r\n", s->exists_told,
		            mailbox_recent(s->box));
	}
	/* New keywords are announced before the first FETCH that shows one. */
	imap_tell_keywords(s);
	for (size_t i = 0; i < changes.changed_count; i++) {
		const struct message *message = mailbox_message(s->box, changes.changed[i]);

		imap_writef(s, "* %u FETCH (UID %u FLAGS ", changes.changed[i], message->uid);
		imap_write_flags(s, message);
		imap_write(s, ")\r\n");
		imap_room(s);
	}
}

void imap_done(struct imap *s, enum mail_result result, const char *text)
{
	if ((s->command->flags & NO_UPDATE) == 0)
		imap_update(s, s->by_uid || (s->command->flags & NO_EXPUNGE) == 0);
	imap_result(s, result, text);
}

static bool add_numbers(struct imap *s, const struct sequence_range *range, bool by_uid,
                        uint32_t *seqs, size_t *count)
{
	uint32_t messages = mailbox_count(s->box);
	uint32_t first = by_uid ? mailbox_seq(s->box, range->first) : range->first;

	if (!by_uid && (range->first == 0 || range->last > messages))
		return false;
	for (uint32_t seq = first; seq <= messages; seq++) {
		if ((by_uid ? mailbox_message(s->box, seq)->uid : seq) > range->last)
			break;
		seqs[(*count)++] = seq;
	}
	return true;
}

/* room_for - no set names more messages than there are, nor than its ranges are wide. */
static size_t room_for(const struct sequence_set *set, uint32_t messages)
{
	uint64_t wide = 0;

	for (size_t i = 0; i < set->count; i++)
		wide += (uint64_t)set->ranges[i].last - set->ranges[i].first + 1;
	return wide < messages ? (size_t)wide : messages;
}

bool imap_resolve(struct imap *s, const struct sequence_set *set, bool by_uid, uint32_t **seqs,
                  size_t *count)
{
	uint32_t messages = mailbox_count(s->box), star = messages;
	struct sequence_set resolved = *set;

	*count = 0;
	*seqs = NULL;
	if (by_uid && messages == 0)
		return true;
	if (by_uid)
		star = mailbox_message(s->box, messages)->uid;
	resolved.ranges = ARENA_NEW_ARRAY(s->arena, struct sequence_range, set->count);
	memcpy(resolved.ranges, set->ranges, set->count * sizeof(*set->ranges));
	sequence_resolve(&resolved, star);
	*seqs = ARENA_NEW_ARRAY(s->arena, uint32_t, room_for(&resolved, messages) + 1);
	for (size_t i = 0; i < resolved.count; i++)
		if (!add_numbers(s, &resolved.ranges[i], by_uid, *seqs, count))
			return false;
	return true;
}

void imap_close_box(struct imap *s)
{
	mailbox_close(s->box);
	s->box = NULL;
	s->has_told_keywords = false;
	arena_reset(s->box_arena);
}
