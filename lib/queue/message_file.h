/* SPDX-License-Identifier: ISC */
/* message_file.h - one message in a file of its own: queue/message/<xx>/<ID>
 *
 *	preamble   128 bytes: magic, where things are, arrival, size, checksums; then retry data, changed in place
 *	content    one run of wire-format octets
 *	envelope   as lib/queue/envelope.h has it
 *	slots      256 bytes a recipient: status byte and last reason, changed in place
 *	end        the commit record: total length and checksum
 * Content comes first because a leased file is written before its envelope is known.  All functions block.  Those that
 * give int: 0, or -1 with errno (EBADMSG: the file is not whole). */
#ifndef QUEUE_MESSAGE_FILE_H
#define QUEUE_MESSAGE_FILE_H

#include "lib/queue/queue_id.h"
#include "lib/queue/state.h"

enum {
	MESSAGE_FILE_CONTENT = 128,	/* where content begins */
	MESSAGE_FILE_NAME_MAX = QUEUE_ID_MAX + 4,
};

struct message_preamble {
	uint64_t arrival_us;
	uint64_t content_length;
	uint32_t content_crc32c;
	uint64_t envelope_offset;
	uint32_t envelope_length;
	uint32_t envelope_crc32c;
	uint32_t recipient_count;
	/* retry data: a lost or torn change costs an early retry, nothing else */
	uint32_t flags, attempts;
	uint64_t next_attempt_us;
};

/* message_file_name - "xx/ID" below queue/message. */
const char *message_file_name(struct span id, char out[MESSAGE_FILE_NAME_MAX]);
/* message_file_make_dirs - the 256 folders, their names durable. */
MUST_USE int message_file_make_dirs(int message_dir_fd);
/* message_file_lease - an unnamed file there, for content written from MESSAGE_FILE_CONTENT on.  Descriptor or -1. */
MUST_USE int message_file_lease(int message_dir_fd);
/* message_file_finish - what stands around the content: after it the file is whole, but neither named nor durable. */
MUST_USE int message_file_finish(int fd, const struct queued *q, uint64_t content_length, uint32_t content_crc32c);
/* message_file_publish - give it its name; is_synced: file and folder durable when it returns. */
MUST_USE int message_file_publish(int fd, int message_dir_fd, struct span id, bool is_synced);
/* message_file_create - lease, content, finish and publish in one, not synced: for the move out of the journal. */
MUST_USE int message_file_create(int message_dir_fd, struct span id, const struct queued *q, struct span content);
/* message_file_open - for reading and marking.  Descriptor or -1. */
MUST_USE int message_file_open(int message_dir_fd, struct span id);
MUST_USE int message_file_remove(int message_dir_fd, struct span id);

MUST_USE int message_file_preamble(int fd, struct message_preamble *out);
/* message_file_read - preamble, envelope and slots.  Strict: the file may be foreign. */
MUST_USE int message_file_read(int fd, struct arena *arena, struct message_preamble *preamble, struct queued *out);
/* message_file_check - is the content what was committed? */
MUST_USE int message_file_check(int fd, const struct message_preamble *preamble);

/* message_file_mark - write the slot of recipient index.  message_file_retry - the retry data.  Neither syncs. */
MUST_USE int message_file_mark(int fd, const struct message_preamble *preamble, size_t index,
                               const struct recipient_state *state);
MUST_USE int message_file_retry(int fd, const struct queued *q);
/* message_file_rewrite - recipients have joined: a new envelope and slots behind the old ones, made durable before the
 * preamble points there; updates preamble. */
MUST_USE int message_file_rewrite(int fd, const struct queued *q, struct message_preamble *preamble);

#endif
