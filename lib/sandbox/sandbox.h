/* SPDX-License-Identifier: ISC */
/* sandbox.h - one call that takes away what a program does not need
 *
 * sandbox_enter comes after all opens and before the first remote byte; in this order: rlimits and
 * umask, chroot and chdir (which need root), groups and uid (and verify that going back fails),
 * capabilities to none, not dumpable, no_new_privs, Landlock, seccomp.  Started as an ordinary user it keeps that uid and
 * leaves chroot out; the rest is done all the same. */
#ifndef SANDBOX_SANDBOX_H
#define SANDBOX_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum sandbox_root {
	SANDBOX_NO_ROOT,	/* stays at /: Landlock confines it */
	SANDBOX_EMPTY_ROOT,	/* an empty folder, read-only (queue_directory/empty) */
	SANDBOX_DIR_ROOT,	/* sandbox.root_path */
};

/* What a program may do: its seccomp set (reliability rules, section 6). */
enum sandbox_may {
	MAY_NOTHING      = 0,		/* base: read, write, recvmsg, sendmsg, epoll, memory, threads, time */
	MAY_ACCEPT       = 1 << 0,	/* accept4, getpeername, setsockopt on inherited listeners */
	MAY_CONNECT_INET = 1 << 1,	/* socket, connect to AF_INET and AF_INET6 */
	MAY_READ_FILES   = 1 << 2,	/* openat for reading, stat, getdents64 below the allowed paths */
	MAY_WRITE_FILES  = 1 << 3,	/* the same for writing, rename, link, unlink, fsync, locks */
	MAY_FORK         = 1 << 4,	/* fork and wait (zygotes) */
	MAY_EXEC         = 1 << 5,	/* execve below the paths of sandbox_allow_programs */
	MAY_BECOME_USER  = 1 << 6,	/* keep the capabilities setuid and setgid (zygotes, local) */
	MAY_CONNECT_UNIX = 1 << 7,	/* socket, connect to AF_UNIX (milters, policy services) */
	MAY_BIND_INET    = 1 << 8,	/* bind, for UDP resolvers and smtp_bind_address */
};

enum { SANDBOX_PATHS_MAX = 64 };

struct sandbox_path {
	const char *path;
	bool        may_write;
	bool        may_execute;
};

struct sandbox {
	enum sandbox_root   root;
	const char         *root_path;
	bool                has_user;
	uid_t               uid;
	gid_t               gid;
	unsigned            may;
	struct sandbox_path paths[SANDBOX_PATHS_MAX];	/* Landlock: what may be opened, below these only */
	size_t              path_count;
	size_t              files_max;	/* RLIMIT_NOFILE; 0: as it is */
	bool                strict;	/* kill on a forbidden call instead of EPERM */
};

/* sandbox_allow - let the program open what is below path (kept; must exist at sandbox_enter, else a warning). */
void sandbox_allow(struct sandbox *s, const char *path, bool may_write);
/* sandbox_allow_programs - let it read and run what is below path. */
void sandbox_allow_programs(struct sandbox *s, const char *path);
/* sandbox_enter - ends the process with a clear line when a step that must work fails. */
void sandbox_enter(const struct sandbox *s);
/* sandbox_become - the part a zygote's child runs before it sees a byte of mail: groups, uid, rlimits, no
 * capabilities, Landlock to the given folder, seccomp without fork.  sandbox_take_user - only its beginning, for
 * good: ids and capabilities; to make as that user the folders that are allowed then. */
void sandbox_take_user(const struct sandbox *s);
void sandbox_become(const struct sandbox *s);
/* sandbox_supervise - what master gives up for itself and for all it will start: no_new_privs, what is not below the paths
 * of s (Landlock), and the system calls that no mail program needs (those refused with MAY_EXEC).  Its programs confine
 * themselves on top of it. */
void sandbox_supervise(const struct sandbox *s);
/* sandbox_foresee - for a parent of many children that will enter sandbox_become with the same 'may' and
 * 'strict': does once what costs each of them most. */
void sandbox_foresee(unsigned may, bool strict);
/* sandbox_user - "name", "number", "name:group", "number:number" to ids; false when unknown. */
bool sandbox_user(const char *text, uid_t *uid, gid_t *gid);
/* sandbox_static_owner - the one owner of all virtual mail, where virtual_uid_maps and virtual_gid_maps are
 * "static:ID" each (a number, or a name: ours, Postfix knows numbers only); false when they are anything else,
 * or unknown, or root. */
bool sandbox_static_owner(const char *uid_maps, const char *gid_maps, uid_t *uid, gid_t *gid);
/* sandbox_report - log, once each, the system calls that were refused since; for a safe moment (heartbeat, end). */
void sandbox_report(void);
/* sandbox_landlock_abi - what the kernel offers; 0: none. */
int sandbox_landlock_abi(void);

#endif
