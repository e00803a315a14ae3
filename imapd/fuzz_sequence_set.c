/* SPDX-License-Identifier: ISC */
/* fuzz_sequence_set.c - a set, resolved, is ascending and disjoint, and resolving it again changes nothing */
#include <stdint.h>
#include <stdlib.h>

#include "imapd/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct imap_parse p = { .rest = span_make(data, size), .arena = arena_new(NULL) };
	struct sequence_set set;

	if (imap_take_sequence(&p, &set)) {
		size_t count;

		sequence_resolve(&set, 1000);
		count = set.count;
		for (size_t i = 0; i < count; i++)
			if (set.ranges[i].first > set.ranges[i].last ||
			    (i != 0 && set.ranges[i].first <= set.ranges[i - 1].last))
				abort();
		sequence_resolve(&set, 1000);
		if (set.count != count)
			abort();
	}
	arena_free(p.arena);
	return 0;
}
