/* SPDX-License-Identifier: ISC */
/* envelope.c - ENVELOPE as IMAP writes it (RFC 3501 7.4.2)
 *
 * Nothing is decoded (RFC 2047 stays as sent).  A missing host or local part is written
 * as a word, never as NIL, because NIL there means a group: clients know these words. */
#include "lib/mime/structure.h"

#include "lib/mime/address.h"
#include "lib/mime/field.h"

enum { ADDRESSES_MAX = 1000 };	/* rule C5: past it an ENVELOPE is cut, BODY[] is not */

enum slot { DATE, SUBJECT, FROM, SENDER, REPLY_TO, TO, CC, BCC, IN_REPLY_TO, MESSAGE_ID, SLOTS };

static const struct {
	struct span name;
	bool        is_addresses;
} slots[SLOTS] = {
	[DATE] = { SPAN("Date"), false },
	[SUBJECT] = { SPAN("Subject"), false },
	[FROM] = { SPAN("From"), true },
	[SENDER] = { SPAN("Sender"), true },
	[REPLY_TO] = { SPAN("Reply-To"), true },
	[TO] = { SPAN("To"), true },
	[CC] = { SPAN("Cc"), true },
	[BCC] = { SPAN("Bcc"), true },
	[IN_REPLY_TO] = { SPAN("In-Reply-To"), false },
	[MESSAGE_ID] = { SPAN("Message-ID"), false },
};

struct envelope {
	struct span          text[SLOTS];
	struct mime_address *list[SLOTS];
};

/* keep - remember one field: of texts the first counts, address lists are joined. */
static void keep(struct arena *a, struct envelope *e, const struct mime_field *field)
{
	struct mime_address **tail;

	for (size_t i = 0; i < SLOTS; i++) {
		if (!span_equal_ci(field->name, slots[i].name))
			continue;
		if (!slots[i].is_addresses) {
			if (e->text[i].ptr == NULL)
				e->text[i] = mime_unfold(a, field->value);
			return;
		}
		for (tail = &e->list[i]; *tail != NULL;)
			tail = &(*tail)->next;
		*tail = mime_addresses(a, field->value, ADDRESSES_MAX);
		return;
	}
}

static struct span or_word(struct span s, struct span word)
{
	return s.len != 0 ? s : word;
}

static struct span or_nil(struct span s)
{
	return s.len != 0 ? s : (struct span){ NULL, 0 };
}

static void add_address(struct buf *out, const struct mime_address *address)
{
	struct span mailbox = { NULL, 0 }, host = { NULL, 0 }, name = or_nil(address->name);

	if (address->kind == MIME_MAILBOX) {
		mailbox = or_word(address->mailbox, span_lit("MISSING_MAILBOX"));
		host = or_word(address->domain, span_lit("MISSING_DOMAIN"));
	} else if (address->kind == MIME_GROUP_START) {
		mailbox = address->name;
		name = (struct span){ NULL, 0 };
	}
	buf_add_byte(out, '(');
	imap_add_nstring(out, name);
	buf_add_byte(out, ' ');
	imap_add_nstring(out, or_nil(address->route));
	buf_add_byte(out, ' ');
	imap_add_nstring(out, mailbox);
	buf_add_byte(out, ' ');
	imap_add_nstring(out, host);
	buf_add_byte(out, ')');
}

static void add_list(struct buf *out, const struct mime_address *list)
{
	if (list == NULL) {
		buf_add(out, span_lit("NIL"));
		return;
	}
	buf_add_byte(out, '(');
	for (; list != NULL; list = list->next)
		add_address(out, list);
	buf_add_byte(out, ')');
}

void imap_add_envelope(struct arena *a, struct buf *out, struct span header)
{
	struct envelope e = { .text = { { NULL, 0 } } };
	struct mime_field field;

	while (mime_field_next(&header, &field))
		keep(a, &e, &field);
	if (e.list[SENDER] == NULL)
		e.list[SENDER] = e.list[FROM];
	if (e.list[REPLY_TO] == NULL)
		e.list[REPLY_TO] = e.list[FROM];
	buf_add_byte(out, '(');
	for (size_t i = 0; i < SLOTS; i++) {
		if (i != 0)
			buf_add_byte(out, ' ');
		if (slots[i].is_addresses)
			add_list(out, e.list[i]);
		else
			imap_add_nstring(out, e.text[i]);
	}
	buf_add_byte(out, ')');
}
