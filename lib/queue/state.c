/* SPDX-License-Identifier: ISC */
/* state.c - what became of a message's recipients; notes and how they are applied */
#include "lib/queue/state.h"

#include "lib/base/crc32c.h"
#include "lib/queue/reader.h"

enum { EXPANDED_BIT = 0x40000000 };	/* numbers of expanded recipients keep clear of the receiver's 1, 2, 3 ... */

bool queued_decode(struct arena *arena, struct span envelope, struct queued *out)
{
	memset(out, 0, sizeof(*out));
	out->arena = arena;
	if (!envelope_decode(arena, envelope, &out->envelope))
		return false;
	out->capacity = out->envelope.recipient_count;
	out->states = ARENA_NEW_ARRAY(arena, struct recipient_state, out->capacity);
	return true;
}

size_t queued_find(const struct queued *q, uint32_t number)
{
	for (size_t i = 0; i < q->envelope.recipient_count; i++)
		if (q->envelope.recipients[i].number == number)
			return i;
	return SPAN_NOT_FOUND;
}

size_t queued_open_count(const struct queued *q)
{
	size_t open = 0;

	for (size_t i = 0; i < q->envelope.recipient_count; i++)
		open += q->states[i].status == RECIPIENT_OPEN;
	return open;
}

static void *moved(struct arena *a, const void *old, size_t count, size_t capacity, size_t size)
{
	void *fresh = arena_alloc_array(a, capacity, size);

	if (count > 0)
		memcpy(fresh, old, count * size);
	return fresh;
}

size_t queued_add(struct queued *q, const struct envelope_recipient *r)
{
	size_t n = q->envelope.recipient_count;
	struct envelope_recipient *added;

	if (n == q->capacity) {
		q->capacity = n < 4 ? 8 : 2 * n;
		q->envelope.recipients = moved(q->arena, q->envelope.recipients, n, q->capacity, sizeof(*r));
		q->states = moved(q->arena, q->states, n, q->capacity, sizeof(*q->states));
	}
	added = &q->envelope.recipients[n];
	*added = *r;
	added->address = arena_dup(q->arena, r->address);
	added->original = arena_dup(q->arena, r->original);
	added->orcpt = arena_dup(q->arena, r->orcpt);
	added->transport = arena_dup(q->arena, r->transport);
	added->nexthop = arena_dup(q->arena, r->nexthop);
	added->ancestors = arena_dup(q->arena, r->ancestors);
	q->envelope.recipient_count++;
	return n;
}

uint32_t queued_number(const struct queued *q, uint32_t parent, struct span address)
{
	uint32_t number = crc32c(parent, address) | EXPANDED_BIT;

	while (queued_find(q, number) != SPAN_NOT_FOUND)
		number++;
	return number;
}

/* find_received - the recipient of that address as it came in, before any expansion. */
static size_t find_received(const struct queued *q, struct span address)
{
	for (size_t i = 0; i < q->envelope.recipient_count; i++)
		if (q->envelope.recipients[i].ancestors.len == 0 && span_equal(q->envelope.recipients[i].address, address))
			return i;
	return SPAN_NOT_FOUND;
}

void queued_start_over(struct queued *q, size_t count)
{
	for (size_t i = 0; i < q->envelope.recipient_count && i < count; i++) {
		struct span ancestors = q->envelope.recipients[i].ancestors, first;
		size_t received;

		if (q->states[i].status != RECIPIENT_OPEN || ancestors.len == 0)
			continue;
		(void)span_cut(&ancestors, '\0', &first);
		received = find_received(q, first);
		if (received == SPAN_NOT_FOUND)
			continue;
		q->states[i].status = RECIPIENT_EXPANDED;
		q->states[received].status = RECIPIENT_OPEN;
	}
}

/* ---- writing notes ---- */

void note_result(struct buf *out, uint32_t number, enum recipient_status status)
{
	buf_add_u32(out, number);
	buf_add_byte(out, (char)status);
}

void note_flags(struct buf *out, uint32_t flags)
{
	buf_add_u32(out, flags);
}

