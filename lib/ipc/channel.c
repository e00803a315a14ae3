/* SPDX-License-Identifier: ISC */
/* channel.c - the asking side: many requests under way over one socket
 *
 * A reader task waits for replies and hands each to the ask with its request id: straight into the
 * memory of a task that waits, else into the ask's own queue.  What does not decode, or answers a
 * question never asked, costs the channel; a late answer to an ask given up is dropped.
 *
 * Life: owner, reader and each ask hold a reference.  The reader ends when the socket does;
 * closing shuts the socket down and lets the reader find that out. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/base/log.h"
#include "lib/ipc/packet.h"

enum {
	ASK_BUCKETS = 64,	/* ids count up, so they spread evenly */
	ASK_QUEUE_MAX = 65536,	/* replies nobody fetches */
};

struct ipc_channel {
	struct packet_sender sender;
	const char          *peer_name;
	struct list          asks[ASK_BUCKETS];
	uint64_t             last_id;
	size_t               under_way;
	size_t               references;
	bool                 is_open;		/* takes new requests */
	bool                 is_lost;		/* no reply comes any more */
	bool                 is_released;	/* shut down when the last ask has ended */

	const struct ipc_handler *handlers;	/* of notices */
	size_t                    handler_count;
	void                    (*lost)(void *user);
	void                     *user;
};

struct ipc_ask {
	struct list            link;
	struct ipc_channel    *channel;
	uint64_t               id;
	struct task_waitlist   waiter;
	struct list            queue;	/* struct queued_packet */
	size_t                 queued;
	bool                   is_over;	/* the last reply has come */
	/* Set while a task waits in ipc_ask_next. */
	const struct ipc_type *type;
	void                  *reply;
	struct arena          *arena;
	int                    result;	/* for it: 1, 0, or -1 and error */
	int                    error;
};

struct queued_packet {
	struct list       link;
	struct ipc_header header;
	struct packet     packet;
	char              bytes[];
};

/* ---- asks ---- */

static struct ipc_ask *ask_find(struct ipc_channel *c, uint64_t id)
{
	struct list *bucket = &c->asks[id % ASK_BUCKETS];

	LIST_EACH(node, bucket) {
		struct ipc_ask *ask = CONTAINER_OF(node, struct ipc_ask, link);

		if (ask->id == id)
			return ask;
	}
	return NULL;
}

/* Decode a packet, whose bytes the ask's arena gets a copy of, into the waiting task's reply.  False when it is
 * malformed. */
static bool ask_fill(struct ipc_ask *ask, const struct ipc_header *header, struct packet *p)
{
	struct span bytes;
	bool        good;

	ask->error = EPROTO;
	ask->result = -1;
	if (header->type != ask->type->number) {
		packet_close_fds(p);
		return true;	/* a type of that service, but not what this caller expects */
	}
	bytes = arena_dup(ask->arena, p->bytes);
	good = ipc_decode(bytes, ask->type, p->fds, p->fd_count, ask->reply);
	packet_close_fds(p);
	if (good)
		ask->result = (header->flags & IPC_MORE) != 0;
	return good;
}

static bool ask_queue(struct ipc_ask *ask, const struct ipc_header *header, struct packet *p)
{
	struct queued_packet *q = ask->queued < ASK_QUEUE_MAX ? malloc(sizeof(*q) + p->bytes.len) : NULL;

	if (q == NULL) {
		packet_close_fds(p);
		return false;
	}
	q->header = *header;
	q->packet = *p;
	memcpy(q->bytes, p->bytes.ptr, p->bytes.len);
	q->packet.bytes.ptr = q->bytes;
	list_push_back(&ask->queue, &q->link);
	ask->queued++;
	return true;
}

static bool ask_deliver(struct ipc_ask *ask, const struct ipc_header *header, struct packet *p)
{
	bool good;

	if (ask->is_over) {
		packet_close_fds(p);
		return false;
	}
	ask->is_over = (header->flags & IPC_MORE) == 0;
	if (ask->type == NULL)
		return ask_queue(ask, header, p);
	good = ask_fill(ask, header, p);
	ask->type = NULL;
	task_wake_all(&ask->waiter);
	return good;
}

/* ---- the channel's life ---- */

static void channel_drop(struct ipc_channel *c)
{
	if (--c->references > 0)
		return;
	task_close(c->sender.fd);
	free(c);
}

static void channel_shut(struct ipc_channel *c)
{
	c->is_open = false;
	(void)shutdown(c->sender.fd, SHUT_RDWR);
}

