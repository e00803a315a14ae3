/* SPDX-License-Identifier: ISC */
/* smtpd.h - what the files of smtpd share: the server, a session, a mail transaction */
#ifndef SMTPD_SMTPD_H
#define SMTPD_SMTPD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/attributes.h"
#include "lib/base/list.h"
#include "lib/base/span.h"
#include "lib/base/why.h"
#include "lib/conf/conf.h"
#include "lib/ipc/ipc.h"
#include "lib/ipc/router.h"
#include "lib/milter/milters.h"
#include "lib/net/address.h"
#include "lib/net/chat.h"
#include "lib/net/stream.h"
#include "lib/queue/envelope.h"
#include "lib/queue/queue_id.h"
#include "lib/smtp/data.h"
#include "lib/tls/tls.h"

struct smtpd;
struct smtpd_mail;
struct smtpd_rules;
struct client_table;
struct client_counts;
struct match_list;

/* ---- the server: one a process, made before the sandbox ---- */

/* How a session asks router, dns, auth and qmgr: service_call in production, a script in tests. */
struct smtpd_backend {
	int (*call)(void *user, const char *service, bool again_is_safe,
	            const struct ipc_type *request_type, const void *request,
	            const struct ipc_type *reply_type, void *reply, struct arena *arena,
	            uint64_t deadline_us);
	/* connect - to a milter, as service_connect does. */
	int (*connect)(void *user, const char *endpoint, uint64_t deadline_us);
	void *user;
};

/* Where restrictions are evaluated, in the order of a session. */
enum smtpd_stage {
	SMTPD_AT_CLIENT,
	SMTPD_AT_HELO,
	SMTPD_AT_SENDER,
	SMTPD_AT_RELAY,
	SMTPD_AT_RECIPIENT,
	SMTPD_AT_DATA,
	SMTPD_AT_END_OF_DATA,
	SMTPD_STAGES,
};

enum smtpd_bare_newline { BARE_NO, BARE_NOTE, BARE_NORMALIZE, BARE_REJECT };

/* What becomes of mail in quarantine: milter_quarantine_action. */
enum smtpd_quarantine { QUARANTINE_HOLD, QUARANTINE_JUNK };

/* What auth said of its mechanisms, kept for a while. */
struct smtpd_mechanisms {
	char     text[256];	/* "PLAIN LOGIN"; empty: none */
	bool     is_known;	/* auth has ever answered */
	uint64_t ask_again_us;
};

struct smtpd_server {
	const struct conf         *conf;
	const char                *name;	/* of the master.cf entry */
	struct arena              *arena;	/* lives as long as the process */
	struct smtpd_backend       backend;
	bool                       is_local;	/* the UNIX stream listener: peers are local users */
	enum tls_level             tls_level;	/* TLS_NONE, TLS_MAY, TLS_ENCRYPT */
	struct tls_context        *tls;		/* NULL: STARTTLS is not to be had */
	const struct match_list   *mynetworks, *unlimited, *bare_newline_excluded;
	const struct smtpd_rules  *rules[SMTPD_STAGES];
	enum smtpd_bare_newline    bare_newline;
	unsigned long long         journal_limit;	/* bytes of content that still go inline */
	struct smtpd_mechanisms    mechanisms[2];	/* by is_secured */
	struct client_table       *clients;
	const struct milter_list  *milters;	/* of this service; empty: none */
	const struct milter_list  *known_milters;	/* that smtpd_milter_maps may name */
	const struct table_list   *milter_maps;
	struct milter_pool         milter_pool;
	enum smtpd_quarantine      quarantine;
	struct list                idle;	/* sessions that wait for a command, longest first */
	bool                       is_stopping;
	size_t                     session_count;
};

/* smtpd_server_new - with lists and rules read; the caller sets backend and TLS.  Ends the process on what it cannot
 * honour.  conf and name are kept.  clients_path: where counts are shared with other processes, or NULL. */
struct smtpd_server *smtpd_server_new(const struct conf *conf, const char *name, bool is_local,
                                      const char *clients_path);
void smtpd_server_free(struct smtpd_server *server);

/* ---- a session ---- */

