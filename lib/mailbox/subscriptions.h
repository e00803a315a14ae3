/* SPDX-License-Identifier: ISC */
/* subscriptions.h - the lists of names a user's Maildir keeps: subscriptions, stored special uses */
#ifndef MAILBOX_SUBSCRIPTIONS_H
#define MAILBOX_SUBSCRIPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/arena.h"
#include "lib/base/attributes.h"
#include "lib/base/span.h"

/* A list of folder names (UTF-8, '/' between levels), in the arena. */
struct name_list {
	struct span *names;
	size_t       count;
};

/* subscriptions_parse - version 2 (V<TAB>2, an empty line, TAB between levels) or the older form ('.' between levels);
 * names that cannot be folders are left out. */
void subscriptions_parse(struct span text, struct arena *arena, struct name_list *out);
/* subscriptions_read - a missing file is an empty list (Courier's courierimapsubscribed is read instead when there is one). */
MUST_USE int subscriptions_read(int root_fd, struct arena *arena, struct name_list *out);
/* subscriptions_set - add or take away one name; the file is replaced under a kernel lock. */
MUST_USE int subscriptions_set(int root_fd, struct span name, bool on);

/* special_uses_read - "bit-name TAB folder" lines of postern-special-use as text.  special_uses_set - one
 * folder's use; use empty: none.  special_use_of - of a folder in that text, or empty. */
struct span special_uses_read(int root_fd, struct arena *arena);
struct span special_use_of(struct span text, struct span folder);
MUST_USE int special_uses_set(int root_fd, struct span folder, struct span use);

#endif
