/* SPDX-License-Identifier: ISC */
/* tls_context.c - contexts: certificates, trust, protocols; all read before the sandbox
 *
 * Rules kept here: RFC 8996 (TLS 1.2 is the least), RFC 9325 3.2 and 4 (no compression, no renegotiation, ephemeral
 * key exchange only).  A file that also holds a private key is wiped from memory after its certificates are read. */
#include "lib/tls/tls_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "lib/base/buf.h"
#include "lib/base/codec.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"

enum { PEM_FILE_MAX = 1024 * 1024 };

/* Of TLS 1.2.  A server needs ECDHE: its key cannot decrypt.  A client takes what old servers still have. */
#define SERVER_CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:!aNULL:!eNULL:!PSK:!SRP"
#define CLIENT_CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20:ECDHE+AES:DHE+AES:AESGCM:AES:!aNULL:!eNULL:!PSK:!SRP:!aDSS"

static const char *smtpd_chain_files(const struct conf *conf, struct arena *arena)
{
	if (*conf->smtpd_tls_chain_files != '\0')
		return conf->smtpd_tls_chain_files;
	if (*conf->smtpd_tls_eccert_file == '\0' || strcmp(conf->smtpd_tls_eccert_file, "none") == 0)
		return conf->smtpd_tls_cert_file;
	return arena_printf(arena, "%s %s", conf->smtpd_tls_cert_file, conf->smtpd_tls_eccert_file);
}

bool tls_server_smtpd(const struct conf *conf, bool is_mandatory, struct arena *arena, struct tls_server_settings *out)
{
	*out = (struct tls_server_settings){
		.name = "smtpd",
		.chain_files = smtpd_chain_files(conf, arena),
		.protocols = is_mandatory ? conf->smtpd_tls_mandatory_protocols : conf->smtpd_tls_protocols,
		.cipher_grade = is_mandatory ? conf->smtpd_tls_mandatory_ciphers : conf->smtpd_tls_ciphers,
		.exclude_ciphers = !is_mandatory ? conf->smtpd_tls_exclude_ciphers
		                                 : arena_printf(arena, "%s %s", conf->smtpd_tls_exclude_ciphers,
		                                                conf->smtpd_tls_mandatory_exclude_ciphers),
		.groups = conf->tls_eecdh_auto_curves,
		.ca_file = conf->smtpd_tls_CAfile,
		.ask_client_certificate = conf->smtpd_tls_ask_ccert,
		.prefer_server_ciphers = conf->tls_preempt_cipherlist,
		.ticket_life_s = conf->smtpd_tls_session_cache_timeout,
	};
	return *out->chain_files != '\0' && strcmp(out->chain_files, "none") != 0;
}

bool tls_server_login(const struct conf *conf, struct arena *arena, struct tls_server_settings *out)
{
	bool has_smtpd = tls_server_smtpd(conf, true, arena, out);

	out->name = "login";
	out->protocols = conf->login_tls_protocols;
	out->ask_client_certificate = false;
	if (*conf->login_tls_cert_file == '\0')
		return has_smtpd;
	out->chain_files = conf->login_tls_cert_file;
	return strcmp(out->chain_files, "none") != 0;
}

void tls_client_smtp(const struct conf *conf, bool is_mandatory, struct tls_client_settings *out)
{
	*out = (struct tls_client_settings){
		.protocols = is_mandatory ? conf->smtp_tls_mandatory_protocols : conf->smtp_tls_protocols,
		.cipher_grade = is_mandatory ? conf->smtp_tls_mandatory_ciphers : conf->smtp_tls_ciphers,
		.exclude_ciphers = conf->smtp_tls_exclude_ciphers,
		.groups = conf->tls_eecdh_auto_curves,
		.ca_file = conf->smtp_tls_CAfile,
		.ca_path = conf->smtp_tls_CApath,
	};
}

/* ---- certificate chains ---- */

struct chain_reader {
	struct tls_context *ctx;
	X509               *leaf, *last;	/* of the chain being read; last is borrowed */
	STACK_OF(X509)     *rest;
	bool                after_key;
	size_t              chains;
};

/* The chain read so far becomes one that ctx can use. */
static bool finish_chain(struct chain_reader *r)
{
	EVP_PKEY *key;
	bool ok;

	if (r->leaf == NULL)
		return true;
	key = tls_forwarded_key(X509_get0_pubkey(r->leaf), r->ctx->signer);
	ok = key != NULL && SSL_CTX_use_cert_and_key(r->ctx->ssl, r->leaf, key, r->rest, 1) == 1;
	EVP_PKEY_free(key);
	X509_free(r->leaf);
	sk_X509_pop_free(r->rest, X509_free);
	r->leaf = r->last = NULL;
	r->rest = NULL;
	r->chains += ok;
	return ok;
}

