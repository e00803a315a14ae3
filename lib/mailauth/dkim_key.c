/* SPDX-License-Identifier: ISC */
/* dkim_key.c - public keys in the DNS
 *
 * Rules kept here: RFC 6376 3.6.1 (key records), 3.6.2 (where they are), 6.1.2 (getting them), RFC 8301 3.2 (key
 * sizes), RFC 8463 4 (Ed25519), RFC 8616 3 (domains in UTF-8).  Several records under one name are undefined by RFC
 * 6376 3.6.2.2: the first that is a key record counts, so that a wildcard's TXT record beside it does no harm. */
#include "lib/mailauth/dkim_key.h"

#include <idn2.h>
#include <openssl/x509.h>

#include "lib/base/codec.h"
#include "lib/base/log.h"
#include "lib/smtp/address.h"

enum { RECORDS_MAX = 10, NAME_MAX_BYTES = 253 };

/* ---- records ---- */

static bool read_flags(const struct tags *tags, struct dkim_key_record *record, const char **reason)
{
	struct span value;

	if (tags_value(tags, span_lit("v"), &value) &&
	    (!span_equal(value, span_lit("DKIM1")) || tags_get(tags, span_lit("v")) != &tags->item[0])) {
		*reason = "the key record has another version";
		return false;
	}
	if (tags_value(tags, span_lit("h"), &value) && !tags_has_item(value, ':', span_lit("sha256"))) {
		*reason = "the key is not for SHA-256";
		return false;
	}
	if (tags_value(tags, span_lit("s"), &value) && !tags_has_item(value, ':', span_lit("*")) &&
	    !tags_has_item(value, ':', span_lit("email"))) {
		*reason = "the key is not for mail";
		return false;
	}
	if (tags_value(tags, span_lit("t"), &value)) {
		record->is_testing = tags_has_item(value, ':', span_lit("y"));
		record->is_strict = tags_has_item(value, ':', span_lit("s"));
	}
	return true;
}

bool dkim_key_record_read(struct arena *arena, struct span text, struct dkim_key_record *record,
                          const char **reason)
{
	struct tags tags;
	struct span value;

	*record = (struct dkim_key_record){ .type = DKIM_RSA };
	*reason = "the record under the selector is no key record";
	if (!tags_parse(arena, text, DKIM_TAGS_MAX, &tags, &(const char *){ NULL }) ||
	    !tags_value(&tags, span_lit("p"), &value) ||
	    !base64_decode(arena, tags_unspaced(arena, value), &record->bytes))
		return false;
	if (tags_value(&tags, span_lit("k"), &value)) {
		record->type = span_equal(value, span_lit("ed25519")) ? DKIM_ED25519 : DKIM_RSA;
		if (record->type == DKIM_RSA && !span_equal(value, span_lit("rsa"))) {
			*reason = "the key is of an unknown type";
			return false;
		}
	}
	return read_flags(&tags, record, reason);
}

struct span dkim_key_record_text(struct arena *arena, enum dkim_key_type type, EVP_PKEY *pkey)
{
	unsigned char *der = NULL;
	struct span bytes, text;
	size_t len = 0;

	if (type == DKIM_RSA) {
		int size = i2d_PUBKEY(pkey, &der);

		len = size > 0 ? (size_t)size : 0;
	} else if (EVP_PKEY_get_raw_public_key(pkey, NULL, &len) == 1) {
		der = OPENSSL_malloc(len);
		if (der == NULL || EVP_PKEY_get_raw_public_key(pkey, der, &len) != 1)
			len = 0;
	}
	if (len == 0)
		log_fatal("a key without a public part (OpenSSL)");
	bytes = base64_encode(arena, span_make(der, len));
	text = arena_printf_span(arena, "v=DKIM1; k=%s; p=" SPAN_FMT, type == DKIM_RSA ? "rsa" : "ed25519",
	                         SPAN_ARG(bytes));
	OPENSSL_free(der);
	return text;
}

bool dkim_key_record_is_of(struct dkim_crypto *crypto, struct arena *arena, struct span text,
                           enum dkim_key_type type, EVP_PKEY *pkey)
{
	struct dkim_key_record record;
	struct dkim_public_key key;
	const char *reason;

	return dkim_key_record_read(arena, text, &record, &reason) && record.type == type &&
	       dkim_public_key(crypto, arena, type, record.bytes, &key) && EVP_PKEY_eq(key.pkey, pkey) == 1;
}

/* ---- names ---- */

static struct span to_ascii(struct arena *arena, struct span domain)
{
	struct span ascii = { "", 0 };
	char *out = NULL;

	if (!smtp_has_8bit(domain))
		return domain;
	if (smtp_utf8_is_valid(domain) &&
	    idn2_to_ascii_8z(arena_cstr(arena, domain), &out, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) == IDN2_OK)
		ascii = arena_dup(arena, span_of(out));
	idn2_free(out);
	return ascii;
}

struct span dkim_key_name(struct arena *arena, struct span selector, struct span domain)
{
	struct span name;

	selector = to_ascii(arena, selector);
	domain = to_ascii(arena, domain);
	if (selector.len == 0 || domain.len == 0)
		return (struct span){ "", 0 };
	name = arena_printf_span(arena, SPAN_FMT "._domainkey." SPAN_FMT, SPAN_ARG(selector), SPAN_ARG(domain));
	return name.len <= NAME_MAX_BYTES ? arena_lower(arena, name) : (struct span){ "", 0 };
}

/* ---- asking ---- */

/* A name that was asked for, or will be. */
struct asked {
	struct span           name;
	bool                  has_answer;
	struct dkim_found_key found;
};

