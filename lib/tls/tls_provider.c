/* SPDX-License-Identifier: ISC */
/* tls_provider.c - an OpenSSL provider whose private keys are elsewhere
 *
 * libssl gets an EVP_PKEY whose "private part" is a handle; DigestSign on it asks a tls_signer, which in production
 * asks tlsmgr (reliability rules, section 7).  The public part stays a key of the default provider, to which all
 * questions about size and group are forwarded.  export refuses whatever includes the private part: else libcrypto
 * would move the key to the default provider and sign there, without one.
 *
 * Signing suspends the task inside SSL_do_handshake.  libssl holds no lock there; the error queue, which all tasks
 * of the thread share, is emptied on return so that no other task's errors are taken for ours. */
#include "lib/tls/tls_private.h"

#include <stdatomic.h>
#include <string.h>

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>

#include "lib/base/log.h"

#define HANDLE_PARAM "postern-key"

struct forwarded_key {
	atomic_uint              references;
	EVP_PKEY                *public_key;
	const struct tls_signer *signer;
	unsigned char            id[TLS_KEY_ID_SIZE];
};

/* What crosses the EVP_PKEY_fromdata interface: a pointer, as bytes. */
struct key_handle {
	EVP_PKEY                *public_key;
	const struct tls_signer *signer;
};

bool tls_public_id(EVP_PKEY *key, unsigned char id[TLS_KEY_ID_SIZE])
{
	unsigned char *der = NULL;
	int length = i2d_PUBKEY(key, &der);

	if (length <= 0)
		return false;
	SHA256(der, (size_t)length, id);
	OPENSSL_free(der);
	return true;
}

/* ---- KEYMGMT ---- */

static void *key_new(void *unused)
{
	struct forwarded_key *key = OPENSSL_zalloc(sizeof(*key));

	(void)unused;
	if (key != NULL)
		atomic_init(&key->references, 1);
	return key;
}

static void key_free(void *data)
{
	struct forwarded_key *key = data;

	if (key == NULL || atomic_fetch_sub(&key->references, 1) > 1)
		return;
	EVP_PKEY_free(key->public_key);
	OPENSSL_free(key);
}

static int key_has(const void *data, int selection)
{
	(void)selection;
	return data != NULL && ((const struct forwarded_key *)data)->public_key != NULL;
}

static int key_import(void *data, int selection, const OSSL_PARAM params[])
{
	struct forwarded_key *key = data;
	const OSSL_PARAM *p = OSSL_PARAM_locate_const(params, HANDLE_PARAM);
	struct key_handle handle;

	if ((selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) == 0 || p == NULL ||
	    p->data_type != OSSL_PARAM_OCTET_STRING || p->data_size != sizeof(handle))
		return 0;
	memcpy(&handle, p->data, sizeof(handle));
	if (!tls_public_id(handle.public_key, key->id) || !EVP_PKEY_up_ref(handle.public_key))
		return 0;
	key->public_key = handle.public_key;
	key->signer = handle.signer;
	return 1;
}

static const OSSL_PARAM *key_import_types(int selection)
{
	static const OSSL_PARAM types[] = {
		OSSL_PARAM_octet_string(HANDLE_PARAM, NULL, 0), OSSL_PARAM_END
	};

	return (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0 ? types : NULL;
}

static int key_export(void *data, int selection, OSSL_CALLBACK *callback, void *arg)
{
	const struct forwarded_key *key = data;

	if ((selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0)
		return 0;
	return EVP_PKEY_export(key->public_key, selection, callback, arg);
}

static const OSSL_PARAM *key_export_types(int selection)
{
	static const OSSL_PARAM types[] = {
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
		OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, NULL, 0),
		OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, NULL, 0),
		OSSL_PARAM_END
	};

	return (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0 ? NULL : types;
}

static int key_get_params(void *data, OSSL_PARAM params[])
{
	const struct forwarded_key *key = data;

	return EVP_PKEY_get_params(key->public_key, params);
}

static const OSSL_PARAM *key_gettable_params(void *unused)
{
	static const OSSL_PARAM types[] = {
		OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_MANDATORY_DIGEST, NULL, 0),
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, NULL, 0),
		OSSL_PARAM_END
	};

	(void)unused;
	return types;
}

static const char *ec_operation_name(int operation)
{
	return operation == OSSL_OP_SIGNATURE ? "ECDSA" : NULL;
}

