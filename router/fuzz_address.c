/* SPDX-License-Identifier: ISC */
/* fuzz_address.c - any bytes as an address: its pieces make the whole again, and its standard form is one that
 * does not change when it is made standard again */
#include "lib/base/log.h"
#include "router/router.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_pieces(const struct address *a)
{
	size_t at = a->domain.ptr != NULL ? 1 : 0;

	REQUIRE(a->local.len + at + a->domain.len == a->full.len);
	REQUIRE(a->user.len + a->extension.len == a->local.len);
	REQUIRE(a->extension.len == 0 || a->user.len > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new(NULL);
	struct conf conf = {
		.recipient_delimiter = "+-", .double_bounce_sender = "double-bounce", .owner_request_special = true,
		.append_at_myorigin = true, .append_dot_mydomain = true, .myorigin = "origin.example",
		.mydomain = "domain.example",
	};
	const struct router r = { .arena = arena, .conf = &conf };
	struct span text = span_make(data, size);
	struct address a = address_split(&r, text);
	struct span once, twice;

	check_pieces(&a);
	once = address_standard(&r, text, arena);
	a = address_split(&r, once);
	check_pieces(&a);
	/* An address that is refused need not be stable: it goes nowhere. */
	if (address_is_valid(&a)) {
		twice = address_standard(&r, once, arena);
		if (!span_equal(once, twice))
			bug("not stable: <" SPAN_FMT "> <" SPAN_FMT ">", SPAN_ARG(once), SPAN_ARG(twice));
	}
	arena_free(arena);
	return 0;
}
