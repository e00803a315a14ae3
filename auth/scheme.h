/* SPDX-License-Identifier: ISC */
/* scheme.h - stored passwords: "{SCHEME}data", and whether a password fits */
#ifndef AUTH_SCHEME_H
#define AUTH_SCHEME_H

#include <stdbool.h>

#include "lib/base/arena.h"
#include "lib/base/span.h"

enum scheme_result {
	SCHEME_MATCH,
	SCHEME_MISMATCH,
	SCHEME_UNUSABLE,	/* malformed data, or a scheme we do not know or refuse: the admin must act */
};

/* scheme_check - compare password with stored.  user: the name as it stands in the file (DIGEST-MD5 hashes it).
 * default_scheme: of data without {}.  *reason (a literal) says what is unusable.  Slow on purpose, and blocks: call it
 * by task_offload.  Needs no memory but arena's, which nobody else may use meanwhile. */
enum scheme_result scheme_check(struct arena *arena, struct span stored, struct span default_scheme,
                                struct span user, struct span password, const char **reason);

#endif
