/* SPDX-License-Identifier: ISC */
/* local.h - the delivery agent for mailboxes on this host, and what its files share; nobody outside includes it */
#ifndef LOCAL_LOCAL_H
#define LOCAL_LOCAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/hash.h"
#include "lib/base/list.h"
#include "lib/base/span.h"
#include "lib/ipc/deliver.h"
#include "lib/ipc/router.h"
#include "lib/mailbox/maildir.h"
#include "lib/queue/envelope.h"
#include "lib/service/service.h"
#include "lib/task/task.h"

/* All of this process. */
struct local {
	struct service_run *run;
	const struct conf  *conf;
	struct ipc_server   server;
	bool                sync_always;
	bool                has_one_owner;	/* all mail is under the uid we run as */
	int                 spawner_fd;	/* else: to the process that becomes users; -1: there is no mail for any */
	struct ipc_channel *spawner;
	struct span         junk_folder;	/* for mail out of sight; empty: the INBOX */
	struct buf          junk_directory;	/* its name below a Maildir */
	struct hash        *mailboxes;	/* path to struct open_mailbox */
	struct list         by_use;	/* least recently used first */
	struct hash        *answers;	/* of the router, for as long as it allows */
	struct list         touched;	/* struct touched_fs */
};

/* One recipient under way. */
struct delivery {
	struct local                    *local;
	struct ipc_request              *request;
	const struct deliver_request    *message;
	const struct envelope           *envelope;
	const struct envelope_recipient *recipient;
	struct span                      header;	/* beginning of the content */
	struct arena                    *arena;
	uint64_t                         started_us;	/* wall clock */
	struct deliver_result            result;
	struct why                       why;
	const char                      *how;	/* for the log: "delivered to maildir" */
};

/* Each fills d->result (status, dsn, reason, expansion ...).  They suspend. */
void deliver_virtual(struct delivery *d);
void deliver_local(struct delivery *d);


/* ---- lookup.c ---- */

/* local_lookup - key in the tables of the parameter 'maps'; value lives in the arena.  DEFER: why is set.  REFUSE: not
 * found.  Suspends. */
enum outcome local_lookup(struct delivery *d, const char *maps, struct span key, enum lookup_how how,
                          struct span *value);
/* local_owner - uid and gid of a virtual mailbox. */
enum outcome local_owner(struct delivery *d, uid_t *uid, gid_t *gid);

/* ---- mailboxes.c ---- */

/* folder_for - where in the recipient's Maildir the message belongs; empty: the INBOX. */
struct span folder_for(const struct delivery *d);
/* store_as_us - deliver into the Maildir at path under our own uid; remembers what to sync.  Suspends. */
enum outcome store_as_us(struct delivery *d, const char *path);
/* describe_delivery - what is to be stored.  maildir_open_or_make - folder (empty: the INBOX) of the Maildir at path: 0, or
 * -1 with errno, which cannot_open explains.  Blocking; a folder that is made is synced. */
void describe_delivery(const struct delivery *d, struct maildir_delivery *out);
MUST_USE int maildir_open_or_make(struct maildir *md, const char *path, struct span folder);
enum outcome cannot_open(const char *path, struct span folder, struct why *why);
/* checkpoint - syncfs of all file systems that took mail since the last one; false: one failed.  Suspends. */
bool checkpoint(struct local *l);

/* ---- spawn.c ---- */

/* store_as - as store_as_us, in a process that becomes uid and sees only folder (durable when it says so). */
enum outcome store_as(struct delivery *d, const char *path, const char *folder, uid_t uid, gid_t gid);

/* ---- aliases.c ---- */

struct alias_expansion {
	struct buf *out;
	const char *origin;	/* appended to names without domain */
	unsigned    nesting_left;
	size_t      file_max;
	size_t      count;
};
/* alias_parse - the right side of an alias: names separated by commas, each ended by NUL in out.  Reads the
 * file of an :include:.  DONE, or why. */
enum outcome alias_parse(struct alias_expansion *x, struct span text, struct why *why);

/* ---- report.c ---- */

/* set_result - status, with d->why as dsn and reason. */
void set_result(struct delivery *d, enum deliver_status status);
/* set_stored - DELIVER_SENT.  The folder is named in the log alone: reason may reach the sender in a DSN. */
void set_stored(struct delivery *d);
/* local_log - the line of this try, in Postfix's form; relay: "virtual" or "local". */
void local_log(const struct delivery *d, const char *relay);

#endif
