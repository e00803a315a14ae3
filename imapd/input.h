/* SPDX-License-Identifier: ISC */
/* input.h - whole commands from the client: lines and literals, within one budget */
#ifndef IMAPD_INPUT_H
#define IMAPD_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/attributes.h"
#include "lib/base/buf.h"
#include "lib/base/span.h"

struct imap;

struct imap_input {
	struct buf pending;	/* read, not used yet; from 'at' on */
	size_t     at;
	struct buf text;	/* of the command under way */
	uint64_t   unread;	/* bytes of a message literal that come unasked and nobody has read yet */
};

enum input_result {
	INPUT_COMMAND,	/* a whole command */
	INPUT_LITERAL,	/* it ends in a literal that was not read: the message of APPEND */
	INPUT_TOO_LONG,	/* past the budget; its bytes were skipped */
	INPUT_GONE,	/* the client is gone, silent for too long, or cannot be followed any more */
};

/* input_command - the next command, without its last line end; valid until the next call.  Flushes the output
 * before it waits. */
enum input_result input_command(struct imap *s, struct span *text);
/* input_continue - go on with the same command behind a message literal: text is what follows it. */
enum input_result input_continue(struct imap *s, struct span *text);
/* input_bytes - some bytes of a literal, at most n; empty when the client is gone.  Valid until the next call. */
struct span input_bytes(struct imap *s, uint64_t n);
/* input_discard - skip n bytes; false when the client is gone, or n is more than anybody should send in vain. */
bool input_discard(struct imap *s, uint64_t n);
/* input_wait - until the client sends, watch_fd (may be -1) is readable, or timeout_ms passed.  True: client bytes
 * are there, or the client is gone. */
bool input_wait(struct imap *s, int watch_fd, int timeout_ms);
/* input_is_pending - is there anything read and not used?  (Then replies may wait in the buffer.) */
bool input_is_pending(const struct imap *s);

#endif
