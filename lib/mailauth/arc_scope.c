/* SPDX-License-Identifier: ISC */
/* arc_scope.c - what an ARC-Seal signs
 *
 * Always relaxed; the seal itself goes in without its b= and without CRLF.  The hash goes on from set to set, so that a
 * chain of many sets costs one pass. */
#include "lib/mailauth/arc_scope.h"

#include "lib/base/log.h"

struct arc_scope {
	const struct dkim_crypto *crypto;
	EVP_MD_CTX               *before;	/* of all sets so far */
	EVP_MD_CTX               *own;
};

static void release(void *object)
{
	EVP_MD_CTX_free(object);
}

struct arc_scope *arc_scope_new(struct arena *arena, const struct dkim_crypto *crypto)
{
	struct arc_scope *scope = ARENA_NEW(arena, struct arc_scope);

	scope->crypto = crypto;
	scope->before = dkim_hash_start(crypto);
	arena_on_reset(arena, release, scope->before);
	scope->own = dkim_hash_start(crypto);
	arena_on_reset(arena, release, scope->own);
	return scope;
}

static void hash_text(EVP_MD_CTX *ctx, struct buf *text)
{
	if (EVP_DigestUpdate(ctx, text->ptr, text->len) != 1)
		log_fatal("no SHA-256 (OpenSSL)");
	buf_clear(text);
}

void arc_scope_add(struct arc_scope *scope, const struct arc_set *set, unsigned char hash[DKIM_HASH_BYTES])
{
	const struct dkim_signature *seal = &set->seal.signature;
	struct buf text;

	buf_init(&text, BUF_NO_LIMIT);
	dkim_canon_field(&text, DKIM_RELAXED, set->results_field);
	dkim_canon_field(&text, DKIM_RELAXED, set->message.signature.field);
	hash_text(scope->before, &text);
	if (EVP_MD_CTX_copy_ex(scope->own, scope->before) != 1)
		log_fatal("out of memory (OpenSSL)");
	dkim_canon_signature(&text, DKIM_RELAXED, seal->field, seal->b_extent);
	hash_text(scope->own, &text);
	if (EVP_DigestFinal_ex(scope->own, hash, NULL) != 1)
		log_fatal("no SHA-256 (OpenSSL)");
	dkim_canon_field(&text, DKIM_RELAXED, seal->field);
	hash_text(scope->before, &text);
	buf_free(&text);
}
