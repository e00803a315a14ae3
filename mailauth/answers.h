/* SPDX-License-Identifier: ISC */
/* answers.h - what the DNS said lately, for all threads
 *
 * Most mail is of few senders, whose records are asked for again and again: an answer from here costs no wake-up of
 * another thread or process.  Each is kept for its time to live; when there is no room the oldest go first. */
#ifndef MAILAUTH_ANSWERS_H
#define MAILAUTH_ANSWERS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/ipc/dns.h"

struct answers;

/* answers_new - room for so many bytes of answers, names included. */
struct answers *answers_new(size_t most_bytes);
void answers_free(struct answers *a);
/* answers_put - remember reply to the question for reply->ttl_s seconds; a failure is not remembered. */
void answers_put(struct answers *a, struct span question, const struct dns_reply *reply);
/* answers_get - false: not known, or too old.  Spans of reply live in arena. */
bool answers_get(struct answers *a, struct span question, struct arena *arena, struct dns_reply *reply);

#endif
