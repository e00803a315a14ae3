/* SPDX-License-Identifier: ISC */
/* arc_seal.c - an ARC set of our own for a message
 *
 * Rules kept here: RFC 8617 5.1 (the order of steps), 5.1.1 (what the seal covers), 5.1.2 (a failed chain), 4.1.2 (what
 * the message signature must not cover). */
#include "lib/mailauth/arc_seal.h"

#include <inttypes.h>

#include "lib/base/codec.h"
#include "lib/base/log.h"
#include "lib/mailauth/arc_scope.h"

struct arc_sealer {
	struct arena             *arena;
	const struct dkim_crypto *crypto;
	struct arc_seal_settings  settings;
	struct header_index      *index;
	struct dkim_body         *body;
	size_t                    body_hash;
};

/* A set being written. */
struct writing {
	struct composer   results, message, seal;
	struct mime_field results_field, message_field, seal_field;
	size_t            instance;
	enum arc_status   cv;
};

struct arc_sealer *arc_seal_start(struct arena *arena, const struct dkim_crypto *crypto,
                                  const struct arc_seal_settings *settings, struct header_index *index,
                                  struct dkim_body *body)
{
	struct arc_sealer *sealer = ARENA_NEW(arena, struct arc_sealer);

	*sealer = (struct arc_sealer){ .arena = arena, .crypto = crypto, .settings = *settings, .index = index,
	                               .body = body };
	return dkim_body_want(body, settings->body_canon, DKIM_WHOLE_BODY, &sealer->body_hash) ? sealer : NULL;
}

bool arc_may_seal(const struct arc_result *result)
{
	return result->status != ARC_TEMPERROR && !result->chain.is_closed && result->count < ARC_INSTANCES_MAX;
}

static void write_results(struct writing *w, struct span results)
{
	struct buf value;

	composer_start(&w->results, span_lit("ARC-Authentication-Results"));
	buf_init(&value, BUF_NO_LIMIT);
	buf_addf(&value, "i=%zu; ", w->instance);
	buf_add(&value, span_trim(results));
	composer_folded(&w->results, buf_span(&value));
	buf_free(&value);
	w->results_field = composer_field(&w->results);
}

/* write_signer - the tags that both signatures have. */
static void write_signer(const struct arc_sealer *sealer, struct composer *c)
{
	const struct arc_seal_settings *s = &sealer->settings;

	composer_wordf(c, "d=" SPAN_FMT ";", SPAN_ARG(s->domain));
	composer_wordf(c, "s=" SPAN_FMT ";", SPAN_ARG(s->selector));
	if (s->now_s != 0)
		composer_wordf(c, "t=%" PRIu64 ";", s->now_s);
}

static bool may_be_signed(struct span name)
{
	return !span_starts_ci(name, span_lit("ARC-")) && !span_equal_ci(name, span_lit("Authentication-Results"));
}

static struct name_list choose_names(const struct arc_sealer *sealer)
{
	struct name_list all = dkim_choose_names(sealer->arena, sealer->index, sealer->settings.signed_names,
	                                         sealer->settings.oversigned_names);
	struct name_list names = { .name = all.name };

	for (size_t i = 0; i < all.count; i++)
		if (may_be_signed(all.name[i]))
			names.name[names.count++] = all.name[i];
	return names;
}

static bool write_message(const struct arc_sealer *sealer, struct writing *w)
{
	const struct arc_seal_settings *s = &sealer->settings;
	struct span body_hash = base64_encode(sealer->arena, dkim_body_hash(sealer->body, sealer->body_hash));
	struct name_list names = choose_names(sealer);
	struct composer *c = &w->message;
	bool ok;

	composer_start(c, span_lit("ARC-Message-Signature"));
	composer_wordf(c, "i=%zu;", w->instance);
	composer_wordf(c, "a=%s;", dkim_signing_key_algorithm(s->key));
	composer_wordf(c, "c=%s/%s;", dkim_canon_name(s->header_canon), dkim_canon_name(s->body_canon));
	write_signer(sealer, c);
	composer_names(c, &names);
	composer_wordf(c, "bh=" SPAN_FMT ";", SPAN_ARG(body_hash));
	ok = composer_sign_message(c, sealer->crypto, sealer->arena, s->key, sealer->index, &names, s->header_canon);
	w->message_field = composer_field(c);
	return ok;
}

static bool write_seal(const struct arc_sealer *sealer, const struct arc_result *result, struct writing *w)
{
	struct arc_scope *scope = arc_scope_new(sealer->arena, sealer->crypto);
	struct arc_set own = { .results_field = &w->results_field };
	unsigned char hash[DKIM_HASH_BYTES];
	struct composer *c = &w->seal;

	composer_start(c, span_lit("ARC-Seal"));
	composer_wordf(c, "i=%zu;", w->instance);
	composer_wordf(c, "a=%s;", dkim_signing_key_algorithm(sealer->settings.key));
	composer_wordf(c, "cv=%s;", arc_status_word(w->cv));
	write_signer(sealer, c);
	composer_line(c, span_lit("b="));
	w->seal_field = composer_field(c);
	own.message.signature.field = &w->message_field;
	own.seal.signature.field = &w->seal_field;
	own.seal.signature.b_extent = span_skip(w->seal_field.raw, w->seal_field.raw.len);
	for (size_t i = 0; w->cv == ARC_PASS && i < result->count; i++)
		arc_scope_add(scope, result->chain.set[i], hash);
	arc_scope_add(scope, &own, hash);
	return composer_sign_hash(c, sealer->crypto, sealer->arena, sealer->settings.key, hash);
}

bool arc_seal_end(struct arc_sealer *sealer, const struct arc_result *result, struct span results,
                  struct arc_fields *fields)
{
	struct writing w = { .instance = result->count + 1, .cv = result->status };
	enum dkim_fold fold = sealer->settings.fold;
	bool ok;

	REQUIRE(arc_may_seal(result));
	write_results(&w, results);
	ok = write_message(sealer, &w);
	ok = write_seal(sealer, result, &w) && ok;
	*fields = (struct arc_fields){
		.results = composer_result(&w.results, sealer->arena, fold),
		.message = composer_result(&w.message, sealer->arena, fold),
		.seal = composer_result(&w.seal, sealer->arena, fold),
	};
	composer_free(&w.results);
	composer_free(&w.message);
	composer_free(&w.seal);
	return ok;
}
