/* SPDX-License-Identifier: ISC */
/* packet.c - one packet and its descriptors through a socket
 *
 * The common case is one system call a packet and no copy: long fields go out from where they are,
 * and packets come in through one buffer that all tasks of the process share (so an idle channel
 * holds none). */
#include "lib/ipc/packet.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

_Static_assert(CMSG_SPACE(sizeof(int) * IPC_FDS_MAX) <= PACKET_CONTROL_SIZE, "room for all descriptors");

void packet_prepare_socket(int fd, bool nonblocking)
{
	int room = 4 * IPC_MESSAGE_MAX;
	int flags = fcntl(fd, F_GETFL);

	/* Cut to net.core.wmem_max, which the kernel doubles: its default of 212992 holds two full messages. */
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	if (nonblocking && flags >= 0 && (flags & O_NONBLOCK) == 0)
		(void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

/* Keep the descriptors of one control message; those past IPC_FDS_MAX are closed and false given. */
static bool keep_fds(struct packet *p, const struct cmsghdr *c)
{
	size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	bool   fits = true;

	for (size_t i = 0; i < count; i++) {
		int fd;

		memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
		if (p->fd_count < IPC_FDS_MAX) {
			p->fds[p->fd_count++] = fd;
		} else {
			(void)close(fd);
			fits = false;
		}
	}
	return fits;
}

static enum packet_event collect_fds(struct packet *p, struct msghdr *message)
{
	enum packet_event event = (message->msg_flags & MSG_CTRUNC) != 0 ? PACKET_POOR : PACKET_CAME;

	p->fd_count = 0;
	if ((message->msg_flags & MSG_TRUNC) != 0)
		event = PACKET_BAD;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && !keep_fds(p, c))
			event = PACKET_BAD;
	if (event != PACKET_CAME)
		packet_close_fds(p);
	return event;
}

enum packet_event packet_receive(int fd, void *buffer, size_t size, int flags, struct packet *p)
{
	union packet_control control;
	struct iovec         iov = { buffer, size };
	struct msghdr        message = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control.bytes, .msg_controllen = sizeof(control.bytes),
	};
	enum packet_event    event;
	ssize_t              n;

	do {
		n = recvmsg(fd, &message, flags | MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0) {
		p->fd_count = 0;
		return errno == EAGAIN || errno == EWOULDBLOCK ? PACKET_NOT_YET : PACKET_END;
	}
	event = collect_fds(p, &message);
	p->bytes = span_make(buffer, (size_t)n);
	if (n == 0)
		packet_close_fds(p);
	return n == 0 ? PACKET_END : event;
}

enum packet_event packet_await(int fd, struct packet *p)
{
	static char shared[IPC_MESSAGE_MAX];	/* one thread runs the loop */

	for (;;) {
		enum packet_event event = packet_receive(fd, shared, sizeof(shared), MSG_DONTWAIT, p);

		if (event != PACKET_NOT_YET)
			return event;
		if (task_wait_fd(fd, TASK_READABLE, CLOCK_NEVER) < 0)
			return PACKET_END;
	}
}

void packet_close_fds(struct packet *p)
{
	for (size_t i = 0; i < p->fd_count; i++)
		if (p->fds[i] >= 0)
			(void)close(p->fds[i]);
	p->fd_count = 0;
}

void packet_message(struct wire_gather *g, union packet_control *control, struct msghdr *message)
{
	struct cmsghdr *c;

	*message = (struct msghdr){ .msg_iov = g->iov, .msg_iovlen = g->iov_count };
	if (g->fd_count == 0)
		return;
	memset(control, 0, sizeof(*control));
	message->msg_control = control->bytes;
	message->msg_controllen = CMSG_SPACE(sizeof(int) * g->fd_count);
	c = CMSG_FIRSTHDR(message);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * g->fd_count);
	memcpy(CMSG_DATA(c), g->fds, sizeof(int) * g->fd_count);
}

void packet_sender_init(struct packet_sender *s, int fd)
{
	s->fd = fd;
	s->is_busy = false;
	task_waitlist_init(&s->turn);
}

/* The socket is full: wait for it in the order we came. */
static int send_in_turn(struct packet_sender *s, const struct msghdr *message, uint64_t deadline_us)
{
	ssize_t n;

	while (s->is_busy)
		if (task_wait(&s->turn, deadline_us) < 0)
			return -1;
	s->is_busy = true;
	n = task_sendmsg(s->fd, message, MSG_NOSIGNAL, deadline_us);
	s->is_busy = false;
	(void)task_wake_one(&s->turn);
	return n < 0 ? -1 : 0;
}

/* One try, without suspending: 0, or -1 with errno. */
static int send_now(struct packet_sender *s, const struct msghdr *message)
{
	ssize_t n;

	do {
		n = sendmsg(s->fd, message, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -1 : 0;
}

int packet_notify(struct packet_sender *s, const struct ipc_type *type, const void *notice)
{
	union packet_control control;
	struct msghdr        message;
	struct wire_gather   g;

	if (!wire_gather(&g, type, 0, 0, notice)) {
		errno = EMSGSIZE;
		return -1;
	}
	packet_message(&g, &control, &message);
	return send_now(s, &message);
}

int packet_send(struct packet_sender *s, struct wire_gather *g, uint64_t deadline_us)
{
	union packet_control control;
	struct msghdr        message;

	packet_message(g, &control, &message);
	if (!s->is_busy) {
		if (send_now(s, &message) == 0)
			return 0;
		if (errno != EAGAIN && errno != EWOULDBLOCK && errno != ENOBUFS)
			return -1;
	}
	return send_in_turn(s, &message, deadline_us);
}
