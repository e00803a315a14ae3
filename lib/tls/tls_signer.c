/* SPDX-License-Identifier: ISC */
/* tls_signer.c - the two signers: tlsmgr, asked over its channel, and one in this process for unit tests */
#include "lib/tls/tls_signer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/codec.h"
#include "lib/base/log.h"
#include "lib/ipc/services.h"
#include "lib/tls/tls.h"

/* reliability rules 7: a key holder that does not answer costs a handshake, never more. */
enum { TLSMGR_TIMEOUT_S = 5 };

static enum outcome ask_tlsmgr(void *user, const struct tls_sign_request *request, struct arena *arena,
                               struct span *signature, struct why *why)
{
	struct tls_sign_reply reply;

	if (service_call(user, SERVICE_TLSMGR, true, &tls_sign_request_type, request, &tls_sign_reply_type, &reply,
	                 arena, clock_in_s(TLSMGR_TIMEOUT_S)) < 0)
		return why_errno(why, DEFER, "4.7.0", "no answer from %s", SERVICE_TLSMGR);
	if (span_is_empty(reply.signature))
		return why_set(why, REFUSE, "5.7.0", SPAN_FMT, SPAN_ARG(reply.reason));
	*signature = reply.signature;
	return DONE;
}

static bool ask_ticket_keys(void *user, struct arena *arena, struct span *keys, uint64_t *valid_s)
{
	struct tls_ticket_keys_request request = { 0 };
	struct tls_ticket_keys_reply reply;

	if (service_call(user, SERVICE_TLSMGR, true, &tls_ticket_keys_request_type, &request,
	                 &tls_ticket_keys_reply_type, &reply, arena, clock_in_s(TLSMGR_TIMEOUT_S)) < 0)
		return false;
	*keys = reply.keys;
	*valid_s = reply.valid_s;
	return true;
}

const struct tls_signer *tls_signer_tlsmgr(struct service_run *run)
{
	struct tls_signer *signer = arena_alloc(arena_new(NULL), sizeof(*signer));

	*signer = (struct tls_signer){ ask_tlsmgr, ask_ticket_keys, run };
	return signer;
}

/* ---- in this process ---- */

struct local_signer {
	struct tls_signer signer;
	struct tls_key  **keys;
	size_t            count;
	char              ticket_key[80];
};

static enum outcome sign_here(void *user, const struct tls_sign_request *request, struct arena *arena,
                              struct span *signature, struct why *why)
{
	const struct local_signer *local = user;

	for (size_t i = 0; i < local->count; i++) {
		if (span_equal(tls_key_id(local->keys[i]), request->key))
			return tls_key_sign(local->keys[i], request, arena, signature, why);
	}
	return why_set(why, REFUSE, "5.7.0", "no such key");
}

static bool ticket_keys_here(void *user, struct arena *arena, struct span *keys, uint64_t *valid_s)
{
	const struct local_signer *local = user;

	*keys = arena_dup(arena, span_make(local->ticket_key, sizeof(local->ticket_key)));
	*valid_s = 3600;
	return true;
}

struct tls_signer *tls_signer_local(struct tls_key **keys, size_t count)
{
	struct local_signer *local = calloc(1, sizeof(*local));

	if (local == NULL)
		log_fatal("out of memory");
	*local = (struct local_signer){ { sign_here, ticket_keys_here, local }, keys, count, { 0 } };
	random_bytes(local->ticket_key, sizeof(local->ticket_key));
	return &local->signer;
}

void tls_signer_local_free(struct tls_signer *signer)
{
	free(signer->user);
}
