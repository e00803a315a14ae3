/* SPDX-License-Identifier: ISC */
/* fuzz_smtp_address.c - paths: what is accepted parses again to itself, and holds no control byte */
#include <stdint.h>
#include <stdlib.h>

#include "lib/smtp/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct arena *arena, const struct smtp_path *path)
{
	struct span text = arena_printf_span(arena, "<" SPAN_FMT ">", SPAN_ARG(path->address)), rest;
	struct smtp_path again;

	for (size_t i = 0; i < path->address.len; i++)
		if ((unsigned char)path->address.ptr[i] < 0x20 || path->address.ptr[i] == 0x7f)
			abort();
	if (smtp_path_parse(arena, text, SMTP_PATH_NULL | SMTP_PATH_BARE | SMTP_PATH_UTF8, &again, &rest) !=
	            SMTP_PATH_OK || !span_equal(again.address, path->address) || rest.len > 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new(NULL);
	struct smtp_path path;
	struct span rest;

	for (unsigned flags = 0; flags < 16; flags++)
		if (smtp_path_parse(arena, span_make(data, size), flags, &path, &rest) == SMTP_PATH_OK)
			check(arena, &path);
	arena_free(arena);
	return 0;
}
