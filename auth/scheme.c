/* SPDX-License-Identifier: ISC */
/* scheme.c - the password schemes that Dovecot's passwd-files use (imap-scope 7.2), one row each
 *
 * Runs on a thread of the pool.  Comparisons take the same time wherever the bytes differ. */
#include "auth/scheme.h"

#include <crypt.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "lib/base/codec.h"

enum encoding { ENCODING_BY_LENGTH, ENCODING_HEX, ENCODING_BASE64 };

/* One comparison. */
struct check {
	struct arena *arena;
	struct span   data;	/* behind the {SCHEME} */
	enum encoding encoding;	/* {SCHEME.HEX}, {SCHEME.B64} */
	struct span   user, password;
	const char   *digest;	/* from the row */
	const char   *reason;
};

struct scheme {
	struct span name;
	enum scheme_result (*check)(struct check *c);
	const char *digest;
};

static enum scheme_result unusable(struct check *c, const char *reason)
{
	c->reason = reason;
	return SCHEME_UNUSABLE;
}

static enum scheme_result result_of(bool match)
{
	return match ? SCHEME_MATCH : SCHEME_MISMATCH;
}

static bool same_bytes(struct span a, struct span b)
{
	return a.len == b.len && memory_equal(a.ptr, b.ptr, a.len);
}

static struct span digest_of(const struct check *c, const EVP_MD *md, struct span first, struct span second)
{
	unsigned char *out = arena_alloc(c->arena, EVP_MAX_MD_SIZE);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned length = 0;

	if (ctx == NULL || !EVP_DigestInit_ex(ctx, md, NULL) || !EVP_DigestUpdate(ctx, first.ptr, first.len) ||
	    !EVP_DigestUpdate(ctx, second.ptr, second.len) || !EVP_DigestFinal_ex(ctx, out, &length))
		length = 0;
	EVP_MD_CTX_free(ctx);
	return span_make(out, length);
}

/* ---- crypt(3) ---- */

static enum scheme_result check_crypt(struct check *c)
{
	struct crypt_data *work;
	const char *hash;
	enum scheme_result result;

	if (memchr(c->password.ptr, '\0', c->password.len) != NULL)
		return SCHEME_MISMATCH;	/* crypt would not see what is behind it */
	work = calloc(1, sizeof(*work));
	if (work == NULL)
		return unusable(c, "out of memory");
	hash = crypt_rn(arena_cstr(c->arena, c->password), arena_cstr(c->arena, c->data), work, sizeof(*work));
	if (hash == NULL)
		result = unusable(c, "crypt does not know this kind of hash");
	else
		result = result_of(same_bytes(span_of(hash), c->data));
	memory_wipe(work, sizeof(*work));
	free(work);
	return result;
}

/* ---- in the clear ---- */

/* Through a digest, so that the time tells nothing of the length either. */
static enum scheme_result check_plain(struct check *c)
{
	struct span none = { 0 };
	struct span a = digest_of(c, EVP_sha256(), c->data, none);
	struct span b = digest_of(c, EVP_sha256(), c->password, none);

	return result_of(a.len != 0 && same_bytes(a, b) && c->data.len == c->password.len);
}

/* ---- plain and salted digests ---- */

static bool decode(const struct check *c, size_t digest_length, struct span *out)
{
	bool is_hex = c->encoding == ENCODING_HEX ||
	              (c->encoding == ENCODING_BY_LENGTH && c->data.len == 2 * digest_length);

	return is_hex ? hex_decode(c->arena, c->data, out) : base64_decode(c->arena, c->data, out);
}

static enum scheme_result check_digest(struct check *c)
{
	const EVP_MD *md = EVP_get_digestbyname(c->digest);
	size_t length = (size_t)EVP_MD_get_size(md);
	struct span stored;

	if (!decode(c, length, &stored) || stored.len != length)
		return unusable(c, "malformed digest");
	return result_of(same_bytes(stored, digest_of(c, md, c->password, (struct span){ 0 })));
}

static enum scheme_result check_salted_digest(struct check *c)
{
	const EVP_MD *md = EVP_get_digestbyname(c->digest);
	size_t length = (size_t)EVP_MD_get_size(md);
	struct span stored;
	bool ok = c->encoding == ENCODING_HEX ? hex_decode(c->arena, c->data, &stored)
	                                      : base64_decode(c->arena, c->data, &stored);

