/* SPDX-License-Identifier: ISC */
/* address.h - address lists of RFC 5322, with groups and the obsolete forms */
#ifndef MIME_ADDRESS_H
#define MIME_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/arena.h"
#include "lib/base/span.h"

enum mime_address_kind {
	MIME_MAILBOX,
	MIME_GROUP_START,	/* name is the group's */
	MIME_GROUP_END,
};

/* A span with NULL as its ptr means: absent. */
struct mime_address {
	enum mime_address_kind kind;
	struct span            name;	/* display name, unquoted, or the comment behind; not RFC 2047 decoded */
	struct span            route;	/* obsolete source route, without its colon */
	struct span            mailbox;	/* local part, unquoted */
	struct span            domain;
	struct mime_address   *next;
};

/* mime_addresses - all addresses of the (folded) value of an address field, in order, at most 'most' of them;
 * NULL when there is none.  Broken text never fails: what can be told from it is given. */
struct mime_address *mime_addresses(struct arena *a, struct span value, size_t most);

#endif
