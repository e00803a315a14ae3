/* SPDX-License-Identifier: ISC */
/* blocking.c - messages without a loop, for tools, session processes and master's simple steps
 *
 * Safe in any thread: nothing is shared.  The size of a packet is asked for first, so that it
 * lands in the caller's arena in one piece. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/ipc/packet.h"

/* Until fd is ready; 0, or -1 with errno. */
static int await(int fd, short events, uint64_t deadline_us)
{
	struct pollfd p = { .fd = fd, .events = events };

	for (;;) {
		uint64_t now = clock_now_us();
		int      wait_ms = -1, n;

		if (deadline_us != CLOCK_NEVER)
			wait_ms = now >= deadline_us ? 0 : (int)((deadline_us - now + 999) / 1000);
		n = poll(&p, 1, wait_ms);
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -1;
		if (n == 0 && clock_now_us() >= deadline_us) {
			errno = ETIMEDOUT;
			return -1;
		}
	}
}

static uint64_t deadline_of(unsigned timeout_s)
{
	return timeout_s == 0 ? CLOCK_NEVER : clock_in_s(timeout_s);
}

/* Bytes of the packet that waits, or -1. */
static ssize_t next_size(int fd)
{
	ssize_t n;
	char    byte;

	do {
		n = recv(fd, &byte, 1, MSG_PEEK | MSG_TRUNC);
	} while (n < 0 && errno == EINTR);
	return n;
}

static int receive(int fd, struct arena *arena, uint64_t deadline_us, struct packet *p)
{
	ssize_t size;
	char   *bytes;

	if (await(fd, POLLIN, deadline_us) < 0)
		return -1;
	size = next_size(fd);
	if (size <= 0 || size > IPC_MESSAGE_MAX) {
		errno = size > 0 ? EPROTO : ECONNRESET;
		return -1;
	}
	bytes = arena_alloc(arena, (size_t)size);
	switch (packet_receive(fd, bytes, (size_t)size, 0, p)) {
	case PACKET_CAME:
		return 0;
	case PACKET_POOR:
		errno = EMFILE;
		return -1;
	case PACKET_BAD:
		errno = EPROTO;
		return -1;
	case PACKET_END:
	case PACKET_NOT_YET:
		break;
	}
	errno = ECONNRESET;
	return -1;
}

int ipc_blocking_send(int fd, const struct ipc_type *type, uint16_t flags, uint64_t request,
                      const void *message)
{
	struct wire_gather   g;
	union packet_control control;
	struct msghdr        header;

	if (!wire_gather(&g, type, flags, request, message)) {
		errno = EMSGSIZE;
		return -1;
	}
	packet_message(&g, &control, &header);
	while (sendmsg(fd, &header, MSG_NOSIGNAL) < 0)
		if (errno == EAGAIN ? await(fd, POLLOUT, CLOCK_NEVER) < 0 : errno != EINTR)
			return -1;
	return 0;
}

int ipc_blocking_receive(int fd, struct arena *arena, struct ipc_header *header, struct span *packet,
                         int fds[IPC_FDS_MAX], size_t *fd_count)
{
	struct packet p;

	if (receive(fd, arena, CLOCK_NEVER, &p) < 0)
		return -1;
	if (!ipc_decode_header(p.bytes, header)) {
		packet_close_fds(&p);
		errno = EPROTO;
		return -1;
	}
	*packet = p.bytes;
	*fd_count = p.fd_count;
	memcpy(fds, p.fds, p.fd_count * sizeof(fds[0]));
	return 0;
}

int ipc_blocking_next(int fd, const struct ipc_type *reply_type, void *reply, struct arena *arena,
                      unsigned timeout_s)
{
	struct ipc_header header;
	struct packet     p;
	bool              good;

	if (receive(fd, arena, deadline_of(timeout_s), &p) < 0) {
		if (errno == ECONNRESET)
			errno = EPIPE;
		return -1;
	}
	good = ipc_decode_header(p.bytes, &header) &&
	       ipc_decode(p.bytes, reply_type, p.fds, p.fd_count, reply);
	packet_close_fds(&p);
	if (!good) {
		errno = EPROTO;
		return -1;
	}
	return (header.flags & IPC_MORE) != 0;
}

int ipc_blocking_call(int fd, const struct ipc_type *request_type, const void *request,
                      const struct ipc_type *reply_type, void *reply, struct arena *arena,
                      unsigned timeout_s)
{
	int result;

	if (ipc_blocking_send(fd, request_type, 0, 1, request) < 0)
		return -1;
	result = ipc_blocking_next(fd, reply_type, reply, arena, timeout_s);
	if (result > 0) {
		ipc_close_fds(reply_type, reply);
		errno = EPROTO;
		return -1;
	}
	return result;
}

int ipc_connect_path(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t             length = strlen(path);
	int                fd;

	if (length >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(address.sun_path, path, length + 1);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	packet_prepare_socket(fd, false);
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		int error = errno;

		(void)close(fd);
		errno = error;
		return -1;
	}
	return fd;
}