	if (!ok || stored.len < length)
		return unusable(c, "malformed salted digest");
	return result_of(same_bytes(span_first(stored, length),
	                            digest_of(c, md, c->password, span_skip(stored, length))));
}

/* DIGEST-MD5 stores hex(md5(user:realm:password)) (RFC 2831 2.1.2.1). */
static enum scheme_result check_digest_md5(struct check *c)
{
	struct span realm = c->user, name, stored;
	struct span text;

	if (!hex_decode(c->arena, c->data, &stored) || stored.len != 16)
		return unusable(c, "malformed digest");
	span_cut(&realm, '@', &name);
	text = arena_printf_span(c->arena, SPAN_FMT ":" SPAN_FMT ":", SPAN_ARG(name), SPAN_ARG(realm));
	return result_of(same_bytes(stored, digest_of(c, EVP_md5(), text, c->password)));
}

/* ---- key derivation ---- */

enum { MOST_ROUNDS = 10 * 1000 * 1000 };

static struct span derive(const struct check *c, const EVP_MD *md, struct span salt, unsigned long long rounds)
{
	size_t length = (size_t)EVP_MD_get_size(md);
	unsigned char *out = arena_alloc(c->arena, length);

	if (c->password.len > INT_MAX || salt.len > INT_MAX ||
	    !PKCS5_PBKDF2_HMAC(c->password.ptr, (int)c->password.len, (const unsigned char *)salt.ptr, (int)salt.len,
	                       (int)rounds, md, (int)length, out))
		return (struct span){ 0 };
	return span_make(out, length);
}

/* $1$salt$rounds$hex */
static enum scheme_result check_pbkdf2(struct check *c)
{
	struct span rest = c->data, empty, kind, salt, rounds_text, stored;
	unsigned long long rounds;

	if (!span_cut(&rest, '$', &empty) || !span_is_empty(empty) || !span_cut(&rest, '$', &kind) ||
	    !span_equal(kind, span_lit("1")) || !span_cut(&rest, '$', &salt) || !span_cut(&rest, '$', &rounds_text) ||
	    !span_u64(rounds_text, MOST_ROUNDS, &rounds) || rounds == 0 || !hex_decode(c->arena, rest, &stored))
		return unusable(c, "malformed PBKDF2 data");
	return result_of(same_bytes(stored, derive(c, EVP_sha1(), salt, rounds)));
}

/* iterations,salt,StoredKey,ServerKey: RFC 5802 3 says how StoredKey comes from the password. */
static enum scheme_result check_scram(struct check *c)
{
	const EVP_MD *md = EVP_get_digestbyname(c->digest);
	struct span rest = c->data, rounds_text, salt_text, key_text, salt, stored, salted;
	unsigned char *client_key = arena_alloc(c->arena, EVP_MAX_MD_SIZE);
	unsigned length = 0;
	unsigned long long rounds;

	if (!span_cut(&rest, ',', &rounds_text) || !span_cut(&rest, ',', &salt_text) ||
	    !span_cut(&rest, ',', &key_text) || !span_u64(rounds_text, MOST_ROUNDS, &rounds) || rounds == 0 ||
	    !base64_decode(c->arena, salt_text, &salt) || !base64_decode(c->arena, key_text, &stored))
		return unusable(c, "malformed SCRAM data");
	salted = derive(c, md, salt, rounds);
	if (salted.len == 0 || HMAC(md, salted.ptr, (int)salted.len, (const unsigned char *)"Client Key", 10, client_key,
	                            &length) == NULL)
		return unusable(c, "key derivation failed");
	return result_of(same_bytes(stored, digest_of(c, md, span_make(client_key, length), (struct span){ 0 })));
}

/* ---- refused ---- */

static enum scheme_result refuse_argon2(struct check *c)
{
	return unusable(c, "Argon2 is not in this build: set the password anew with postern user passwd");
}

static enum scheme_result refuse_weak(struct check *c)
{
	return unusable(c, "this scheme is refused: set the password anew with postern user passwd");
}

