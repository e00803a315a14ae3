/* SPDX-License-Identifier: ISC */
/* reader.c - a stored message in wire form, by ranges
 *
 * A file whose ,S= and ,W= agree with each other and with its real size is in wire format already.  Any other is
 * scanned once when opened: that gives the exact size, and a checkpoint every CHECKPOINT bytes. */
#include "lib/mailbox/reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/mailbox/maildir.h"

enum { CHECKPOINT = 64 * 1024 };

static ssize_t read_at(int fd, void *data, size_t n, uint64_t offset)
{
	ssize_t got;

	do
		got = pread(fd, data, n, (off_t)offset);
	while (got < 0 && errno == EINTR);
	return got;
}

static void add_checkpoint(struct message_reader *r, uint64_t physical, uint64_t virtual_offset,
                           bool after_cr)
{
	size_t n = r->checkpoint_count;

	if ((n & (n - 1)) == 0) {
		r->checkpoints = reallocarray(r->checkpoints, n == 0 ? 1 : 2 * n, sizeof(*r->checkpoints));
		if (r->checkpoints == NULL)
			log_fatal("out of memory (%zu checkpoints)", n);
	}
	r->checkpoints[r->checkpoint_count++] =
		(struct reader_checkpoint){ physical, virtual_offset, after_cr };
}

static int scan(struct message_reader *r)
{
	char piece[CHECKPOINT], last = 0;
	uint64_t at = 0, size = 0;

	for (;;) {
		ssize_t n;

		add_checkpoint(r, at, size, last == '\r');
		n = read_at(r->fd, piece, sizeof(piece), at);
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		size += maildir_virtual_size(span_make(piece, (size_t)n), &last);
		at += (uint64_t)n;
	}
	r->file_size = at;
	r->size = size;
	r->is_wire = size == at;
	return 0;
}

int reader_open(struct message_reader *r, int fd, uint64_t name_size, uint64_t virtual_size)
{
	struct stat st;

	*r = (struct message_reader){ .fd = fd };
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		reader_close(r);
		errno = EIO;
		return -1;
	}
	r->file_size = (uint64_t)st.st_size;
	r->mtime_s = st.st_mtime;
	r->ctime_s = st.st_ctime;
	if (name_size == r->file_size && virtual_size == name_size) {
		r->size = name_size;
		r->is_wire = true;
		return 0;
	}
	if (scan(r) < 0) {
		int error = errno;

		reader_close(r);
		errno = error;
		return -1;
	}
	return 0;
}

void reader_close(struct message_reader *r)
{
	if (r->fd >= 0)
		close(r->fd);
	free(r->checkpoints);
	*r = (struct message_reader){ .fd = -1 };
}

static void hide_nul(const struct message_reader *r, char *data, size_t n)
{
	char *end = data + n;

	if (r->keep_nul)
		return;
	while (data < end && (data = memchr(data, '\0', (size_t)(end - data))) != NULL)
		*data++ = (char)0x80;
}

/* The last known place at or before offset: where the previous read ended, or a checkpoint. */
static struct reader_checkpoint place_before(const struct message_reader *r, uint64_t offset)
{
	size_t low = 0, high = r->checkpoint_count;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (r->checkpoints[middle].virtual_offset <= offset)
			low = middle;
		else
			high = middle;
	}
	if (r->next.virtual_offset <= offset && r->next.virtual_offset > r->checkpoints[low].virtual_offset)
		return r->next;
	return r->checkpoints[low];
}

/* convert - take bytes of in, put their wire form, from virtual offset 'from' on, into out (at most n bytes).
 * Moves *at; gives what was put.  A place never lies between the CR we add and its LF: then *at stays before
 * that LF, and the CR is passed over again. */
static size_t convert(struct span in, struct reader_checkpoint *at, uint64_t from, char *out, size_t n)
{
	size_t put = 0;

	for (size_t i = 0; i < in.len; i++) {
		char c = in.ptr[i];
		unsigned width = c == '\n' && !at->after_cr ? 2 : 1;

		for (unsigned k = 0; k < width; k++) {
			if (at->virtual_offset + k < from)
				continue;
			if (put == n)
				return put;
			out[put++] = width == 2 && k == 0 ? '\r' : c;
		}
		at->virtual_offset += width;
		at->physical++;
		at->after_cr = c == '\r';
	}
	return put;
}

static ssize_t read_converted(struct message_reader *r, uint64_t offset, char *out, size_t n)
{
	struct reader_checkpoint at = place_before(r, offset);
	char piece[CHECKPOINT];
	size_t put = 0;

	while (put < n) {
		ssize_t got = read_at(r->fd, piece, sizeof(piece), at.physical);

		if (got < 0)
			return -1;
		if (got == 0)
			break;
		put += convert(span_make(piece, (size_t)got), &at, offset + put, out + put, n - put);
	}
	r->next = at;
	return (ssize_t)put;
}

ssize_t reader_read(struct message_reader *r, uint64_t offset, void *data, size_t n)
{
	ssize_t got;

	if (offset >= r->size)
		return 0;
	if (n > r->size - offset)
		n = (size_t)(r->size - offset);
	got = r->is_wire ? read_at(r->fd, data, n, offset) : read_converted(r, offset, data, n);
	if (got > 0)
		hide_nul(r, data, (size_t)got);
	return got;
}

bool reader_span(struct message_reader *r, uint64_t offset, uint64_t length, struct arena *arena,
                 struct span *out)
{
	uint64_t left = offset < r->size ? r->size - offset : 0;
	size_t n = (size_t)(length < left ? length : left), done = 0;
	char *data = arena_alloc(arena, n + 1);

	while (done < n) {
		ssize_t got = reader_read(r, offset + done, data + done, n - done);

		if (got < 0)
			return false;
		if (got == 0)
			break;	/* shorter than when opened: somebody cut the file */
		done += (size_t)got;
	}
	*out = span_make(data, done);
	return true;
}

/* Length of the header in text, its blank line included; 0 when it goes on past the end. */
static size_t header_end(struct span text)
{
	size_t at;

	if (span_starts(text, span_lit("\r\n")))
		return 2;
	at = span_search(text, span_lit("\r\n\r\n"));
	return at != SPAN_NOT_FOUND ? at + 4 : 0;
}

bool reader_header(struct message_reader *r, size_t limit, struct arena *arena, struct span *out)
{
	size_t want = 4096, end = 0;

	for (;;) {
		want = want < limit ? want : limit;
		if (!reader_span(r, 0, want, arena, out))
			return false;
		end = header_end(*out);
		if (end != 0 || out->len < want || want == limit)
			break;
		want *= 4;
	}
	*out = span_first(*out, end != 0 ? end : out->len);
	return true;
}
