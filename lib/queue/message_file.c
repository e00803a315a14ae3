/* SPDX-License-Identifier: ISC */
/* message_file.c - one message in a file of its own (message_file.h has the layout) */
#include "lib/queue/message_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/crc32c.h"
#include "lib/base/fs.h"
#include "lib/queue/reader.h"

enum {
	RETRY_OFFSET = 96,	/* in the preamble: flags, attempts, next attempt, CRC32C */
	RETRY_SIZE = 16,
	SLOT_SIZE = 256,
	SLOT_DSN_MAX = 12,
	SLOT_REASON_MAX = 240,
	END_SIZE = 24,		/* magic, total length, recipient count, CRC32C */
	ENVELOPE_MAX = 64 << 20,
	CHUNK = 256 << 10,
};

static const struct span magic = SPAN("PSTNMSG1");
static const struct span end_magic = SPAN("PSTNEND1");

const char *message_file_name(struct span id, char out[MESSAGE_FILE_NAME_MAX])
{
	snprintf(out, MESSAGE_FILE_NAME_MAX, "%02x/%.*s", crc32c(0, id) & 0xff, QUEUE_ID_MAX - 1, id.ptr);
	if (id.len < QUEUE_ID_MAX)
		out[3 + id.len] = '\0';
	return out;
}

int message_file_make_dirs(int message_dir_fd)
{
	char name[4];

	for (unsigned i = 0; i < 256; i++) {
		snprintf(name, sizeof(name), "%02x", i);
		if (mkdirat(message_dir_fd, name, 0700) < 0 && errno != EEXIST)
			return -1;
	}
	return fs_sync(message_dir_fd);
}