/* A dispatch table holds functions of many types as one: the cast is OpenSSL's interface. */
#define DISPATCH(id, function) { (id), (void (*)(void))(function) }
#define KEYMGMT_ROWS                                                   \
	DISPATCH(OSSL_FUNC_KEYMGMT_NEW, key_new),                      \
	DISPATCH(OSSL_FUNC_KEYMGMT_FREE, key_free),                    \
	DISPATCH(OSSL_FUNC_KEYMGMT_HAS, key_has),                      \
	DISPATCH(OSSL_FUNC_KEYMGMT_IMPORT, key_import),                \
	DISPATCH(OSSL_FUNC_KEYMGMT_IMPORT_TYPES, key_import_types),    \
	DISPATCH(OSSL_FUNC_KEYMGMT_EXPORT, key_export),                \
	DISPATCH(OSSL_FUNC_KEYMGMT_EXPORT_TYPES, key_export_types),    \
	DISPATCH(OSSL_FUNC_KEYMGMT_GET_PARAMS, key_get_params),        \
	DISPATCH(OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, key_gettable_params)

static const OSSL_DISPATCH keymgmt_functions[] = { KEYMGMT_ROWS, { 0, NULL } };
static const OSSL_DISPATCH ec_keymgmt_functions[] = {
	KEYMGMT_ROWS,
	DISPATCH(OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, ec_operation_name),
	{ 0, NULL }
};

static const OSSL_ALGORITHM keymgmt_algorithms[] = {
	{ "RSA:rsaEncryption", "provider=postern", keymgmt_functions, "RSA key of tlsmgr" },
	{ "EC:id-ecPublicKey", "provider=postern", ec_keymgmt_functions, "EC key of tlsmgr" },
	{ "ED25519", "provider=postern", keymgmt_functions, "Ed25519 key of tlsmgr" },
	{ "ED448", "provider=postern", keymgmt_functions, "Ed448 key of tlsmgr" },
	{ NULL, NULL, NULL, NULL }
};

/* ---- SIGNATURE ---- */

struct signing {
	struct forwarded_key *key;
	char                  digest[32];
	int                   padding;
};

static void *signing_new(void *unused, const char *properties)
{
	struct signing *s = OPENSSL_zalloc(sizeof(*s));

	(void)unused;
	(void)properties;
	if (s != NULL)
		s->padding = RSA_PKCS1_PADDING;
	return s;
}

static void signing_free(void *data)
{
	struct signing *s = data;

	if (s == NULL)
		return;
	key_free(s->key);
	OPENSSL_free(s);
}

static bool read_padding(const OSSL_PARAM *p, int *padding)
{
	static const struct {
		const char *name;
		int         padding;
	} rows[] = {
		{ OSSL_PKEY_RSA_PAD_MODE_PKCSV15, RSA_PKCS1_PADDING },
		{ OSSL_PKEY_RSA_PAD_MODE_PSS, RSA_PKCS1_PSS_PADDING },
	};

	if (p->data_type == OSSL_PARAM_INTEGER)
		return OSSL_PARAM_get_int(p, padding) != 0;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		if (p->data != NULL && strcmp(p->data, rows[i].name) == 0) {
			*padding = rows[i].padding;
			return true;
		}
	}
	return false;
}

static int signing_set_params(void *data, const OSSL_PARAM params[])
{
	struct signing *s = data;
	const OSSL_PARAM *p;

	if (params == NULL)
		return 1;
	p = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PAD_MODE);
	return p == NULL || read_padding(p, &s->padding);
}

static const OSSL_PARAM *signing_settable_params(void *data, void *unused)
{
	static const OSSL_PARAM types[] = {
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, NULL, 0),
		OSSL_PARAM_END
	};

	(void)data;
	(void)unused;
	return types;
}

static int signing_init(void *data, const char *digest, void *key_data, const OSSL_PARAM params[])
{
	struct signing *s = data;
	struct forwarded_key *key = key_data;

	if (key != NULL) {
		atomic_fetch_add(&key->references, 1);
		key_free(s->key);
		s->key = key;
	}
	if (digest != NULL) {
		if (strlen(digest) >= sizeof(s->digest))
			return 0;
		strcpy(s->digest, digest);
	}
	return s->key != NULL && signing_set_params(s, params);
}

