/* SPDX-License-Identifier: ISC */
/* envelope.c - a message's envelope as bytes
 *
 * Little-endian numbers and counted spans in a fixed order, behind one version byte.  Strict: an unknown version,
 * a recipient count the bytes cannot hold, an out-of-range value or trailing bytes make all of it malformed. */
#include "lib/queue/envelope.h"

#include "lib/queue/reader.h"

enum {
	ENVELOPE_VERSION = 1,
	RECIPIENT_LEAST = 4 + 4 + 6 * 4,	/* bytes of a recipient whose spans are all empty */
	FLAGS_KNOWN = ENVELOPE_SMTPUTF8 | ENVELOPE_8BITMIME | ENVELOPE_IS_BOUNCE | ENVELOPE_REQUIRETLS |
	              ENVELOPE_JUNK,
	NOTIFY_KNOWN = NOTIFY_NEVER | NOTIFY_SUCCESS | NOTIFY_FAILURE | NOTIFY_DELAY,
};

/* The spans of an envelope, in wire order. */
static const size_t envelope_spans[] = {
	offsetof(struct envelope, sender),          offsetof(struct envelope, envid),
	offsetof(struct envelope, client_name),     offsetof(struct envelope, client_address),
	offsetof(struct envelope, client_port),     offsetof(struct envelope, client_helo),
	offsetof(struct envelope, client_protocol), offsetof(struct envelope, sasl_method),
	offsetof(struct envelope, sasl_username),   offsetof(struct envelope, sasl_sender),
	offsetof(struct envelope, message_id),
};

static const size_t recipient_spans[] = {
	offsetof(struct envelope_recipient, address),   offsetof(struct envelope_recipient, original),
	offsetof(struct envelope_recipient, orcpt),     offsetof(struct envelope_recipient, transport),
	offsetof(struct envelope_recipient, nexthop),   offsetof(struct envelope_recipient, ancestors),
};

static void add_spans(struct buf *out, const void *base, const size_t *offsets, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct span s;

		memcpy(&s, (const char *)base + offsets[i], sizeof(s));
		buf_add_counted(out, s);
	}
}

static void read_spans(struct reader *r, void *base, const size_t *offsets, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct span s = reader_span(r);

		memcpy((char *)base + offsets[i], &s, sizeof(s));
	}
}

void envelope_recipient_encode(struct buf *out, const struct envelope_recipient *r)
{
	buf_add_u32(out, r->number);
	buf_add_u32(out, r->notify);
	add_spans(out, r, recipient_spans, COUNT_OF(recipient_spans));
}

static void read_recipient(struct reader *r, struct envelope_recipient *recipient)
{
	recipient->number = reader_u32(r);
	recipient->notify = reader_u32(r);
	read_spans(r, recipient, recipient_spans, COUNT_OF(recipient_spans));
	if ((recipient->notify & ~(uint32_t)NOTIFY_KNOWN) != 0)
		r->failed = true;
}

bool envelope_recipient_decode(struct span bytes, struct envelope_recipient *out)
{
	struct reader r = { bytes, false };

	read_recipient(&r, out);
	return reader_is_done(&r);
}

void envelope_encode(struct buf *out, const struct envelope *e)
{
	buf_add_byte(out, ENVELOPE_VERSION);
	buf_add_u64(out, e->arrival_us);
	buf_add_u64(out, e->size);
	buf_add_u32(out, e->flags);
	buf_add_byte(out, (char)e->dsn_return);
	add_spans(out, e, envelope_spans, COUNT_OF(envelope_spans));
	buf_add_u32(out, (uint32_t)e->recipient_count);
	for (size_t i = 0; i < e->recipient_count; i++)
		envelope_recipient_encode(out, &e->recipients[i]);
}

static bool read_head(struct reader *r, struct envelope *e)
{
	uint8_t dsn_return;

	if (reader_u8(r) != ENVELOPE_VERSION)
		return false;
	e->arrival_us = reader_u64(r);
	e->size = reader_u64(r);
	e->flags = reader_u32(r);
	dsn_return = reader_u8(r);
	if (dsn_return > DSN_RETURN_HEADERS || (e->flags & ~(uint32_t)FLAGS_KNOWN) != 0)
		return false;
	e->dsn_return = (enum dsn_return)dsn_return;
	read_spans(r, e, envelope_spans, COUNT_OF(envelope_spans));
	e->recipient_count = reader_u32(r);
	return !r->failed && e->recipient_count <= r->rest.len / RECIPIENT_LEAST;
}

bool envelope_decode(struct arena *arena, struct span bytes, struct envelope *e)
{
	struct reader r = { bytes, false };

	memset(e, 0, sizeof(*e));
	if (!read_head(&r, e))
		return false;
	e->recipients = ARENA_NEW_ARRAY(arena, struct envelope_recipient, e->recipient_count);
	for (size_t i = 0; i < e->recipient_count; i++)
		read_recipient(&r, &e->recipients[i]);
	return reader_is_done(&r);
}