int message_file_lease(int message_dir_fd)
{
	return fs_open_at(message_dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

/* ---- encoding ---- */

static void add_crc(struct buf *out, size_t start)
{
	buf_add_u32(out, crc32c(0, span_make(out->ptr + start, out->len - start)));
}

static void pad_to(struct buf *out, size_t size)
{
	while (out->len < size)
		buf_add_byte(out, 0);
}

static void add_retry(struct buf *out, const struct queued *q)
{
	size_t start = out->len;

	buf_add_u32(out, q->flags);
	buf_add_u32(out, q->attempts);
	buf_add_u64(out, q->next_attempt_us);
	add_crc(out, start);
}

static void add_preamble(struct buf *out, const struct message_preamble *p, const struct queued *q)
{
	buf_add(out, magic);
	buf_add_u64(out, p->arrival_us);
	buf_add_u64(out, p->content_length);
	buf_add_u32(out, p->content_crc32c);
	buf_add_u64(out, p->envelope_offset);
	buf_add_u32(out, p->envelope_length);
	buf_add_u32(out, p->envelope_crc32c);
	buf_add_u32(out, p->recipient_count);
	add_crc(out, 0);
	pad_to(out, RETRY_OFFSET);
	add_retry(out, q);
	pad_to(out, MESSAGE_FILE_CONTENT);
}

static void add_slot(struct buf *out, const struct recipient_state *state)
{
	size_t start = out->len;
	struct span dsn = span_first(state->dsn, SLOT_DSN_MAX);
	struct span reason = span_first(state->reason, SLOT_REASON_MAX);

	buf_add_byte(out, (char)state->status);
	buf_add_byte(out, (char)dsn.len);
	buf_add_byte(out, (char)reason.len);
	buf_add(out, dsn);
	pad_to(out, start + 3 + SLOT_DSN_MAX);
	buf_add(out, reason);
	pad_to(out, start + SLOT_SIZE);
}

/* add_tail - envelope, slots and commit record, as they stand from offset on; fills that part of p. */
static void add_tail(struct buf *out, const struct queued *q, uint64_t offset, struct message_preamble *p)
{
	size_t start;

	envelope_encode(out, &q->envelope);
	p->envelope_offset = offset;
	p->envelope_length = (uint32_t)out->len;
	p->envelope_crc32c = crc32c(0, buf_span(out));
	p->recipient_count = (uint32_t)q->envelope.recipient_count;
	for (size_t i = 0; i < q->envelope.recipient_count; i++)
		add_slot(out, &q->states[i]);
	start = out->len;
	buf_add(out, end_magic);
	buf_add_u64(out, offset + start + END_SIZE);
	buf_add_u32(out, p->recipient_count);
	add_crc(out, start);
}

static int write_tail(int fd, const struct queued *q, uint64_t offset, struct message_preamble *p)
{
	struct buf tail;
	int result;

	buf_init(&tail, BUF_NO_LIMIT);
	add_tail(&tail, q, offset, p);
	result = fs_pwrite_all(fd, tail.ptr, tail.len, (off_t)offset);
	buf_free(&tail);
	return result;
}

static int write_preamble(int fd, const struct message_preamble *p, const struct queued *q)
{
	struct buf bytes;
	int result;

	buf_init(&bytes, MESSAGE_FILE_CONTENT);
	add_preamble(&bytes, p, q);
	result = fs_pwrite_all(fd, bytes.ptr, bytes.len, 0);
	buf_free(&bytes);
	return result;
}

int message_file_finish(int fd, const struct queued *q, uint64_t content_length, uint32_t content_crc32c)
{
	struct message_preamble p = {
		.arrival_us = q->envelope.arrival_us,
		.content_length = content_length,
		.content_crc32c = content_crc32c,
	};

	if (write_tail(fd, q, MESSAGE_FILE_CONTENT + content_length, &p) < 0)
		return -1;
	return write_preamble(fd, &p, q);
}

static int sync_folder(int message_dir_fd, const char *name)
{
	char folder[3] = { name[0], name[1], '\0' };
	int fd = fs_open_at(message_dir_fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	int result, saved;

	if (fd < 0)
		return -1;
	result = fs_sync(fd);
	saved = errno;
	close(fd);
	errno = saved;
	return result;
}

int message_file_publish(int fd, int message_dir_fd, struct span id, bool is_synced)
{
	char name[MESSAGE_FILE_NAME_MAX];
	int saved;

	if (fs_link_fd(fd, message_dir_fd, message_file_name(id, name)) < 0)
		return -1;
	if (!is_synced || (fs_sync(fd) == 0 && sync_folder(message_dir_fd, name) == 0))
		return 0;
	saved = errno;
	if (fs_unlink_at(message_dir_fd, name) < 0)
		saved = errno;
	errno = saved;
	return -1;
}

int message_file_create(int message_dir_fd, struct span id, const struct queued *q, struct span content)
{
	int fd = message_file_lease(message_dir_fd);
	int result = -1, saved;

	if (fd < 0)
		return -1;
	if (fs_pwrite_all(fd, content.ptr, content.len, MESSAGE_FILE_CONTENT) == 0 &&
	    message_file_finish(fd, q, content.len, crc32c(0, content)) == 0)
		result = message_file_publish(fd, message_dir_fd, id, false);
	saved = errno;
	close(fd);
	errno = saved;
	return result;
}

int message_file_open(int message_dir_fd, struct span id)
{
	char name[MESSAGE_FILE_NAME_MAX];

	return fs_open_at(message_dir_fd, message_file_name(id, name), O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0);
}

int message_file_remove(int message_dir_fd, struct span id)
{
	char name[MESSAGE_FILE_NAME_MAX];

	return fs_unlink_at(message_dir_fd, message_file_name(id, name));
}

/* ---- decoding ---- */

static int bad(void)
{
	errno = EBADMSG;
	return -1;
}

/* read_exactly - a file that ends early is not whole. */
static int read_exactly(int fd, void *data, size_t n, uint64_t offset)
{
	if (fs_pread_all(fd, data, n, (off_t)offset) == 0)
		return 0;
	if (errno == ENODATA)
		errno = EBADMSG;
	return -1;
}

static void read_retry(struct span bytes, struct message_preamble *out)
{
	struct reader r = { bytes, false };

	out->flags = reader_u32(&r);
	out->attempts = reader_u32(&r);
	out->next_attempt_us = reader_u64(&r);
	if (reader_u32(&r) != crc32c(0, span_first(bytes, RETRY_SIZE)))
		out->flags = out->attempts = 0, out->next_attempt_us = 0;
}

int message_file_preamble(int fd, struct message_preamble *out)
{
	char bytes[MESSAGE_FILE_CONTENT];
	struct reader r = { { bytes, RETRY_OFFSET }, false };
	struct span head;

	memset(out, 0, sizeof(*out));
	if (read_exactly(fd, bytes, sizeof(bytes), 0) < 0)
		return -1;
	if (!span_equal(reader_take(&r, magic.len), magic))
		return bad();
	out->arrival_us = reader_u64(&r);
	out->content_length = reader_u64(&r);
	out->content_crc32c = reader_u32(&r);
	out->envelope_offset = reader_u64(&r);
	out->envelope_length = reader_u32(&r);
	out->envelope_crc32c = reader_u32(&r);
	out->recipient_count = reader_u32(&r);
	head = span_make(bytes, (size_t)(r.rest.ptr - bytes));
	if (reader_u32(&r) != crc32c(0, head))
		return bad();
	if (out->content_length > INT64_MAX / 2 || out->envelope_offset < MESSAGE_FILE_CONTENT + out->content_length ||
	    out->envelope_offset > INT64_MAX / 2 || out->envelope_length > ENVELOPE_MAX)
		return bad();
	read_retry(span_make(bytes + RETRY_OFFSET, sizeof(bytes) - RETRY_OFFSET), out);
	return 0;
}

static uint64_t slot_offset(const struct message_preamble *p, uint64_t index)
{
	return p->envelope_offset + p->envelope_length + index * SLOT_SIZE;
}

static int check_end(int fd, const struct message_preamble *p)
{
	char bytes[END_SIZE];
	uint64_t offset = slot_offset(p, p->recipient_count);
	struct reader r = { { bytes, END_SIZE }, false };

	if (read_exactly(fd, bytes, sizeof(bytes), offset) < 0)
		return -1;
	if (!span_equal(reader_take(&r, end_magic.len), end_magic) || reader_u64(&r) != offset + END_SIZE ||
	    reader_u32(&r) != p->recipient_count ||
	    reader_u32(&r) != crc32c(0, span_make(bytes, END_SIZE - 4)))
		return bad();
	return 0;
}

static int read_slots(int fd, const struct message_preamble *p, struct queued *q)
{
	for (size_t i = 0; i < q->envelope.recipient_count; i++) {
		char *slot = arena_alloc(q->arena, SLOT_SIZE);
		unsigned char status, dsn_len, reason_len;

		if (read_exactly(fd, slot, SLOT_SIZE, slot_offset(p, i)) < 0)
			return -1;
		status = (unsigned char)slot[0];
		dsn_len = (unsigned char)slot[1];
		reason_len = (unsigned char)slot[2];
		/* A torn slot is read as "try again": never as an end. */
		if (status > RECIPIENT_STATUS_MAX || dsn_len > SLOT_DSN_MAX || reason_len > SLOT_REASON_MAX)
			continue;
		q->states[i].status = (enum recipient_status)status;
		q->states[i].dsn = span_make(slot + 3, dsn_len);
		q->states[i].reason = span_make(slot + 3 + SLOT_DSN_MAX, reason_len);
	}
	return 0;
}

int message_file_read(int fd, struct arena *arena, struct message_preamble *preamble, struct queued *out)
{
	struct stat st;
	char *bytes;

	if (message_file_preamble(fd, preamble) < 0 || fstat(fd, &st) < 0)
		return -1;
	if (preamble->recipient_count > preamble->envelope_length ||
	    slot_offset(preamble, preamble->recipient_count) + END_SIZE > (uint64_t)st.st_size)
		return bad();
	bytes = arena_alloc(arena, (size_t)preamble->envelope_length + 1);
	if (read_exactly(fd, bytes, preamble->envelope_length, preamble->envelope_offset) < 0)
		return -1;
	if (crc32c(0, span_make(bytes, preamble->envelope_length)) != preamble->envelope_crc32c ||
	    !queued_decode(arena, span_make(bytes, preamble->envelope_length), out) ||
	    out->envelope.recipient_count != preamble->recipient_count)
		return bad();
	out->flags = preamble->flags;
	out->attempts = preamble->attempts;
	out->next_attempt_us = preamble->next_attempt_us;
	if (read_slots(fd, preamble, out) < 0)
		return -1;
	return check_end(fd, preamble);
}

int message_file_check(int fd, const struct message_preamble *preamble)
{
	static const size_t chunk = CHUNK;
	struct buf bytes;
	uint64_t done = 0;
	uint32_t crc = 0;
	int result = 0;

	buf_init(&bytes, chunk);
	while (result == 0 && done < preamble->content_length) {
		size_t n = preamble->content_length - done < chunk ? (size_t)(preamble->content_length - done) : chunk;
		char *room;

		buf_clear(&bytes);
		room = buf_reserve(&bytes, n);
		result = room != NULL ? read_exactly(fd, room, n, MESSAGE_FILE_CONTENT + done) : -1;
		if (result == 0)
			crc = crc32c(crc, span_make(room, n));
		done += n;
	}
	buf_free(&bytes);
	if (result == 0 && crc != preamble->content_crc32c)
		return bad();
	return result;
}

/* ---- changes in place ---- */

int message_file_mark(int fd, const struct message_preamble *preamble, size_t index,
                      const struct recipient_state *state)
{
	struct buf slot;
	int result;

	buf_init(&slot, SLOT_SIZE);
	add_slot(&slot, state);
	result = fs_pwrite_all(fd, slot.ptr, slot.len, (off_t)slot_offset(preamble, index));
	buf_free(&slot);
	return result;
}

int message_file_retry(int fd, const struct queued *q)
{
	struct buf bytes;
	int result;

	buf_init(&bytes, MESSAGE_FILE_CONTENT);
	add_retry(&bytes, q);
	result = fs_pwrite_all(fd, bytes.ptr, bytes.len, RETRY_OFFSET);
	buf_free(&bytes);
	return result;
}

int message_file_rewrite(int fd, const struct queued *q, struct message_preamble *preamble)
{
	struct message_preamble fresh = *preamble;
	uint64_t end = slot_offset(preamble, preamble->recipient_count) + END_SIZE;

	if (write_tail(fd, q, end, &fresh) < 0 || fs_sync_data(fd) < 0 || write_preamble(fd, &fresh, q) < 0)
		return -1;
	*preamble = fresh;
	return fs_sync_data(fd);
}
