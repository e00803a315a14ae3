/* SPDX-License-Identifier: ISC */
/* smtp.h - the SMTP and LMTP client: what its files share; nobody outside includes it
 *
 * A delivery (deliver.c) is one request of qmgr: find hosts (route.c), open or reuse a session with one
 * (session.c, cache.c), run one mail transaction (transaction.c, content.c), report each recipient once
 * (report.c).  All of it suspends. */
#ifndef SMTP_SMTP_H
#define SMTP_SMTP_H

#include "lib/base/why.h"
#include "lib/conf/conf.h"
#include "lib/ipc/deliver.h"
#include "lib/ipc/dns.h"
#include "lib/ipc/router.h"
#include "lib/net/address.h"
#include "lib/net/chat.h"
#include "lib/net/stream.h"
#include "lib/queue/envelope.h"
#include "lib/task/task.h"
#include "lib/tls/tls.h"

enum { OWN_ADDRESSES_MAX = 64, HOSTS_MAX = 200, PORT_SMTP = 25 };

/* Where a delivery goes: domain, [host], host:port, [host]:port, inet:..., unix:path (postfix-compat section 8). */
struct nexthop {
	struct span text;	/* as given: key of password and policy maps */
	struct span domain;	/* or host, or path; without brackets and port */
	unsigned    port;
	bool        use_mx;
	bool        is_unix;
};

struct host {
	const char        *name;
	struct net_address address;
	unsigned           preference;
	bool               is_secure;	/* DNSSEC: name and address */
};

struct hosts {
	struct host *list;
	size_t       count;
};

/* What the whole process knows. */
struct client {
	const struct conf  *conf;
	struct service_run *run;
	struct tls_context *tls_any, *tls_mandatory;	/* NULL: TLS cannot be had */
	bool                is_lmtp;
	bool                is_draining;	/* nothing is kept for later any more */
	const char         *role;	/* in the log: smtp or lmtp */
	struct net_address  own[OWN_ADDRESSES_MAX];
	size_t              own_count;
	struct hosts        known;	/* of hosts_load: smtp_host_lookup has "native" */
};

enum feature {
	HAS_PIPELINING = 1, HAS_SIZE = 2, HAS_8BITMIME = 4, HAS_SMTPUTF8 = 8, HAS_DSN = 16, HAS_STARTTLS = 32,
	HAS_AUTH = 64, HAS_XFORWARD = 128,
};

struct session {
	struct arena        *arena;	/* holds the session itself */
	const struct client *client;
	struct stream        stream;
	struct chat          chat;
	const char          *peer;	/* host[address] */
	const char          *relay;	/* host[address]:port */
	const char          *host_name;
	unsigned             features;
	unsigned long long   size_limit;	/* 0: none told */
	struct span          mechanisms;		/* AUTH */
	struct span          forwards;		/* attributes of XFORWARD */
	unsigned             uses;
	uint64_t             opened_us;
	bool                 is_broken;		/* no QUIT: the conversation has lost step */
};

/* A server's answer; text is all its lines as they came, joined by blanks (RFC 5321 4.2.1). */
struct reply {
	unsigned    code;
	const char *dsn;
	const char *text;
	struct span first_line;
};

struct recipient {
	const struct envelope_recipient *facts;
	bool       is_open;	/* not reported yet */
	bool       is_accepted;	/* by RCPT, in this session */
	bool       host_failed;
	struct why why;		/* of the last try */
};

struct delivery {
	struct client            *client;
	const struct deliver_request *request;
	struct arena             *arena;
	struct envelope           envelope;
	struct recipient         *recipients;
	size_t                    open;		/* recipients not reported yet */
	const char               *relay;	/* of the session under way, or "none" */
	bool                      host_has_dsn;	/* told what to report, it reports */
	const char               *remote_host;	/* the same for the DSN; "" when none */
	unsigned                  connection_uses;
	uint64_t                  taken_us, connected_us;	/* wall clock */
	/* result - hand one result to who asked. */
	void (*result)(struct delivery *d, const struct deliver_result *result, bool more);
	void                     *user;
};

/* ---- deliver.c ---- */

/* deliver - all of one request: each recipient is reported exactly once.  The caller has filled client, request,
 * arena, result, user. */
void deliver(struct delivery *d);

/* ---- report.c ---- */

