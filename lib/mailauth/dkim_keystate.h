/* SPDX-License-Identifier: ISC */
/* dkim_keystate.h - which keys of a domain sign, or did: the text that survives a restart
 *
 * A line a key: "SELECTOR active SINCE" or "SELECTOR retired SINCE", SINCE in seconds since 1970 (retired 0: never
 * signed).  A key that is not named waits, or is the first of its type (dkim_keydir.h). */
#ifndef MAILAUTH_DKIM_KEYSTATE_H
#define MAILAUTH_DKIM_KEYSTATE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/span.h"

enum dkim_key_state {
	DKIM_KEY_WAITING,	/* until all name servers show it */
	DKIM_KEY_ACTIVE,	/* signs */
	DKIM_KEY_RETIRED,	/* signs no more */
};

struct dkim_keystate_line {
	struct span         selector;	/* not empty; no white space or control bytes */
	enum dkim_key_state state;	/* not waiting */
	uint64_t            since_s;
};

struct dkim_keystate {
	struct dkim_keystate_line *line;
	size_t                     count;
};

/* dkim_keystate_read - at most the first most lines of text, into arena.  Gives how many lines were passed over, because
 * they are none, or name a selector again. */
size_t dkim_keystate_read(struct arena *arena, struct span text, size_t most, struct dkim_keystate *state);
/* dkim_keystate_write - append the text of state to out. */
void dkim_keystate_write(struct buf *out, const struct dkim_keystate *state);
/* dkim_keystate_find - the line of a selector, or NULL. */
const struct dkim_keystate_line *dkim_keystate_find(const struct dkim_keystate *state, struct span selector);

#endif
