/* SPDX-License-Identifier: ISC */
/* passwd_file.h - users and their passwords, from a file in Dovecot's form (postern-passwd(5)) */
#ifndef AUTH_PASSWD_FILE_H
#define AUTH_PASSWD_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/arena.h"
#include "lib/base/span.h"

/* One line.  Fields that are missing are empty.  From extra: what we honour. */
struct passwd_entry {
	struct span user;	/* lower case */
	struct span password;	/* with its {SCHEME}; empty: none fits */
	struct span uid, gid, home;
	struct span mail;	/* userdb_mail or userdb_mail_path, as written */
	struct span allow_nets;
	bool        is_closed;	/* nologin */
	bool        needs_no_password;
	bool        is_proxied;	/* proxy: not ours to answer */
};

/* passwd_line - parse one line (without its line end).  False: a comment, an empty line, or malformed (*problem is then a
 * literal).  Spans point into line; user is lowered in arena.  *unknown: a name in extra that says nothing to us. */
bool passwd_line(struct arena *arena, struct span line, struct passwd_entry *entry, struct span *unknown,
                 const char **problem);

/* A whole file with its index. */
struct passwd_file;

/* passwd_file_parse - keeps a copy of text.  Malformed lines are logged by number and skipped; of two lines for one user
 * the first counts.  name: for the log. */
struct passwd_file *passwd_file_parse(struct span text, const char *name);
void passwd_file_free(struct passwd_file *f);
/* passwd_file_find - by lower-case name; NULL when not there. */
const struct passwd_entry *passwd_file_find(const struct passwd_file *f, struct span user);
size_t passwd_file_count(const struct passwd_file *f);
/* passwd_file_sample - the stored password of some user: a hash to try unknown users on, so that they take as long as
 * known ones.  Empty when there is none. */
struct span passwd_file_sample(const struct passwd_file *f);

/* passwd_file_load - read path now.  NULL with errno.  Blocks. */
struct passwd_file *passwd_file_load(const char *path);

#endif
