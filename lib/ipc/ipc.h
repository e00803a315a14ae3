/* SPDX-License-Identifier: ISC */
/* ipc.h - messages between our programs: typed fields over SOCK_SEQPACKET
 *
 * A message type is declared once, as a list of fields (IPC_DECLARE in the header of its
 * service, IPC_DEFINE in one .c file); struct, encoder, strict decoder and debug dump follow
 * from it.  On the wire: version, type, flags, request id, then every field in declared
 * order, each exactly once.  A message that does not decode costs its channel, nothing else.
 *
 * Many requests may be under way on one channel; replies find theirs by the request id.  A
 * request may be answered by several replies (results as they come); all but the last carry
 * IPC_MORE. */
#ifndef IPC_IPC_H
#define IPC_IPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/attributes.h"
#include "lib/base/span.h"
#include "lib/base/why.h"

/* Largest message, descriptors not counted.  A small mail travels inline (journal_message_limit). */
enum { IPC_MESSAGE_MAX = 160 * 1024, IPC_FDS_MAX = 4 };

enum ipc_kind { IPC_U64, IPC_BOOL, IPC_SPAN, IPC_FD };

struct ipc_field {
	enum ipc_kind kind;
	size_t        offset;
	const char   *name;
};

struct ipc_type {
	uint16_t                number;	/* unique in its service; requests even, replies odd */
	const char             *name;
	size_t                  size;
	const struct ipc_field *fields;
	size_t                  count;
};

#define IPC_C_TYPE_U64  uint64_t
#define IPC_C_TYPE_BOOL bool
#define IPC_C_TYPE_SPAN struct span
#define IPC_C_TYPE_FD   int	/* -1: none.  Sent: still the sender's.  Received: the receiver closes it */

