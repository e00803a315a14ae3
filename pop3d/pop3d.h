/* SPDX-License-Identifier: ISC */
/* pop3d.h - one POP3 session, and what the files of pop3d share; nobody outside includes it */
#ifndef POP3D_POP3D_H
#define POP3D_POP3D_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/span.h"
#include "lib/conf/conf.h"
#include "lib/ipc/session.h"
#include "lib/mailbox/mailbox.h"
#include "lib/service/service.h"

/* A message of the snapshot taken at login; its POP3 number is its place in the array, from 1. */
struct pop3_message {
	uint32_t    seq;	/* in the view */
	uint32_t    order;	/* O field of the uidlist */
	bool        is_deleted, is_retrieved;
	struct span uidl;	/* made when first asked */
};

struct pop3 {
	const struct conf   *conf;
	struct arena        *arena;	/* of the session */
	int                  fd;
	struct buf           in, out;
	size_t               consumed;	/* bytes of in already used */
	bool                 is_lost;	/* the client is gone */
	bool               (*is_stopping)(void);	/* or NULL */
	struct mailstore    *store;
	struct mailbox      *mailbox;
	struct pop3_message *messages;
	uint32_t             count;
	unsigned             bad_commands;
	uint64_t             retrieved, retrieved_bytes, deleted;
};

/* ---- pop3_io.c: lines in, replies out ---- */

enum pop3_event { POP3_LINE, POP3_TOO_LONG, POP3_CLOSED, POP3_TIMEOUT };

/* pop3_line - next command without its line end; borrows until the next call.  Flushes what is to be sent first when it must
 * wait. */
enum pop3_event pop3_line(struct pop3 *p, struct span *line);
void pop3_write(struct pop3 *p, struct span s);
void pop3_reply(struct pop3 *p, const char *format, ...) PRINTF_LIKE(2, 3);
void pop3_flush(struct pop3 *p);
/* pop3_send_message - header and body, dots stuffed, with the final "."; body_lines UINT64_MAX: all. */
void pop3_send_message(struct pop3 *p, struct message_reader *r, uint64_t body_lines);

/* ---- pop3_uidl.c ---- */

/* pop3_uidl - the unique id of message number n (from 1). */
struct span pop3_uidl(struct pop3 *p, uint32_t n);
/* pop3_uidl_print - one id of a format, for tests. */
void pop3_uidl_print(struct buf *out, struct span format, uint32_t uid, uint32_t uidvalidity,
                     struct span base, struct span guid);

/* ---- pop3_session.c ---- */

/* pop3_session - from "+OK" to goodbye with the Maildir at path; the process already is the user.  is_stopping: at the
 * end of the input, whether that is our own doing.  May be NULL. */
void pop3_session(const struct conf *conf, const struct session_request *request, const char *path,
                  bool (*is_stopping)(void));
/* pop3_dialogue - the conversation that proves command number; NULL at the end. */
const char *pop3_dialogue(size_t number, struct span *command);

#endif
