/* SPDX-License-Identifier: ISC */
/* dmarc_unpack.c - the containers aggregate reports come in
 *
 * Packed bytes come from strangers: zlib inflates them piece by piece, and both the size and its ratio are bounded, so
 * that a small mail cannot become a large work.  Of a zip file only the first local header is read (PKWARE's APPNOTE,
 * 4.3.7); deflate tells its own end. */
#include "lib/mailauth/dmarc_unpack.h"

#include <zlib.h>

enum { PIECE_BYTES = 32 * 1024, RATIO_FROM_BYTES = 1 << 20 };
enum { WINDOW_GZIP = 15 + 16, WINDOW_RAW = -15 };
enum { ZIP_HEADER_BYTES = 30, ZIP_ENCRYPTED = 1, ZIP_DESCRIPTOR = 8, ZIP_STORED = 0, ZIP_DEFLATED = 8 };

struct unpack {
	const struct dmarc_unpack_limits *limits;
	bool (*take)(void *user, struct span piece);
	void          *user;
	struct why    *why;
	size_t         given;
	unsigned long  crc;
};

enum dmarc_container dmarc_container_of(struct span packed)
{
	if (span_starts(packed, span_lit("\x1f\x8b")))
		return DMARC_CONTAINER_GZIP;
	if (span_starts(packed, span_lit("PK\3\4")))
		return DMARC_CONTAINER_ZIP;
	if (span_starts(packed, span_lit("\xef\xbb\xbf")))
		packed = span_skip(packed, 3);
	return span_starts(span_trim_start(packed), span_lit("<")) ? DMARC_CONTAINER_XML : DMARC_CONTAINER_NONE;
}

/* give - one piece, made of packed_bytes so far. */
static enum outcome give(struct unpack *u, struct span piece, size_t packed_bytes)
{
	if (piece.len == 0)
		return DONE;
	if (piece.len > u->limits->most_bytes - u->given)
		return why_set(u->why, REFUSE, "", "unpacked it is larger than %zu bytes", u->limits->most_bytes);
	u->given += piece.len;
	if (u->given > RATIO_FROM_BYTES && u->given / u->limits->most_ratio > packed_bytes)
		return why_set(u->why, REFUSE, "", "unpacked it is more than %zu times as large",
		               u->limits->most_ratio);
	u->crc = crc32(u->crc, (const Bytef *)piece.ptr, (uInt)piece.len);
	return u->take(u->user, piece) ? DONE : REFUSE;
}

/* give_all - content that is not packed. */
static enum outcome give_all(struct unpack *u, struct span content)
{
	enum outcome outcome = DONE;

	while (content.len != 0 && outcome == DONE) {
		struct span piece = span_first(content, PIECE_BYTES);

		outcome = give(u, piece, u->given + piece.len);
		content = span_skip(content, piece.len);
	}
	return outcome;
}

/* inflate_from - unpack the stream that *rest begins with, which is left behind it. */
static enum outcome inflate_from(struct unpack *u, struct span *rest, int window)
{
	z_stream z = { .next_in = Z_NULL };
	unsigned char out[PIECE_BYTES];
	enum outcome outcome = DONE;
	int status = Z_OK;
	size_t read = 0;

	if (inflateInit2(&z, window) != Z_OK)
		return why_set(u->why, DEFER, "", "no memory to unpack");
	while (status == Z_OK && outcome == DONE) {
		struct span piece = span_slice(*rest, read, PIECE_BYTES);

		memcpy(&z.next_in, &piece.ptr, sizeof(z.next_in));	/* it has no const */
		z.avail_in = (uInt)piece.len;
		z.next_out = out;
		z.avail_out = sizeof(out);
		status = inflate(&z, Z_NO_FLUSH);
		read += piece.len - z.avail_in;
		if (status == Z_OK || status == Z_STREAM_END)
			outcome = give(u, span_make(out, sizeof(out) - z.avail_out), read);
	}
	inflateEnd(&z);
	*rest = span_skip(*rest, read);
	if (outcome == DONE && status != Z_STREAM_END)
		return why_set(u->why, REFUSE, "", "its packed form is damaged");
	return outcome;
}

/* ---- zip ---- */

static unsigned long u16_at(struct span s, size_t at)
{
	return (unsigned long)(unsigned char)s.ptr[at] | (unsigned long)(unsigned char)s.ptr[at + 1] << 8;
}

static unsigned long u32_at(struct span s, size_t at)
{
	return u16_at(s, at) | u16_at(s, at + 2) << 16;
}

/* check_crc - against the header, or the descriptor behind the data. */
static enum outcome check_crc(struct unpack *u, unsigned long flags, unsigned long in_header, struct span behind)
{
	unsigned long wanted = in_header;

	if ((flags & ZIP_DESCRIPTOR) != 0) {
		if (span_starts(behind, span_lit("PK\7\10")))
			behind = span_skip(behind, 4);
		if (behind.len < 4)
			return why_set(u->why, REFUSE, "", "its zip file ends too early");
		wanted = u32_at(behind, 0);
	}
	if (wanted != u->crc)
		return why_set(u->why, REFUSE, "", "its checksum is wrong");
	return DONE;
}

static enum outcome unzip(struct unpack *u, struct span zip)
{
	unsigned long flags, method, crc, size;
	enum outcome outcome;
	struct span rest;

	if (zip.len < ZIP_HEADER_BYTES)
		return why_set(u->why, REFUSE, "", "its zip file ends too early");
	flags = u16_at(zip, 6);
	method = u16_at(zip, 8);
	crc = u32_at(zip, 14);
	size = u32_at(zip, 18);
	rest = span_skip(zip, ZIP_HEADER_BYTES + u16_at(zip, 26) + u16_at(zip, 28));
	if ((flags & ZIP_ENCRYPTED) != 0)
		return why_set(u->why, REFUSE, "", "its zip file is encrypted");
	if (method == ZIP_DEFLATED) {
		outcome = inflate_from(u, &rest, WINDOW_RAW);
	} else if (method == ZIP_STORED && (flags & ZIP_DESCRIPTOR) == 0 && size <= rest.len) {
		outcome = give_all(u, span_first(rest, size));
	} else {
		return why_set(u->why, REFUSE, "", "its zip file is of a kind we do not read");
	}
	return outcome == DONE ? check_crc(u, flags, crc, rest) : outcome;
}

enum outcome dmarc_unpack(struct span packed, const struct dmarc_unpack_limits *limits,
                          bool (*take)(void *user, struct span piece), void *user, struct why *why)
{
	struct unpack u = {
		.limits = limits, .take = take, .user = user, .why = why, .crc = crc32(0, NULL, 0),
	};

	switch (dmarc_container_of(packed)) {
	case DMARC_CONTAINER_XML:
		return give_all(&u, packed);
	case DMARC_CONTAINER_GZIP:
		return inflate_from(&u, &packed, WINDOW_GZIP);
	case DMARC_CONTAINER_ZIP:
		return unzip(&u, packed);
	case DMARC_CONTAINER_NONE:
		break;
	}
	return why_set(why, REFUSE, "", "it is neither gzip nor zip nor XML");
}
