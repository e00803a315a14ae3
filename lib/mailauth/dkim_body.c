/* SPDX-License-Identifier: ISC */
/* dkim_body.c - the body of a message, hashed for all its signatures in one pass */
#include "lib/mailauth/dkim_body.h"

#include "lib/base/log.h"

enum { CANONS = 2 };

struct body_hash {
	struct body_hash *next;		/* of the same canonicalization */
	enum dkim_canon   canon;
	uint64_t          length;	/* what is wanted */
	uint64_t          missing;	/* what is yet to come of it */
	EVP_MD_CTX       *ctx;
	unsigned char     digest[DKIM_HASH_BYTES];
};

/* A canonicalization in use. */
struct stream {
	struct dkim_canon_body canon;
	struct body_hash      *hashes;
	uint64_t               length;
};

struct dkim_body {
	struct arena             *arena;
	const struct dkim_crypto *crypto;
	struct stream            *streams[CANONS];
	struct body_hash        **hashes;
	size_t                    count, most;
	bool                      has_begun, has_ended;
};

struct dkim_body *dkim_body_new(struct arena *arena, const struct dkim_crypto *crypto, size_t hashes_max)
{
	struct dkim_body *body = ARENA_NEW(arena, struct dkim_body);

	body->arena = arena;
	body->crypto = crypto;
	body->most = hashes_max;
	body->hashes = ARENA_NEW_ARRAY(arena, struct body_hash *, hashes_max);
	return body;
}

static void give(void *user, struct span bytes)
{
	struct stream *stream = user;

	stream->length += bytes.len;
	for (struct body_hash *hash = stream->hashes; hash != NULL; hash = hash->next) {
		size_t n = bytes.len < hash->missing ? bytes.len : (size_t)hash->missing;

		if (n != 0 && EVP_DigestUpdate(hash->ctx, bytes.ptr, n) != 1)
			log_fatal("no SHA-256 (OpenSSL)");
		hash->missing -= n;
	}
}

static void release(void *object)
{
	EVP_MD_CTX_free(object);
}

static struct body_hash *new_hash(struct dkim_body *body, enum dkim_canon canon, uint64_t length)
{
	struct body_hash *hash = ARENA_NEW(body->arena, struct body_hash);
	struct stream *stream = body->streams[canon];

	if (stream == NULL) {
		stream = body->streams[canon] = ARENA_NEW(body->arena, struct stream);
		dkim_canon_body_start(&stream->canon, canon, give, stream);
	}
	hash->canon = canon;
	hash->length = hash->missing = length;
	hash->ctx = dkim_hash_start(body->crypto);
	arena_on_reset(body->arena, release, hash->ctx);
	hash->next = stream->hashes;
	stream->hashes = hash;
	return hash;
}

bool dkim_body_want(struct dkim_body *body, enum dkim_canon canon, uint64_t length, size_t *hash)
{
	REQUIRE(!body->has_begun);
	for (*hash = 0; *hash < body->count; (*hash)++)
		if (body->hashes[*hash]->canon == canon && body->hashes[*hash]->length == length)
			return true;
	if (body->count == body->most)
		return false;
	body->hashes[body->count++] = new_hash(body, canon, length);
	return true;
}

void dkim_body_add(struct dkim_body *body, struct span bytes)
{
	REQUIRE(!body->has_ended);
	body->has_begun = true;
	for (size_t i = 0; i < CANONS; i++)
		if (body->streams[i] != NULL)
			dkim_canon_body_add(&body->streams[i]->canon, bytes);
}

void dkim_body_end(struct dkim_body *body)
{
	REQUIRE(!body->has_ended);
	body->has_begun = body->has_ended = true;
	for (size_t i = 0; i < CANONS; i++)
		if (body->streams[i] != NULL)
			dkim_canon_body_end(&body->streams[i]->canon);
	for (size_t i = 0; i < body->count; i++)
		if (EVP_DigestFinal_ex(body->hashes[i]->ctx, body->hashes[i]->digest, NULL) != 1)
			log_fatal("no SHA-256 (OpenSSL)");
}

struct span dkim_body_hash(const struct dkim_body *body, size_t hash)
{
	REQUIRE(body->has_ended && hash < body->count);
	return span_make(body->hashes[hash]->digest, DKIM_HASH_BYTES);
}

uint64_t dkim_body_length(const struct dkim_body *body, size_t hash)
{
	REQUIRE(body->has_ended && hash < body->count);
	return body->streams[body->hashes[hash]->canon]->length;
}
