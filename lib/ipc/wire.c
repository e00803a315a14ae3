/* SPDX-License-Identifier: ISC */
/* wire.c - messages to packets and back
 *
 * A packet is the header (version, type, flags, request id; little-endian), then every field of the
 * type in declared order: one byte that names its place and kind, then its value.  The decoder
 * trusts nobody, not even our own programs: a field that is missing, doubled, of another kind or
 * longer than the packet, and any byte behind the last field, fails the message. */
#include "lib/ipc/wire.h"

#include <string.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/log.h"

enum { DUMP_SPAN_MAX = 64 };

/* What stands before field number 'index' of this kind. */
static uint8_t field_tag(size_t index, enum ipc_kind kind)
{
	return (uint8_t)(index << 2 | (size_t)kind);
}

static const void *member_of(const void *message, const struct ipc_field *field)
{
	return (const char *)message + field->offset;
}

/* ---- encoding ---- */

static void add_piece(struct wire_gather *g, char *ptr, size_t len)
{
	struct iovec *last = g->iov_count > 0 ? &g->iov[g->iov_count - 1] : NULL;

	g->total += len;
	if (last != NULL && (char *)last->iov_base + last->iov_len == ptr)
		last->iov_len += len;
	else
		g->iov[g->iov_count++] = (struct iovec){ ptr, len };
}

static void add_copy(struct wire_gather *g, const void *data, size_t len)
{
	char *at = g->scratch + g->used;

	if (len == 0)
		return;
	memcpy(at, data, len);
	g->used += len;
	add_piece(g, at, len);
}

static void add_number(struct wire_gather *g, uint64_t value, size_t bytes)
{
	unsigned char out[8];

	for (size_t i = 0; i < bytes; i++)
		out[i] = (unsigned char)(value >> (8 * i));
	add_copy(g, out, bytes);
}

static void add_span(struct wire_gather *g, struct span s)
{
	add_number(g, s.len, 4);
	if (s.len <= WIRE_INLINE_MAX) {
		add_copy(g, s.ptr, s.len);
		return;
	}
	/* The kernel only reads from it; iovec has no const. */
	union { const char *in; char *out; } borrowed = { .in = s.ptr };

	add_piece(g, borrowed.out, s.len);
}

static void add_fd(struct wire_gather *g, int fd)
{
	add_number(g, fd >= 0, 1);
	if (fd < 0)
		return;
	REQUIRE(g->fd_count < IPC_FDS_MAX);
	g->fds[g->fd_count++] = fd;
}

bool wire_gather(struct wire_gather *g, const struct ipc_type *type, uint16_t flags, uint64_t request,
                 const void *message)
{
	REQUIRE(type->count <= WIRE_FIELDS_MAX);
	g->iov_count = g->total = g->fd_count = g->used = 0;
	add_number(g, WIRE_VERSION, 2);
	add_number(g, type->number, 2);
	add_number(g, flags, 2);
	add_number(g, request, 8);
	for (size_t i = 0; i < type->count; i++) {
		const void *member = member_of(message, &type->fields[i]);

		add_number(g, field_tag(i, type->fields[i].kind), 1);
		switch (type->fields[i].kind) {
		case IPC_U64:
			add_number(g, *(const uint64_t *)member, 8);
			break;
		case IPC_BOOL:
			add_number(g, *(const bool *)member, 1);
			break;
		case IPC_SPAN:
			if (((const struct span *)member)->len > IPC_MESSAGE_MAX)
				return false;
			add_span(g, *(const struct span *)member);
			break;
		case IPC_FD:
			add_fd(g, *(const int *)member);
			break;
		}
	}
	return g->total <= IPC_MESSAGE_MAX;
}

void ipc_encode(struct buf *out, const struct ipc_type *type, uint16_t flags, uint64_t request,
                const void *message)
{
	struct wire_gather g;

	if (!wire_gather(&g, type, flags, request, message)) {
		out->overflowed = true;
		return;
	}
	for (size_t i = 0; i < g.iov_count; i++)
		buf_add(out, span_make(g.iov[i].iov_base, g.iov[i].iov_len));
}

/* ---- decoding ---- */

/* Cut n bytes off the front of *rest; false when it has fewer. */
static bool take(struct span *rest, size_t n, struct span *out)
{
	if (rest->len < n)
		return false;
	*out = span_first(*rest, n);
	*rest = span_skip(*rest, n);
	return true;
}

static bool take_number(struct span *rest, size_t bytes, uint64_t *value)
{
	struct span raw;

	if (!take(rest, bytes, &raw))
		return false;
	*value = 0;
	for (size_t i = 0; i < bytes; i++)
		*value |= (uint64_t)(unsigned char)raw.ptr[i] << (8 * i);
	return true;
}