static const struct scheme schemes[] = {
	{ SPAN("CRYPT"), check_crypt, NULL },
	{ SPAN("BLF-CRYPT"), check_crypt, NULL },
	{ SPAN("SHA512-CRYPT"), check_crypt, NULL },
	{ SPAN("SHA256-CRYPT"), check_crypt, NULL },
	{ SPAN("MD5-CRYPT"), check_crypt, NULL },
	{ SPAN("MD5"), check_crypt, NULL },
	{ SPAN("DES-CRYPT"), check_crypt, NULL },
	{ SPAN("PLAIN"), check_plain, NULL },
	{ SPAN("CLEAR"), check_plain, NULL },
	{ SPAN("CLEARTEXT"), check_plain, NULL },
	{ SPAN("SMD5"), check_salted_digest, "MD5" },
	{ SPAN("SSHA"), check_salted_digest, "SHA1" },
	{ SPAN("SSHA256"), check_salted_digest, "SHA256" },
	{ SPAN("SSHA512"), check_salted_digest, "SHA512" },
	{ SPAN("PLAIN-MD5"), check_digest, "MD5" },
	{ SPAN("LDAP-MD5"), check_digest, "MD5" },
	{ SPAN("SHA"), check_digest, "SHA1" },
	{ SPAN("SHA1"), check_digest, "SHA1" },
	{ SPAN("SHA256"), check_digest, "SHA256" },
	{ SPAN("SHA512"), check_digest, "SHA512" },
	{ SPAN("DIGEST-MD5"), check_digest_md5, NULL },
	{ SPAN("PBKDF2"), check_pbkdf2, NULL },
	{ SPAN("SCRAM-SHA-1"), check_scram, "SHA1" },
	{ SPAN("SCRAM-SHA-256"), check_scram, "SHA256" },
	{ SPAN("ARGON2I"), refuse_argon2, NULL },
	{ SPAN("ARGON2ID"), refuse_argon2, NULL },
	{ SPAN("CRAM-MD5"), refuse_weak, NULL },
	{ SPAN("HMAC-MD5"), refuse_weak, NULL },
	{ SPAN("LANMAN"), refuse_weak, NULL },
	{ SPAN("NTLM"), refuse_weak, NULL },
	{ SPAN("OTP"), refuse_weak, NULL },
	{ SPAN("PLAIN-MD4"), refuse_weak, NULL },
	{ SPAN("RPA"), refuse_weak, NULL },
};

static const struct scheme *find_scheme(struct span name)
{
	for (size_t i = 0; i < COUNT_OF(schemes); i++) {
		if (span_equal_ci(name, schemes[i].name))
			return &schemes[i];
	}
	return NULL;
}

/* Split "{SCHEME.ENC}data"; the old forms "hash[13]" and "hash[34]" are crypt's. */
static bool split(struct check *c, struct span stored, struct span default_scheme, struct span *name)
{
	struct span encoding;

	*name = default_scheme;
	c->data = stored;
	if (span_ends(stored, span_lit("[13]")) || span_ends(stored, span_lit("[34]"))) {
		*name = span_lit("CRYPT");
		c->data = span_first(stored, stored.len - 4);
	} else if (span_starts(stored, span_lit("{"))) {
		c->data = span_skip(stored, 1);
		if (!span_cut(&c->data, '}', name))
			return false;
	}
	encoding = *name;
	if (!span_cut(&encoding, '.', name))
		return true;
	if (span_equal_ci(encoding, span_lit("HEX")))
		c->encoding = ENCODING_HEX;
	else if (span_equal_ci(encoding, span_lit("B64")) || span_equal_ci(encoding, span_lit("BASE64")))
		c->encoding = ENCODING_BASE64;
	else
		return false;
	return true;
}

enum scheme_result scheme_check(struct arena *arena, struct span stored, struct span default_scheme,
                                struct span user, struct span password, const char **reason)
{
	struct check c = { .arena = arena, .user = user, .password = password };
	const struct scheme *scheme;
	struct span name;
	enum scheme_result result;

	*reason = NULL;
	if (!split(&c, stored, default_scheme, &name)) {
		*reason = "malformed {SCHEME}";
		return SCHEME_UNUSABLE;
	}
	scheme = find_scheme(name);
	if (scheme == NULL) {
		*reason = "unknown password scheme";
		return SCHEME_UNUSABLE;
	}
	c.digest = scheme->digest;
	result = scheme->check(&c);
	*reason = c.reason;
	return result;
}
