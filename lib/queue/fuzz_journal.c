/* SPDX-License-Identifier: ISC */
/* fuzz_journal.c - replay of any bytes: every record given lies whole in them, in order, and notes of it apply or not
 * without harm.  The first byte tells whether the header is made good, so that records are reached. */
#include <stdlib.h>

#include "lib/queue/journal_private.h"
#include "lib/queue/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct replaying {
	struct span    bytes;
	uint32_t       end;
	struct queued *queued;
	size_t         applied;
};

static void see(void *user, const struct journal_record *r)
{
	struct replaying *p = user;

	if (r->offset < p->end || r->offset + r->payload.len > p->bytes.len ||
	    r->type < JOURNAL_MESSAGE || r->type > JOURNAL_TYPE_MAX)
		abort();
	p->end = r->offset;
	if (note_apply(p->queued, r->type, r->payload))
		p->applied++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct envelope_recipient to = { .number = 1, .address = SPAN("a@example.test") };
	struct envelope e = { .recipients = &to, .recipient_count = 1 };
	struct arena *arena = arena_new(NULL);
	struct replaying p = { .end = 0 };
	struct journal_replay out;
	struct buf envelope, bytes;
	struct queued queued;

	buf_init(&envelope, BUF_NO_LIMIT);
	buf_init(&bytes, BUF_NO_LIMIT);
	envelope_encode(&envelope, &e);
	if (!queued_decode(arena, buf_span(&envelope), &queued))
		abort();
	if (size > 0 && (data[0] & 1) != 0)
		journal_header_add(&bytes, 7, 0x1122334455667788);
	if (size > 0)
		buf_add(&bytes, span_make(data + 1, size - 1));
	p.bytes = buf_span(&bytes);
	p.queued = &queued;
	journal_replay(p.bytes, 7, see, &p, &out);
	if (p.applied > out.records || (size > 0 && notes_apply(&queued, span_make(data + 1, size - 1)) &&
	                                queued.envelope.recipient_count > queued.capacity))
		abort();
	buf_free(&bytes);
	buf_free(&envelope);
	arena_free(arena);
	return 0;
}
