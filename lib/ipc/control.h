/* SPDX-License-Identifier: ISC */
/* control.h - what master and its children say to each other on descriptor 3
 *
 * Requests go both ways, so types that master sends have numbers from 20 on.  End of file means that
 * the other is gone: a child of a lost master finishes what it writes and exits. */
#ifndef IPC_CONTROL_H
#define IPC_CONTROL_H

#include "lib/ipc/ipc.h"

/* ---- child to master ---- */

/* Introduce me to the service of that master.cf name.  Master connects to its private socket and passes the connected
 * descriptor; only what its own table allows this program. */
#define CONTROL_ASK_REQUEST(F, M) F(M, SPAN, service)
IPC_DECLARE(control_ask_request, CONTROL_ASK_REQUEST);
/* error: errno (EACCES not allowed, ENOENT no such service, EAGAIN its backlog is full), 0 with connection. */
#define CONTROL_ASK_REPLY(F, M) \
	F(M, U64, error)        \
	F(M, FD,  connection)
IPC_DECLARE(control_ask_reply, CONTROL_ASK_REPLY);

/* Notice: the child is set up and inside its sandbox, its listeners are being served. */
#define CONTROL_READY(F, M) F(M, U64, connections)
IPC_DECLARE(control_ready, CONTROL_READY);

/* Notice: answer to a beat. */
#define CONTROL_ALIVE(F, M) \
	F(M, U64, number)   \
	F(M, U64, connections)
IPC_DECLARE(control_alive, CONTROL_ALIVE);

/* ---- master to child: notices, all ---- */

/* Is your loop going round? */
#define CONTROL_BEAT(F, M) F(M, U64, number)
IPC_DECLARE(control_beat, CONTROL_BEAT);

/* Take no new work; end when what is under way is done. */
#define CONTROL_DRAIN(F, M) F(M, U64, unused)
IPC_DECLARE(control_drain, CONTROL_DRAIN);

/* Open log files anew (postlogd). */
#define CONTROL_REOPEN(F, M) F(M, U64, unused)
IPC_DECLARE(control_reopen, CONTROL_REOPEN);

/* Somebody has been introduced to you: serve this connection as if it had been accepted.  Master shares them out evenly
 * among the workers of a service. */
#define CONTROL_CONNECTION(F, M) F(M, FD, connection)
IPC_DECLARE(control_connection, CONTROL_CONNECTION);

#endif