/* No reply comes any more: tell all who wait. */
static void channel_lose(struct ipc_channel *c)
{
	channel_shut(c);
	c->is_lost = true;
	for (size_t i = 0; i < ASK_BUCKETS; i++)
		LIST_EACH(node, &c->asks[i])
			task_wake_all(&CONTAINER_OF(node, struct ipc_ask, link)->waiter);
}

static bool channel_notice(struct ipc_channel *c, const struct ipc_header *header, struct packet *p)
{
	const struct ipc_handler *handler = ipc_find_handler(c->handlers, c->handler_count, header->type);
	struct ipc_request        notice = { .user = c->user };
	void                     *message;
	bool                      good = false;

	if (handler == NULL) {
		packet_close_fds(p);
		return false;
	}
	notice.arena = arena_new(NULL);
	notice.message = message = arena_alloc(notice.arena, handler->type->size);
	good = ipc_decode(p->bytes, handler->type, p->fds, p->fd_count, message);
	packet_close_fds(p);
	if (good)
		handler->handle(&notice);
	arena_free(notice.arena);
	return good;
}

/* False when the packet is such that the channel cannot be trusted further. */
static bool channel_dispatch(struct ipc_channel *c, struct packet *p)
{
	struct ipc_header header;
	struct ipc_ask   *ask;

	if (!ipc_decode_header(p->bytes, &header) || header.request > c->last_id) {
		packet_close_fds(p);
		return false;
	}
	if (header.request == 0)
		return channel_notice(c, &header, p);
	ask = ask_find(c, header.request);
	if (ask == NULL) {
		packet_close_fds(p);	/* given up before the answer came */
		return true;
	}
	return ask_deliver(ask, &header, p);
}

/* A message without the descriptors it came with: whoever waits for it is told, a notice is lost.  The channel is
 * good.  False as for channel_dispatch. */
static bool channel_miss(struct ipc_channel *c, const struct packet *p)
{
	struct ipc_header header;
	struct ipc_ask   *ask;

	if (!ipc_decode_header(p->bytes, &header))
		return false;
	ask = header.request == 0 ? NULL : ask_find(c, header.request);
	if (ask == NULL)
		return true;
	if (ask->type == NULL)
		return false;	/* one of several replies, out of its order */
	ask->is_over = (header.flags & IPC_MORE) == 0;
	ask->result = -1;
	ask->error = EMFILE;
	ask->type = NULL;
	task_wake_all(&ask->waiter);
	return true;
}

static void read_replies(void *arg)
{
	struct ipc_channel *c = arg;
	struct packet       p;
	enum packet_event   event;

	do {
		event = packet_await(c->sender.fd, &p);
		if ((event == PACKET_CAME && !channel_dispatch(c, &p)) ||
		    (event == PACKET_POOR && !channel_miss(c, &p)))
			event = PACKET_BAD;
	} while (event == PACKET_CAME || event == PACKET_POOR);
	if (event == PACKET_BAD)
		log_error("malformed message from %s: closing this channel", c->peer_name);
	channel_lose(c);
	if (c->lost != NULL)
		c->lost(c->user);
	channel_drop(c);
}

struct ipc_channel *ipc_channel_open(int fd, const char *peer_name)
{
	struct ipc_channel *c = calloc(1, sizeof(*c));

	if (c == NULL)
		log_fatal("out of memory");
	packet_prepare_socket(fd, true);
	packet_sender_init(&c->sender, fd);
	c->peer_name = peer_name;
	c->is_open = true;
	c->references = 2;
	for (size_t i = 0; i < ASK_BUCKETS; i++)
		list_init(&c->asks[i]);
	if (task_spawn(read_replies, c, "ipc replies") == NULL) {
		c->references = 1;
		channel_drop(c);
		return NULL;
	}
	return c;
}

void ipc_channel_close(struct ipc_channel *c)
{
	channel_lose(c);
	channel_drop(c);
}

void ipc_channel_release(struct ipc_channel *c)
{
	c->is_open = false;
	c->is_released = true;
	if (c->under_way == 0)
		channel_shut(c);
	channel_drop(c);
}

bool ipc_channel_is_open(const struct ipc_channel *c)
{
	return c->is_open;
}

void ipc_channel_on_notice(struct ipc_channel *c, const struct ipc_handler *handlers, size_t count,
                           void (*lost)(void *user), void *user)
{
	c->handlers = handlers;
	c->handler_count = count;
	c->lost = lost;
	c->user = user;
}

