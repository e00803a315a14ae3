/* SPDX-License-Identifier: ISC */
/* unbound.h - libunbound for threads: the struct lookup of a message
 *
 * One context and one cache a process; a pump thread hands out answers, and any number of threads ask and wait.  The
 * look-ups of one message share a budget and their answers: what two checks ask is asked once. */
#ifndef MAILAUTH_UNBOUND_H
#define MAILAUTH_UNBOUND_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/attributes.h"
#include "lib/base/why.h"
#include "lib/conf/conf.h"
#include "lib/mailauth/lookup.h"

struct unbound;

/* unbound_new - set up from the dns_ parameters; at most dns_query_limit questions are under way at once.  To be
 * called before the sandbox.  NULL with why. */
struct unbound *unbound_new(const struct conf *conf, struct why *why);
/* unbound_start - start the pump thread; inside the sandbox, and in the process that asks (no fork behind it). */
MUST_USE enum outcome unbound_start(struct unbound *u, struct why *why);
/* unbound_free - end the thread.  No message may have look-ups any more. */
void unbound_free(struct unbound *u);
/* unbound_under_way - questions that wait for their answer. */
size_t unbound_under_way(struct unbound *u);

/* What one message may cost.  Only the time it waits for answers counts, not that between its checks. */
struct unbound_limits {
	uint64_t wait_us;		/* in all (reliability C16: 5 s) */
	size_t   most_questions;	/* different ones; those expected count too */
};

#define UNBOUND_STANDARD_LIMITS { .wait_us = 5000000, .most_questions = 300 }

struct unbound_message;

/* unbound_message_new - the look-ups of one message, for one thread at a time; freed before u. */
struct unbound_message *unbound_message_new(struct unbound *u, const struct unbound_limits *limits);
/* unbound_message_free - answers still expected are given up. */
void unbound_message_free(struct unbound_message *m);
/* unbound_message_lookup - how checks ask for it; valid until m is freed.  Asking blocks the thread; when the budget is
 * used up, every question that has no answer yet fails at once. */
struct lookup unbound_message_lookup(struct unbound_message *m);

#endif
