/* SPDX-License-Identifier: ISC */
/* fuzz_arc.c - the chain of a message, validated; some are sealed, and then have the chain that follows from it
 *
 * The first line of the input is what the DNS says of every key but our own. */
#include <stdint.h>
#include <stdlib.h>

#include "lib/mailauth/arc_seal.h"
#include "lib/mailauth/test_mail.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { KEYS_MAX = 4, SEAL_EVERY = 16 };

/* What one input is worked on with. */
struct run {
	struct arena           *arena;
	struct dkim_crypto     *crypto;
	struct dkim_signing_key key;
	struct test_record      script[3];
	struct test_dns         dns;
	struct arc_sealer      *sealer;
};

static void require(bool condition)
{
	if (!condition)
		abort();
}

static struct arc_result validate(struct run *r, struct span message)
{
	struct arc_verify_settings settings = ARC_VERIFY_STANDARD_SETTINGS;
	struct arc_seal_settings seal = ARC_SEAL_STANDARD_SETTINGS;
	struct lookup lookup = test_lookup(&r->dns);
	struct test_mail mail = test_mail(r->arena, r->crypto, message);
	struct arc_verifier *verifier;
	struct arc_result result;

	settings.wants_oldest_pass = true;
	settings.names_max = SIZE_MAX;
	seal.key = &r->key;
	seal.domain = seal.selector = span_lit("own.example");
	r->sealer = arc_seal_start(r->arena, r->crypto, &seal, mail.index, mail.body);
	verifier = arc_verify_start(r->arena, r->crypto, &settings, mail.header, mail.index, mail.body, &lookup);
	test_hash(&mail);
	result = arc_verify_end(verifier);
	require(result.count <= ARC_INSTANCES_MAX && result.oldest_pass <= result.count);
	require((result.status == ARC_NONE || result.status == ARC_PASS) == (result.reason[0] == '\0'));
	require(result.status != ARC_NONE || result.count == 0);
	return result;
}

static void add_field(struct buf *out, const struct mail_field *field)
{
	buf_add(out, field->name);
	buf_add_byte(out, ':');
	buf_add(out, field->value);
	buf_add_cstr(out, "\r\n");
}

static void seal_and_validate(struct run *r, const struct arc_result *before, struct span message)
{
	struct arc_fields fields;
	struct arc_result after;
	struct buf text;

	require(r->sealer != NULL && arc_seal_end(r->sealer, before, span_lit("own.example; none"), &fields));
	buf_init(&text, BUF_NO_LIMIT);
	add_field(&text, &fields.seal);
	add_field(&text, &fields.message);
	add_field(&text, &fields.results);
	buf_add(&text, message);
	after = validate(r, buf_span(&text));
	require(after.count == before->count + 1);
	if (before->status == ARC_FAIL)
		require(after.status == ARC_FAIL && !arc_may_seal(&after));
	else
		require(after.status == ARC_PASS);
	buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span message = span_make(data, size), record;
	struct run r = { .arena = arena_new(NULL), .crypto = dkim_crypto_new(KEYS_MAX), .key = test_fixed_key() };
	struct arc_result result;

	span_cut(&message, '\n', &record);
	r.script[0] = (struct test_record){ SPAN("own.example._domainkey.own.example"),
	                                    dkim_key_record_text(r.arena, r.key.type, r.key.pkey), DNS_FOUND };
	r.script[1] = (struct test_record){ SPAN(""), record, DNS_FOUND };
	r.dns.script = r.script;
	result = validate(&r, message);
	/* A message that begins with white space would become a part of the field put above it. */
	if (size % SEAL_EVERY == 0 && arc_may_seal(&result) &&
	    (message.len == 0 || !ascii_is_space(message.ptr[0]) || message.ptr[0] == '\r'))
		seal_and_validate(&r, &result, message);
	arena_free(r.arena);
	dkim_crypto_free(r.crypto);
	dkim_signing_key_free(&r.key);
	return 0;
}
