/* SPDX-License-Identifier: ISC */
/* main.c - tlsmgr: alone holds TLS private keys and ticket keys; signs handshakes
 *
 * Asked by smtpd and login over a private socket; either may have been taken over by a client, so it gets signatures
 * of TLS handshakes only (lib/tls/tls_key.c), and not more than tls_signature_rate_limit in a second.  The key
 * files are read before the sandbox; then the process can do nothing but answer.  Keys live in OpenSSL's secure heap
 * (locked, left out of dumps). */
#include <stdlib.h>
#include <sys/mman.h>

#include <openssl/crypto.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/service/service.h"
#include "tlsmgr/tlsmgr.h"

enum { SECURE_HEAP_BYTES = 1024 * 1024, SECURE_HEAP_LEAST = 32, MOST_REQUESTS = 64 };

struct tlsmgr {
	struct key_store   keys;
	struct ticket_keys tickets;
	const struct conf *conf;
	struct ipc_server  server;
};

/* What one peer asked for in the present second. */
struct peer_rate {
	uint64_t second;
	long long count;
};

static bool is_too_fast(const struct tlsmgr *t, struct ipc_peer *peer)
{
	struct peer_rate *rate = ipc_peer_value(peer);
	uint64_t second = clock_now_us() / CLOCK_SECOND_US;

	if (rate->second != second)
		*rate = (struct peer_rate){ .second = second };
	rate->count++;
	return t->conf->tls_signature_rate_limit != 0 && rate->count > t->conf->tls_signature_rate_limit;
}

static enum outcome sign(const struct ipc_request *request, struct span *signature, struct why *why)
{
	const struct tlsmgr *t = request->user;
	const struct tls_sign_request *ask = request->message;
	struct tls_key *key = key_store_find(&t->keys, ask->key);

	if (is_too_fast(t, request->peer))
		return why_set(why, DEFER, "4.7.0", "more than tls_signature_rate_limit signatures in a second");
	if (key == NULL)
		return why_set(why, REFUSE, "5.7.0", "no private key for this certificate was loaded");
	return tls_key_sign(key, ask, request->arena, signature, why);
}

static void handle_sign(struct ipc_request *request)
{
	struct tls_sign_reply reply = { 0 };
	struct why why;

	if (sign(request, &reply.signature, &why) != DONE) {
		log_warning("signature refused: %s", why.text);
		reply.signature = (struct span){ 0 };
		reply.reason = span_of(why.text);
	}
	(void)ipc_reply(request, &tls_sign_reply_type, &reply, false);
}

static void handle_ticket_keys(struct ipc_request *request)
{
	struct tlsmgr *t = request->user;
	struct tls_ticket_keys_reply reply = { 0 };

	reply.keys = ticket_keys_at(&t->tickets, clock_now_us(), &reply.valid_s);
	(void)ipc_reply(request, &tls_ticket_keys_reply_type, &reply, false);
}

static const struct ipc_handler handlers[] = {
	{ &tls_sign_request_type, handle_sign, false },
	{ &tls_ticket_keys_request_type, handle_ticket_keys, false },
};

static void peer_opened(struct ipc_peer *peer, void *user)
{
	struct peer_rate *rate = calloc(1, sizeof(*rate));

	(void)user;
	if (rate == NULL)
		log_fatal("out of memory");
	ipc_peer_set_value(peer, rate);
}

static void peer_closed(struct ipc_peer *peer, void *user)
{
	(void)user;
	free(ipc_peer_value(peer));
	ipc_peer_set_value(peer, NULL);
}

static struct tlsmgr state;

static void prepare(struct service_run *run)
{
	struct tlsmgr *t = &state;

	if (CRYPTO_secure_malloc_init(SECURE_HEAP_BYTES, SECURE_HEAP_LEAST) != 1)
		log_warning("keys are not in locked memory");
	t->conf = run->conf;
	key_store_load(&t->keys, run->conf, run->config_dir);
	ticket_keys_init(&t->tickets, run->conf->tls_ticket_key_lifetime * CLOCK_SECOND_US, clock_now_us());
	if (mlockall(MCL_CURRENT) < 0)
		log_debug("the memory at start cannot be locked as a whole");
	t->server = (struct ipc_server){
		.handlers = handlers,
		.count = COUNT_OF(handlers),
		.user = t,
		.most_requests = MOST_REQUESTS,
		.opened = peer_opened,
		.closed = peer_closed,
	};
	run->user = t;
	log_debug("%zu private keys loaded", t->keys.count);
}

static struct ipc_server *server_of(struct service_run *run)
{
	return &((struct tlsmgr *)run->user)->server;
}

static const struct service tlsmgr_service = {
	.name = "tlsmgr",
	.user = "tls_key_owner",
	.root = SANDBOX_EMPTY_ROOT,
	.may = MAY_ACCEPT,	/* no file, no network: keys are in memory */
	.prepare = prepare,
	.ipc = server_of,
};

int main(int argc, char **argv)
{
	return service_main(&tlsmgr_service, argc, argv);
}