enum smtpd_state {
	SMTPD_CONNECTED = 1,	/* no HELO or EHLO yet */
	SMTPD_GREETED   = 2,
	SMTPD_MAILING   = 4,	/* MAIL was accepted */
	SMTPD_ADDRESSED = 8,	/* and at least one RCPT */
	SMTPD_CHUNKING  = 16,	/* and a first BDAT */
	SMTPD_ANY       = 31,
};

enum smtpd_next { GO_ON, HANG_UP };

enum { SMTPD_VERBS_MAX = 20 };

struct smtpd_count {
	uint32_t ok, total;
};

/* Who is at the other end. */
struct smtpd_peer {
	struct net_address address;
	struct span text;		/* address as text; "127.0.0.1" for local users */
	struct span name;		/* verified host name, or "unknown" */
	struct span reverse_name;	/* what PTR says, verified or not; "unknown" */
	unsigned    name_code;		/* 2: verified, 4: look-up failed, 5: none or not matching */
	unsigned    reverse_code;	/* the same for PTR alone */
	struct span label;		/* "name[address]", for logs */
	bool        in_mynetworks;
	bool        is_own_host;	/* it connects from one of our own addresses */
	bool        is_local_user;
	uint64_t    uid;
};

/* The session's milters. */
struct smtpd_filters {
	struct milters *milters;	/* NULL: not begun, or none */
	const struct milter_list *list;	/* chosen for this client, when is_chosen; may be NULL */
	bool            is_chosen;
	bool            is_connected;	/* they know of the client */
	bool            knows_helo;	/* and of its present HELO */
	/* The recipient being reported, for macros. */
	const struct envelope_recipient *recipient;
	const struct resolve_reply      *route;	/* NULL: it was refused (s->refusal) */
};

struct smtpd_verdict {
	unsigned code;			/* of a refusal */
	char     dsn[WHY_DSN_MAX];
	char     text[WHY_TEXT_MAX];
};

struct smtpd {
	struct smtpd_server       *server;
	const struct conf         *conf;
	struct arena              *arena;		/* of the session */
	struct arena              *per_command;
	struct stream              stream;
	struct chat                chat;
	struct smtpd_peer          peer;
	struct client_counts      *client;	/* counters of its address; NULL: not limited */
	enum smtpd_state           state;
	struct span                helo;
	bool                       is_esmtp;
	bool                       has_tls;
	struct span                sasl_method, sasl_username;	/* empty: not authenticated */
	struct smtpd_mail         *mail;	/* NULL outside a transaction */
	unsigned                   reply_code;	/* of the last reply */
	unsigned                   errors;
	unsigned                   junk;
	unsigned                   failed_auths;
	const char                *where;	/* verb being obeyed, for "lost connection after" */
	bool                       noted_pipelining;
	bool                       noted_bare_newline;
	bool                       is_evicted;	/* closed to make room for another */
	bool                       is_finished;	/* said goodbye: not a lost connection */
	bool                       hangs_up;	/* a milter wants no more of it */
	struct smtpd_filters       filters;
	struct smtpd_verdict       refusal;	/* the last one of smtpd_reject */
	struct task               *task;
	struct list                idle;
	struct smtpd_count         counts[SMTPD_VERBS_MAX];
};

/* ---- a mail transaction ---- */

/* Header facts gathered while the content streams by. */
struct smtpd_header {
	bool        is_over;
	bool        is_dropping;	/* the field being looked at */
	size_t      scanned;	/* bytes of the buffer already looked at */
	unsigned    hops;	/* Received fields */
	bool        has_date, has_message_id, has_from;
	struct span message_id;
	uint64_t    fields_end;	/* bytes of content up to the blank line */
	unsigned    separator;	/* bytes of that line; 0: there is none */
};

/* A file leased from qmgr. */
struct smtpd_file {
	uint64_t lease;		/* 0: none */
	int      fd;
	uint64_t offset;	/* where content begins in it */
	uint64_t length;	/* bytes written */
	uint32_t crc;		/* of them */
};

/* Bytes in memory up to journal_limit, past it in a file. */
struct smtpd_bytes {
	struct smtpd_file file;
	struct buf        buf;	/* what is not in the file */
};

