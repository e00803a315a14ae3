/* SPDX-License-Identifier: ISC */
/* journal_record.c - the bytes of a journal segment: header, records, replay
 *
 * Pure functions over bytes, so that tests may cut and damage a segment at every place.  Replay never gives out a
 * record whose checksum fails, and never leaves out a whole one. */
#include <inttypes.h>
#include <string.h>

#include "lib/base/crc32c.h"
#include "lib/queue/journal.h"
#include "lib/queue/journal_private.h"
#include "lib/queue/reader.h"

enum { ALIGNMENT = 8 };

static const struct span magic = SPAN("PSTNJRN1");

static size_t padded(size_t n)
{
	return (n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

size_t journal_record_size(size_t id_len, size_t payload_len)
{
	return padded(JOURNAL_RECORD_SIZE + id_len + payload_len);
}

void journal_header_add(struct buf *out, uint64_t seq, uint64_t nonce)
{
	static const char zeros[JOURNAL_HEADER_SIZE];
	size_t start = out->len;

	buf_add(out, magic);
	buf_add_u64(out, seq);
	buf_add_u64(out, nonce);
	buf_add_u32(out, crc32c(0, span_make(out->ptr + start, out->len - start)));
	buf_add(out, span_make(zeros, JOURNAL_HEADER_SIZE - (out->len - start)));
}

uint32_t journal_record_add(struct buf *batch, const struct journal_segment *s, enum journal_type type,
                            struct span id, const struct span *pieces, size_t count)
{
	static const char zeros[ALIGNMENT];
	size_t start = batch->len, length = 0;
	uint32_t crc;

	for (size_t i = 0; i < count; i++)
		length += pieces[i].len;
	buf_add_u64(batch, s->nonce);
	buf_add_u32(batch, s->used);
	buf_add_u32(batch, (uint32_t)length);
	buf_add_u16(batch, (uint16_t)type);
	buf_add_u16(batch, (uint16_t)id.len);
	crc = crc32c(0, span_make(batch->ptr + start, batch->len - start));
	crc = crc32c(crc, id);
	for (size_t i = 0; i < count; i++)
		crc = crc32c(crc, pieces[i]);
	buf_add_u32(batch, crc);
	buf_add(batch, id);
	for (size_t i = 0; i < count; i++)
		buf_add(batch, pieces[i]);
	length += JOURNAL_RECORD_SIZE + id.len;
	buf_add(batch, span_make(zeros, padded(length) - length));
	return s->used + (uint32_t)(start + JOURNAL_RECORD_SIZE + id.len);
}

bool journal_record_is_whole(struct span record, size_t id_len, size_t payload_len)
{
	struct reader r = { record, false };
	struct span head = reader_take(&r, JOURNAL_RECORD_SIZE - 4);
	uint32_t expected = reader_u32(&r);
	struct span id = reader_take(&r, id_len), payload = reader_take(&r, payload_len);

	return !r.failed && crc32c(crc32c(crc32c(0, head), id), payload) == expected;
}

struct found {
	struct journal_record record;
	uint32_t              batch_start;
	size_t                size;
};

/* record_at - the whole record at offset of bytes; false when there is none. */
static bool record_at(struct span bytes, size_t offset, uint64_t nonce, struct found *out)
{
	struct reader r = { span_skip(bytes, offset), false };
	struct span head = span_first(r.rest, JOURNAL_RECORD_SIZE - 4);
	uint32_t length, crc, expected;
	uint16_t type, id_length;

	if (reader_u64(&r) != nonce)
		return false;
	out->batch_start = reader_u32(&r);
	length = reader_u32(&r);
	type = reader_u16(&r);
	id_length = reader_u16(&r);
	expected = reader_u32(&r);
	out->record.id = reader_take(&r, id_length);
	out->record.payload = reader_take(&r, length);
	if (r.failed || type < JOURNAL_MESSAGE || type > JOURNAL_TYPE_MAX || id_length > JOURNAL_ID_MAX)
		return false;
	crc = crc32c(crc32c(crc32c(0, head), out->record.id), out->record.payload);
	out->record.type = (enum journal_type)type;
	out->record.offset = (uint32_t)(offset + JOURNAL_RECORD_SIZE + id_length);
	out->size = journal_record_size(id_length, length);
	return crc == expected;
}

/* next_record - offset of the next whole record from offset on, or SPAN_NOT_FOUND. */
static size_t next_record(struct span bytes, size_t offset, uint64_t nonce, struct found *out)
{
	for (; offset + JOURNAL_RECORD_SIZE <= bytes.len; offset += ALIGNMENT)
		if (record_at(bytes, offset, nonce, out))
			return offset;
	return SPAN_NOT_FOUND;
}

enum header { HEADER_GOOD, HEADER_OLD, HEADER_BAD };

static enum header read_header(struct span bytes, uint64_t seq, uint64_t *nonce)
{
	struct reader r = { bytes, false };
	bool has_magic = span_equal(reader_take(&r, magic.len), magic);
	uint64_t has_seq = reader_u64(&r);
	uint32_t expected;

	*nonce = reader_u64(&r);
	expected = reader_u32(&r);
	if (r.failed || !has_magic || crc32c(0, span_first(bytes, magic.len + 16)) != expected)
		return HEADER_BAD;
	return has_seq == seq ? HEADER_GOOD : HEADER_OLD;
}

/* first_nonce - with a damaged header, the nonce as the first record has it. */
static uint64_t first_nonce(struct span bytes)
{
	struct reader r = { span_skip(bytes, JOURNAL_HEADER_SIZE), false };

	return reader_u64(&r);
}

void journal_replay(struct span bytes, uint64_t seq, journal_replay_fn *fn, void *user,
                    struct journal_replay *out)
{
	size_t at = JOURNAL_HEADER_SIZE, gap = SPAN_NOT_FOUND;	/* gap: where the first bad record begins */
	uint64_t nonce;
	struct found found;
	enum header header = read_header(bytes, seq, &nonce);

	memset(out, 0, sizeof(*out));
	out->end = JOURNAL_HEADER_SIZE;
	if (header == HEADER_OLD) {
		out->is_unused = true;
		return;
	}
	if (header == HEADER_BAD)
		nonce = first_nonce(bytes);
	while (nonce != 0) {
		size_t next = next_record(bytes, at, nonce, &found);

		if (next == SPAN_NOT_FOUND)
			break;
		if (next != at && gap == SPAN_NOT_FOUND)
			gap = at;
		/* A gap before a later batch lies in a batch that was synced: damage, not a torn tail. */
		if (gap != SPAN_NOT_FOUND && found.batch_start > gap)
			out->is_damaged = true;
		fn(user, &found.record);
		out->records++;
		at = next + found.size;
		out->end = (uint32_t)at;
	}
	if (header == HEADER_BAD) {
		out->is_damaged = out->records > 0;
		out->is_unused = out->records == 0;
	}
}
