/* SPDX-License-Identifier: ISC */
/* wire.h - packets of the milter protocol, put together and taken apart
 *
 * A packet is a length of four bytes (big-endian, itself not counted), a letter, and data.  What comes in is
 * foreign: lengths are checked before use, strings must end, nothing may be left over. */
#ifndef MILTER_WIRE_H
#define MILTER_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/attributes.h"
#include "lib/base/buf.h"
#include "lib/base/span.h"
#include "lib/milter/protocol.h"

/* ---- out ---- */

/* milter_packet_begin - append the head of a packet; give the result to milter_packet_end, which fills in its length. */
size_t milter_packet_begin(struct buf *out, enum milter_command command);
void milter_packet_end(struct buf *out, size_t start);
/* milter_add_u16, milter_add_u32 - in network order. */
void milter_add_u16(struct buf *out, uint16_t value);
void milter_add_u32(struct buf *out, uint32_t value);
/* milter_add_string - with its NUL; one inside becomes a blank. */
void milter_add_string(struct buf *out, struct span s);
/* milter_packet - a whole packet without data. */
void milter_packet(struct buf *out, enum milter_command command);

/* ---- in ---- */

struct milter_packet {
	unsigned char letter;
	struct span   data;
};

enum milter_frame { MILTER_FRAME_WHOLE, MILTER_FRAME_PARTIAL, MILTER_FRAME_EMPTY, MILTER_FRAME_TOO_LARGE };

/* milter_frame - the packet at the start of bytes; length: what its first four bytes say (set unless PARTIAL without
 * them).  Whole ones take 4 + length bytes. */
enum milter_frame milter_frame(struct span bytes, size_t most, struct milter_packet *out, uint32_t *length);

/* A reply code of a milter, checked: 4xx or 5xx, the same on all lines, enhanced codes of its class. */
struct milter_refusal {
	unsigned           code;
	const struct span *lines;	/* "5.7.1 text", or text alone */
	size_t             count;	/* at least 1 */
};

struct milter_reply {
	enum milter_reply_kind kind;
	uint32_t    index;	/* of a header: as sent */
	struct span name;	/* of a header; an address */
	struct span value;	/* of a header; parameters; a reason; a piece of the body */
	struct milter_refusal refusal;
};

/* milter_reply_decode - spans borrow the packet, lines are in arena.  False: *error says what is wrong (in arena). */
MUST_USE bool milter_reply_decode(struct arena *arena, const struct milter_packet *packet, struct milter_reply *out,
                                  const char **error);

struct milter_terms {
	uint32_t    version, actions, steps;
	bool        has_macros[MILTER_STAGES_NEGOTIATED];
	struct span macros[MILTER_STAGES_NEGOTIATED];	/* names, separated by blanks or commas */
};

/* milter_terms_add - our offer.  milter_terms_decode - the milter's answer to it; spans borrow data. */
void milter_terms_add(struct buf *out, uint32_t version, uint32_t actions, uint32_t steps);
MUST_USE bool milter_terms_decode(struct span data, struct milter_terms *out, const char **error);

/* milter_command_name, milter_reply_name - as log readers know them: "SMFIC_BODYEOB", "SMFIR_ADDHEADER"; or "unknown". */
const char *milter_command_name(unsigned letter);
const char *milter_reply_name(unsigned letter);

#endif
