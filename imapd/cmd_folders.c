/* SPDX-License-Identifier: ISC */
/* cmd_folders.c - CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE
 *
 * Rules kept here: RFC 3501 6.3.3 to 6.3.7, RFC 6154 3 (USE).  Subscriptions are not
 * changed by DELETE and RENAME, and may name what is not there. */
#include "imapd/imapd.h"

/* take_name - SP mailbox, and nothing behind it. */
static bool take_name(struct imap_parse *p, struct span *name)
{
	return imap_take_space(p) && imap_take_mailbox(p, name);
}

/* take_use - "(USE (\Drafts))" of CREATE; one bit, 0 without it. */
static bool take_use(struct imap_parse *p, unsigned *use, bool *is_known)
{
	struct span name;

	*use = 0;
	*is_known = true;
	if (imap_at_end(p))
		return true;
	if (!imap_take_space(p) || !imap_take_byte(p, '('))
		return false;
	if (!imap_take_word(p, span_lit("USE")))
		return imap_fail(p, "unknown parameter");
	if (!imap_take_space(p) || !imap_take_byte(p, '('))
		return false;
	while (!imap_at(p, ')')) {
		const char *start = p->rest.ptr;

		if (!imap_take_byte(p, '\\') || !imap_take_atom(p, &name))
			return imap_fail(p, "special use expected");
		name = (struct span){ start, name.len + 1 };
		/* One use a folder is all we can keep. */
		*is_known = *is_known && *use == 0 && special_use_bit(name) != 0;
		*use = special_use_bit(name);
		if (imap_at(p, ' ') && !imap_take_space(p))
			return false;
	}
	return imap_take_byte(p, ')') && imap_take_byte(p, ')') && imap_take_end(p);
}

void imap_create(struct imap *s, struct imap_parse *p)
{
	struct span name;
	bool is_known;
	unsigned use;

	if (!take_name(p, &name) || !take_use(p, &use, &is_known))
		return;
	if (!is_known)
		imap_no(s, "[USEATTR] This special use cannot be kept");
	else if (name.ptr == NULL)
		imap_done(s, MAIL_CANNOT, "");
	else
		imap_done(s, folder_create(s->store, name, use), "Created");
}

void imap_delete(struct imap *s, struct imap_parse *p)
{
	struct span name;

	if (!take_name(p, &name) || !imap_take_end(p))
		return;
	if (name.ptr == NULL) {
		imap_result(s, MAIL_NONEXISTENT, "");
		return;
	}
	if (s->box != NULL && span_equal(name, s->box_name))
		imap_close_box(s);
	imap_result(s, folder_delete(s->store, name), "Deleted");
}

void imap_rename(struct imap *s, struct imap_parse *p)
{
	struct span from, to;

	if (!take_name(p, &from) || !take_name(p, &to) || !imap_take_end(p))
		return;
	if (from.ptr == NULL)
		imap_done(s, MAIL_NONEXISTENT, "");
	else if (to.ptr == NULL)
		imap_done(s, MAIL_CANNOT, "");
	else
		imap_done(s, folder_rename(s->store, from, to), "Renamed");
}

static void subscribe(struct imap *s, struct imap_parse *p, bool on)
{
	struct span name;

	if (!take_name(p, &name) || !imap_take_end(p))
		return;
	if (name.ptr == NULL)
		imap_done(s, on ? MAIL_CANNOT : MAIL_OK, "Done");
	else
		imap_done(s, folder_subscribe(s->store, name, on), "Done");
}

void imap_subscribe(struct imap *s, struct imap_parse *p)
{
	subscribe(s, p, true);
}

void imap_unsubscribe(struct imap *s, struct imap_parse *p)
{
	subscribe(s, p, false);
}