static bool take_flag(struct span *rest, bool *value)
{
	uint64_t number;

	if (!take_number(rest, 1, &number) || number > 1)
		return false;
	*value = number == 1;
	return true;
}

static bool take_header(struct span *rest, struct ipc_header *header)
{
	uint64_t version, type, flags;

	if (!take_number(rest, 2, &version) || !take_number(rest, 2, &type) ||
	    !take_number(rest, 2, &flags) || !take_number(rest, 8, &header->request))
		return false;
	header->type = (uint16_t)type;
	header->flags = (uint16_t)flags;
	return version == WIRE_VERSION;
}

bool ipc_decode_header(struct span packet, struct ipc_header *header)
{
	return take_header(&packet, header);
}

/* The descriptors a packet came with, given out in order. */
struct fd_source {
	const int *fds;
	size_t     count, next;
};

static bool take_fd(struct span *rest, struct fd_source *source, int *fd)
{
	bool present;

	*fd = -1;
	if (!take_flag(rest, &present))
		return false;
	if (!present)
		return true;
	if (source->next >= source->count)
		return false;
	*fd = source->fds[source->next++];
	return true;
}

static bool take_field(struct span *rest, enum ipc_kind kind, struct fd_source *source, void *member)
{
	uint64_t length;

	switch (kind) {
	case IPC_U64:
		return take_number(rest, 8, (uint64_t *)member);
	case IPC_BOOL:
		return take_flag(rest, (bool *)member);
	case IPC_SPAN:
		return take_number(rest, 4, &length) && take(rest, length, (struct span *)member);
	case IPC_FD:
		return take_fd(rest, source, (int *)member);
	}
	return false;
}

static bool take_fields(struct span *rest, const struct ipc_type *type, struct fd_source *source,
                        void *message)
{
	for (size_t i = 0; i < type->count; i++) {
		const struct ipc_field *field = &type->fields[i];
		uint64_t                tag;

		if (!take_number(rest, 1, &tag) || tag != field_tag(i, field->kind) ||
		    !take_field(rest, field->kind, source, (char *)message + field->offset))
			return false;
	}
	return rest->len == 0;
}

/* No descriptor of a message that failed may be closed twice: it has none. */
static void forget_fds(const struct ipc_type *type, void *message)
{
	for (size_t i = 0; i < type->count; i++)
		if (type->fields[i].kind == IPC_FD)
			*(int *)(void *)((char *)message + type->fields[i].offset) = -1;
}

bool ipc_decode(struct span packet, const struct ipc_type *type, int *fds, size_t fd_count, void *message)
{
	struct fd_source  source = { fds, fd_count, 0 };
	struct ipc_header header;

	memset(message, 0, type->size);
	if (packet.len > IPC_MESSAGE_MAX || !take_header(&packet, &header) || header.type != type->number ||
	    !take_fields(&packet, type, &source, message)) {
		forget_fds(type, message);
		return false;
	}
	for (size_t i = 0; i < source.next; i++)
		fds[i] = -1;
	return true;
}

void ipc_close_fds(const struct ipc_type *type, void *message)
{
	for (size_t i = 0; i < type->count; i++) {
		int *fd = (int *)(void *)((char *)message + type->fields[i].offset);

		if (type->fields[i].kind != IPC_FD || *fd < 0)
			continue;
		(void)close(*fd);
		*fd = -1;
	}
}

/* ---- for people ---- */

static void dump_field(struct buf *out, const struct ipc_field *field, const void *member)
{
	buf_addf(out, "%s=", field->name);
	switch (field->kind) {
	case IPC_U64:
		buf_addf(out, "%llu", (unsigned long long)*(const uint64_t *)member);
		break;
	case IPC_BOOL:
		buf_add_cstr(out, *(const bool *)member ? "yes" : "no");
		break;
	case IPC_SPAN:
		buf_add(out, span_first(*(const struct span *)member, DUMP_SPAN_MAX));
		if (((const struct span *)member)->len > DUMP_SPAN_MAX)
			buf_add_cstr(out, "...");
		break;
	case IPC_FD:
		buf_addf(out, "%d", *(const int *)member);
		break;
	}
}

char *ipc_dump(struct arena *a, const struct ipc_type *type, const void *message)
{
	struct buf out;
	char      *text;

	buf_init(&out, BUF_NO_LIMIT);
	buf_addf(&out, "%s{", type->name);
	for (size_t i = 0; i < type->count; i++) {
		if (i > 0)
			buf_add_byte(&out, ' ');
		dump_field(&out, &type->fields[i], member_of(message, &type->fields[i]));
	}
	buf_add_byte(&out, '}');
	text = arena_cstr(a, buf_span(&out));
	buf_free(&out);
	return text;
}
