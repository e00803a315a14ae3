/* SPDX-License-Identifier: ISC */
/* accounts.h - users and groups of the system, from /etc/passwd and /etc/group themselves
 *
 * Other sources of getpwnam() load code and open sockets, which no sandbox of ours allows; before the sandbox
 * getpwnam() is the one to ask. */
#ifndef BASE_ACCOUNTS_H
#define BASE_ACCOUNTS_H

#include <grp.h>
#include <pwd.h>
#include <stddef.h>

#include "lib/base/attributes.h"

/* accounts_user, accounts_group - the entry of that name, its texts in room.  0, or an errno: ENOENT there is none, ERANGE
 * room is too small. */
MUST_USE int accounts_user(const char *name, struct passwd *entry, char *room, size_t size);
MUST_USE int accounts_group(const char *name, struct group *entry, char *room, size_t size);

#endif
