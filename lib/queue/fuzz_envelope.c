/* SPDX-License-Identifier: ISC */
/* fuzz_envelope.c - what decodes encodes to the same bytes */
#include <stdlib.h>

#include "lib/queue/envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span bytes = span_make(data, size);
	struct arena *arena = arena_new(NULL);
	struct envelope e;

	if (envelope_decode(arena, bytes, &e)) {
		struct buf again;

		buf_init(&again, BUF_NO_LIMIT);
		envelope_encode(&again, &e);
		if (!span_equal(buf_span(&again), bytes))
			abort();
		buf_free(&again);
	}
	arena_free(arena);
	return 0;
}
