/* SPDX-License-Identifier: ISC */
/* tls_private.h - what the files of lib/tls share; nobody outside includes it */
#ifndef TLS_TLS_PRIVATE_H
#define TLS_TLS_PRIVATE_H

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "lib/tls/tls.h"
#include "lib/tls/tls_signer.h"

enum { TICKET_KEY_SIZE = 80, TICKET_NAME_SIZE = 16, TICKET_SECRET_SIZE = 32, TICKET_KEYS_MAX = 4 };

struct tls_context {
	SSL_CTX                 *ssl;
	const struct tls_signer *signer;	/* of a server */
	bool                     asks_client_certificate;
	EVP_CIPHER              *ticket_cipher;
	unsigned char            ticket_keys[TICKET_KEYS_MAX * TICKET_KEY_SIZE];
	size_t                   ticket_key_count;
	uint64_t                 ticket_keys_until_us;
	bool                     ticket_keys_asked;	/* a task waits for new ones */
};

/* tls_library - the library context all of ours lives in: the default provider and the one that
 * forwards signatures.  Made at the first call. */
OSSL_LIB_CTX *tls_library(void);
/* tls_forwarded_key - a private key for libssl that signs by signer; public_key is borrowed.  NULL when it
 * cannot be made (type unknown). */
EVP_PKEY *tls_forwarded_key(EVP_PKEY *public_key, const struct tls_signer *signer);
/* tls_public_id - SHA-256 of the DER SubjectPublicKeyInfo. */
bool tls_public_id(EVP_PKEY *key, unsigned char id[TLS_KEY_ID_SIZE]);

/* tls_why - DEFER with the text and the oldest error of libssl's queue, which is emptied. */
enum outcome tls_why(struct why *why, const char *format, ...) PRINTF_LIKE(2, 3);

/* tls_tickets_install, tls_tickets_free - session tickets under keys of the signer. */
bool tls_tickets_install(struct tls_context *ctx);
void tls_tickets_free(struct tls_context *ctx);
/* tls_tickets_refresh - get new keys when those at hand are too old; false: there are none.  Suspends. */
bool tls_tickets_refresh(struct tls_context *ctx);

enum tls_version_bit { TLS_BIT_1_2 = 1, TLS_BIT_1_3 = 2 };
/* tls_protocols_parse - which of our versions a protocols parameter lets through (enum tls_version_bit). *unknown: a member
 * that says nothing to us, or empty. */
unsigned tls_protocols_parse(const char *text, struct span *unknown);
/* tls_limit_protocols, tls_limit_ciphers - apply parameters to ctx; what is unknown is logged and left out. */
void tls_limit_protocols(SSL_CTX *ctx, const char *protocols);
bool tls_limit_ciphers(SSL_CTX *ctx, const char *base, const char *excluded);
bool tls_set_groups(SSL_CTX *ctx, const char *groups);

/* tls_attach - let ssl read and write fd, which stays the caller's. */
bool tls_attach(SSL *ssl, int fd);
/* tls_session - the SSL behind a stream, NULL when it is plain. */
SSL *tls_session(const struct stream *s);
/* tls_session_context - the context a session was started with. */
struct tls_context *tls_session_context(SSL *ssl);

/* tls_policy_apply, tls_policy_check - before and after the client's handshake. */
bool tls_policy_apply(SSL *ssl, const struct tls_client_policy *policy, struct why *why);
enum outcome tls_policy_check(SSL *ssl, const struct tls_client_policy *policy, struct why *why);

#endif
