/* SPDX-License-Identifier: ISC */
/* fuzz_milter_reply.c - what a milter may send: packets, replies, negotiations
 *
 * The input is a stream as it comes from the socket.  What decodes keeps its promises: names that can be field
 * names, reply codes of one class, spans within the packet. */
#include <stdlib.h>

#include "lib/base/log.h"
#include "lib/milter/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PACKET_MAX = 65536 };

static void check_within(struct span part, struct span whole)
{
	REQUIRE(part.len == 0 || (part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len));
}

static void check_refusal(const struct milter_refusal *r)
{
	REQUIRE(r->code >= 400 && r->code <= 599 && r->count > 0);
	for (size_t i = 0; i < r->count; i++) {
		struct span line = r->lines[i];

		REQUIRE(span_find(line, '\n') == SPAN_NOT_FOUND && span_find(line, '\0') == SPAN_NOT_FOUND);
	}
}

static void check_reply(struct arena *arena, const struct milter_packet *packet)
{
	struct milter_reply reply;
	const char *error = NULL;

	if (!milter_reply_decode(arena, packet, &reply, &error)) {
		REQUIRE(error != NULL);
		return;
	}
	check_within(reply.name, packet->data);
	check_within(reply.value, packet->data);
	if (reply.kind == MILTER_REPLY_CODE)
		check_refusal(&reply.refusal);
	if (reply.kind == MILTER_ADD_HEADER || reply.kind == MILTER_INSERT_HEADER || reply.kind == MILTER_CHANGE_HEADER)
		REQUIRE(reply.name.len > 0 && span_find(reply.name, ':') == SPAN_NOT_FOUND &&
		        span_find(reply.name, '\n') == SPAN_NOT_FOUND && span_find(reply.name, ' ') == SPAN_NOT_FOUND);
}

static void check_terms(const struct milter_packet *packet)
{
	struct milter_terms terms;
	const char *error = NULL;

	if (!milter_terms_decode(packet->data, &terms, &error))
		return;
	for (size_t i = 0; i < MILTER_STAGES_NEGOTIATED; i++)
		check_within(terms.macros[i], packet->data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = span_make(data, size);
	struct arena *arena = arena_new(NULL);
	struct milter_packet packet;
	uint32_t length;

	while (milter_frame(rest, PACKET_MAX, &packet, &length) == MILTER_FRAME_WHOLE) {
		REQUIRE(length <= PACKET_MAX && 4 + (size_t)length <= rest.len);
		if (packet.letter == MILTER_NEGOTIATE)
			check_terms(&packet);
		check_reply(arena, &packet);
		rest = span_skip(rest, 4 + (size_t)length);
	}
	arena_free(arena);
	return 0;
}
