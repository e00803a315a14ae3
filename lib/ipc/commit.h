/* SPDX-License-Identifier: ISC */
/* commit.h - how a receiver hands a message to qmgr
 *
 * A small message comes inline.  For a large one the receiver first asks for a lease: qmgr opens an
 * unnamed file and passes it, and the commit then names the lease; what the receiver wrote it may read back, to show
 * it to milters.  A lease dies with its channel, and its number is never that of another channel's. */
#ifndef IPC_COMMIT_H
#define IPC_COMMIT_H

#include "lib/ipc/ipc.h"

/* size_hint: bytes expected (MAIL SIZE=), 0 unknown. */
#define LEASE_REQUEST(F, M) F(M, U64, size_hint)
IPC_DECLARE(lease_request, LEASE_REQUEST);

/* status: enum outcome.  lease: number for the commit.  content_offset: where content begins in the file
 * (the receiver writes from there on). */
#define LEASE_REPLY(F, M)          \
	F(M, U64,  status)         \
	F(M, U64,  lease)          \
	F(M, U64,  content_offset) \
	F(M, FD,   file)           \
	F(M, SPAN, dsn)            \
	F(M, SPAN, reason)
IPC_DECLARE(lease_reply, LEASE_REPLY);

/* The lease is not wanted any more: the message was not finished, or was written anew to another.  Same reply as a
 * commit; a number that is not known is no fault. */
#define LEASE_END_REQUEST(F, M) F(M, U64, lease)
IPC_DECLARE(lease_end_request, LEASE_END_REQUEST);

/* queue_id: made by the receiver (queue_id_make).  envelope: encoded by lib/queue/envelope.h.  content: wire-format
 * octets (CRLF) of a small message, or empty when lease is not 0; then content_length bytes with checksum
 * content_crc32c were written to it. */
#define COMMIT_REQUEST(F, M)       \
	F(M, SPAN, queue_id)       \
	F(M, SPAN, envelope)       \
	F(M, SPAN, content)        \
	F(M, U64,  lease)          \
	F(M, U64,  content_length) \
	F(M, U64,  content_crc32c) \
	F(M, BOOL, is_held)
IPC_DECLARE(commit_request, COMMIT_REQUEST);

/* status: enum outcome; DONE means on stable storage.  pause_ms: the receiver waits that long before it answers its
 * client (back-pressure: intake runs ahead of delivery). */
#define COMMIT_REPLY(F, M)   \
	F(M, U64,  status)   \
	F(M, SPAN, dsn)      \
	F(M, SPAN, reason)   \
	F(M, U64,  pause_ms)
IPC_DECLARE(commit_reply, COMMIT_REPLY);

/* Asked at MAIL when a size is announced: is there room?  Same reply as a commit. */
#define ROOM_REQUEST(F, M) F(M, U64, size)
IPC_DECLARE(room_request, ROOM_REQUEST);

#endif
