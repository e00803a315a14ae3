/* SPDX-License-Identifier: ISC */
/* tls_signer.h - who makes the signatures of a TLS server, and its ticket keys
 *
 * In production tlsmgr does (tls_signer_tlsmgr); unit tests and tools sign in their own process. */
#ifndef TLS_TLS_SIGNER_H
#define TLS_TLS_SIGNER_H

#include "lib/base/arena.h"
#include "lib/base/why.h"
#include "lib/ipc/tlskey.h"

struct tls_signer {
	/* sign - answer request (tlskey.h says what its members are).  DONE: *signature, in arena.  May suspend. */
	enum outcome (*sign)(void *user, const struct tls_sign_request *request, struct arena *arena,
	                     struct span *signature, struct why *why);
	/* ticket_keys - keys as in tls_ticket_keys_reply, in arena; false: none now.  May suspend. */
	bool (*ticket_keys)(void *user, struct arena *arena, struct span *keys, uint64_t *valid_s);
	void *user;
};

struct tls_key;

/* tls_key_load - the private keys of all PEM blocks in text (several keys in a file: smtpd_tls_chain_files), each in
 * turn given to found (which keeps it).  Gives how many; a bad one makes it -1 with why. */
int tls_key_load(struct span text, void (*found)(struct tls_key *key, void *arg), void *arg, struct why *why);
void tls_key_free(struct tls_key *key);
enum { TLS_KEY_ID_SIZE = 32 };
/* tls_key_id - SHA-256 of the public key's DER SubjectPublicKeyInfo. */
struct span tls_key_id(const struct tls_key *key);
const char *tls_key_type(const struct tls_key *key);
/* tls_key_sign - sign what a TLS handshake signs, and nothing else: REFUSE with why when the input has not the form
 * of TLS 1.3's CertificateVerify (RFC 8446 4.4.3) or of TLS 1.2's ServerKeyExchange (RFC 8422 5.4). */
enum outcome tls_key_sign(struct tls_key *key, const struct tls_sign_request *request, struct arena *arena,
                          struct span *signature, struct why *why);

/* tls_signer_local - a signer with these keys, in this process: for unit tests. */
struct tls_signer *tls_signer_local(struct tls_key **keys, size_t count);
void tls_signer_local_free(struct tls_signer *signer);

#endif