int ipc_channel_notify(struct ipc_channel *c, const struct ipc_type *type, const void *notice)
{
	return packet_notify(&c->sender, type, notice);
}

/* ---- asking ---- */

static void ask_begin(struct ipc_ask *ask, struct ipc_channel *c)
{
	memset(ask, 0, sizeof(*ask));
	ask->channel = c;
	ask->id = ++c->last_id;
	task_waitlist_init(&ask->waiter);
	list_init(&ask->queue);
	list_push_back(&c->asks[ask->id % ASK_BUCKETS], &ask->link);
	c->under_way++;
	c->references++;
}

static void ask_finish(struct ipc_ask *ask)
{
	struct ipc_channel *c = ask->channel;
	struct list        *node;

	list_remove(&ask->link);
	while ((node = list_pop_front(&ask->queue)) != NULL) {
		struct queued_packet *q = CONTAINER_OF(node, struct queued_packet, link);

		packet_close_fds(&q->packet);
		free(q);
	}
	if (--c->under_way == 0 && c->is_released)
		channel_shut(c);
	channel_drop(c);
}

/* 0, or -1 with errno; ESHUTDOWN: the peer takes no more requests and has not seen this one. */
static int ask_send(struct ipc_ask *ask, const struct ipc_type *type, const void *request,
                    uint64_t deadline_us)
{
	struct ipc_channel *c = ask->channel;
	struct wire_gather  g;

	if (!wire_gather(&g, type, 0, ask->id, request)) {
		errno = EMSGSIZE;
		return -1;
	}
	if (!c->is_open || c->is_lost) {
		errno = ESHUTDOWN;
		return -1;
	}
	if (packet_send(&c->sender, &g, deadline_us) == 0)
		return 0;
	if (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN || errno == EBADF) {
		c->is_open = false;
		errno = ESHUTDOWN;
	}
	return -1;
}

static int ask_from_queue(struct ipc_ask *ask)
{
	struct queued_packet *q = CONTAINER_OF(list_pop_front(&ask->queue), struct queued_packet, link);

	ask->queued--;
	if (!ask_fill(ask, &q->header, &q->packet))
		channel_lose(ask->channel);
	free(q);
	return ask->result;
}

/* Wait until the reader has filled the reply in. */
static int ask_await(struct ipc_ask *ask, uint64_t deadline_us)
{
	while (ask->type != NULL) {
		if (ask->channel->is_lost) {
			errno = EPIPE;
			return -1;
		}
		if (task_wait(&ask->waiter, deadline_us) < 0 && ask->type != NULL)
			return -1;
	}
	errno = ask->error;
	return ask->result;
}

int ipc_ask_next(struct ipc_ask *ask, const struct ipc_type *reply_type, void *reply, struct arena *arena,
                 uint64_t deadline_us)
{
	int result;

	ask->type = reply_type;
	ask->reply = reply;
	ask->arena = arena;
	if (!list_is_empty(&ask->queue)) {
		result = ask_from_queue(ask);
		errno = ask->error;
	} else if (ask->is_over) {
		errno = EPROTO;	/* the last reply was given already */
		result = -1;
	} else {
		result = ask_await(ask, deadline_us);
	}
	ask->type = NULL;
	return result;
}

struct ipc_ask *ipc_ask_start(struct ipc_channel *c, const struct ipc_type *request_type,
                              const void *request, uint64_t deadline_us)
{
	struct ipc_ask *ask = malloc(sizeof(*ask));
	int             error;

	if (ask == NULL)
		log_fatal("out of memory");
	ask_begin(ask, c);
	if (ask_send(ask, request_type, request, deadline_us) == 0)
		return ask;
	error = errno;
	ipc_ask_end(ask);
	errno = error;
	return NULL;
}

void ipc_ask_end(struct ipc_ask *ask)
{
	ask_finish(ask);
	free(ask);
}

int ipc_call(struct ipc_channel *c, const struct ipc_type *request_type, const void *request,
             const struct ipc_type *reply_type, void *reply, struct arena *arena, uint64_t deadline_us)
{
	struct ipc_ask ask;
	int            result, error;

	ask_begin(&ask, c);
	result = ask_send(&ask, request_type, request, deadline_us);
	if (result == 0)
		result = ipc_ask_next(&ask, reply_type, reply, arena, deadline_us);
	error = result > 0 ? EPROTO : errno;	/* one reply was asked for */
	if (result > 0)
		ipc_close_fds(reply_type, reply);
	ask_finish(&ask);
	errno = error;
	return result == 0 ? 0 : -1;
}
