/* SPDX-License-Identifier: ISC */
/* fuzz_address_list.c - addresses never outgrow their text, and groups open and close in turn */
#include <stdint.h>
#include <stdlib.h>

#include "lib/mime/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new(NULL);
	struct mime_address *list = mime_addresses(a, span_make(data, size), 1000);
	bool in_group = false;
	size_t count = 0;

	for (; list != NULL; list = list->next, count++) {
		if (list->kind == MIME_GROUP_START ? in_group : list->kind == MIME_GROUP_END && !in_group)
			abort();
		if (list->kind != MIME_MAILBOX)
			in_group = list->kind == MIME_GROUP_START;
		if (list->name.len + list->route.len + list->mailbox.len + list->domain.len > 2 * size)
			abort();
	}
	if (in_group || count > 1001)
		abort();
	arena_free(a);
	return 0;
}