/* A certificate goes on with the chain unless a private key stood before it (smtpd_tls_chain_files) and it did not
 * issue the one before. */
static bool add_certificate(struct chain_reader *r, X509 *certificate)
{
	bool goes_on = r->leaf != NULL &&
	               (!r->after_key || X509_check_issued(certificate, r->last) == X509_V_OK);

	r->after_key = false;
	if (!goes_on && !finish_chain(r)) {
		X509_free(certificate);
		return false;
	}
	r->last = certificate;
	if (!goes_on) {
		r->leaf = certificate;
		return true;
	}
	if (r->rest == NULL)
		r->rest = sk_X509_new_null();
	return r->rest != NULL && sk_X509_push(r->rest, certificate) > 0;
}

static bool read_block(struct chain_reader *r, const char *name, const unsigned char *der, long length)
{
	X509 *certificate;

	if (span_ends(span_of(name), span_lit("PRIVATE KEY"))) {
		r->after_key = true;
		return true;
	}
	if (strcmp(name, PEM_STRING_X509) != 0 && strcmp(name, PEM_STRING_X509_TRUSTED) != 0)
		return true;
	certificate = X509_new_ex(tls_library(), NULL);
	if (certificate == NULL || d2i_X509(&certificate, &der, length) == NULL)
		return false;
	return add_certificate(r, certificate);
}

static bool read_chains(struct tls_context *ctx, struct span text)
{
	BIO *bio = BIO_new_mem_buf(text.ptr, (int)text.len);
	struct chain_reader r = { .ctx = ctx };
	char *name, *header;
	unsigned char *der;
	long length;
	bool ok = bio != NULL;

	while (ok && PEM_read_bio(bio, &name, &header, &der, &length)) {
		ok = read_block(&r, name, der, length);
		OPENSSL_free(name);
		OPENSSL_free(header);
		OPENSSL_clear_free(der, (size_t)length);
	}
	BIO_free(bio);
	if (ok)
		ERR_clear_error();	/* "no start line": the end */
	ok = finish_chain(&r) && ok;
	return ok && r.chains > 0;
}

static bool load_chain_file(struct tls_context *ctx, const char *path, struct why *why)
{
	struct buf text;
	bool ok = false;

	buf_init(&text, PEM_FILE_MAX);
	if (fs_read_file(AT_FDCWD, path, &text) < 0) {
		why_errno(why, DEFER, "4.3.5", "cannot read certificate file %s", path);
	} else if (!read_chains(ctx, buf_span(&text))) {
		tls_why(why, "no usable certificate in %s", path);
	} else {
		ok = true;
	}
	if (text.ptr != NULL)
		memory_wipe(text.ptr, text.cap);
	buf_free(&text);
	return ok;
}

static bool load_chain_files(struct tls_context *ctx, const char *files, struct why *why)
{
	struct arena *arena = arena_new(NULL);
	struct span rest = span_of(files), file;
	bool ok = true;

	while (ok && conf_list_next(&rest, &file))
		ok = load_chain_file(ctx, arena_cstr(arena, file), why);
	arena_free(arena);
	return ok;
}

/* ---- trust ---- */

static bool load_ca_file(SSL_CTX *ssl, const char *path, struct why *why)
{
	if (path == NULL || *path == '\0' || SSL_CTX_load_verify_file(ssl, path) == 1)
		return true;
	tls_why(why, "cannot read CA file %s", path);
	return false;
}

/* The folder is out of reach in the sandbox, so all of it is read now. */
static bool load_ca_folder(SSL_CTX *ssl, const char *path, struct why *why)
{
	struct arena *arena;
	struct dirent *entry;
	DIR *folder;

	if (path == NULL || *path == '\0')
		return true;
	folder = opendir(path);
	if (folder == NULL) {
		why_errno(why, DEFER, "4.3.5", "cannot read CA folder %s", path);
		return false;
	}
	arena = arena_new(NULL);
	while ((entry = readdir(folder)) != NULL) {
		if (entry->d_name[0] != '.')
			(void)SSL_CTX_load_verify_file(ssl, arena_printf(arena, "%s/%s", path, entry->d_name));
	}
	arena_free(arena);
	ERR_clear_error();	/* files there that are no certificates */
	closedir(folder);
	return true;
}

