/* SPDX-License-Identifier: ISC */
/* cmd_search.c - SEARCH and its extended answer (RFC 3501 6.4.4, 7.2.5, RFC 4731 3.1) */
#include "imapd/search_match.h"

struct found {
	uint32_t *numbers;	/* sequence numbers or UIDs, ascending */
	size_t    count;
};

static void write_plain(struct imap *s, const struct found *found)
{
	imap_write(s, "* SEARCH");
	for (size_t i = 0; i < found->count; i++) {
		imap_write(s, " ");
		imap_write_number(s, found->numbers[i]);
		imap_room(s);
	}
	imap_write(s, "\r\n");
}

/* write_extended - MIN, MAX and ALL are left out when nothing was found; COUNT is not. */
static void write_extended(struct imap *s, const struct search_request *r, const struct found *found)
{
	imap_writef(s, "* ESEARCH (TAG \"" SPAN_FMT "\")", SPAN_ARG(s->tag));
	if (s->by_uid)
		imap_write(s, " UID");
	if (found->count != 0 && r->min)
		imap_writef(s, " MIN %u", found->numbers[0]);
	if (found->count != 0 && r->max)
		imap_writef(s, " MAX %u", found->numbers[found->count - 1]);
	if (r->count)
		imap_writef(s, " COUNT %zu", found->count);
	if (found->count != 0 && r->all) {
		imap_write(s, " ALL ");
		imap_write_set(s, found->numbers, found->count);
	}
	imap_write(s, "\r\n");
}

static void find(struct imap *s, const struct search_key *root, struct found *found)
{
	uint32_t messages = mailbox_count(s->box);

	found->count = 0;
	found->numbers = ARENA_NEW_ARRAY(s->arena, uint32_t, (size_t)messages + 1);
	for (uint32_t seq = 1; seq <= messages; seq++)
		if (search_match(s, root, seq))
			found->numbers[found->count++] =
				s->by_uid ? mailbox_message(s->box, seq)->uid : seq;
}

void imap_search(struct imap *s, struct imap_parse *p)
{
	struct search_request r;
	struct found found;

	if (!search_parse(p, &r))
		return;
	if (r.bad_charset) {
		imap_no(s, "[BADCHARSET (US-ASCII UTF-8 ISO-8859-1)] Unknown charset");
		return;
	}
	if (!search_prepare(s, r.root)) {
		(void)imap_fail(p, "message number out of range");
		return;
	}
	find(s, r.root, &found);
	if (r.is_extended)
		write_extended(s, &r, &found);
	else
		write_plain(s, &found);
	imap_done(s, MAIL_OK, "Searched");
}
