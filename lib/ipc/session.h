/* SPDX-License-Identifier: ISC */
/* session.h - login hands an authenticated connection to a session process (imapd, pop3d) */
#ifndef IPC_SESSION_H
#define IPC_SESSION_H

#include "lib/ipc/ipc.h"

/* client: the client's socket itself, or one end of a socket pair when login keeps the TLS end.  uid, gid, home, mail:
 * from auth.  tag: of the command that logged in (IMAP): the session process sends its tagged OK itself, with
 * CAPABILITY; POP3: it sends +OK or -ERR itself.  input: bytes the client has sent ahead. */
#define SESSION_REQUEST(F, M)       \
	F(M, SPAN, user)            \
	F(M, U64,  uid)             \
	F(M, U64,  gid)             \
	F(M, SPAN, home)            \
	F(M, SPAN, mail)            \
	F(M, SPAN, remote_address)  \
	F(M, BOOL, is_secured)      \
	F(M, SPAN, tag)             \
	F(M, SPAN, input)           \
	F(M, FD,   client)
IPC_DECLARE(session_request, SESSION_REQUEST);

/* Answered when the session process runs.  status: enum outcome; DEFER with reason when it cannot be had (limits). */
#define SESSION_REPLY(F, M) \
	F(M, U64,  status)  \
	F(M, SPAN, reason)
IPC_DECLARE(session_reply, SESSION_REPLY);

#endif
