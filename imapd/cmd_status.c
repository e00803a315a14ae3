/* SPDX-License-Identifier: ISC */
/* cmd_status.c - STATUS, for itself and for LIST ... RETURN (STATUS ...) */
#include "imapd/imapd.h"

enum item { MESSAGES, RECENT, UIDNEXT, UIDVALIDITY, UNSEEN, SIZE, DELETED };

static const struct span item_names[] = {
	[MESSAGES] = SPAN("MESSAGES"),       [RECENT] = SPAN("RECENT"), [UIDNEXT] = SPAN("UIDNEXT"),
	[UIDVALIDITY] = SPAN("UIDVALIDITY"), [UNSEEN] = SPAN("UNSEEN"), [SIZE] = SPAN("SIZE"),
	[DELETED] = SPAN("DELETED"),
};

static bool take_item(struct imap_parse *p, unsigned *item)
{
	struct span name;

	if (!imap_take_atom(p, &name))
		return false;
	for (unsigned i = 0; i < COUNT_OF(item_names); i++) {
		if (span_equal_ci(name, item_names[i])) {
			*item = i;
			return true;
		}
	}
	return imap_fail(p, "unknown status item");
}

bool imap_parse_status_items(struct imap_parse *p, unsigned items[STATUS_ITEMS], size_t *count)
{
	unsigned item = 0, seen = 0;

	*count = 0;
	if (!imap_take_byte(p, '('))
		return false;
	do {
		if (!take_item(p, &item))
			return false;
		if ((seen & 1U << item) == 0)
			items[(*count)++] = item;
		seen |= 1U << item;
	} while (imap_at(p, ' ') && imap_take_space(p));
	return imap_take_byte(p, ')');
}

static uint64_t value_of(const struct folder_status *status, unsigned item)
{
	switch ((enum item)item) {
	case MESSAGES:
		return status->messages;
	case RECENT:
		return status->recent;
	case UIDNEXT:
		return status->uidnext;
	case UIDVALIDITY:
		return status->uidvalidity;
	case UNSEEN:
		return status->unseen;
	case SIZE:
		return status->size;
	case DELETED:
		break;
	}
	return status->deleted;
}

enum mail_result imap_write_status(struct imap *s, struct span name, const unsigned *items, size_t count)
{
	struct folder_status status;
	enum mail_result result;
	bool want_size = false;

	for (size_t i = 0; i < count; i++)
		want_size = want_size || items[i] == SIZE;
	result = folder_status(s->store, name, want_size, &status);
	if (result != MAIL_OK)
		return result;
	imap_write(s, "* STATUS ");
	imap_write_mailbox(s, name);
	for (size_t i = 0; i < count; i++)
		imap_writef(s, "%s%s %llu", i == 0 ? " (" : " ", item_names[items[i]].ptr,
		            (unsigned long long)value_of(&status, items[i]));
	imap_write(s, ")\r\n");
	return MAIL_OK;
}

void imap_status(struct imap *s, struct imap_parse *p)
{
	unsigned items[STATUS_ITEMS];
	struct span name;
	size_t count;

	if (!imap_take_space(p) || !imap_take_mailbox(p, &name) || !imap_take_space(p) ||
	    !imap_parse_status_items(p, items, &count) || !imap_take_end(p))
		return;
	if (name.ptr == NULL)
		imap_done(s, MAIL_NONEXISTENT, "");
	else
		imap_done(s, imap_write_status(s, name, items, count), "Done");
}