#define IPC_MEMBER(message, kind, member)     IPC_C_TYPE_##kind member;
#define IPC_DESCRIBE(message, kind, member) \
	{ IPC_##kind, offsetof(struct message, member), #member },

/* IPC_DECLARE(message, FIELDS) - struct message and extern const struct ipc_type message_type.
 * FIELDS is #define FIELDS(F, M) F(M, SPAN, sender) F(M, U64, size) ... */
#define IPC_DECLARE(message, FIELDS)                  \
	struct message {                              \
		FIELDS(IPC_MEMBER, message)           \
	};                                            \
	extern const struct ipc_type message##_type
#define IPC_DEFINE(message, type_number, FIELDS)                                          \
	static const struct ipc_field message##_fields[] = { FIELDS(IPC_DESCRIBE, message) }; \
	const struct ipc_type message##_type = {                                           \
		type_number, #message, sizeof(struct message), message##_fields,              \
		sizeof(message##_fields) / sizeof(message##_fields[0])                         \
	}

/* ---- encoding alone (for tests and fuzzing; channels do it themselves) ---- */

struct buf;
/* ipc_encode - append header and fields of message; what does not fit sets out->overflowed.  Descriptors stay the caller's. */
void ipc_encode(struct buf *out, const struct ipc_type *type, uint16_t flags, uint64_t request,
                const void *message);
struct ipc_header {
	uint16_t type, flags;
	uint64_t request;
};
MUST_USE bool ipc_decode_header(struct span packet, struct ipc_header *header);
/* ipc_decode - fill message (type->size bytes) from packet; spans borrow the packet, descriptors are taken
 * from fds in order (each used one is set to -1).  False: unknown, missing, oversized, trailing bytes. */
MUST_USE bool ipc_decode(struct span packet, const struct ipc_type *type, int *fds, size_t fd_count,
                         void *message);
/* ipc_dump - "name{field=value ...}" for debug logs; spans are cut at 64 bytes. */
char *ipc_dump(struct arena *a, const struct ipc_type *type, const void *message);
/* ipc_close_fds - close the descriptors of a received message that is not used after all. */
void ipc_close_fds(const struct ipc_type *type, void *message);

/* ---- the asking side ---- */

struct ipc_channel;

/* ipc_channel_open - a channel over the connected descriptor fd (taken; peer_name is kept).  A reader task is spawned;
 * NULL with errno when it cannot be. */
struct ipc_channel *ipc_channel_open(int fd, const char *peer_name);
/* ipc_channel_close - calls under way end with EPIPE.  Freed when the last of them is out. */
void ipc_channel_close(struct ipc_channel *c);
/* ipc_channel_release - the same, but calls under way may still be answered. */
void ipc_channel_release(struct ipc_channel *c);
/* ipc_channel_is_open - new requests may be tried; false once the peer is gone or takes no more. */
bool ipc_channel_is_open(const struct ipc_channel *c);

/* A notice is a message that is not answered; its request id is 0. */
MUST_USE int ipc_channel_notify(struct ipc_channel *c, const struct ipc_type *type, const void *notice);
/* ipc_channel_on_notice - handlers (kept) for notices that come by this channel: called in its reader, must neither
 * suspend nor reply; lost (may be NULL) is called once, when the peer is gone.  Without handlers a notice costs the
 * channel. */
struct ipc_handler;
void ipc_channel_on_notice(struct ipc_channel *c, const struct ipc_handler *handlers, size_t count,
                           void (*lost)(void *user), void *user);

/* ipc_call - send request, wait for the one reply of reply_type.  Spans of reply live in arena;
 * descriptors in reply are the caller's.  0, or -1 with errno: ETIMEDOUT, EPIPE (channel lost), ESHUTDOWN
 * (the peer takes no more requests and has not seen this one: ask over a new channel), EPROTO (another type), EMSGSIZE,
 * EMFILE (no room for the descriptor it brought), ECANCELED.  Suspends. */
MUST_USE int ipc_call(struct ipc_channel *c, const struct ipc_type *request_type, const void *request,
                      const struct ipc_type *reply_type, void *reply, struct arena *arena,
                      uint64_t deadline_us);

/* ipc_ask_start / ipc_ask_next / ipc_ask_end - the same with several replies.  Each ipc_ask_next suspends until the
 * next reply: 1 more may come, 0 this was the last, -1 with errno. */
struct ipc_ask;
struct ipc_ask *ipc_ask_start(struct ipc_channel *c, const struct ipc_type *request_type,
                              const void *request, uint64_t deadline_us);
MUST_USE int ipc_ask_next(struct ipc_ask *ask, const struct ipc_type *reply_type, void *reply,
                          struct arena *arena, uint64_t deadline_us);
void ipc_ask_end(struct ipc_ask *ask);

/* ---- the answering side ---- */

struct ipc_request {
	const void       *message;	/* of the type the handler is registered for */
	struct arena     *arena;	/* lives until the request is done */
	void             *user;		/* of the server */
	struct ipc_peer  *peer;		/* the connection it came by */
	uint64_t          id;
};

/* What a service answers: one row a message type.  A handler runs as a task of its own when it may
 * suspend, else straight in the connection's reader; it replies exactly once with the last reply. */
struct ipc_handler {
	const struct ipc_type *type;
	void (*handle)(struct ipc_request *request);
	bool                   may_suspend;
};

struct ipc_server {
	const struct ipc_handler *handlers;
	size_t                    count;
	void                     *user;
	size_t                    most_requests;	/* under way per connection; more wait in the socket */
	void (*opened)(struct ipc_peer *peer, void *user);	/* may be NULL */
	void (*closed)(struct ipc_peer *peer, void *user);	/* may be NULL */
};

/* ipc_serve - answer on the connected descriptor fd (taken) until the peer is gone and every request under way has
 * ended (only then is closed() called).  Suspends; the caller is the connection's task. */
void ipc_serve(const struct ipc_server *server, int fd);
/* ipc_serve_drain - take no more requests on any connection of this process.  Those already sent are answered, then
 * each connection ends; the next request of a peer fails with ESHUTDOWN on its side.  Does not suspend. */
void ipc_serve_drain(void);
/* ipc_reply - send a reply; more: further ones follow.  0 or -1 (peer gone).  May suspend when the socket is full.
 * A handler may return first and reply later; request lives until both have happened. */
int ipc_reply(struct ipc_request *request, const struct ipc_type *type, const void *reply, bool more);
/* ipc_peer_notify - a notice to the other end of a served connection; 0 or -1.  A handler gets one (id 0) like a
 * request, but must not reply. */
MUST_USE int ipc_peer_notify(struct ipc_peer *peer, const struct ipc_type *type, const void *notice);
/* ipc_peer_fd, ipc_peer_uid - who asks (SO_PEERCRED). */
int ipc_peer_fd(const struct ipc_peer *peer);
uint64_t ipc_peer_uid(const struct ipc_peer *peer);
void ipc_peer_set_value(struct ipc_peer *peer, void *value);
void *ipc_peer_value(const struct ipc_peer *peer);

/* ---- blocking helpers, for tools and session processes without a loop (timeout_s 0: none) ---- */

/* ipc_blocking_call - as ipc_call on a plain blocking descriptor, one request at a time. */
MUST_USE int ipc_blocking_call(int fd, const struct ipc_type *request_type, const void *request,
                               const struct ipc_type *reply_type, void *reply, struct arena *arena,
                               unsigned timeout_s);
/* ipc_blocking_next - the next of several replies: 1 more, 0 last, -1 errno. */
MUST_USE int ipc_blocking_next(int fd, const struct ipc_type *reply_type, void *reply,
                               struct arena *arena, unsigned timeout_s);
/* ipc_blocking_receive - next request on fd, of whatever type; header says which; decode with ipc_decode
 * from *packet.  0, or -1 with errno (ECONNRESET at the end). */
MUST_USE int ipc_blocking_receive(int fd, struct arena *arena, struct ipc_header *header,
                                  struct span *packet, int fds[IPC_FDS_MAX], size_t *fd_count);
MUST_USE int ipc_blocking_send(int fd, const struct ipc_type *type, uint16_t flags, uint64_t request,
                               const void *message);
/* ipc_connect_path - a connected SEQPACKET descriptor to the socket at path, or -1. */
MUST_USE int ipc_connect_path(const char *path);

enum { IPC_MORE = 1 };

#endif
