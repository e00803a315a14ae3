/* SPDX-License-Identifier: ISC */
/* fuzz_rdata.c - no answer of a name server gives a name or text that its readers must fear
 *
 * Names are printable US-ASCII without blanks, at most four characters a byte of RDATA; text is never longer
 * than its record. */
#include <stdlib.h>

#include "lib/net/rdata.h"

static void require(bool condition)
{
	if (!condition)
		abort();
}

static bool is_name_char(char c)
{
	return ascii_is_print(c) && c != ' ';
}

static void check_name(struct span name, struct span rdata)
{
	require(name.len <= 4 * rdata.len);
	require(span_all(name, is_name_char));
}

static void check_record(struct arena *arena, struct span rdata)
{
	struct span out;
	struct net_address address;
	char text[NET_ADDRESS_TEXT_MAX];
	unsigned a, b, c;

	if (rdata_name(arena, rdata, &out))
		check_name(out, rdata);
	if (rdata_mx(arena, rdata, &a, &out))
		check_name(out, rdata);
	if (rdata_srv(arena, rdata, &a, &b, &c, &out))
		check_name(out, rdata);
	if (rdata_txt(arena, rdata, &out))
		require(out.len < rdata.len);
	if (rdata_tlsa(rdata, &a, &b, &c, &out))
		require(out.len == rdata.len - 3);
	if (rdata_address(rdata, &address))
		require(net_address_parse(span_of(net_address_text(&address, text)), 0, &address));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new(NULL);
	struct span answers = span_make(data, size), rdata;

	check_record(arena, answers);
	while (rdata_next(&answers, &rdata))
		check_record(arena, rdata);
	arena_free(arena);
	return 0;
}