void note_defer(struct buf *out, const struct queued *q)
{
	buf_add_u64(out, q->next_attempt_us);
	buf_add_u32(out, q->attempts);
	for (size_t i = 0; i < q->envelope.recipient_count; i++) {
		if (q->states[i].status != RECIPIENT_OPEN || q->states[i].reason.len == 0)
			continue;
		buf_add_u32(out, q->envelope.recipients[i].number);
		buf_add_counted(out, q->states[i].dsn);
		buf_add_counted(out, q->states[i].reason);
	}
}

void note_start_over(struct buf *out, const struct queued *q)
{
	buf_add_u32(out, (uint32_t)q->envelope.recipient_count);
}

void note_expand(struct buf *out, const struct queued *q, uint32_t number, size_t first)
{
	buf_add_u32(out, number);
	for (size_t i = first; i < q->envelope.recipient_count; i++) {
		struct buf one;

		buf_init(&one, BUF_NO_LIMIT);
		envelope_recipient_encode(&one, &q->envelope.recipients[i]);
		buf_add_counted(out, buf_span(&one));
		buf_free(&one);
	}
}

/* ---- applying them ---- */

static bool apply_result(struct queued *q, struct reader *r)
{
	uint32_t number = reader_u32(r);
	uint8_t status = reader_u8(r);
	size_t i = queued_find(q, number);

	if (!reader_is_done(r) || status == RECIPIENT_OPEN || status > RECIPIENT_STATUS_MAX || i == SPAN_NOT_FOUND)
		return false;
	q->states[i].status = (enum recipient_status)status;
	return true;
}

static bool apply_flags(struct queued *q, struct reader *r)
{
	uint32_t flags = reader_u32(r);

	if (!reader_is_done(r))
		return false;
	q->flags = flags;
	return true;
}

static bool apply_defer(struct queued *q, struct reader *r)
{
	uint64_t next_attempt_us = reader_u64(r);
	uint32_t attempts = reader_u32(r);

	while (!r->failed && r->rest.len > 0) {
		size_t i = queued_find(q, reader_u32(r));
		struct span dsn = reader_span(r), reason = reader_span(r);

		if (r->failed || i == SPAN_NOT_FOUND)
			return false;
		q->states[i].dsn = arena_dup(q->arena, dsn);
		q->states[i].reason = arena_dup(q->arena, reason);
	}
	if (r->failed)
		return false;
	q->next_attempt_us = next_attempt_us;
	q->attempts = attempts;
	return true;
}

static bool apply_expand(struct queued *q, struct reader *r)
{
	size_t parent = queued_find(q, reader_u32(r));
	struct envelope_recipient added;

	if (r->failed || parent == SPAN_NOT_FOUND)
		return false;
	while (r->rest.len > 0) {
		if (!envelope_recipient_decode(reader_span(r), &added))
			return false;
		if (queued_find(q, added.number) == SPAN_NOT_FOUND)
			(void)queued_add(q, &added);
	}
	q->states[parent].status = RECIPIENT_EXPANDED;
	return true;
}

static bool apply_start_over(struct queued *q, struct reader *r)
{
	uint32_t count = reader_u32(r);

	if (!reader_is_done(r))
		return false;
	queued_start_over(q, count);
	return true;
}

bool note_apply(struct queued *q, enum journal_type type, struct span payload)
{
	static bool (*const apply[])(struct queued *, struct reader *) = {
		[JOURNAL_RESULT] = apply_result, [JOURNAL_DEFER] = apply_defer,
		[JOURNAL_EXPAND] = apply_expand, [JOURNAL_FLAGS] = apply_flags,
		[JOURNAL_START_OVER] = apply_start_over,
	};
	struct reader r = { payload, false };

	if ((size_t)type >= COUNT_OF(apply) || apply[type] == NULL)
		return false;
	return apply[type](q, &r);
}

void notes_add(struct buf *notes, enum journal_type type, struct span payload)
{
	buf_add_u16(notes, (uint16_t)type);
	buf_add_counted(notes, payload);
}

bool notes_apply(struct queued *q, struct span notes)
{
	struct reader r = { notes, false };
	bool good = true;

	while (!r.failed && r.rest.len > 0) {
		enum journal_type type = (enum journal_type)reader_u16(&r);
		struct span payload = reader_span(&r);

		if (r.failed || !note_apply(q, type, payload))
			good = false;
	}
	return good;
}
