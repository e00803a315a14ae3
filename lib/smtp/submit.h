/* SPDX-License-Identifier: ISC */
/* submit.h - hand a message to the suite's local submission socket, and the files of the maildrop folder
 *
 * Blocking; for sendmail(1) and the maildrop program.  The content goes in one BDAT chunk, so it needs no
 * dot-stuffing.
 *
 * A maildrop file is what sendmail writes while the suite is down:
 *	MAIL FROM:<sender> parameters LF
 *	RCPT TO:<recipient> parameters LF	(one or more)
 *	LF
 *	content, CRLF line ends
 * Its name begins with "new." once it is whole. */
#ifndef SMTP_SUBMIT_H
#define SMTP_SUBMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/attributes.h"
#include "lib/base/buf.h"
#include "lib/base/span.h"
#include "lib/base/why.h"

struct submission {
	struct span  mail;	/* "MAIL FROM:<...> ..." without line end */
	struct span *rcpts;	/* "RCPT TO:<...> ..." */
	size_t       rcpt_count;
	struct span  content;	/* CRLF line ends */
};

/* submit_message - over the socket at that path, or to "inet:HOST:PORT", each step within timeout_s.  DONE: queued; why.text is the server's line.
 * DEFER: the socket cannot be had, or a 4xx.  REFUSE: a 5xx (for any recipient: nothing is queued then). */
enum outcome submit_message(const char *where, const struct submission *s, unsigned timeout_s,
                            struct why *why);

/* maildrop_write - s as a file of the maildrop folder.  DEFER when that fails. */
enum outcome maildrop_write(const char *folder, const struct submission *s, struct why *why);
/* maildrop_parse - the content of such a file; borrows bytes.  False when malformed. */
MUST_USE bool maildrop_parse(struct arena *arena, struct span bytes, struct submission *s);

#endif
