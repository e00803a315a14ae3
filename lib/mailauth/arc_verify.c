/* SPDX-License-Identifier: ISC */
/* arc_verify.c - the ARC chain of a message, validated
 *
 * Rules kept here: RFC 8617 5.2 steps 4 to 7 and 5.1.1 (what a seal covers); steps 1 to 3 are in arc_chain.c.  Each
 * seal covers all sets up to its own, so the hashes of all are made in one pass over the sets. */
#include "lib/mailauth/arc_verify.h"

#include "lib/mailauth/arc_scope.h"

struct arc_verifier {
	struct arena              *arena;
	struct dkim_crypto        *crypto;
	struct arc_verify_settings settings;
	struct header_index       *index;
	struct dkim_body          *body;
	struct dkim_keys          *keys;
	struct arc_chain           chain;
	size_t                    *body_hash;	/* per set; only where is_wanted */
	bool                      *is_wanted;
};

static const struct dkim_signature *message_of(const struct arc_verifier *v, size_t instance)
{
	return &v->chain.set[instance - 1]->message.signature;
}

/* want_body - of that set's message signature, where it can be read and there is room. */
static void want_body(struct arc_verifier *v, size_t instance)
{
	const struct dkim_signature *message = message_of(v, instance);
	size_t i = instance - 1;

	v->is_wanted[i] = v->chain.set[i]->message.status == DKIM_PASS &&
	                  dkim_body_want(v->body, message->body_canon, message->length, &v->body_hash[i]);
	if (v->is_wanted[i])
		dkim_keys_expect(v->keys, message);
}

struct arc_verifier *arc_verify_start(struct arena *arena, struct dkim_crypto *crypto,
                                      const struct arc_verify_settings *settings, struct mail_header header,
                                      struct header_index *index, struct dkim_body *body,
                                      const struct lookup *lookup)
{
	struct arc_verifier *v = ARENA_NEW(arena, struct arc_verifier);

	*v = (struct arc_verifier){ .arena = arena, .crypto = crypto, .settings = *settings, .index = index,
	                            .body = body };
	v->chain = arc_chain_read(arena, header, settings->sets_max, settings->names_max);
	if (v->chain.status != ARC_PASS)
		return v;
	v->keys = dkim_keys_new(arena, crypto, lookup, settings->keys);
	v->body_hash = ARENA_NEW_ARRAY(arena, size_t, v->chain.count);
	v->is_wanted = ARENA_NEW_ARRAY(arena, bool, v->chain.count);
	want_body(v, v->chain.count);
	for (size_t instance = v->chain.count; instance > 0; instance--)
		dkim_keys_expect(v->keys, &v->chain.set[instance - 1]->seal.signature);
	for (size_t instance = v->chain.count - 1; settings->wants_oldest_pass && instance > 0; instance--)
		want_body(v, instance);
	return v;
}

static enum dkim_status check_message(struct arc_verifier *v, size_t instance, const char **reason)
{
	const struct dkim_signature *message = message_of(v, instance);
	unsigned char hash[DKIM_HASH_BYTES];
	uint64_t there;

	*reason = "the message signature's body cannot be checked";
	if (!v->is_wanted[instance - 1])
		return DKIM_PERMERROR;
	there = dkim_body_length(v->body, v->body_hash[instance - 1]);
	*reason = "l= does not cover the body";
	if (message->length != DKIM_WHOLE_BODY &&
	    (message->length > there || (message->length < there && v->settings.length_rule == DKIM_LENGTH_WHOLE)))
		return DKIM_POLICY;
	*reason = "the body was changed";
	if (!span_equal(message->body_hash, dkim_body_hash(v->body, v->body_hash[instance - 1])))
		return DKIM_FAIL;
	dkim_header_hash(v->crypto, v->index, message, hash);
	return dkim_signature_check(v->keys, message, hash, reason, NULL);
}

/* check_seals - step 6. */
static enum dkim_status check_seals(struct arc_verifier *v, const char **reason)
{
	struct arc_scope *scope = arc_scope_new(v->arena, v->crypto);
	unsigned char (*hashes)[DKIM_HASH_BYTES] =
		arena_alloc_array(v->arena, v->chain.count, sizeof(*hashes));
	enum dkim_status status = DKIM_PASS;

	for (size_t i = 0; i < v->chain.count; i++)
		arc_scope_add(scope, v->chain.set[i], hashes[i]);
	for (size_t i = v->chain.count; i > 0 && status == DKIM_PASS; i--)
		status = dkim_signature_check(v->keys, &v->chain.set[i - 1]->seal.signature, hashes[i - 1], reason,
		                              NULL);
	return status;
}

/* find_oldest - step 5. */
static size_t find_oldest(struct arc_verifier *v)
{
	const char *reason;

	for (size_t instance = v->chain.count; v->settings.wants_oldest_pass && --instance > 0;)
		if (check_message(v, instance, &reason) != DKIM_PASS)
			return instance + 1;
	return 0;
}

static enum arc_status validate(struct arc_verifier *v, const char **reason)
{
	enum dkim_status status = check_message(v, v->chain.count, reason);

	if (status == DKIM_PASS)
		status = check_seals(v, reason);
	if (status == DKIM_PASS)
		*reason = "";
	return status == DKIM_PASS ? ARC_PASS : status == DKIM_TEMPERROR ? ARC_TEMPERROR : ARC_FAIL;
}

struct arc_result arc_verify_end(struct arc_verifier *v)
{
	struct arc_result result = { .status = v->chain.status, .reason = v->chain.reason, .count = v->chain.count,
	                             .chain = v->chain };

	result.sealers = ARENA_NEW_ARRAY(v->arena, struct span, v->chain.count);
	for (size_t i = 0; i < v->chain.count; i++)
		if (v->chain.set[i] != NULL)
			result.sealers[i] = v->chain.set[i]->seal.signature.domain;
	if (v->chain.count != 0)
		result.results = v->chain.set[v->chain.count - 1]->results;
	if (result.status == ARC_PASS)
		result.status = validate(v, &result.reason);
	if (result.status == ARC_PASS)
		result.oldest_pass = find_oldest(v);
	return result;
}
