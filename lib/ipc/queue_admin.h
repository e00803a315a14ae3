/* SPDX-License-Identifier: ISC */
/* queue_admin.h - what postqueue, postsuper, postcat and "postern flush" ask of the running qmgr
 *
 * On the public socket "public/qmgr"; qmgr checks the asker's uid (root and mail_owner may all; others list and flush as
 * authorized_mailq_users and authorized_flush_users say). */
#ifndef IPC_QUEUE_ADMIN_H
#define IPC_QUEUE_ADMIN_H

#include "lib/ipc/ipc.h"

/* queue_id empty: all.  One queue_entry reply a message (IPC_MORE), the last with an empty queue_id. */
#define QUEUE_LIST_REQUEST(F, M) F(M, SPAN, queue_id)
IPC_DECLARE(queue_list_request, QUEUE_LIST_REQUEST);
/* state: active, deferred, hold.  recipients: per recipient address NUL original NUL reason NUL. */
#define QUEUE_ENTRY(F, M)         \
	F(M, SPAN, queue_id)      \
	F(M, SPAN, state)         \
	F(M, U64,  arrival_us)    \
	F(M, U64,  size)          \
	F(M, BOOL, is_forced_to_expire) \
	F(M, SPAN, sender)        \
	F(M, SPAN, recipients)
IPC_DECLARE(queue_entry, QUEUE_ENTRY);

enum queue_action { QUEUE_FLUSH, QUEUE_DELETE, QUEUE_HOLD, QUEUE_RELEASE, QUEUE_REQUEUE, QUEUE_EXPIRE };
/* queue_id empty: all.  site: flush only mail for that next hop, or empty. */
#define QUEUE_ACTION_REQUEST(F, M) \
	F(M, U64,  action)         \
	F(M, SPAN, queue_id)       \
	F(M, SPAN, site)
IPC_DECLARE(queue_action_request, QUEUE_ACTION_REQUEST);
/* count: messages it was done to.  refused: not allowed for this uid. */
#define QUEUE_ACTION_REPLY(F, M) \
	F(M, U64,  count)        \
	F(M, BOOL, refused)
IPC_DECLARE(queue_action_reply, QUEUE_ACTION_REPLY);

/* The whole message for postcat: envelope (lib/queue/envelope.h) and content in a read-only file at an offset. */
#define QUEUE_READ_REQUEST(F, M) F(M, SPAN, queue_id)
IPC_DECLARE(queue_read_request, QUEUE_READ_REQUEST);
#define QUEUE_READ_REPLY(F, M)     \
	F(M, BOOL, is_found)       \
	F(M, SPAN, envelope)       \
	F(M, SPAN, content)        \
	F(M, FD,   file)           \
	F(M, U64,  content_offset) \
	F(M, U64,  content_length)
IPC_DECLARE(queue_read_reply, QUEUE_READ_REPLY);

#endif
