/* SPDX-License-Identifier: ISC */
/* cmd_fetch.c - FETCH (RFC 3501 6.4.5, 7.4.2)
 *
 * A message's file is opened only for what the view does not know, and read only as far as
 * the items need: the header, or all of it for its structure; whole bodies and texts go from the file to
 * the client in pieces, so that memory does not follow the size of a message. */
#include "imapd/fetch.h"
#include "imapd/imapd.h"
#include "lib/mime/field.h"
#include "lib/mime/structure.h"

enum { PIECE_BYTES = 65536 };

/* One message under way: read at most once. */
struct fetched {
	struct imap          *session;
	uint32_t              seq;
	struct message_reader reader;
	bool                  is_open, has_header;
	struct span           header, whole;
	struct mime_part     *root;
};

static enum mail_result open_message(struct fetched *f)
{
	enum mail_result result;

	if (f->is_open)
		return MAIL_OK;
	result = mailbox_read(f->session->box, f->seq, &f->reader);
	f->is_open = result == MAIL_OK;
	return result;
}

static enum mail_result need_header(struct fetched *f)
{
	enum mail_result result = open_message(f);

	if (result != MAIL_OK || f->has_header)
		return result;
	f->has_header = reader_header(&f->reader, f->session->settings->header_limit,
	                              f->session->scratch, &f->header);
	return f->has_header ? MAIL_OK : MAIL_CORRUPT;
}

static enum mail_result need_parts(struct fetched *f)
{
	enum mail_result result = open_message(f);

	if (result != MAIL_OK || f->root != NULL)
		return result;
	if (!reader_span(&f->reader, 0, f->reader.size, f->session->scratch, &f->whole))
		return MAIL_CORRUPT;
	f->root = mime_parse(f->session->scratch, f->whole, &f->session->settings->mime);
	return MAIL_OK;
}

/* cut - the partial that was asked of a length: where, and how much. */
static void cut(const struct fetch_item *item, uint64_t length, uint64_t *offset, uint64_t *count)
{
	*offset = item->is_partial ? item->offset : 0;
	if (*offset > length)
		*offset = length;
	*count = length - *offset;
	if (item->is_partial && *count > item->length)
		*count = item->length;
}

/* write_literal_head - "{n}", or "" for nothing. */
static bool write_literal_head(struct imap *s, uint64_t count)
{
	if (count == 0) {
		imap_write(s, "\"\"");
		return false;
	}
	imap_write(s, "{");
	imap_write_number(s, count);
	imap_write(s, "}\r\n");
	return true;
}

/* write_range - bytes of the message from the file, in pieces.  What was announced must come: when reading
 * fails half way the session can only end. */
static void write_range(struct fetched *f, uint64_t offset, uint64_t count)
{
	struct imap *s = f->session;

	if (!write_literal_head(s, count))
		return;
	while (count != 0 && !s->ended_by_client) {
		size_t want = count < PIECE_BYTES ? (size_t)count : PIECE_BYTES;
		char *room = buf_reserve(&s->out, want);
		ssize_t n = room != NULL ? reader_read(&f->reader, offset, room, want) : -1;

		if (n <= 0) {
			s->ended = s->ended_by_client = true;
			return;
		}
		buf_commit(&s->out, (size_t)n);
		offset += (uint64_t)n;
		count -= (uint64_t)n;
		imap_room(s);
	}
}

static void write_span(struct imap *s, const struct fetch_item *item, struct span text)
{
	uint64_t offset, count;

	cut(item, text.len, &offset, &count);
	if (!write_literal_head(s, count))
		return;
	buf_add(&s->out, span_slice(text, (size_t)offset, (size_t)count));
	imap_room(s);
}

/* write_stream - the whole message or its text, straight from the file. */
static enum mail_result write_stream(struct fetched *f, const struct fetch_item *item)
{
	enum mail_result result;
	uint64_t skip = 0, offset, count;

	if (item->section.what == SECTION_TEXT) {
		result = need_header(f);
		skip = f->header.len;
	} else {
		result = open_message(f);
	}
	if (result != MAIL_OK)
		return result;
	buf_add(&f->session->out, item->label);
	imap_write(f->session, " ");
	cut(item, f->reader.size - skip, &offset, &count);
	write_range(f, skip + offset, count);
	return MAIL_OK;
}

static enum mail_result write_section(struct fetched *f, const struct fetch_item *item)
{
	struct imap *s = f->session;
	enum mail_result result;
	struct span text;
	bool exists = true;

	if (item->section.path_length == 0 &&
	    (item->section.what == SECTION_ALL || item->section.what == SECTION_TEXT))
		return write_stream(f, item);
	result = section_header_only(&item->section) ? need_header(f) : need_parts(f);
	if (result != MAIL_OK)
		return result;
	if (item->section.path_length == 0)
		text = item->section.what == SECTION_HEADER
		               ? f->header
		               : section_filter(s->scratch, f->header, &item->section);
	else
		exists = section_find(s->scratch, f->root, f->whole, &item->section, &text);
	buf_add(&s->out, item->label);
	imap_write(s, " ");
	if (exists)
		write_span(s, item, text);
	else
		imap_write(s, "NIL");
	return MAIL_OK;
}

static enum mail_result write_structure(struct fetched *f, bool extended)
{
	enum mail_result result = need_parts(f);

