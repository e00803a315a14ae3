/* SPDX-License-Identifier: ISC */
/* content.c - message content on its way out: RFC 5321 4.5.2 (dots), 2.3.8 (line ends), 4.5.3.1.6 (length)
 *
 * Content is stored with CRLF, but a damaged or foreign one must not smuggle anything: a bare LF is sent as
 * CRLF, a bare CR as a blank. */
#include <errno.h>
#include <unistd.h>

#include "lib/base/fs.h"
#include "lib/base/log.h"
#include "smtp/smtp.h"

enum { PIECE_BYTES = 128 * 1024 };

static void put(struct content_writer *w, struct span text)
{
	chat_write(w->chat, text);
	w->column += text.len;
}

static void end_line(struct content_writer *w)
{
	chat_write(w->chat, span_lit("\r\n"));
	w->column = 0;
	w->after_cr = false;
}

/* put_folded - text without CR or LF, over as many lines as it needs. */
static void put_folded(struct content_writer *w, struct span text)
{
	if (w->column == 0 && span_starts(text, span_lit(".")))
		chat_write(w->chat, span_lit("."));
	while (w->line_max > 1 && w->column + text.len > w->line_max) {
		size_t room = w->line_max - w->column;

		put(w, span_first(text, room));
		text = span_skip(text, room);
		end_line(w);
		put(w, span_lit(" "));	/* what follows is a continuation, if this was a header */
	}
	put(w, text);
}

/* put_part - text of one line; each CR in it is a bare one as soon as anything but LF follows. */
static void put_part(struct content_writer *w, struct span part)
{
	while (part.len > 0) {
		size_t cr = span_find(part, '\r');
		struct span text = cr == SPAN_NOT_FOUND ? part : span_first(part, cr);

		if (w->after_cr)
			put_folded(w, span_lit(" "));
		put_folded(w, text);
		w->after_cr = cr != SPAN_NOT_FOUND;
		part = span_skip(part, text.len + 1);
	}
}

void content_feed(struct content_writer *w, struct span bytes)
{
	size_t lf;

	while ((lf = span_find(bytes, '\n')) != SPAN_NOT_FOUND) {
		put_part(w, span_first(bytes, lf));
		end_line(w);
		bytes = span_skip(bytes, lf + 1);
	}
	put_part(w, bytes);
}

void content_end(struct content_writer *w)
{
	if (w->column > 0 || w->after_cr)
		end_line(w);
}

struct piece {
	int    fd;
	off_t  offset;
	size_t want;
	char  *bytes;
	int    result;
};

static void read_piece(void *arg)
{
	struct piece *p = arg;

	p->result = fs_pread_all(p->fd, p->bytes, p->want, p->offset);
}

static bool send_file(const struct deliver_request *request, struct content_writer *w)
{
	uint64_t left = request->content_length;
	struct piece p = { .fd = request->file, .offset = (off_t)request->content_offset };
	struct buf room;
	bool ok = true;

	buf_init(&room, PIECE_BYTES);
	p.bytes = buf_reserve(&room, PIECE_BYTES);
	while (ok && left > 0 && !w->chat->failed) {
		p.want = left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;
		task_offload(read_piece, &p);
		ok = p.result == 0;
		if (ok)
			content_feed(w, span_make(p.bytes, p.want));
		else
			log_error(SPAN_FMT ": cannot read the message", SPAN_ARG(request->queue_id));
		p.offset += (off_t)p.want;
		left -= p.want;
	}
	buf_free(&room);
	return ok;
}

bool content_send(const struct deliver_request *request, struct chat *chat, size_t line_max)
{
	struct content_writer w = { .chat = chat, .line_max = line_max };
	bool ok = true;

	if (request->file >= 0)
		ok = send_file(request, &w);
	else
		content_feed(&w, request->content);
	content_end(&w);
	return ok;
}
