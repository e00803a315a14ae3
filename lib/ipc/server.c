/* SPDX-License-Identifier: ISC */
/* server.c - the answering side: requests of one connection, each its own piece of memory
 *
 * A request lives until its handler has returned and its last reply is out, whichever comes later;
 * the connection lives until its last request has ended.  A malformed or unknown request costs
 * the connection, nothing else. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "lib/base/log.h"
#include "lib/ipc/packet.h"

enum {
	REPLY_PATIENCE_S = 60,		/* a peer that does not take its replies for so long is lost */
	SPAWN_RETRY_US = 50 * 1000,
};

struct ipc_peer {
	struct list              link;		/* of all connections served */
	struct packet_sender     sender;
	const struct ipc_server *server;
	struct task_waitlist     room;		/* the reader waits for requests to end */
	size_t                   under_way;
	bool                     is_gone;
	void                    *value;
};

/* A request with what only this file knows about it. */
struct pending {
	struct ipc_request        request;
	const struct ipc_handler *handler;
	bool                      has_returned;
	bool                      is_answered;
};

static struct list all_peers = { &all_peers, &all_peers };

static void end_request(struct pending *p)
{
	struct ipc_peer *peer = p->request.peer;

	peer->under_way--;
	arena_free(p->request.arena);	/* holds p too */
	task_wake_all(&peer->room);
}

static void run_handler(void *arg)
{
	struct pending *p = arg;

	p->handler->handle(&p->request);
	p->has_returned = true;
	if (p->is_answered)
		end_request(p);
}

/* Memory may be short for a moment; the other requests go on meanwhile. */
static void spawn_handler(struct pending *p)
{
	while (task_spawn(run_handler, p, p->handler->type->name) == NULL)
		if (task_sleep_us(SPAWN_RETRY_US) < 0) {
			run_handler(p);
			return;
		}
}

const struct ipc_handler *ipc_find_handler(const struct ipc_handler *handlers, size_t count, uint16_t type)
{
	for (size_t i = 0; i < count; i++)
		if (handlers[i].type->number == type)
			return &handlers[i];
	return NULL;
}

/* A decoded request in an arena of its own, or NULL when malformed. */
static struct pending *accept_request(struct ipc_peer *peer, struct packet *packet)
{
	const struct ipc_handler *handler;
	struct ipc_header         header;
	struct arena             *arena;
	struct pending           *p;
	void                     *message;

	if (!ipc_decode_header(packet->bytes, &header))
		return NULL;
	handler = ipc_find_handler(peer->server->handlers, peer->server->count, header.type);
	if (handler == NULL)
		return NULL;
	arena = arena_new(NULL);
	message = arena_alloc(arena, handler->type->size);
	if (!ipc_decode(arena_dup(arena, packet->bytes), handler->type, packet->fds, packet->fd_count,
	                message)) {
		arena_free(arena);
		return NULL;
	}
	p = ARENA_NEW(arena, struct pending);
	p->handler = handler;
	p->is_answered = header.request == 0;	/* a notice */
	p->request = (struct ipc_request){
		.message = message, .arena = arena, .user = peer->server->user, .peer = peer, .id = header.request,
	};
	return p;
}

static bool handle_packet(struct ipc_peer *peer, struct packet *packet)
{
	struct pending *p = accept_request(peer, packet);

	packet_close_fds(packet);
	if (p == NULL)
		return false;
	peer->under_way++;
	if (p->handler->may_suspend)
		spawn_handler(p);
	else
		run_handler(p);
	return true;
}

static void read_requests(struct ipc_peer *peer)
{
	size_t            most = peer->server->most_requests;
	struct packet     packet;
	enum packet_event event;

	while ((event = packet_await(peer->sender.fd, &packet)) == PACKET_CAME) {
		if (!handle_packet(peer, &packet)) {
			event = PACKET_BAD;
			break;
		}
		while (most > 0 && peer->under_way >= most)
			if (task_wait(&peer->room, CLOCK_NEVER) < 0)
				return;
	}
	if (event == PACKET_POOR)
		log_warning("too many open files: closing a connection whose request brought one more");
	else if (event == PACKET_BAD)
		log_error("malformed request from uid %llu: closing this connection",
		          (unsigned long long)ipc_peer_uid(peer));
}

/* Handlers still at work hold on to the peer, so wait for them, even when this task was told to end. */
static void await_handlers(struct ipc_peer *peer)
{
	while (peer->under_way > 0)
		if (task_wait(&peer->room, CLOCK_NEVER) < 0)
			task_yield();
}

void ipc_serve(const struct ipc_server *server, int fd)
{
	struct ipc_peer peer = { .server = server };

	packet_prepare_socket(fd, true);
	packet_sender_init(&peer.sender, fd);
	task_waitlist_init(&peer.room);
	list_push_back(&all_peers, &peer.link);
	if (server->opened != NULL)
		server->opened(&peer, server->user);
	read_requests(&peer);
	/* After ipc_serve_drain the reading side alone has ended: replies still go out. */
	await_handlers(&peer);
	peer.is_gone = true;
	if (server->closed != NULL)
		server->closed(&peer, server->user);
	list_remove(&peer.link);
	task_close(fd);
}

void ipc_serve_drain(void)
{
	LIST_EACH(node, &all_peers)
		(void)shutdown(CONTAINER_OF(node, struct ipc_peer, link)->sender.fd, SHUT_RD);
}

static int send_reply(struct ipc_peer *peer, const struct ipc_type *type, uint16_t flags, uint64_t id,
                      const void *reply)
{
	struct wire_gather g;

	if (peer->is_gone) {
		errno = EPIPE;
		return -1;
	}
	if (!wire_gather(&g, type, flags, id, reply))
		bug("reply %s is too long", type->name);
	if (packet_send(&peer->sender, &g, clock_in_s(REPLY_PATIENCE_S)) == 0)
		return 0;
	peer->is_gone = true;
	(void)shutdown(peer->sender.fd, SHUT_RDWR);
	errno = EPIPE;
	return -1;
}

int ipc_reply(struct ipc_request *request, const struct ipc_type *type, const void *reply, bool more)
{
	struct pending *p = CONTAINER_OF(request, struct pending, request);
	int             result;

	REQUIRE(!p->is_answered);
	result = send_reply(request->peer, type, more ? IPC_MORE : 0, request->id, reply);
	if (more)
		return result;
	p->is_answered = true;
	if (p->has_returned)
		end_request(p);
	return result;
}

int ipc_peer_notify(struct ipc_peer *peer, const struct ipc_type *type, const void *notice)
{
	return peer->is_gone ? -1 : packet_notify(&peer->sender, type, notice);
}

int ipc_peer_fd(const struct ipc_peer *peer)
{
	return peer->sender.fd;
}

uint64_t ipc_peer_uid(const struct ipc_peer *peer)
{
	struct ucred credentials;
	socklen_t    length = sizeof(credentials);

	if (getsockopt(peer->sender.fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) < 0)
		return UINT64_MAX;
	return credentials.uid;
}

void ipc_peer_set_value(struct ipc_peer *peer, void *value)
{
	peer->value = value;
}

void *ipc_peer_value(const struct ipc_peer *peer)
{
	return peer->value;
}
