/* SPDX-License-Identifier: ISC */
/* why.h - how a piece of work ended: done, later, never, and why
 *
 * Whoever decides turns a why into a reply, a bounce or a log line. */
#ifndef BASE_WHY_H
#define BASE_WHY_H

#include "lib/base/attributes.h"
#include "lib/base/span.h"

enum outcome {
	DONE,
	DEFER,	/* a resource is missing now: 4xx, NO, or stays queued */
	REFUSE,	/* a fact about the mail itself: 5xx, bounce */
};

enum { WHY_TEXT_MAX = 512, WHY_DSN_MAX = 12 };

/* A why is plain memory, copied freely; text is cut at WHY_TEXT_MAX - 1 bytes because
 * it is for people, never parsed. */
struct why {
	char dsn[WHY_DSN_MAX];	/* enhanced status code (RFC 3463), or empty */
	char text[WHY_TEXT_MAX];
};

/* why_set - fill why and give back outcome, so that 'return why_set(...)' reads well. */
enum outcome why_set(struct why *why, enum outcome outcome, const char *dsn,
                     const char *format, ...) PRINTF_LIKE(4, 5);
/* why_errno - the same with ": " and the text of errno behind it. */
enum outcome why_errno(struct why *why, enum outcome outcome, const char *dsn,
                       const char *format, ...) PRINTF_LIKE(4, 5);

#endif
