/* SPDX-License-Identifier: ISC */
/* fake_milter.h - milters as tests want them: tasks of this process at the other end of a socket pair
 *
 * The endpoint is the script: "unix:" and words separated by ';':
 *
 *     version=N steps=N (hexadecimal) actions=N	the negotiation
 *     macros=STAGE.names	a macro list (STAGE a number, '+' for blanks between the names)
 *     nr=LETTERS		commands that get no answer
 *     LETTER:reply		answer to a command (O the negotiation, C connect, H, M, R, T data, L header, N end of header,
 *				B body, E end of message, U unknown); several of one letter go out together, in order
 *
 * A reply is its letter and data, '_' for a blank, '|' for a NUL, '~' for CRLF; for i and m the index and '.' come first
 * ("i0.X-A|yes|").  Or, in its place: hang, close, garbage, huge, empty, half.  When the last one is no verdict,
 * "continue" follows.  Commands without a reply in the script get "continue".  "LETTER/2:" holds for the second
 * connection of all only, and so on. */
#ifndef MILTER_FAKE_MILTER_H
#define MILTER_FAKE_MILTER_H

#include <stdint.h>

#include "lib/base/buf.h"

struct fake_milters {
	struct buf seen;	/* what was said to them: letter, data with '|' for NUL, line end */
	unsigned   connections;
	unsigned   writes;	/* reads that it took them, about as many as our writes */
	int        refuse_errno;	/* connect fails so; 0: it does not */
	bool       closes_when_used_again;	/* as soon as a second session is reported on a connection */
};

/* fake_milters_init - nothing was said.  fake_milters_free - gives the memory back. */
void fake_milters_init(struct fake_milters *f);
void fake_milters_free(struct fake_milters *f);
/* fake_milters_connect - for struct milter_pool; user is the struct fake_milters. */
int fake_milters_connect(void *user, const char *endpoint, uint64_t deadline_us);

#endif
