/* SPDX-License-Identifier: ISC */
/* cmd_store.c - STORE (RFC 3501 6.4.6) */
#include "imapd/imapd.h"

struct store_request {
	struct sequence_set set;
	enum flag_change    how;
	bool                is_silent;
	struct flag_list    list;
};

static bool take_request(struct imap_parse *p, struct store_request *r)
{
	struct span item;

	if (!imap_take_space(p) || !imap_take_sequence(p, &r->set) || !imap_take_space(p))
		return false;
	r->how = FLAGS_REPLACE;
	if (imap_at(p, '+') || imap_at(p, '-')) {
		r->how = imap_at(p, '+') ? FLAGS_ADD : FLAGS_REMOVE;
		p->rest = span_skip(p->rest, 1);
	}
	if (!imap_take_atom(p, &item))
		return false;
	r->is_silent = span_equal_ci(item, span_lit("FLAGS.SILENT"));
	if (!r->is_silent && !span_equal_ci(item, span_lit("FLAGS")))
		return imap_fail(p, "FLAGS expected");
	return imap_take_space(p) && imap_take_flags(p, true, &r->list) && imap_take_end(p);
}

/* keyword_bits - their numbers in the folder; new ones are made but for a removal.  False: none is left. */
static bool keyword_bits(struct imap *s, const struct store_request *r, uint64_t *bits)
{
	*bits = 0;
	for (size_t i = 0; i < r->list.keyword_count; i++) {
		int n = mailbox_keyword_number(s->box, r->list.keywords[i], r->how != FLAGS_REMOVE);

		if (n < 0 && r->how != FLAGS_REMOVE)
			return false;
		if (n >= 0)
			*bits |= (uint64_t)1 << n;
	}
	return true;
}

static void write_changes(struct imap *s, const uint32_t *seqs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct message *message = mailbox_message(s->box, seqs[i]);

		if (s->by_uid)
			imap_writef(s, "* %u FETCH (UID %u FLAGS ", seqs[i], message->uid);
		else
			imap_writef(s, "* %u FETCH (FLAGS ", seqs[i]);
		imap_write_flags(s, message);
		imap_write(s, ")\r\n");
		imap_room(s);
	}
}

void imap_store(struct imap *s, struct imap_parse *p)
{
	struct store_request r;
	enum mail_result result;
	uint64_t keywords;
	uint32_t *seqs;
	size_t count;

	if (!take_request(p, &r))
		return;
	if (!imap_resolve(s, &r.set, s->by_uid, &seqs, &count)) {
		(void)imap_fail(p, "message number out of range");
		return;
	}
	if (mailbox_is_read_only(s->box)) {
		imap_done(s, MAIL_READ_ONLY, "");
		return;
	}
	if (!keyword_bits(s, &r, &keywords)) {
		imap_done(s, MAIL_LIMIT, "");
		return;
	}
	imap_tell_keywords(s);	/* new ones, before the first FETCH that shows one */
	result = mailbox_store(s->box, seqs, count, r.how, r.list.flags, keywords, NULL);
	if (!r.is_silent)
		write_changes(s, seqs, count);
	imap_done(s, result, "Stored");
}
