/* SPDX-License-Identifier: ISC */
/* pop3_uidl.c - unique ids of messages (RFC 1939 7): stable, also when a mail store moves here
 *
 * First what dovecot-uidlist says of the message (P), then the format: that of the folder's header, else
 * pop3_uidl_format. */
#include <string.h>

#include "pop3d/pop3d.h"

enum { UIDL_MAX = 70, FORMAT_MAX = 256 };

static const struct span fallback = SPAN("%08Xu%08Xv");

/* "%[0][width][X]letter" at the start of *format, taken off. */
static void print_field(struct buf *out, struct span *format, uint32_t uid, uint32_t uidvalidity,
                        struct span base, struct span guid)
{
	unsigned width = 0;
	bool hex = false;
	char letter;

	while (format->len > 0 && ascii_is_digit(format->ptr[0]) && width < FORMAT_MAX) {
		width = width * 10 + (unsigned)(format->ptr[0] - '0');
		*format = span_skip(*format, 1);
	}
	if (format->len > 0 && format->ptr[0] == 'X') {
		hex = true;
		*format = span_skip(*format, 1);
	}
	letter = format->len > 0 ? format->ptr[0] : '%';
	*format = span_skip(*format, 1);
	width = width < UIDL_MAX ? width : UIDL_MAX;
	if (letter == 'u' || letter == 'v')
		buf_addf(out, hex ? "%0*x" : "%0*u", (int)width, letter == 'u' ? uid : uidvalidity);
	else if (letter == 'f')
		buf_add(out, base);
	else if (letter == 'g')
		buf_add(out, guid);
	else
		buf_add_byte(out, letter);
}

void pop3_uidl_print(struct buf *out, struct span format, uint32_t uid, uint32_t uidvalidity,
                     struct span base, struct span guid)
{
	while (format.len > 0) {
		char c = format.ptr[0];

		format = span_skip(format, 1);
		if (c == '%')
			print_field(out, &format, uid, uidvalidity, base, guid);
		else
			buf_add_byte(out, c);
	}
}

static bool is_printable(char c)
{
	return c > 0x20 && c < 0x7f;
}

static bool is_legal(struct span uidl)
{
	return uidl.len > 0 && uidl.len <= UIDL_MAX && span_all(uidl, is_printable);
}

static struct span make(struct pop3 *p, uint32_t seq, struct span format)
{
	struct buf out;
	struct span made;

	buf_init(&out, 4096);
	pop3_uidl_print(&out, format, mailbox_message(p->mailbox, seq)->uid, mailbox_uidvalidity(p->mailbox),
	                mailbox_base(p->mailbox, seq), span_of(mailbox_guid(p->mailbox)));
	made = arena_dup(p->arena, buf_span(&out));
	buf_free(&out);
	return made;
}

/* How many messages before n have the same id: a second one becomes ID-2. */
static unsigned repeats(const struct pop3 *p, uint32_t n, struct span uidl)
{
	unsigned count = 0;

	for (uint32_t i = 1; i < n; i++)
		count += span_equal(p->messages[i - 1].uidl, uidl);
	return count;
}

struct span pop3_uidl(struct pop3 *p, uint32_t n)
{
	struct pop3_message *m = &p->messages[n - 1];
	struct span stored, format = mailbox_uidl_format(p->mailbox);
	uint32_t order;
	unsigned before;

	if (m->uidl.len > 0)
		return m->uidl;
	if (format.len == 0)
		format = span_of(p->conf->pop3_uidl_format);
	mailbox_pop3_record(p->mailbox, m->seq, &stored, &order);
	m->uidl = stored.len > 0 ? arena_dup(p->arena, stored) : make(p, m->seq, format);
	if (!is_legal(m->uidl))
		m->uidl = make(p, m->seq, fallback);
	/* Ids that hold the UID are unique by themselves. */
	if (stored.len == 0 && span_search(format, span_lit("u")) != SPAN_NOT_FOUND)
		return m->uidl;
	before = repeats(p, n, m->uidl);
	if (before > 0)
		m->uidl = arena_printf_span(p->arena, SPAN_FMT "-%u", SPAN_ARG(m->uidl), before + 1);
	return m->uidl;
}
