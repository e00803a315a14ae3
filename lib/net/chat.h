/* SPDX-License-Identifier: ISC */
/* chat.h - lines in, replies out, over a stream: what SMTP, POP3 and the IMAP front door share
 *
 * Input is buffered (the buffer is given back while the peer is silent); output is gathered and sent
 * when the next read would wait, so that pipelined commands are answered in one write (RFC 2920 3.2). */
#ifndef NET_CHAT_H
#define NET_CHAT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/attributes.h"
#include "lib/base/buf.h"
#include "lib/base/span.h"
#include "lib/net/stream.h"

enum chat_event {
	CHAT_LINE,	/* a whole line, without its line end */
	CHAT_TOO_LONG,	/* already skipped to its end */
	CHAT_CLOSED,	/* the peer is gone (end of file or error) */
	CHAT_TIMEOUT,
	CHAT_CANCELLED,	/* we are to end */
};

struct chat {
	struct stream *stream;
	struct buf     in, out;
	size_t         line_max;	/* longest line accepted, line end not counted */
	bool           bare_lf_seen;	/* the last line ended in LF without CR */
	bool           failed;		/* a write failed: reads then say CHAT_CLOSED */
	bool           is_skipping;	/* inside a line that is too long */
	size_t         consumed;	/* bytes of in already given out; dropped at the next read */
	size_t         searched;	/* bytes behind those that hold no line end */
	unsigned       write_timeout_s;	/* for output sent because there is much of it; 300 */
};

/* chat_init - a chat over stream (kept, not owned); holds no memory until there is input or output. */
void chat_init(struct chat *c, struct stream *stream, size_t line_max);
/* chat_free - give its buffers back; output not yet sent is forgotten. */
void chat_free(struct chat *c);

/* chat_line - next line; flushes pending output before it waits.  line borrows the buffer until the next
 * call.  Suspends. */
enum chat_event chat_line(struct chat *c, struct span *line, uint64_t deadline_us);
/* chat_more - up to what is buffered (at least one byte, waits when there is none): for literals, BDAT.  Take with
 * chat_take.  Suspends. */
enum chat_event chat_more(struct chat *c, struct span *bytes, uint64_t deadline_us);
/* chat_take - the first n bytes of what chat_more gave are used. */
void chat_take(struct chat *c, size_t n);
/* chat_has_input - bytes wait already (pipelining), without a read from the peer. */
bool chat_has_input(const struct chat *c);
/* chat_discard_input - STARTTLS: forget what was buffered; gives how many bytes that was. */
size_t chat_discard_input(struct chat *c);

/* chat_write, chat_printf - to the output buffer (sent when it passes 32 KiB: suspends then). */
void chat_write(struct chat *c, struct span s);
void chat_printf(struct chat *c, const char *format, ...) PRINTF_LIKE(2, 3);
void chat_vprintf(struct chat *c, const char *format, va_list args) PRINTF_LIKE(2, 0);
/* chat_flush - send all; 0 or -1.  Suspends. */
int  chat_flush(struct chat *c, uint64_t deadline_us);

#endif
