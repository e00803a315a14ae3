/* SPDX-License-Identifier: ISC */
/* tls_signer.c - the signer of production: tlsmgr, asked over its channel */
#include "lib/tls/tls_signer.h"

#include "lib/base/clock.h"
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
