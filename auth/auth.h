/* SPDX-License-Identifier: ISC */
/* auth.h - what the files of auth share
 *
 * A question comes in by lib/ipc/auth.h (ipc_front.c) or by Dovecot's protocol (dovecot.c); sasl.c takes the user and
 * the password out of the mechanism's messages, verify.c decides, userdb.c adds where the mail is. */
#ifndef AUTH_AUTH_H
#define AUTH_AUTH_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "auth/passwd_file.h"
#include "auth/penalty.h"
#include "lib/base/arena.h"
#include "lib/base/span.h"
#include "lib/conf/conf.h"
#include "lib/ipc/auth.h"
#include "lib/service/service.h"
#include "lib/task/task.h"

struct auth {
	const struct conf  *conf;
	struct passwd_file *users;	/* NULL until the file could be read */
	struct timespec     users_changed;
	uint64_t            users_inode, users_size;
	struct penalties   *penalties;
	uid_t               default_uid;
	gid_t               default_gid;
	bool                has_default_ids;
	struct ipc_server   server;
	uint64_t            next_connection;	/* dovecot.c: CUID */
};

/* Who asks, and from where. */
struct auth_facts {
	struct span service, mechanism, remote_address, local_address;
	bool        is_secured;
};

struct auth_verdict {
	enum auth_status status;	/* AUTH_OK, AUTH_FAILED or AUTH_UNAVAILABLE */
	struct span      user;		/* canonical; or as it was given, when it failed */
	uint64_t         uid, gid;
	struct span      home, mail;
	struct span      reason;	/* for the log; never tells a client more than that it failed */
};

/* auth_reload - read the passwd-file again when it has changed.  Cheap when it has not. */
void auth_reload(struct auth *a);

/* auth_verify - decide, log a failure, hold the answer to one back.  All spans of verdict live in arena.  Suspends. */
void auth_verify(struct auth *a, struct arena *arena, const struct auth_facts *facts, struct span user,
                 struct span password, struct auth_verdict *verdict);

/* auth_userdb - uid, gid, home and mail of entry into verdict; false when the entry leaves them open (verdict->reason). */
bool auth_userdb(const struct auth *a, struct arena *arena, const struct passwd_entry *entry,
                 struct auth_verdict *verdict);
/* auth_canonical - the name an entry is known by outside: with auth_default_realm when it has no domain. */
struct span auth_canonical(const struct auth *a, struct arena *arena, struct span user);

/* auth_mechanisms - the mechanisms to offer, separated by blanks. */
struct span auth_mechanisms(const struct auth *a, struct arena *arena);

/* auth_handlers - the rows of lib/ipc/auth.h (ipc_front.c); auth_peer_opened, auth_peer_closed go with them. */
extern const struct ipc_handler auth_handlers[];
extern const size_t auth_handler_count;
void auth_peer_opened(struct ipc_peer *peer, void *user);
void auth_peer_closed(struct ipc_peer *peer, void *user);

/* auth_dovecot_serve - Dovecot's auth client protocol on the connected stream fd (taken), until it ends.  Suspends. */
void auth_dovecot_serve(struct auth *a, int fd);

#endif