/* The message. */
struct smtpd_content {
	struct smtp_data_reader reader;
	struct smtpd_bytes  bytes;
	uint64_t            received;	/* bytes from the client, for limits and logs */
	uint64_t            begun_us;
	unsigned            code;	/* 0, or the reply that refuses the message */
	struct why          why;
	struct smtpd_header header;
};

struct smtpd_mail {
	struct arena              *arena;
	char                       queue_id[QUEUE_ID_MAX];	/* "" until the first recipient */
	uint64_t                   arrival_us;
	struct span                sender;	/* in normal form, complete; empty: null */
	struct span                sender_given;	/* as the client wrote it, for replies */
	bool                       has_utf8;
	uint32_t                   flags;	/* enum envelope_flags */
	struct span                envid, sasl_sender;
	enum dsn_return            dsn_return;
	unsigned long long         size;	/* announced; 0: not */
	struct envelope_recipient *recipients;
	size_t                     recipient_count, recipient_room;
	uint32_t                   last_number;	/* of a recipient */
	size_t                     envelope_bytes;	/* about what the recipients take in the commit */
	size_t                     overshoot;	/* recipients past smtpd_recipient_limit */
	bool                       is_held, is_discarded, is_quarantined;
	struct span                prepended;	/* header lines that access tables asked for */
	const struct resolve_reply *sender_route;	/* NULL: not asked yet */
	struct smtpd_content      *content;	/* NULL until DATA or BDAT */
};

/* ---- smtpd.c: the conversation ---- */

/* smtpd_talk - the whole session over fd (taken); the caller's task is the session's.  Suspends. */
void smtpd_talk(struct smtpd_server *server, int fd);
/* smtpd_stop - the process is to end soon: sessions are told so when they wait for a command.  Does not suspend. */
void smtpd_stop(struct smtpd_server *server);
/* smtpd_reply - one line; dsn may be "".  4xx and 5xx count as errors. */
void smtpd_reply(struct smtpd *s, unsigned code, const char *dsn, const char *format, ...)
	PRINTF_LIKE(4, 5);
/* smtpd_reply_line - one line of a reply of several, without enhanced code (EHLO). */
void smtpd_reply_line(struct smtpd *s, unsigned code, bool is_last, struct span text);
/* smtpd_reply_lines - a whole reply of several lines; counts as smtpd_reply does. */
void smtpd_reply_lines(struct smtpd *s, unsigned code, const struct span *lines, size_t count);
/* smtpd_reject - smtpd_reply, and the "reject:" log line.  stage: CONNECT, HELO, MAIL, RCPT ...; to: the recipient
 * or empty. */
void smtpd_reject(struct smtpd *s, const char *stage, struct span to, unsigned code, const char *dsn,
                  const char *text);
/* smtpd_log_event - "ID: KIND: STAGE from HOST[ADDR]: TEXT; from=<> to=<> proto= helo=<>"; of END-OF-MESSAGE, what
 * milters did is logged as cleanup's, whose work it is in Postfix. */
void smtpd_log_event(struct smtpd *s, const char *kind, const char *stage, struct span to,
                     const char *text);
/* smtpd_deadline - when the present wait for the client ends. */
uint64_t smtpd_deadline(const struct smtpd *s);
/* smtpd_is_stressed - three quarters of the sessions are taken. */
bool smtpd_is_stressed(const struct smtpd_server *server);
/* smtpd_protocol - SMTP, ESMTP, ESMTPS, ESMTPSA, UTF8SMTPS ... (RFC 3848, RFC 6531 4.3). */
struct span smtpd_protocol(const struct smtpd *s);
/* smtpd_forget_greeting - STARTTLS: all that was learnt before it (RFC 3207 4.2). */
void smtpd_forget_greeting(struct smtpd *s);
/* smtpd_start_tls - handshake and its log line; false: the connection is of no more use.  Suspends. */
bool smtpd_start_tls(struct smtpd *s);
/* smtpd_call_until - ask another program; 0 or -1 with errno (logged).  Suspends. */
MUST_USE int smtpd_call_until(struct smtpd *s, const char *service, bool again_is_safe,
                              const struct ipc_type *request_type, const void *request,
                              const struct ipc_type *reply_type, void *reply, struct arena *arena,
                              uint64_t deadline_us);
