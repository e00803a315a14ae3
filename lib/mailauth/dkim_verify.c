/* SPDX-License-Identifier: ISC */
/* dkim_verify.c - the DKIM signatures of a message, checked
 *
 * Trusts nothing of the message.  Rules kept here: RFC 6376 6.1.1 (expiry, times), 6.1.3 (hashes), 3.5 (l=), 8.15 (second
 * From: reported); RFC 6008 4 (telling signatures apart).  What a signature field, a key record or canonical bytes are
 * is said in dkim_signature.c, dkim_key.c and dkim_canon.c. */
#include "lib/mailauth/dkim_verify.h"

enum { B_SHOWN_MIN = 8 };

struct verification {
	struct dkim_signature signature;
	struct dkim_result    result;
	size_t                body_hash;
};

struct dkim_verifier {
	struct arena               *arena;
	struct dkim_crypto         *crypto;
	struct dkim_verify_settings settings;
	struct header_index        *index;
	struct dkim_body           *body;
	struct dkim_keys           *keys;
	struct verification        *item;
	size_t                      count;
	size_t                      skipped;
};

static bool is_signature(const struct mime_field *field)
{
	return span_equal_ci(field->name, span_lit("DKIM-Signature"));
}

static enum dkim_status refuse(struct verification *v, enum dkim_status status, const char *reason)
{
	v->result.reason = reason;
	return status;
}

/* check_times - RFC 6376 3.5: verifiers may refuse what is expired or not yet signed; we do. */
static enum dkim_status check_times(const struct dkim_verifier *verifier, struct verification *v)
{
	uint64_t now = verifier->settings.now_s, skew = verifier->settings.clock_skew_s;

	if (v->signature.has_expiry && v->signature.expiry_s < now && now - v->signature.expiry_s > skew)
		return refuse(v, DKIM_FAIL, "the signature has expired");
	if (v->signature.has_timestamp && v->signature.timestamp_s > now &&
	    v->signature.timestamp_s - now > skew)
		return refuse(v, DKIM_POLICY, "the signature is from the future");
	return DKIM_PASS;
}

static void begin(struct dkim_verifier *verifier, struct verification *v, const struct mime_field *field)
{
	struct dkim_signature *s = &v->signature;
	enum dkim_status status;

	v->result.reason = "";
	status = dkim_signature_read(verifier->arena, DKIM_SIGNATURE, field, verifier->settings.names_max, s,
	                             &v->result.reason);
	v->result.domain = s->domain;
	v->result.selector = s->selector;
	v->result.identity = s->identity;
	v->result.algorithm = s->algorithm != NULL ? s->algorithm : "";
	v->result.from_signed = dkim_signature_signs(s, span_lit("From"));
	if (status == DKIM_PASS)
		status = check_times(verifier, v);
	if (status == DKIM_PASS && !dkim_body_want(verifier->body, s->body_canon, s->length, &v->body_hash))
		status = refuse(v, DKIM_POLICY, "too many different hashes of the body");
	if (status == DKIM_PASS)
		dkim_keys_expect(verifier->keys, s);
	v->result.status = status;
}

static size_t common_start(struct span a, struct span b)
{
	size_t n = 0;

	while (n < a.len && n < b.len && a.ptr[n] == b.ptr[n])
		n++;
	return n;
}

/* show_b - for each signature so much of b= that no other begins the same (RFC 6008 4). */
static void show_b(struct dkim_verifier *verifier)
{
	for (size_t i = 0; i < verifier->count; i++) {
		struct span b = verifier->item[i].signature.b;
		size_t shown = B_SHOWN_MIN;

		for (size_t k = 0; k < verifier->count; k++) {
			size_t common = k != i ? common_start(b, verifier->item[k].signature.b) : 0;

			if (common >= shown)
				shown = common + 1;
		}
		verifier->item[i].result.b = span_first(b, shown);
	}
}

struct dkim_verifier *dkim_verify_start(struct arena *arena, struct dkim_crypto *crypto,
                                        const struct dkim_verify_settings *settings, struct mail_header header,
                                        struct header_index *index, struct dkim_body *body,
                                        const struct lookup *lookup)
{
	struct dkim_verifier *verifier = ARENA_NEW(arena, struct dkim_verifier);
	size_t there = header_index_count(index, span_lit("DKIM-Signature"));
	size_t count = there < settings->signatures_max ? there : settings->signatures_max;

	*verifier = (struct dkim_verifier){ .arena = arena, .crypto = crypto, .settings = *settings, .index = index,
	                                    .body = body, .skipped = there - count };
	verifier->keys = dkim_keys_new(arena, crypto, lookup, settings->keys);
	verifier->item = ARENA_NEW_ARRAY(arena, struct verification, count);
	for (size_t i = 0; i < header.count && verifier->count < count; i++)
		if (is_signature(&header.field[i]))
			begin(verifier, &verifier->item[verifier->count++], &header.field[i]);
	show_b(verifier);
	return verifier;
}

/* check_body - RFC 6376 6.1.3, with what l= leaves out. */
static enum dkim_status check_body(struct dkim_verifier *verifier, struct verification *v)
{
	const struct dkim_signature *s = &v->signature;
	uint64_t there = dkim_body_length(verifier->body, v->body_hash);

	if (s->length != DKIM_WHOLE_BODY && s->length > there)
		return refuse(v, DKIM_PERMERROR, "l= is more than the body has");
	if (!span_equal(s->body_hash, dkim_body_hash(verifier->body, v->body_hash)))
		return refuse(v, DKIM_FAIL, "the body was changed");
	v->result.has_unsigned_body = s->length < there;
	return DKIM_PASS;
}

static void finish(struct dkim_verifier *verifier, struct verification *v)
{
	const struct dkim_found_key *found = NULL;
	unsigned char hash[DKIM_HASH_BYTES];
	enum dkim_status status = check_body(verifier, v);

	if (status == DKIM_PASS) {
		dkim_header_hash(verifier->crypto, verifier->index, &v->signature, hash);
		status = dkim_signature_check(verifier->keys, &v->signature, hash, &v->result.reason, &found);
		v->result.key_bits = found->key.bits;
		v->result.is_testing = found->record.is_testing;
		v->result.is_secure = found->is_secure;
	}
	if (status == DKIM_PASS && v->result.has_unsigned_body &&
	    verifier->settings.length_rule == DKIM_LENGTH_WHOLE)
		status = refuse(v, DKIM_POLICY, "a part of the body is not signed");
	if (status == DKIM_PASS)
		v->result.reason = "";
	v->result.status = status;
}

struct dkim_results dkim_verify_end(struct dkim_verifier *verifier)
{
	struct dkim_results results = {
		.item = ARENA_NEW_ARRAY(verifier->arena, struct dkim_result, verifier->count),
		.count = verifier->count, .skipped = verifier->skipped,
		.from_count = header_index_count(verifier->index, span_lit("From")),
	};

	for (size_t i = 0; i < verifier->count; i++) {
		if (verifier->item[i].result.status == DKIM_PASS)
			finish(verifier, &verifier->item[i]);
		results.item[i] = verifier->item[i].result;
	}
	return results;
}
