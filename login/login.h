/* SPDX-License-Identifier: ISC */
/* login.h - what the files of login share
 *
 * client.c: the life of a connection; imap.c, pop3.c: the two conversations before login; ask.c: what auth says;
 * hand_over.c: to a session process; relay.c: bytes between a TLS client and its session. */
#ifndef LOGIN_LOGIN_H
#define LOGIN_LOGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/hash.h"
#include "lib/base/list.h"
#include "lib/base/span.h"
#include "lib/conf/conf.h"
#include "lib/ipc/auth.h"
#include "lib/net/address.h"
#include "lib/net/chat.h"
#include "lib/net/stream.h"
#include "lib/service/service.h"
#include "lib/tls/tls.h"

struct client;

/* What differs between IMAP and POP3 before the conversation itself. */
struct front {
	const char *protocol;		/* what auth and the log call it */
	const char *session_service;	/* who takes over */
	void (*greet)(struct client *c);
	/* converse - until the client has logged in (c->account is set), or is gone.  Suspends. */
	void (*converse)(struct client *c);
	/* refuse - tell why nothing goes on: connection limits, shutdown. */
	void (*refuse)(struct client *c, const char *text);
	/* not_taken - the session process would not: answer the command that logged in. */
	void (*not_taken)(struct client *c, struct span reason);
	/* dialogue - the conversation that proves command number; NULL at the end. */
	const char *(*dialogue)(size_t number, struct span *command);
};

extern const struct front front_imap, front_pop3;

struct login {
	struct service_run *run;
	const struct conf  *conf;
	const struct front *front;
	struct tls_context *tls;	/* NULL: no TLS */
	struct hash        *per_client, *per_user, *per_user_client;	/* counts.c */
	struct list         waiting;	/* clients that are being listened to, the longest first */
	size_t              clients;	/* all, and those of them that a session has taken */
	size_t              relays;
	bool                is_stopping;
	char                mechanisms[128];
	uint64_t            mechanisms_until_us;
};

/* One connection; lives in its task's arena. */
struct client {
	struct login       *login;
	struct list         waiting;	/* of login, or of nobody */
	struct task        *task;
	struct stream       stream;
	struct chat         chat;
	struct arena       *arena;		/* as long as the connection */
	struct arena       *per_command;
	struct net_address  remote;
	char                remote_text[NET_ADDRESS_TEXT_MAX];
	char                local_text[NET_ADDRESS_TEXT_MAX];
	bool                is_loopback, is_tls;
	bool                is_evicted;		/* a newer one needs its place */
	unsigned            bad_commands, failures;
	const char         *method;		/* of the login under way; in arena */
	uint64_t            login_until_us;	/* whatever the client sends */
	struct auth_reply  *account;		/* set when logged in; in arena */
	struct span         tag;		/* of the IMAP command that did it; in arena */
	struct span         pop3_user;		/* USER came */
};

/* client_serve - all of one connection.  fd is taken.  Suspends. */
void client_serve(struct login *login, int fd);
/* client_deadline - until when the next command is waited for. */
uint64_t client_deadline(const struct client *c);
bool client_may_use_passwords(const struct client *c);
bool client_may_start_tls(const struct client *c);
/* client_start_tls - the command was answered; handshake now.  False: hang up.  Suspends. */
bool client_start_tls(struct client *c);
/* client_line, client_bytes - as chat_line and chat_more; CHAT_CANCELLED when the client must go.  Suspend. */
enum chat_event client_line(struct client *c, struct span *line);
enum chat_event client_bytes(struct client *c, struct span *bytes);
/* client_farewell - why, for the last line. */
const char *client_farewell(const struct client *c);
/* clients_stop - those that are being listened to are told that the service stops; sessions end by themselves.  Does
 * not suspend. */
void clients_stop(struct login *login);
/* client_log - one line for tools that read logs: "imap-login: WHAT: user=<..>, method=.., rip=.., lip=.., TLS". */
void client_log(const struct client *c, const char *what, struct span user);
/* client_note_bad - one more bad command; false when it was one too many. */
bool client_note_bad(struct client *c);

/* ---- ask.c ---- */

/* ask_mechanisms - "PLAIN LOGIN"; borrows until the next call.  Suspends at times. */
struct span ask_mechanisms(struct login *login);
/* ask_password - user and password as SASL PLAIN; the copy sent is wiped.  Suspends. */
enum auth_status ask_password(struct client *c, struct span user, struct span password);
/* ask_step - one SASL step; see auth_request.  On AUTH_CONTINUE *conversation and *challenge are set.  AUTH_OK sets
 * c->account; a failed login is logged.  Suspends. */
enum auth_status ask_step(struct client *c, struct span mechanism, bool has_response, struct span response,
                          uint64_t *conversation, struct span *challenge);
/* ask_failed - count a failure; false when the connection ends. */
bool ask_failed(struct client *c);

/* ---- counts.c ---- */

/* counts_enter - one more of key; false (and not counted) when that would pass limit (0: none). */
bool counts_enter(struct hash *counts, struct span key, long long limit);
void counts_leave(struct hash *counts, struct span key);
/* counts_network - the address, an IPv6 one cut to its /64, as a key in arena. */
struct span counts_network(struct arena *arena, const struct net_address *address);

/* ---- hand_over.c, relay.c ---- */

/* hand_over - pass the connection to a session process.  DONE: it has it (with TLS: and is at its end now, for login relays
 * until then).  Otherwise why tells the reason, and the conversation may go on.  Suspends. */
enum outcome hand_over(struct client *c, struct why *why);
/* relay - between the client and the session's socket fd (taken) until either is gone.  Suspends. */
void relay(struct client *c, int fd);

#endif
