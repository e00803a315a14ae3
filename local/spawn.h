/* SPDX-License-Identifier: ISC */
/* spawn.h - deliveries under the uid of the recipient
 *
 * Where mail belongs to more than one uid, local is two processes.  The one that talks to qmgr and sees mail is
 * nobody ($default_privs) and stores nothing itself.  The other, the spawner, has the right to become a user
 * and does but one thing: it forks a process, which takes the uid it is told, locks itself into that user's folder
 * and only then reads the mail to store, from the first, over a socket pair of their own. */
#ifndef LOCAL_SPAWN_H
#define LOCAL_SPAWN_H

#include "lib/ipc/ipc.h"
#include "local/local.h"

/* A notice to the spawner: fork one that may reach folder alone and serves peer. */
#define SPAWN_NOTICE(F, M)    \
	F(M, U64,  uid)       \
	F(M, U64,  gid)       \
	F(M, SPAN, folder)    \
	F(M, FD,   peer)
IPC_DECLARE(spawn_notice, SPAWN_NOTICE);

/* To the process it forked: one message (struct maildir_delivery) for a folder (empty: the INBOX) of the Maildir at path. */
#define STORE_REQUEST(F, M)          \
	F(M, SPAN, path)             \
	F(M, SPAN, folder)           \
	F(M, SPAN, queue_id)         \
	F(M, U64,  recipient)        \
	F(M, U64,  arrival_s)        \
	F(M, SPAN, trace)            \
	F(M, SPAN, content)          \
	F(M, U64,  content_offset)   \
	F(M, U64,  content_length)   \
	F(M, BOOL, may_be_repeat)    \
	F(M, FD,   file)
IPC_DECLARE(store_request, STORE_REQUEST);

/* outcome: enum outcome, with dsn and text of its struct why. */
#define STORE_REPLY(F, M)    \
	F(M, U64,  outcome)  \
	F(M, SPAN, dsn)      \
	F(M, SPAN, text)
IPC_DECLARE(store_reply, STORE_REPLY);

/* spawner_fork - make the spawner; call before the sandbox and before the loop. */
void spawner_fork(struct local *l);
/* spawner_open - first thing on the loop: its channel.  The process ends when the spawner is lost. */
void spawner_open(struct local *l);

#endif
