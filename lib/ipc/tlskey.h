/* SPDX-License-Identifier: ISC */
/* tlskey.h - what smtpd and login ask of tlsmgr, the one holder of TLS private keys */
#ifndef IPC_TLSKEY_H
#define IPC_TLSKEY_H

#include "lib/ipc/ipc.h"

/* Sign with the key that belongs to the certificate whose public key (DER SubjectPublicKeyInfo) has this SHA-256.
 * digest: name of the hash ("SHA256"; empty for Ed25519).  padding: OpenSSL's pad mode number for RSA (1 PKCS1, 6 PSS).
 * input: the bytes to sign; tlsmgr refuses what is not a TLS handshake's (TLS 1.3 context string, or TLS 1.2 hash
 * input). */
#define TLS_SIGN_REQUEST(F, M)  \
	F(M, SPAN, key)         \
	F(M, SPAN, digest)      \
	F(M, U64,  padding)     \
	F(M, SPAN, input)
IPC_DECLARE(tls_sign_request, TLS_SIGN_REQUEST);

/* signature empty: refused; reason says why. */
#define TLS_SIGN_REPLY(F, M)    \
	F(M, SPAN, signature)   \
	F(M, SPAN, reason)
IPC_DECLARE(tls_sign_reply, TLS_SIGN_REPLY);

/* Ticket keys of the hour: each 80 bytes (name 16, AES-256 key 32, HMAC key 32); current first, then those still good for
 * decryption.  valid_s: ask again after that. */
#define TLS_TICKET_KEYS_REQUEST(F, M) F(M, U64, unused)
IPC_DECLARE(tls_ticket_keys_request, TLS_TICKET_KEYS_REQUEST);
#define TLS_TICKET_KEYS_REPLY(F, M) \
	F(M, SPAN, keys)            \
	F(M, U64,  valid_s)
IPC_DECLARE(tls_ticket_keys_reply, TLS_TICKET_KEYS_REPLY);

#endif