/* smtpd_call - the same within smtpd_ask_time_limit. */
MUST_USE int smtpd_call(struct smtpd *s, const char *service, bool again_is_safe,
                        const struct ipc_type *request_type, const void *request,
                        const struct ipc_type *reply_type, void *reply, struct arena *arena);

/* ---- smtpd_verbs.c ---- */

/* smtpd_obey - one command line.  Suspends. */
enum smtpd_next smtpd_obey(struct smtpd *s, struct span line);
/* smtpd_log_counts - "ehlo=1 mail=1/2 ... commands=2/3". */
struct span smtpd_counts_text(struct smtpd *s, struct arena *arena);

/* ---- smtpd_mail.c: MAIL, RCPT ---- */

/* smtpd_mail, smtpd_rcpt - obey the verb; args: what follows it.  They reply, and suspend. */
enum smtpd_next smtpd_mail(struct smtpd *s, struct span args);
enum smtpd_next smtpd_rcpt(struct smtpd *s, struct span args);
/* smtpd_reset - end the transaction: nothing of it stays. */
void smtpd_reset(struct smtpd *s);
/* smtpd_change_sender, smtpd_add_recipient, smtpd_delete_recipient - what milters want; address as they wrote it, args:
 * ESMTP parameters.  What makes no sense is logged and left out.  smtpd_add_recipient suspends. */
MUST_USE enum outcome smtpd_change_sender(struct smtpd *s, struct span address, struct span args, struct why *why);
MUST_USE enum outcome smtpd_add_recipient(struct smtpd *s, struct span address, struct span args, struct why *why);
void smtpd_delete_recipient(struct smtpd *s, struct span address);
/* smtpd_queue_id - of the transaction, or "NOQUEUE". */
const char *smtpd_queue_id(const struct smtpd *s);

/* ---- smtpd_data.c: DATA, BDAT;  smtpd_content.c;  smtpd_commit.c ---- */

/* smtpd_data, smtpd_bdat - obey the verb, read the content and commit it.  They reply, and suspend. */
enum smtpd_next smtpd_data(struct smtpd *s, struct span args);
enum smtpd_next smtpd_bdat(struct smtpd *s, struct span args);

/* smtpd_content_begin - start collecting: the trace header is written. */
void smtpd_content_begin(struct smtpd *s, bool is_dotted);
/* smtpd_content_feed - bytes of the client; gives how many were used.  May suspend (leased file). */
size_t smtpd_content_feed(struct smtpd *s, struct span bytes);
/* smtpd_content_finish - all is here.  DONE, or why it cannot be taken (content->code is the reply). */
void smtpd_content_finish(struct smtpd *s);
/* smtpd_content_spill - move what is in memory to the leased file; failure is in content->code.  Suspends. */
void smtpd_content_spill(struct smtpd *s);
/* smtpd_content_free - give back buffer and file.  Suspends when there is one. */
void smtpd_content_free(struct smtpd *s, struct smtpd_content *c);
/* smtpd_commit - hand the message to qmgr; 250 only when it is on stable storage.  Suspends. */
void smtpd_commit(struct smtpd *s);

/* ---- smtpd_file.c ---- */

/* smtpd_bytes_init - none.  smtpd_bytes_free - give back memory and lease; may suspend. */
void smtpd_bytes_init(struct smtpd_bytes *b);
void smtpd_bytes_free(struct smtpd *s, struct smtpd_bytes *b);
uint64_t smtpd_bytes_length(const struct smtpd_bytes *b);
/* smtpd_bytes_add - append; past journal_limit all moves to the file.  smtpd_bytes_spill - move it now.
 * smtpd_bytes_finish - no more comes: where there is a file, all is in it.  They may suspend. */
MUST_USE enum outcome smtpd_bytes_add(struct smtpd *s, struct smtpd_bytes *b, struct span bytes, struct why *why);
MUST_USE enum outcome smtpd_bytes_spill(struct smtpd *s, struct smtpd_bytes *b, struct why *why);
MUST_USE enum outcome smtpd_bytes_finish(struct smtpd *s, struct smtpd_bytes *b, struct why *why);
/* smtpd_bytes_read - n of them from offset, which must be there.  May suspend. */
MUST_USE enum outcome smtpd_bytes_read(const struct smtpd_bytes *b, uint64_t offset, char *out, size_t n,
                                       struct why *why);

