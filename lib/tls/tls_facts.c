/* SPDX-License-Identifier: ISC */
/* tls_facts.c - what is known of a TLS session, for Received and the log (postfix-compat section 10) */
#include "lib/tls/tls_private.h"

#include <stdio.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/objects.h>

static void set_text(char *out, size_t size, const char *text)
{
	(void)snprintf(out, size, "%s", text != NULL ? text : "");
}

#define SET_TEXT(member, text) set_text((member), sizeof(member), (text))

static void name_key(const EVP_PKEY *key, const char *ec, char *out, size_t size)
{
	char group[32] = "";

	if (EVP_PKEY_is_a(key, "EC")) {
		(void)EVP_PKEY_get_group_name(key, group, sizeof(group), NULL);
		(void)snprintf(out, size, "%s (%s)", ec, group);
	} else if (EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_is_a(key, "DH")) {
		(void)snprintf(out, size, "%s (%d bits)", EVP_PKEY_get0_type_name(key), EVP_PKEY_get_bits(key));
	} else {
		set_text(out, size, EVP_PKEY_get0_type_name(key));
	}
}

static void describe_key_exchange(SSL *ssl, struct tls_facts *facts)
{
	EVP_PKEY *key = NULL;

	if (!SSL_get_peer_tmp_key(ssl, &key) || key == NULL)
		return;
	name_key(key, "ECDHE", facts->key_exchange, sizeof(facts->key_exchange));
	EVP_PKEY_free(key);
}

static void describe_signature(SSL *ssl, const X509 *certificate, struct tls_facts *facts)
{
	int type = NID_undef, digest = NID_undef;
	bool ok = SSL_is_server(ssl) ? SSL_get_signature_type_nid(ssl, &type) == 1
	                             : SSL_get_peer_signature_type_nid(ssl, &type) == 1;
	const EVP_PKEY *key = certificate != NULL ? X509_get0_pubkey(certificate) : NULL;

	if (!ok || key == NULL)
		return;
	name_key(key, "ECDSA", facts->signature, sizeof(facts->signature));
	if (type == EVP_PKEY_RSA_PSS)
		(void)snprintf(facts->signature, sizeof(facts->signature), "RSA-PSS (%d bits)", EVP_PKEY_get_bits(key));
	ok = SSL_is_server(ssl) ? SSL_get_signature_nid(ssl, &digest) == 1
	                        : SSL_get_peer_signature_nid(ssl, &digest) == 1;
	if (ok && digest != NID_undef)
		SET_TEXT(facts->digest, OBJ_nid2sn(digest));
}

static void name_text(X509_NAME *name, char *out, size_t size)
{
	int n = X509_NAME_get_text_by_NID(name, NID_commonName, out, (int)size);

	if (n < 0 || strlen(out) != (size_t)n)	/* none, or a NUL inside: a trick */
		out[0] = '\0';
}

static void describe_peer(SSL *ssl, struct tls_facts *facts)
{
	X509 *peer = SSL_get0_peer_certificate(ssl);
	bool has_names = SSL_get0_param(ssl) != NULL && X509_VERIFY_PARAM_get0_host(SSL_get0_param(ssl), 0) != NULL;
	long result = SSL_get_verify_result(ssl);
	bool is_dane = SSL_get0_dane_authority(ssl, NULL, NULL) >= 0;

	facts->has_peer_certificate = peer != NULL;
	if (peer == NULL)
		return;
	name_text(X509_get_subject_name(peer), facts->peer_name, sizeof(facts->peer_name));
	name_text(X509_get_issuer_name(peer), facts->peer_issuer, sizeof(facts->peer_issuer));
	facts->is_trusted = result == X509_V_OK || result == X509_V_ERR_HOSTNAME_MISMATCH || is_dane;
	facts->is_verified = is_dane || (has_names && result == X509_V_OK);
}

bool tls_describe(const struct stream *s, struct tls_facts *facts)
{
	SSL *ssl = tls_session(s);
	const SSL_CIPHER *cipher;
	int total = 0;

	*facts = (struct tls_facts){ 0 };
	if (ssl == NULL)
		return false;
	cipher = SSL_get_current_cipher(ssl);
	SET_TEXT(facts->protocol, SSL_get_version(ssl));
	SET_TEXT(facts->cipher, SSL_CIPHER_get_name(cipher));
	facts->bits_used = (unsigned)SSL_CIPHER_get_bits(cipher, &total);
	facts->bits_total = (unsigned)total;
	facts->is_reused = SSL_session_reused(ssl);
	facts->asked_client_certificate = tls_session_context(ssl)->asks_client_certificate;
	SET_TEXT(facts->server_name, SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
	describe_key_exchange(ssl, facts);
	describe_signature(ssl, SSL_is_server(ssl) ? SSL_get_certificate(ssl) : SSL_get0_peer_certificate(ssl), facts);
	describe_peer(ssl, facts);
	return true;
}

static char *details(struct arena *arena, const struct tls_facts *facts, const char *before_key_exchange)
{
	char *text = arena_printf(arena, "%s with cipher %s (%u/%u bits)", facts->protocol, facts->cipher,
	                          facts->bits_used, facts->bits_total);

	if (facts->key_exchange[0] != '\0')
		text = arena_printf(arena, "%s%skey-exchange %s", text, before_key_exchange, facts->key_exchange);
	if (facts->signature[0] != '\0')
		text = arena_printf(arena, "%s server-signature %s", text, facts->signature);
	if (facts->digest[0] != '\0')
		text = arena_printf(arena, "%s server-digest %s", text, facts->digest);
	return text;
}

char *tls_log_line(struct arena *arena, const struct tls_facts *facts, const char *direction, const char *peer)
{
	const char *kind = !facts->has_peer_certificate ? "Anonymous"
	                   : facts->is_verified         ? "Verified"
	                   : facts->is_trusted          ? "Trusted"
	                                                : "Untrusted";
	const char *sni = facts->server_name[0] != '\0' ? " to " : "";

	return arena_printf(arena, "%s TLS connection %s %s %s%s%s: %s", kind,
	                    facts->is_reused ? "reused" : "established", direction, peer, sni, facts->server_name,
	                    details(arena, facts, " "));
}

/* Certificate names are the peer's bytes: only what cannot break a comment of a header field goes into one. */
static char *comment_safe(struct arena *arena, const char *text)
{
	char *out = arena_cstr(arena, span_of(text));

	for (char *p = out; *p != '\0'; p++) {
		if (!ascii_is_print(*p) || strchr("()\\\"", *p) != NULL)
			*p = '?';
	}
	return out;
}

char *tls_received(struct arena *arena, const struct tls_facts *facts)
{
	char *text = arena_printf(arena, "(using %s)", details(arena, facts, "\r\n\t "));

	if (facts->has_peer_certificate)
		return arena_printf(arena, "%s\r\n\t(Client CN \"%s\", Issuer \"%s\" (%s))", text,
		                    comment_safe(arena, facts->peer_name), comment_safe(arena, facts->peer_issuer),
		                    facts->is_trusted ? "verified OK" : "not verified");
	return arena_printf(arena, "%s\r\n\t(%s)", text,
	                    facts->asked_client_certificate ? "Client did not present a certificate"
	                                                    : "No client certificate requested");
}

bool tls_exporter(const struct stream *s, unsigned char out[32])
{
	static const char label[] = "EXPORTER-Channel-Binding";
	SSL *ssl = tls_session(s);

	return ssl != NULL && SSL_version(ssl) >= TLS1_3_VERSION &&
	       SSL_export_keying_material(ssl, out, 32, label, sizeof(label) - 1, NULL, 0, 1) == 1;
}
