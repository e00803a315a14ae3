/* SPDX-License-Identifier: ISC */
/* deliver.h - what qmgr asks of a delivery agent (local, smtp) */
#ifndef IPC_DELIVER_H
#define IPC_DELIVER_H

#include "lib/ipc/ipc.h"

enum deliver_flags {
	DELIVER_MAY_BE_REPEAT = 1,	/* found at start, or its agent died: look before storing (reliability 2.4) */
	DELIVER_IS_BOUNCE     = 2,
};

/* envelope: lib/queue/envelope.h, holding just the recipients of this delivery; a recipient is named by its
 * number there.  Content is inline, or in file (read-only) at content_offset.  transport: master.cf name.
 * arrival_us: wall clock when the message came in; active_us: when qmgr took it up (for delays=). */
#define DELIVER_REQUEST(F, M)      \
	F(M, SPAN, queue_id)       \
	F(M, SPAN, transport)      \
	F(M, SPAN, nexthop)        \
	F(M, SPAN, envelope)       \
	F(M, SPAN, content)        \
	F(M, FD,   file)           \
	F(M, U64,  content_offset) \
	F(M, U64,  content_length) \
	F(M, U64,  arrival_us)     \
	F(M, U64,  active_us)      \
	F(M, U64,  flags)
IPC_DECLARE(deliver_request, DELIVER_REQUEST);

enum deliver_status {
	DELIVER_SENT,		/* stored, or taken by the remote host */
	DELIVER_DEFERRED,
	DELIVER_BOUNCED,
	DELIVER_EXPANDED,	/* aliases, .forward: 'expansion' joins the message in this recipient's place */
};

/* One a recipient, in any order (IPC_MORE on all but the last).  recipient: its number.  is_durable: survives a power
 * cut already; otherwise only after the next checkpoint of this agent.  host_failed: the destination, not this
 * recipient, is the trouble (connect, greeting): counts against the destination.  remote_mta, diagnostic: for the
 * DSN (RFC 3464 2.3).  expansion: addresses, each ended by NUL; owner: new sender of an owner- alias or empty.
 * reports_itself: the remote host speaks DSN and was told NOTIFY: success is its to report (RFC 3461 5.2.2). */
#define DELIVER_RESULT(F, M)     \
	F(M, U64,  recipient)    \
	F(M, U64,  status)       \
	F(M, SPAN, dsn)          \
	F(M, SPAN, reason)       \
	F(M, SPAN, remote_mta)   \
	F(M, SPAN, diagnostic)   \
	F(M, SPAN, expansion)    \
	F(M, SPAN, owner)        \
	F(M, BOOL, is_durable)   \
	F(M, BOOL, host_failed)  \
	F(M, BOOL, reports_itself)
IPC_DECLARE(deliver_result, DELIVER_RESULT);

/* Make all that this agent process stored so far durable (syncfs). */
#define CHECKPOINT_REQUEST(F, M) F(M, U64, number)
IPC_DECLARE(checkpoint_request, CHECKPOINT_REQUEST);

/* failed: a sync gave an error; qmgr must deliver again what it was waiting for. */
#define CHECKPOINT_REPLY(F, M) \
	F(M, U64,  number)     \
	F(M, BOOL, failed)
IPC_DECLARE(checkpoint_reply, CHECKPOINT_REPLY);

#endif