/* ---- smtpd_milter.c: milters ---- */

/* smtpd_milter_load - the lists of this service; ends the process on what it cannot honour. */
void smtpd_milter_load(struct smtpd_server *server);
/* Each reports one event to the session's milters, when there are any; true: go on; else the reply was sent (and
 * s->hangs_up may be set).  They suspend.  With smtpd_delay_reject nothing is reported before the first MAIL.
 * smtpd_milter_connect - a client is there.  smtpd_milter_helo - false only when the connection is to end.
 * smtpd_milter_mail, smtpd_milter_rcpt - args: what stands behind "FROM:" and "TO:". */
bool smtpd_milter_connect(struct smtpd *s);
bool smtpd_milter_helo(struct smtpd *s);
bool smtpd_milter_mail(struct smtpd *s, struct span args);
bool smtpd_milter_rcpt(struct smtpd *s, struct span args, const struct envelope_recipient *r,
                       const struct resolve_reply *route);
bool smtpd_milter_data(struct smtpd *s);
/* smtpd_milter_refused_rcpt - s->refusal is what we said of the recipient: for milters that want to know. */
void smtpd_milter_refused_rcpt(struct smtpd *s, struct span args, struct span recipient);
/* smtpd_milter_unknown - an unknown command; false: a milter's reply was sent. */
bool smtpd_milter_unknown(struct smtpd *s, struct span line);
/* smtpd_milter_permits - may this command, which milters are not asked about, be obeyed in a session that they refused? */
bool smtpd_milter_permits(struct smtpd *s, bool is_auth);
/* smtpd_milter_abort - the transaction is over.  smtpd_milter_rest - the client is idle: its milters are let go, and
 * told of it again at the next MAIL.  smtpd_milter_end - the session is over. */
void smtpd_milter_abort(struct smtpd *s);
void smtpd_milter_rest(struct smtpd *s);
void smtpd_milter_end(struct smtpd *s);
/* smtpd_milter_answer - log and do what an answer says; stage: CONNECT, HELO, MAIL ...; to: the recipient or empty.
 * True: go on; else the reply was sent. */
bool smtpd_milter_answer(struct smtpd *s, const char *stage, struct span to, const struct milter_answer *answer);
/* smtpd_milters - the session's, while it is their business; or NULL. */
struct milters *smtpd_milters(struct smtpd *s);

/* ---- smtpd_milter_macros.c, smtpd_milter_message.c ---- */

/* smtpd_milter_macro - a milter_macro; user is the struct smtpd.  May suspend. */
bool smtpd_milter_macro(void *user, struct span name, struct span *value);
/* smtpd_milter_message - show the whole message and do what milters want of it; false: the reply was sent.  Suspends. */
bool smtpd_milter_message(struct smtpd *s);

/* ---- smtpd_client.c: the peer, its name, its limits ---- */

/* smtpd_peer_identify - address and, from SO_PEERCRED, local user.  False: not to be talked to. */
bool smtpd_peer_identify(struct smtpd *s);
/* smtpd_peer_resolve - the peer's name by DNS, within smtpd_peername_time_limit.  Suspends. */
void smtpd_peer_resolve(struct smtpd *s);

enum smtpd_rate { RATE_CONNECTION, RATE_MESSAGE, RATE_RECIPIENT, RATE_AUTH, SMTPD_RATES };
/* smtpd_client_enter - count the connection; false: over a limit, the reply was sent. */
bool smtpd_client_enter(struct smtpd *s);
void smtpd_client_leave(struct smtpd *s);
/* smtpd_client_count - one more event; false: over its rate, the reply was sent. */
bool smtpd_client_count(struct smtpd *s, enum smtpd_rate rate);
/* smtpd_client_connections - of this client, this one included; 0: they are not counted. */
unsigned smtpd_client_connections(const struct smtpd *s);

