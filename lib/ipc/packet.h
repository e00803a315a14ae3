/* SPDX-License-Identifier: ISC */
/* packet.h - one packet and its descriptors through a socket; private to lib/ipc */
#ifndef IPC_PACKET_H
#define IPC_PACKET_H

#include "lib/ipc/wire.h"
#include "lib/task/task.h"

struct packet {
	struct span bytes;
	int         fds[IPC_FDS_MAX];	/* ours to close; -1 where taken */
	size_t      fd_count;
};

enum packet_event {
	PACKET_CAME,
	PACKET_NOT_YET,	/* nothing there (non-blocking) */
	PACKET_END,	/* the peer is gone */
	PACKET_POOR,	/* it came, its descriptors did not: this process has no room for more */
	PACKET_BAD,	/* too long, or with too many descriptors */
};

/* packet_prepare_socket - close-on-exec, and room for the largest message. */
void packet_prepare_socket(int fd, bool nonblocking);
/* packet_receive - one recvmsg into buffer, which p then borrows. */
enum packet_event packet_receive(int fd, void *buffer, size_t size, int flags, struct packet *p);
/* packet_await - the next packet, in a buffer all tasks share: use or copy it before the next suspension.
 * Never PACKET_NOT_YET.  Suspends. */
enum packet_event packet_await(int fd, struct packet *p);
/* packet_close_fds - close what nobody took. */
void packet_close_fds(struct packet *p);

enum { PACKET_CONTROL_SIZE = 64 };	/* room for IPC_FDS_MAX descriptors */
union packet_control {
	char   bytes[PACKET_CONTROL_SIZE];
	size_t aligned;
};
/* packet_message - the msghdr of g; borrows both. */
void packet_message(struct wire_gather *g, union packet_control *control, struct msghdr *message);

/* A sender lets one task at a time wait for room in its socket, so that packets keep their order. */
struct packet_sender {
	int                  fd;
	bool                 is_busy;
	struct task_waitlist turn;
};

/* packet_sender_init - for the connected descriptor fd, which stays the caller's. */
void packet_sender_init(struct packet_sender *s, int fd);
/* packet_send - 0 or -1 with errno.  Suspends only when the socket is full. */
MUST_USE int packet_send(struct packet_sender *s, struct wire_gather *g, uint64_t deadline_us);

/* packet_notify - a message nobody answers.  Never suspends: 0, or -1 when the socket is full or the peer gone. */
MUST_USE int packet_notify(struct packet_sender *s, const struct ipc_type *type, const void *notice);

/* ipc_find_handler - the row for that type, or NULL. */
const struct ipc_handler *ipc_find_handler(const struct ipc_handler *handlers, size_t count, uint16_t type);

#endif
