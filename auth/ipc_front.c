/* SPDX-License-Identifier: ISC */
/* ipc_front.c - answers smtpd and login (lib/ipc/auth.h)
 *
 * Each question is a task of its own, so a failure that is held back holds nobody else back. */
#include <stdlib.h>

#include "auth/auth.h"
#include "auth/conversation.h"
#include "lib/base/codec.h"
#include "lib/base/log.h"

struct ipc_client {
	struct conversations conversations;
	uint64_t             last_number;
	size_t               busy;	/* requests of this peer that are still being answered */
	bool                 is_gone;
};

static void release(struct ipc_client *client)
{
	if (!client->is_gone || client->busy != 0)
		return;
	conversations_free(&client->conversations);
	free(client);
}

void auth_peer_opened(struct ipc_peer *peer, void *user)
{
	struct ipc_client *client = calloc(1, sizeof(*client));

	(void)user;
	if (client == NULL)
		log_fatal("out of memory");
	conversations_init(&client->conversations);
	ipc_peer_set_value(peer, client);
}

void auth_peer_closed(struct ipc_peer *peer, void *user)
{
	struct ipc_client *client = ipc_peer_value(peer);

	(void)user;
	client->is_gone = true;
	release(client);
}

static void handle_mechanisms(struct ipc_request *request)
{
	struct auth_mechanisms_reply reply = { auth_mechanisms(request->user, request->arena) };

	(void)ipc_reply(request, &auth_mechanisms_reply_type, &reply, false);
}

static struct conversation *begin_or_find(struct auth *a, struct ipc_client *client, const struct auth_request *ask)
{
	struct auth_facts facts = {
		ask->service, ask->mechanism, ask->remote_address, ask->local_address, ask->is_secured,
	};

	if (ask->conversation != 0)
		return conversation_find(&client->conversations, ask->conversation);
	return conversation_new(a, &client->conversations, ++client->last_number, &facts);
}

static void answer(struct ipc_request *request, struct ipc_client *client, struct auth_reply *reply)
{
	const struct auth_request *ask = request->message;
	struct conversation *one = begin_or_find(request->user, client, ask);
	struct auth_verdict verdict;

	if (one == NULL) {
		reply->status = ask->conversation != 0 ? AUTH_BAD : AUTH_UNKNOWN_MECHANISM;
		reply->reason = span_of(ask->conversation != 0 ? "no such conversation" : "mechanism not offered");
		return;
	}
	if (conversation_next(request->user, &client->conversations, one, ask->has_response, ask->response,
	                      request->arena, &verdict)) {
		reply->status = AUTH_CONTINUE;
		reply->conversation = one->number;
		reply->challenge = one->exchange.challenge;
		return;
	}
	*reply = (struct auth_reply){
		.status = verdict.status,
		.user = verdict.user,
		.uid = verdict.uid,
		.gid = verdict.gid,
		.home = verdict.home,
		.mail = verdict.mail,
		.reason = verdict.reason,
	};
}

static void handle_auth(struct ipc_request *request)
{
	const struct auth_request *ask = request->message;
	struct ipc_client *client = ipc_peer_value(request->peer);
	struct auth_reply reply = { 0 };

	client->busy++;
	answer(request, client, &reply);
	if (ask->response.len != 0)
		memory_wipe((void *)(uintptr_t)ask->response.ptr, ask->response.len);
	client->busy--;
	(void)ipc_reply(request, &auth_reply_type, &reply, false);
	release(client);
}

const struct ipc_handler auth_handlers[] = {
	{ &auth_mechanisms_request_type, handle_mechanisms, false },
	{ &auth_request_type, handle_auth, true },
};
const size_t auth_handler_count = COUNT_OF(auth_handlers);