/* smtpd_match_peer - by name or address; a table that fails counts as no. */
bool smtpd_match_peer(const struct match_list *list, const struct smtpd_peer *peer);

/* ---- smtpd_dns.c ---- */

enum smtpd_dns { SMTPD_DNS_FOUND, SMTPD_DNS_NONE, SMTPD_DNS_FAILED };
/* smtpd_dns - ask for one type of records; answers (may be NULL) as in dns.h.  Suspends. */
enum smtpd_dns smtpd_dns(struct smtpd *s, struct span name, unsigned rr_type, struct span *answers,
                         uint64_t deadline_us);

/* ---- smtpd_access.c, smtpd_rules.c: restrictions ---- */

/* smtpd_refuse_unsafe - end the process on settings that we do not know and that must not be ignored. */
void smtpd_refuse_unsafe(const struct conf *conf, bool is_local, struct arena *arena);
/* smtpd_access_load - read all restriction lists; ends the process on what cannot be honoured. */
void smtpd_access_load(struct smtpd_server *server);
/* smtpd_access_client and kin - evaluate lists at their time: true when the command may go on, else the reply
 * was sent.  Suspend. */
bool smtpd_access_connect(struct smtpd *s);
bool smtpd_access_helo(struct smtpd *s);
bool smtpd_access_mail(struct smtpd *s);
bool smtpd_access_rcpt(struct smtpd *s, struct span recipient, const struct resolve_reply *route);
bool smtpd_access_data(struct smtpd *s, enum smtpd_stage stage);

/* smtpd_resolve - what the router says of an address; NULL when it does not answer.  Suspends. */
const struct resolve_reply *smtpd_resolve(struct smtpd *s, struct arena *arena, struct span address,
                                          uint64_t flags);
/* smtpd_sender_route - the same of the sender, asked once a transaction. */
const struct resolve_reply *smtpd_sender_route(struct smtpd *s);

/* ---- extensions: one file each, one line in smtpd_extensions.def each ---- */

struct smtpd_param {
	struct span keyword;
	enum { PARAM_FLAG, PARAM_VALUE, PARAM_EITHER } form;
	/* take - recipient is NULL for a MAIL parameter; r and m outlive the command. */
	enum outcome (*take)(struct smtpd *s, struct smtpd_mail *m, struct envelope_recipient *r,
	                     struct span value, struct why *why);
};

struct smtpd_extension {
	struct span keyword;
	struct span source;
	const char *dialogue;	/* the conversation in tests/smtpd that proves it */
	/* announce - add what stands behind the keyword to line; false: not offered to this client now.  NULL: the
	 * keyword alone, always. */
	bool (*announce)(struct smtpd *s, struct buf *line);
	const struct smtpd_param *mail_params, *rcpt_params;	/* end with an empty keyword */
};

/* smtpd_verb_dialogue - the conversation that proves verb number; NULL at the end. */
const char *smtpd_verb_dialogue(size_t number, struct span *verb);
/* smtpd_extension - by number; NULL at the end. */
const struct smtpd_extension *smtpd_extension(size_t number);
/* smtpd_offers - the extension is announced to this client (and not discarded by configuration). */
bool smtpd_offers(struct smtpd *s, const struct smtpd_extension *e, struct buf *line);
/* smtpd_parse_params - all parameters of a MAIL (recipient NULL) or RCPT; else why not.  May suspend. */
MUST_USE enum outcome smtpd_parse_params(struct smtpd *s, struct smtpd_mail *m, struct envelope_recipient *r,
                                         struct span text, struct why *why);
/* smtpd_take_params - all parameters of a MAIL (recipient NULL) or RCPT; false: the reply was sent. */
bool smtpd_take_params(struct smtpd *s, struct smtpd_mail *m, struct envelope_recipient *r,
                       struct span text);

/* Verbs that belong to an extension. */
enum smtpd_next smtpd_starttls(struct smtpd *s, struct span args);
enum smtpd_next smtpd_auth(struct smtpd *s, struct span args);
enum smtpd_next smtpd_vrfy(struct smtpd *s, struct span args);
/* smtpd_size_limit - of a message in bytes; 0: none. */
unsigned long long smtpd_size_limit(const struct smtpd *s);

#endif
