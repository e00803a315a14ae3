/* SPDX-License-Identifier: ISC */
/* tls_signer_local.c - a signer in this process: for unit tests */
#include "lib/tls/tls_signer.h"

#include <stdlib.h>

#include "lib/base/codec.h"
#include "lib/base/log.h"

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
