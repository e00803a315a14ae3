/* SPDX-License-Identifier: ISC */
/* rdata.c - reading RDATA (RFC 1035 3.3); names in it are not compressed */
#include "lib/net/rdata.h"

#include <netinet/in.h>
#include <string.h>

#include "lib/base/buf.h"

enum { LABEL_MAX = 63, NAME_MAX_WIRE = 255, NAME_MAX_TEXT = 4 * NAME_MAX_WIRE };

static unsigned byte_at(struct span s, size_t i)
{
	return (unsigned char)s.ptr[i];
}

static unsigned take_u16(struct span *s)
{
	unsigned value = byte_at(*s, 0) << 8 | byte_at(*s, 1);

	*s = span_skip(*s, 2);
	return value;
}

bool rdata_next(struct span *answers, struct span *rdata)
{
	size_t length;

	if (answers->len < 2)
		return false;
	length = byte_at(*answers, 0) | byte_at(*answers, 1) << 8;	/* little-endian: ours */
	if (length > answers->len - 2)
		return false;
	*rdata = span_slice(*answers, 2, length);
	*answers = span_skip(*answers, 2 + length);
	return true;
}

bool rdata_address(struct span rdata, struct net_address *out)
{
	memset(out, 0, sizeof(*out));
	if (rdata.len == 4) {
		struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)&out->storage;

		v4->sin_family = AF_INET;
		memcpy(&v4->sin_addr, rdata.ptr, 4);
		out->length = sizeof(*v4);
		return true;
	}
	if (rdata.len == 16) {
		struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)&out->storage;

		v6->sin6_family = AF_INET6;
		memcpy(&v6->sin6_addr, rdata.ptr, 16);
		out->length = sizeof(*v6);
		return true;
	}
	return false;
}

static void add_label(struct buf *out, struct span label)
{
	for (size_t i = 0; i < label.len; i++) {
		char c = label.ptr[i];

		if (ascii_is_print(c) && c != '.' && c != '\\' && c != ' ')
			buf_add_byte(out, c);
		else
			buf_addf(out, "\\%03u", byte_at(label, i));
	}
}

/* take_name - the name at the start of *s, which then begins behind it. */
static bool take_name(struct arena *arena, struct span *s, struct span *name)
{
	struct buf text;
	size_t wire = 1;
	bool ok = false;

	buf_init(&text, NAME_MAX_TEXT);
	while (s->len > 0) {
		size_t length = byte_at(*s, 0);

		if (length > LABEL_MAX || length > s->len - 1)
			break;
		if (length == 0) {
			*s = span_skip(*s, 1);
			ok = !text.overflowed;
			break;
		}
		wire += 1 + length;
		if (wire > NAME_MAX_WIRE)
			break;
		if (text.len > 0)
			buf_add_byte(&text, '.');
		add_label(&text, span_slice(*s, 1, length));
		*s = span_skip(*s, 1 + length);
	}
	if (ok)
		*name = arena_dup(arena, buf_span(&text));
	buf_free(&text);
	return ok;
}

bool rdata_name(struct arena *arena, struct span rdata, struct span *name)
{
	return take_name(arena, &rdata, name) && rdata.len == 0;
}

bool rdata_mx(struct arena *arena, struct span rdata, unsigned *preference, struct span *exchange)
{
	if (rdata.len < 3)
		return false;
	*preference = take_u16(&rdata);
	return rdata_name(arena, rdata, exchange);
}

bool rdata_srv(struct arena *arena, struct span rdata, unsigned *priority, unsigned *weight, unsigned *port,
               struct span *target)
{
	if (rdata.len < 7)
		return false;
	*priority = take_u16(&rdata);
	*weight = take_u16(&rdata);
	*port = take_u16(&rdata);
	return rdata_name(arena, rdata, target);
}

bool rdata_txt(struct arena *arena, struct span rdata, struct span *text)
{
	char *joined = arena_alloc(arena, rdata.len + 1);
	size_t at = 0;

	if (rdata.len == 0)
		return false;
	while (rdata.len > 0) {
		size_t length = byte_at(rdata, 0);

		if (length > rdata.len - 1)
			return false;
		memcpy(joined + at, rdata.ptr + 1, length);
		at += length;
		rdata = span_skip(rdata, 1 + length);
	}
	*text = span_make(joined, at);
	return true;
}

bool rdata_tlsa(struct span rdata, unsigned *usage, unsigned *selector, unsigned *matching, struct span *data)
{
	if (rdata.len < 4)
		return false;
	*usage = byte_at(rdata, 0);
	*selector = byte_at(rdata, 1);
	*matching = byte_at(rdata, 2);
	*data = span_skip(rdata, 3);
	return true;
}