struct dkim_keys {
	struct arena          *arena;
	struct dkim_crypto    *crypto;
	struct lookup          lookup;
	struct dkim_key_limits limits;
	struct asked          *asked;
	size_t                 count;
};

struct dkim_keys *dkim_keys_new(struct arena *arena, struct dkim_crypto *crypto, const struct lookup *lookup,
                                struct dkim_key_limits limits)
{
	struct dkim_keys *keys = ARENA_NEW(arena, struct dkim_keys);

	*keys = (struct dkim_keys){ .arena = arena, .crypto = crypto, .lookup = *lookup, .limits = limits };
	keys->asked = ARENA_NEW_ARRAY(arena, struct asked, limits.lookups_max);
	return keys;
}

/* place - of the name of that signature's key; NULL with the answer in *none when it has none. */
static struct asked *place(struct dkim_keys *keys, const struct dkim_signature *signature,
                           const struct dkim_found_key **none)
{
	static const struct dkim_found_key no_name = { .status = DKIM_PERMERROR, .reason = "the key has no name" };
	static const struct dkim_found_key too_many = { .status = DKIM_POLICY, .reason = "too many keys" };
	struct span name = dkim_key_name(keys->arena, signature->selector, signature->domain);

	for (size_t i = 0; i < keys->count; i++)
		if (span_equal(keys->asked[i].name, name))
			return &keys->asked[i];
	*none = name.len == 0 ? &no_name : &too_many;
	if (name.len == 0 || keys->count == keys->limits.lookups_max)
		return NULL;
	keys->asked[keys->count].name = name;
	return &keys->asked[keys->count++];
}

void dkim_keys_expect(struct dkim_keys *keys, const struct dkim_signature *signature)
{
	size_t before = keys->count;
	const struct dkim_found_key *none;
	const struct asked *asked = place(keys, signature, &none);

	if (asked != NULL && keys->count != before && keys->lookup.expect != NULL)
		keys->lookup.expect(keys->lookup.user, asked->name, RR_TXT);
}

static enum dkim_status refuse(struct dkim_found_key *found, enum dkim_status status, const char *reason)
{
	found->reason = reason;
	return status;
}

/* use_record - the key of a record that was read. */
static enum dkim_status use_record(struct dkim_keys *keys, struct dkim_found_key *found)
{
	if (found->record.bytes.len == 0)
		return refuse(found, DKIM_PERMERROR, "the key is revoked");
	if (!dkim_public_key(keys->crypto, keys->arena, found->record.type, found->record.bytes, &found->key))
		return refuse(found, DKIM_PERMERROR, "the key record holds no key");
	if (found->record.type == DKIM_RSA && found->key.bits < keys->limits.rsa_bits_min)
		return refuse(found, DKIM_POLICY, "the key is too short");
	if (found->record.type == DKIM_RSA && found->key.bits > keys->limits.rsa_bits_max)
		return refuse(found, DKIM_POLICY, "the key is too long");
	return DKIM_PASS;
}

static enum dkim_status ask(struct dkim_keys *keys, struct asked *asked)
{
	struct dkim_found_key *found = &asked->found;
	struct lookup_answer answer = { .status = DNS_FAILED };
	struct span rest, rdata, text;

	keys->lookup.ask(keys->lookup.user, asked->name, RR_TXT, keys->arena, &answer);
	if (answer.status == DNS_FAILED)
		return refuse(found, DKIM_TEMPERROR, "the key could not be asked for");
	found->is_secure = answer.is_secure;
	found->reason = "there is no key";
	rest = answer.records;
	for (size_t i = 0; i < RECORDS_MAX && answer.status == DNS_FOUND && rdata_next(&rest, &rdata); i++)
		if (rdata_txt(keys->arena, rdata, &text) &&
		    dkim_key_record_read(keys->arena, text, &found->record, &found->reason))
			return use_record(keys, found);
	return DKIM_PERMERROR;
}

const struct dkim_found_key *dkim_keys_find(struct dkim_keys *keys, const struct dkim_signature *signature)
{
	const struct dkim_found_key *none;
	struct asked *asked = place(keys, signature, &none);

	if (asked == NULL)
		return none;
	if (!asked->has_answer)
		asked->found.status = ask(keys, asked);
	asked->has_answer = true;
	return &asked->found;
}

/* suits - the key is one that may have made this signature. */
static enum dkim_status suits(const struct dkim_found_key *found, const struct dkim_signature *signature,
                              const char **reason)
{
	struct span identity = signature->identity;

	if (found->record.type != signature->key_type) {
		*reason = "the key is of another type";
		return DKIM_PERMERROR;
	}
	/* RFC 6376 3.6.1: with t=s, i= must be of d= itself. */
	if (found->record.is_strict && identity.len != 0 &&
	    identity.len - (span_rfind(identity, '@') + 1) != signature->domain.len) {
		*reason = "the key is not for subdomains";
		return DKIM_PERMERROR;
	}
	return DKIM_PASS;
}

enum dkim_status dkim_signature_check(struct dkim_keys *keys, const struct dkim_signature *signature,
                                      const unsigned char hash[DKIM_HASH_BYTES], const char **reason,
                                      const struct dkim_found_key **found)
{
	const struct dkim_found_key *key = dkim_keys_find(keys, signature);
	enum dkim_status status = key->status;

	if (found != NULL)
		*found = key;
	*reason = key->reason;
	if (status == DKIM_PASS)
		status = suits(key, signature, reason);
	if (status == DKIM_PASS && !dkim_signature_holds(keys->crypto, &key->key, hash, signature->signature)) {
		*reason = "the signature does not match the header";
		status = DKIM_FAIL;
	}
	return status;
}