static int signing_sign(void *data, unsigned char *out, size_t *length, size_t room,
                        const unsigned char *input, size_t input_length)
{
	const struct signing *s = data;
	int most = EVP_PKEY_get_size(s->key->public_key);
	struct arena *arena;
	struct span signature;
	struct why why;
	int ok = 0;

	if (most <= 0)
		return 0;
	if (out == NULL) {
		*length = (size_t)most;
		return 1;
	}
	arena = arena_new(NULL);
	if (s->key->signer->sign(s->key->signer->user,
	                         &(struct tls_sign_request){
	                                 .key = span_make(s->key->id, sizeof(s->key->id)),
	                                 .digest = span_of(s->digest),
	                                 .padding = (uint64_t)s->padding,
	                                 .input = span_make(input, input_length),
	                         },
	                         arena, &signature, &why) != DONE)
		log_warning("TLS signature: %s", why.text);
	else if (signature.len != 0 && signature.len <= room) {
		memcpy(out, signature.ptr, signature.len);
		*length = signature.len;
		ok = 1;
	}
	arena_free(arena);
	ERR_clear_error();	/* those of the tasks that ran meanwhile */
	if (!ok)
		ERR_raise_data(ERR_LIB_USER, ERR_R_OPERATION_FAIL, "no signature from the key holder");
	return ok;
}

static const OSSL_DISPATCH signature_functions[] = {
	DISPATCH(OSSL_FUNC_SIGNATURE_NEWCTX, signing_new),
	DISPATCH(OSSL_FUNC_SIGNATURE_FREECTX, signing_free),
	DISPATCH(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, signing_init),
	DISPATCH(OSSL_FUNC_SIGNATURE_DIGEST_SIGN, signing_sign),
	DISPATCH(OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, signing_set_params),
	DISPATCH(OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, signing_settable_params),
	{ 0, NULL }
};

static const OSSL_ALGORITHM signature_algorithms[] = {
	{ "RSA:rsaEncryption", "provider=postern", signature_functions, "RSA by tlsmgr" },
	{ "ECDSA", "provider=postern", signature_functions, "ECDSA by tlsmgr" },
	{ "ED25519", "provider=postern", signature_functions, "Ed25519 by tlsmgr" },
	{ "ED448", "provider=postern", signature_functions, "Ed448 by tlsmgr" },
	{ NULL, NULL, NULL, NULL }
};

/* ---- the provider ---- */

static const OSSL_ALGORITHM *provider_query(void *provider, int operation, int *no_cache)
{
	(void)provider;
	*no_cache = 0;
	if (operation == OSSL_OP_KEYMGMT)
		return keymgmt_algorithms;
	return operation == OSSL_OP_SIGNATURE ? signature_algorithms : NULL;
}

static int provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
                         const OSSL_DISPATCH **out, void **context)
{
	static const OSSL_DISPATCH functions[] = {
		DISPATCH(OSSL_FUNC_PROVIDER_QUERY_OPERATION, provider_query), { 0, NULL }
	};
	static int loaded;	/* OpenSSL wants a context that is not NULL */

	(void)handle;
	(void)in;
	*out = functions;
	*context = &loaded;
	return 1;
}

OSSL_LIB_CTX *tls_library(void)
{
	static OSSL_LIB_CTX *library;

	if (library != NULL)
		return library;
	library = OSSL_LIB_CTX_new();
	if (library == NULL || OSSL_PROVIDER_load(library, "default") == NULL ||
	    !OSSL_PROVIDER_add_builtin(library, "postern", provider_init) ||
	    OSSL_PROVIDER_load(library, "postern") == NULL ||
	    !EVP_set_default_properties(library, "?provider=default"))
		log_fatal("cannot set OpenSSL up: %s", ERR_reason_error_string(ERR_get_error()));
	return library;
}

EVP_PKEY *tls_forwarded_key(EVP_PKEY *public_key, const struct tls_signer *signer)
{
	struct key_handle handle = { public_key, signer };
	OSSL_PARAM params[] = { OSSL_PARAM_octet_string(HANDLE_PARAM, &handle, sizeof(handle)), OSSL_PARAM_END };
	const char *type = EVP_PKEY_get0_type_name(public_key);
	EVP_PKEY_CTX *ctx;
	EVP_PKEY *key = NULL;

	if (type == NULL)
		return NULL;
	ctx = EVP_PKEY_CTX_new_from_name(tls_library(), type, "provider=postern");
	if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) <= 0 ||
	    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params) <= 0)
		key = NULL;
	EVP_PKEY_CTX_free(ctx);
	return key;
}