/* ---- contexts ---- */

static int accept_any(int ok, X509_STORE_CTX *store)
{
	(void)ok;
	(void)store;
	return 1;	/* whether it is trusted is told by SSL_get_verify_result */
}

static struct tls_context *context_new(const SSL_METHOD *method)
{
	struct tls_context *ctx = calloc(1, sizeof(*ctx));

	if (ctx == NULL)
		log_fatal("out of memory");
	ctx->ssl = SSL_CTX_new_ex(tls_library(), NULL, method);
	if (ctx->ssl == NULL)
		log_fatal("cannot make a TLS context: %s", ERR_reason_error_string(ERR_get_error()));
	SSL_CTX_set_app_data(ctx->ssl, ctx);
	SSL_CTX_set_options(ctx->ssl, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(ctx->ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
	                                   SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	return ctx;
}

void tls_context_free(struct tls_context *ctx)
{
	if (ctx == NULL)
		return;
	tls_tickets_free(ctx);
	SSL_CTX_free(ctx->ssl);
	free(ctx);
}

static void check_grade(const char *grade)
{
	static const char *const weak[] = { "null", "export", "low" };

	for (size_t i = 0; grade != NULL && i < COUNT_OF(weak); i++) {
		if (strcasecmp(grade, weak[i]) == 0)
			log_warning("TLS cipher grade \"%s\" is no longer there: using medium", grade);
	}
}

static bool set_up_server(struct tls_context *ctx, const struct tls_server_settings *settings, struct why *why)
{
	const char *name = settings->name != NULL ? settings->name : "server";

	check_grade(settings->cipher_grade);
	tls_limit_protocols(ctx->ssl, settings->protocols);
	SSL_CTX_set_session_cache_mode(ctx->ssl, SSL_SESS_CACHE_OFF);
	if (settings->prefer_server_ciphers)
		SSL_CTX_set_options(ctx->ssl, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
	if (settings->ticket_life_s != 0)
		SSL_CTX_set_timeout(ctx->ssl, (long)settings->ticket_life_s);
	if (settings->ask_client_certificate)
		SSL_CTX_set_verify(ctx->ssl, SSL_VERIFY_PEER | SSL_VERIFY_CLIENT_ONCE, accept_any);
	ctx->asks_client_certificate = settings->ask_client_certificate;
	if (!tls_limit_ciphers(ctx->ssl, SERVER_CIPHERS, settings->exclude_ciphers) ||
	    !tls_set_groups(ctx->ssl, settings->groups) ||
	    !SSL_CTX_set_session_id_context(ctx->ssl, (const unsigned char *)name, (unsigned)strlen(name)) ||
	    !tls_tickets_install(ctx)) {
		tls_why(why, "cannot set TLS up");
		return false;
	}
	return load_chain_files(ctx, settings->chain_files, why) && load_ca_file(ctx->ssl, settings->ca_file, why);
}

struct tls_context *tls_server_new(const struct tls_server_settings *settings, const struct tls_signer *signer,
                                   struct why *why)
{
	struct tls_context *ctx = context_new(TLS_server_method());

	ctx->signer = signer;
	if (set_up_server(ctx, settings, why))
		return ctx;
	tls_context_free(ctx);
	return NULL;
}

static bool set_up_client(struct tls_context *ctx, const struct tls_client_settings *settings, struct why *why)
{
	check_grade(settings->cipher_grade);
	tls_limit_protocols(ctx->ssl, settings->protocols);
	SSL_CTX_set_verify(ctx->ssl, SSL_VERIFY_PEER, accept_any);
	if (!tls_limit_ciphers(ctx->ssl, CLIENT_CIPHERS, settings->exclude_ciphers) ||
	    !tls_set_groups(ctx->ssl, settings->groups) || SSL_CTX_dane_enable(ctx->ssl) <= 0) {
		tls_why(why, "cannot set TLS up");
		return false;
	}
	return load_ca_file(ctx->ssl, settings->ca_file, why) && load_ca_folder(ctx->ssl, settings->ca_path, why);
}

struct tls_context *tls_client_new(const struct tls_client_settings *settings, struct why *why)
{
	struct tls_context *ctx = context_new(TLS_client_method());

	if (set_up_client(ctx, settings, why))
		return ctx;
	tls_context_free(ctx);
	return NULL;
}
