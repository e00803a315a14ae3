/* SPDX-License-Identifier: ISC */
/* reader.h - a stored message as the wire wants it: CRLF line ends, NUL as 0x80
 *
 * Files in wire format are read as they are; others (LF line ends) are converted on the way, with a table of
 * checkpoints, so that reading chunk k of a large message does not cost O(k). */
#ifndef MAILBOX_READER_H
#define MAILBOX_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/arena.h"
#include "lib/base/attributes.h"
#include "lib/base/span.h"

struct reader_checkpoint {
	uint64_t physical, virtual_offset;
	bool     after_cr;	/* the byte before is CR: an LF here needs none */
};

struct message_reader {
	int       fd;		/* owned */
	uint64_t  file_size;	/* physical */
	uint64_t  size;		/* of what is read: exact */
	int64_t   mtime_s, ctime_s;
	bool      is_wire;	/* every LF has its CR: offsets are those of the file */
	bool      keep_nul;	/* BINARY: leave NUL alone (default false) */
	struct reader_checkpoint *checkpoints;
	size_t    checkpoint_count;
	struct reader_checkpoint next;	/* where a sequential reader goes on */
};

/* reader_open - over fd (taken, also on failure).  virtual_size: as the file name says, or MAIL_SIZE_UNKNOWN; the file is
 * scanned when that is unknown or cannot be true.  0, or -1 with errno. */
MUST_USE int reader_open(struct message_reader *r, int fd, uint64_t name_size, uint64_t virtual_size);
void reader_close(struct message_reader *r);
/* reader_read - up to n bytes at offset of the converted message; 0 at the end, -1 with errno. */
MUST_USE ssize_t reader_read(struct message_reader *r, uint64_t offset, void *data, size_t n);
/* reader_span - bytes [offset, offset + length) (cut at the end) in arena memory. */
MUST_USE bool reader_span(struct message_reader *r, uint64_t offset, uint64_t length,
                          struct arena *arena, struct span *out);
/* reader_header - the header with its blank line (as far as there is one), at most limit bytes. */
MUST_USE bool reader_header(struct message_reader *r, size_t limit, struct arena *arena, struct span *out);

#endif
