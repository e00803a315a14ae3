/* SPDX-License-Identifier: ISC */
/* lookups.h - the struct lookup of a message, for checks that run in threads
 *
 * The look-ups of one message share a budget and their answers: what two checks ask is asked once.  Answers are kept
 * for as long as they say, for all messages (answers.h).  Who asks the DNS is an asker: the dns program of the suite
 * (ask_dns.h), or a libunbound of our own where there is no suite (ask_unbound.h). */
#ifndef MAILAUTH_LOOKUPS_H
#define MAILAUTH_LOOKUPS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/mailauth/lookup.h"
#include "mailauth/answers.h"

/* ---- askers ---- */

struct question;

struct asker {
	/* send - begin to ask; name is in lower case and lives as long as q.  Later, from any thread,
	 * question_answer is called once.  False: cannot be asked, and is not. */
	bool (*send)(struct asker *a, struct question *q, const char *name, enum rr_type rr_type);
	/* cancel - true: question_answer will not be called for it.  NULL: questions are always answered. */
	bool (*cancel)(struct asker *a, struct question *q);
	pthread_mutex_t lock;		/* of what a question's two owners share */
	size_t          under_way, most_under_way;	/* with the lock */
	struct answers *answers;	/* of all messages */
};

/* asker_init - at most most_under_way questions at once; answers is kept.  asker_end: nothing is under way. */
void asker_init(struct asker *a, size_t most_under_way, struct answers *answers);
void asker_end(struct asker *a);
/* asker_under_way - questions that wait for their answer. */
size_t asker_under_way(struct asker *a);

/* question_answer - the asker's last word on q.  Copies reply. */
void question_answer(struct question *q, const struct dns_reply *reply);
/* question_value - one number of the asker's own. */
int *question_value(struct question *q);

/* ---- the look-ups of a message ---- */

/* What one message may cost.  Only the time it waits for answers counts, not that between its checks. */
struct lookups_limits {
	uint64_t wait_us;		/* in all (reliability C16: 5 s) */
	size_t   most_questions;	/* different ones; those expected count too */
};

#define LOOKUPS_STANDARD_LIMITS { .wait_us = 5000000, .most_questions = 300 }

struct lookups;

/* lookups_new - for one thread at a time; freed before a. */
struct lookups *lookups_new(struct asker *a, const struct lookups_limits *limits);
/* lookups_free - answers still expected are given up. */
void lookups_free(struct lookups *m);
/* lookups_lookup - how checks ask for it; valid until m is freed.  Asking blocks the thread; when the budget is
 * used up, every question that has no answer yet fails at once. */
struct lookup lookups_lookup(struct lookups *m);

#endif