	if (result != MAIL_OK)
		return result;
	imap_write(f->session, extended ? "BODYSTRUCTURE " : "BODY ");
	imap_add_structure(f->session->scratch, &f->session->out, f->root, extended);
	return MAIL_OK;
}

static enum mail_result write_envelope(struct fetched *f)
{
	enum mail_result result = need_header(f);

	if (result != MAIL_OK)
		return result;
	imap_write(f->session, "ENVELOPE ");
	imap_add_envelope(f->session->scratch, &f->session->out, f->header);
	return MAIL_OK;
}

static enum mail_result write_facts(struct fetched *f, enum fetch_kind kind)
{
	struct imap *s = f->session;
	enum mail_result result;
	uint64_t size;
	int64_t date;

	if (kind == FETCH_SIZE) {
		result = mailbox_size(s->box, f->seq, &size);
		if (result != MAIL_OK)
			return result;
		imap_write(s, "RFC822.SIZE ");
		imap_write_number(s, size);
		return MAIL_OK;
	}
	result = mailbox_internaldate(s->box, f->seq, &date);
	if (result != MAIL_OK)
		return result;
	imap_write(s, "INTERNALDATE ");
	imap_write_date(s, date);
	return MAIL_OK;
}

static enum mail_result write_item(struct fetched *f, const struct fetch_item *item)
{
	struct imap *s = f->session;
	const struct message *message = mailbox_message(s->box, f->seq);

	switch (item->kind) {
	case FETCH_UID:
		imap_write(s, "UID ");
		imap_write_number(s, message->uid);
		return MAIL_OK;
	case FETCH_FLAGS:
		imap_write(s, "FLAGS ");
		imap_write_flags(s, message);
		return MAIL_OK;
	case FETCH_INTERNALDATE:
	case FETCH_SIZE:
		return write_facts(f, item->kind);
	case FETCH_ENVELOPE:
		return write_envelope(f);
	case FETCH_BODY:
	case FETCH_BODYSTRUCTURE:
		return write_structure(f, item->kind == FETCH_BODYSTRUCTURE);
	case FETCH_SECTION:
		break;
	}
	return write_section(f, item);
}

/* set_seen - where the request says so and it is not yet; gives whether the flag changed. */
static bool set_seen(struct imap *s, const struct fetch_request *r, uint32_t seq)
{
	bool changed = false;

	if (!r->sets_seen || mailbox_is_read_only(s->box) ||
	    (mailbox_message(s->box, seq)->flags & MAIL_SEEN) != 0)
		return false;
	return mailbox_store(s->box, &seq, 1, FLAGS_ADD, MAIL_SEEN, 0, &changed) == MAIL_OK && changed;
}

/* write_items - those asked, and FLAGS when this FETCH has changed them; false when none could be had. */
static bool write_items(struct fetched *f, const struct fetch_request *r, bool seen_changed,
                        enum mail_result *worst)
{
	static const struct fetch_item flags_item = { .kind = FETCH_FLAGS };
	struct imap *s = f->session;
	bool first = true;

	for (size_t i = 0; i <= r->count; i++) {
		const struct fetch_item *item = i < r->count ? &r->items[i] : &flags_item;
		enum mail_result result;
		size_t before = s->out.len;

		if (i == r->count && (!seen_changed || r->has_flags))
			break;
		if (!first)
			imap_write(s, " ");
		result = write_item(f, item);
		if (result == MAIL_OK) {
			first = false;
			continue;
		}
		/* Nothing of a failed item has been written but the space; it is left out. */
		buf_truncate(&s->out, before);
		*worst = result;
	}
	return !first;
}

static void fetch_one(struct imap *s, const struct fetch_request *r, uint32_t seq,
                      enum mail_result *worst)
{
	struct fetched f = { .session = s, .seq = seq };
	bool seen_changed = set_seen(s, r, seq);
	size_t before = s->out.len;

	imap_write(s, "* ");
	imap_write_number(s, seq);
	imap_write(s, " FETCH (");
	if (write_items(&f, r, seen_changed, worst))
		imap_write(s, ")\r\n");
	else
		buf_truncate(&s->out, before);
	if (f.is_open)
		reader_close(&f.reader);
	arena_reset(s->scratch);
	imap_room(s);
}

/* add_uid - UID FETCH always tells the UID, first when it was not asked (RFC 3501 6.4.8). */
static void add_uid(struct fetch_request *r)
{
	memmove(r->items + 1, r->items, r->count * sizeof(*r->items));
	r->items[0] = (struct fetch_item){ .kind = FETCH_UID };
	r->count++;
}

void imap_fetch(struct imap *s, struct imap_parse *p)
{
	enum mail_result worst = MAIL_OK;
	struct fetch_request r;
	uint32_t *seqs;
	size_t count;

	if (!fetch_parse(p, &r))
		return;
	if (!imap_resolve(s, &r.set, s->by_uid, &seqs, &count)) {
		(void)imap_fail(p, "message number out of range");
		return;
	}
	if (s->by_uid && !r.has_uid)
		add_uid(&r);
	for (size_t i = 0; i < count && !s->ended; i++)
		fetch_one(s, &r, seqs[i], &worst);
	imap_done(s, worst, "Fetched");
}
