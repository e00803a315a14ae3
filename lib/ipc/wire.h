/* SPDX-License-Identifier: ISC */
/* wire.h - how a message lies in a packet; private to lib/ipc */
#ifndef IPC_WIRE_H
#define IPC_WIRE_H

#include <sys/uio.h>

#include "lib/ipc/ipc.h"

enum {
	WIRE_VERSION     = 1,
	WIRE_HEADER_SIZE = 14,	/* version 2, type 2, flags 2, request 8 */
	WIRE_FIELDS_MAX  = 32,
	WIRE_INLINE_MAX  = 128,	/* a shorter span is copied beside the scalars, a longer one sent from where it is */
};

/* A message ready for one sendmsg: pieces in order, and the descriptors that go along. */
struct wire_gather {
	struct iovec iov[2 * WIRE_FIELDS_MAX + 1];
	size_t       iov_count;
	size_t       total;
	int          fds[IPC_FDS_MAX];
	size_t       fd_count;
	size_t       used;
	char         scratch[WIRE_HEADER_SIZE + WIRE_FIELDS_MAX * (9 + WIRE_INLINE_MAX)];
};

/* wire_gather - fill g from message; it borrows the message's long spans.  False when the packet would pass
 * IPC_MESSAGE_MAX. */
MUST_USE bool wire_gather(struct wire_gather *g, const struct ipc_type *type, uint16_t flags,
                          uint64_t request, const void *message);

#endif
