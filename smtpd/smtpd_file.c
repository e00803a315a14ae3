/* SPDX-License-Identifier: ISC */
/* smtpd_file.c - bytes of a message: in memory up to journal_limit, past it in a file leased from qmgr
 *
 * We write our own bytes to it and read them back for milters; threads do both, for the disk may make them wait. */
#include <errno.h>
#include <unistd.h>

#include "lib/base/crc32c.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"
#include "lib/ipc/commit.h"
#include "lib/ipc/services.h"
#include "lib/task/task.h"
#include "smtpd/smtpd.h"

/* ---- the leased file ---- */

static enum outcome full(struct why *why)
{
	return why_set(why, DEFER, "4.3.1", "Insufficient system storage");
}

static enum outcome failed(struct why *why)
{
	return why_set(why, DEFER, "4.3.0", "Error: queue file write error");
}

static enum outcome lease(struct smtpd *s, struct smtpd_file *f, struct why *why)
{
	struct lease_request request = { .size_hint = s->mail->size };
	struct lease_reply reply = { .file = -1 };

	if (smtpd_call(s, SERVICE_QMGR, false, &lease_request_type, &request, &lease_reply_type, &reply,
	               s->mail->arena) < 0)
		return failed(why);
	if (reply.status != DONE || reply.file < 0) {
		if (reply.file >= 0)
			close(reply.file);
		return span_equal(reply.dsn, span_lit("4.3.1")) ? full(why) : failed(why);
	}
	f->lease = reply.lease;
	f->fd = reply.file;
	f->offset = reply.content_offset;
	return DONE;
}

struct file_io {
	int         fd, result, error;
	struct span bytes;
	char       *room;
	off_t       offset;
};

static void write_offloaded(void *arg)
{
	struct file_io *io = arg;

	io->result = fs_pwrite_all(io->fd, io->bytes.ptr, io->bytes.len, io->offset);
	io->error = errno;
}

static void read_offloaded(void *arg)
{
	struct file_io *io = arg;

	io->result = fs_pread_all(io->fd, io->room, io->bytes.len, io->offset);
}

static enum outcome append(struct smtpd *s, struct smtpd_file *f, struct span bytes, struct why *why)
{
	enum outcome outcome = f->fd >= 0 ? DONE : lease(s, f, why);
	struct file_io io = { .fd = f->fd, .bytes = bytes, .offset = (off_t)(f->offset + f->length) };

	if (outcome != DONE)
		return outcome;
	task_offload(write_offloaded, &io);
	if (io.result < 0)
		return io.error == ENOSPC || io.error == EDQUOT ? full(why) : failed(why);
	f->crc = crc32c(f->crc, bytes);
	f->length += bytes.len;
	return DONE;
}

static void end_lease(struct smtpd *s, struct smtpd_file *f)
{
	struct lease_end_request request = { .lease = f->lease };
	struct commit_reply reply;

	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
	/* What was committed has none any more. */
	if (f->lease != 0 && smtpd_call(s, SERVICE_QMGR, true, &lease_end_request_type, &request, &commit_reply_type,
	                                &reply, s->mail->arena) < 0)
		log_debug("lease %llu ends with the channel to qmgr", (unsigned long long)f->lease);
	f->lease = 0;
}

/* ---- memory and file as one ---- */

void smtpd_bytes_init(struct smtpd_bytes *b)
{
	*b = (struct smtpd_bytes){ .file.fd = -1 };
	buf_init(&b->buf, BUF_NO_LIMIT);	/* bounded by spilling */
}

void smtpd_bytes_free(struct smtpd *s, struct smtpd_bytes *b)
{
	buf_free(&b->buf);
	end_lease(s, &b->file);
}

uint64_t smtpd_bytes_length(const struct smtpd_bytes *b)
{
	return b->file.length + b->buf.len;
}

enum outcome smtpd_bytes_spill(struct smtpd *s, struct smtpd_bytes *b, struct why *why)
{
	enum outcome outcome = append(s, &b->file, buf_span(&b->buf), why);

	if (outcome == DONE)
		buf_clear(&b->buf);
	return outcome;
}

enum outcome smtpd_bytes_add(struct smtpd *s, struct smtpd_bytes *b, struct span bytes, struct why *why)
{
	buf_add(&b->buf, bytes);
	return b->buf.len > s->server->journal_limit ? smtpd_bytes_spill(s, b, why) : DONE;
}

enum outcome smtpd_bytes_finish(struct smtpd *s, struct smtpd_bytes *b, struct why *why)
{
	return b->file.fd >= 0 && b->buf.len > 0 ? smtpd_bytes_spill(s, b, why) : DONE;
}

enum outcome smtpd_bytes_read(const struct smtpd_bytes *b, uint64_t offset, char *out, size_t n, struct why *why)
{
	uint64_t in_file = offset < b->file.length ? b->file.length - offset : 0;
	size_t from_file = in_file < n ? (size_t)in_file : n;
	struct file_io io = { .fd = b->file.fd, .bytes.len = from_file, .room = out,
		              .offset = (off_t)(b->file.offset + offset) };

	if (offset > smtpd_bytes_length(b) || n > smtpd_bytes_length(b) - offset)
		bug("reading past the end of a message");
	if (from_file > 0)
		task_offload(read_offloaded, &io);
	if (from_file > 0 && io.result < 0)
		return why_set(why, DEFER, "4.3.0", "Error: queue file read error");
	if (n > from_file)
		memcpy(out + from_file, b->buf.ptr + (offset + from_file - b->file.length), n - from_file);
	return DONE;
}
