/* SPDX-License-Identifier: ISC */
/* tls.h - TLS for tasks: puts itself under a struct stream, as server or as client
 *
 * A context is made in prepare(), before the sandbox: it reads certificate chains and CA files, all
 * public.  The private key is not here: a provider of ours gives libssl a key that it cannot see, and
 * each signature is made by tlsmgr (or by a local signer in unit tests).  TLS 1.2 (ECDHE only) and 1.3; no
 * renegotiation, no compression.  Errors are for the log: nothing of them is told to the peer. */
#ifndef TLS_TLS_H
#define TLS_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/attributes.h"
#include "lib/base/why.h"
#include "lib/conf/conf.h"
#include "lib/net/stream.h"
#include "lib/service/service.h"

struct tls_context;
struct tls_signer;	/* who signs and gives ticket keys; tls_signer.h */

/* ---- server ---- */

/* All strings are borrowed for the time of tls_server_new; NULL or "" is the default. */
struct tls_server_settings {
	const char *name;		/* a session of one name is not resumed under another */
	const char *chain_files;	/* list of PEM files, each a certificate and its chain; private keys in them
	                        	 * are not read */
	const char *protocols;		/* ">=TLSv1.2", "!SSLv2, !SSLv3": below TLS 1.2 is never offered */
	const char *cipher_grade;	/* high, medium (TLS 1.2; those of 1.3 are all good) */
	const char *exclude_ciphers;
	const char *groups;		/* key exchange, best first */
	const char *ca_file;		/* trusted for client certificates */
	bool        ask_client_certificate;
	bool        prefer_server_ciphers;
	uint64_t    ticket_life_s;
};

/* tls_server_smtpd, tls_server_login - the settings that smtpd's (is_mandatory: level encrypt) or login's
 * parameters ask for.  Strings live in arena.  False when no certificate is configured ("" or "none"). */
bool tls_server_smtpd(const struct conf *conf, bool is_mandatory, struct arena *arena,
                      struct tls_server_settings *out);
bool tls_server_login(const struct conf *conf, struct arena *arena, struct tls_server_settings *out);

/* tls_server_new - reads the files; in prepare().  signer is kept.  NULL with why. */
struct tls_context *tls_server_new(const struct tls_server_settings *settings,
                                   const struct tls_signer *signer, struct why *why);

/* tls_signer_tlsmgr - the signer of production: service_call to SERVICE_TLSMGR (which the service row must have in
 * its 'asks').  Lives as long as the process. */
const struct tls_signer *tls_signer_tlsmgr(struct service_run *run);

/* tls_server_start - handshake; on DONE s is TLS, and plain bytes that were read before it must be thrown away by
 * the caller (chat_discard_input).  DEFER: why says what went wrong, the connection is of no more use: close
 * it.  Suspends (also for tlsmgr). */
MUST_USE enum outcome tls_server_start(struct tls_context *ctx, struct stream *s, uint64_t deadline_us,
                                       struct why *why);

/* ---- client ---- */

struct tls_client_settings {
	const char *protocols, *cipher_grade, *exclude_ciphers, *groups;
	const char *ca_file, *ca_path;	/* both are read whole now */
};

/* tls_client_smtp - the settings of smtp's parameters. */
void tls_client_smtp(const struct conf *conf, bool is_mandatory, struct tls_client_settings *out);
struct tls_context *tls_client_new(const struct tls_client_settings *settings, struct why *why);

enum tls_level {
	TLS_NONE,
	TLS_MAY,	/* opportunistic: any certificate */
	TLS_ENCRYPT,	/* must be encrypted: any certificate */
	TLS_DANE,	/* must match the TLSA records (RFC 7672) */
	TLS_VERIFY,	/* trusted chain and a matching name */
	TLS_SECURE,	/* the same; the names come from policy, never from DNS */
};

/* tls_level_parse - "may", "encrypt", "verify", "secure", "dane", "dane-only", "none"; false when unknown. */
bool tls_level_parse(const char *text, enum tls_level *level);

struct tls_tlsa {
	unsigned char usage, selector, matching;
	struct span   data;
};

struct tls_client_policy {
	enum tls_level         level;
	const char *const     *match;		/* host names, NULL-terminated; ".example.org": any name below it */
	const char            *server_name;	/* SNI, and the DANE base name; NULL: none is sent */
	const struct tls_tlsa *tlsa;
	size_t                 tlsa_count;
};

/* tls_client_start - handshake.  DONE: s is TLS and the policy is met.  DEFER: it failed or the certificate does not meet
 * the policy; why->text is the reason, why->dsn 4.7.5; close the stream.  Suspends. */
MUST_USE enum outcome tls_client_start(struct tls_context *ctx, struct stream *s,
                                       const struct tls_client_policy *policy, uint64_t deadline_us,
                                       struct why *why);

/* ---- both ---- */

/* tls_context_free - when no session made from it is left; NULL is nothing. */
void tls_context_free(struct tls_context *ctx);

struct tls_facts {
	char     protocol[16];		/* "TLSv1.3" */
	char     cipher[64];
	unsigned bits_used, bits_total;
	char     key_exchange[48];	/* "X25519"; empty when unknown */
	char     signature[48];		/* of the server: "RSA-PSS (2048 bits)", "ECDSA (prime256v1)" */
	char     digest[24];		/* hash of that signature: "SHA256" */
	char     server_name[256];	/* SNI */
	char     peer_name[256];	/* CN of the peer's certificate; untrusted bytes unless is_trusted */
	char     peer_issuer[256];
	bool     is_reused;
	bool     has_peer_certificate;
	bool     is_trusted;		/* chain ends in a trust anchor (or TLSA) */
	bool     is_verified;		/* and the name matched */
	bool     asked_client_certificate;
};

/* tls_is_on - s speaks TLS. */
bool tls_is_on(const struct stream *s);
/* tls_describe - the facts of s; false (and *facts zero) when it is plain. */
bool tls_describe(const struct stream *s, struct tls_facts *facts);
/* tls_log_line - "Anonymous TLS connection established from HOST[ADDR]: TLSv1.3 with cipher ..." (postfix-compat
 * section 10).  direction: "from" or "to"; peer: "host[addr]" or "host[addr]:port". */
char *tls_log_line(struct arena *arena, const struct tls_facts *facts, const char *direction, const char *peer);
/* tls_received - the "(using TLSv1.3 with cipher ...)" comment of Received, folded with CRLF TAB, without a
 * line end at its end. */
char *tls_received(struct arena *arena, const struct tls_facts *facts);

/* ---- channel binding (SCRAM -PLUS, RFC 9266) ---- */

/* tls_exporter - 32 bytes of the "EXPORTER-Channel-Binding" value; false when plain or not TLS 1.3. */
bool tls_exporter(const struct stream *s, unsigned char out[32]);

#endif