/* report_recipient - log and send the result of one recipient; only the first counts.  why is borrowed. */
void report_recipient(struct delivery *d, struct recipient *r, enum deliver_status status,
                      const struct why *why);
/* report_open - the same for all that are still open. */
void report_open(struct delivery *d, enum deliver_status status, const struct why *why);

/* ---- route.c ---- */

MUST_USE enum outcome nexthop_parse(const struct client *client, struct arena *arena, struct span text,
                                    struct nexthop *out, struct why *why);
/* route_find - the hosts of nexthop in the order to try.  REFUSE: there can be none; DEFER: not known now. */
MUST_USE enum outcome route_find(struct delivery *d, const struct nexthop *nexthop, struct hosts *out,
                                 struct why *why);

/* ---- hosts.c ---- */

/* hosts_load - read a hosts(5) file into arena; a file that cannot be read has no hosts. */
void hosts_load(struct arena *arena, const char *path, struct hosts *out);

/* ---- session.c ---- */

/* session_open - connect, greet, TLS, authenticate.  NULL with why and *outcome. */
struct session *session_open(struct delivery *d, const struct nexthop *nexthop, const struct host *host,
                             enum outcome *outcome, struct why *why);
/* session_send - one command line, CRLF added; sent with the next read. */
void session_send(struct session *s, const char *format, ...) PRINTF_LIKE(2, 3);
/* session_reply - read one reply; false with why ("lost connection ...") when there is none. */
MUST_USE bool session_reply(struct session *s, struct arena *arena, uint64_t timeout_s, const char *doing,
                            struct reply *reply, struct why *why);
/* session_said - why from a refusing reply: "host H[A] said: ... (in reply to X command)". */
enum outcome session_said(const struct session *s, const struct reply *reply, const char *command,
                          struct why *why);
/* session_close - QUIT when that makes sense, and free. */
void session_close(struct session *s);

/* ---- policy.c: TLS ---- */

struct tls_choice {
	struct tls_context      *context;
	struct tls_client_policy policy;
};
MUST_USE enum outcome policy_choose(struct delivery *d, const struct nexthop *nexthop, const struct host *host,
                                    struct tls_choice *out, struct why *why);

/* ---- sasl.c ---- */

/* sasl_login - authenticate when there is a password for this destination; DONE also when there is none. */
MUST_USE enum outcome sasl_login(struct delivery *d, struct session *s, const struct nexthop *nexthop,
                                 struct why *why);

/* ---- xforward.c ---- */

/* xforward_tell - give a filter behind us the client's name, address and kin.  False: the session is lost. */
MUST_USE bool xforward_tell(struct delivery *d, struct session *s, struct why *why);

/* ---- transaction.c ---- */

/* transaction_run - offer the message for the open recipients; those finally answered are reported, the
 * others keep their reason.  False: the session was lost or never got as far as an answer to MAIL. */
bool transaction_run(struct delivery *d, struct session *s);

/* ---- content.c ---- */

struct content_writer {
	struct chat *chat;
	size_t       line_max;	/* longer lines are folded; 0: never */
	size_t       column;
	bool         after_cr;
};
/* content_feed, content_end - bytes of a message as DATA wants them: dots stuffed, every line ended by CRLF and
 * nothing else (RFC 5321 2.3.8).  content_end closes the last line; the final dot is the caller's. */
void content_feed(struct content_writer *w, struct span bytes);
void content_end(struct content_writer *w);
/* content_send - the whole message of the request.  False: it could not be read. */
MUST_USE bool content_send(const struct deliver_request *request, struct chat *chat, size_t line_max);

/* ---- cache.c ---- */

/* cache_take - an idle session with destination, or NULL.  cache_keep - takes the session: keeps or closes it. */
struct session *cache_take(const struct client *client, struct span destination);
void cache_keep(const struct client *client, struct span destination, struct session *s);
/* cache_close_all - end all idle sessions. */
void cache_close_all(void);

/* ---- ask.c: other programs ---- */

/* ask_dns - false (reply->status DNS_FAILED) when the resolver cannot be had. */
bool ask_dns(struct delivery *d, struct span name, unsigned rr_type, struct dns_reply *reply);
/* ask_map - a table named by a parameter. */
enum lookup_status ask_map(struct delivery *d, const char *maps, struct span key, enum lookup_how how,
                           struct span *value);

#endif
