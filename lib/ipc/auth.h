/* SPDX-License-Identifier: ISC */
/* auth.h - what smtpd and login ask of auth */
#ifndef IPC_AUTH_H
#define IPC_AUTH_H

#include "lib/ipc/ipc.h"

/* Which mechanisms may be offered.  mechanisms: separated by blanks, e.g. "PLAIN LOGIN". */
#define AUTH_MECHANISMS_REQUEST(F, M) \
	F(M, SPAN, service)           \
	F(M, BOOL, is_secured)
IPC_DECLARE(auth_mechanisms_request, AUTH_MECHANISMS_REQUEST);
#define AUTH_MECHANISMS_REPLY(F, M) F(M, SPAN, mechanisms)
IPC_DECLARE(auth_mechanisms_reply, AUTH_MECHANISMS_REPLY);

/* One step of a SASL exchange.  conversation: 0 to begin, else the number the last AUTH_CONTINUE gave (of this channel).
 * response: decoded bytes; has_response tells an empty initial response from none.  service: smtp, imap, pop3. */
#define AUTH_REQUEST(F, M)          \
	F(M, U64,  conversation)    \
	F(M, SPAN, service)         \
	F(M, SPAN, mechanism)       \
	F(M, SPAN, response)        \
	F(M, BOOL, has_response)    \
	F(M, SPAN, remote_address)  \
	F(M, SPAN, local_address)   \
	F(M, BOOL, is_secured)
IPC_DECLARE(auth_request, AUTH_REQUEST);

enum auth_status {
	AUTH_OK,
	AUTH_CONTINUE,	/* send challenge, come back with the response */
	AUTH_FAILED,	/* wrong user or password, same text for both */
	AUTH_UNAVAILABLE,	/* try later */
	AUTH_BAD,	/* malformed response */
	AUTH_UNKNOWN_MECHANISM,
};

/* user: canonical login (u1@example.test).  uid, gid, home, mail: the userdb answer; mail is the absolute Maildir path
 * (without "maildir:"), empty: home/Maildir.  reason: for the log. */
#define AUTH_REPLY(F, M)         \
	F(M, U64,  status)       \
	F(M, U64,  conversation) \
	F(M, SPAN, challenge)    \
	F(M, SPAN, user)         \
	F(M, U64,  uid)          \
	F(M, U64,  gid)          \
	F(M, SPAN, home)         \
	F(M, SPAN, mail)         \
	F(M, SPAN, reason)
IPC_DECLARE(auth_reply, AUTH_REPLY);

#endif
