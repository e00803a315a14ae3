/* SPDX-License-Identifier: ISC */
/* milters.h - the milters of one SMTP session: what happens is reported to each in turn, and their answers come back
 *
 * Each sees a message as the ones before it left it.  A milter that cannot be reached, is too slow or breaks the
 * protocol costs its own time-out and its own default action; for the rest of the session it is not asked again, and
 * that action holds.  All functions suspend. */
#ifndef MILTER_MILTERS_H
#define MILTER_MILTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/span.h"
#include "lib/base/why.h"
#include "lib/milter/connection.h"
#include "lib/milter/header.h"
#include "lib/milter/settings.h"

enum milter_verdict {
	MILTER_PASS,
	MILTER_REFUSE,	/* the command, recipient or message: 'refusal' is the reply */
	MILTER_DROP,	/* take the message, and forget it */
};

/* Spans are valid until the next report. */
struct milter_answer {
	enum milter_verdict   verdict;
	struct milter_refusal refusal;
	bool                  hang_up;	/* after the reply */
	bool                  is_quarantined;
	struct span           reason;	/* of the quarantine */
};

/* milter_macro - the value of a macro, named without braces; false: there is none now.  value must live until the
 * next call. */
typedef bool milter_macro(void *user, struct span name, struct span *value);

/* The client, as milters are told. */
struct milter_client {
	struct span name;	/* "unknown" without one */
	struct span address;
	int         family;	/* AF_INET, AF_INET6; else it is not told */
	unsigned    port;
};

struct milters;

/* milters_new - for one session, with an arena of its own below 'arena'; nothing is connected yet.  All arguments are
 * kept. */
struct milters *milters_new(struct arena *arena, const struct milter_list *list, struct milter_pool *pool,
                            milter_macro *macro, void *user);
/* milters_end - the session is over: connections are kept for others or closed, ms is gone. */
void milters_end(struct milters *ms);

/* milters_connect - make the connections and report the client: once, first. */
void milters_connect(struct milters *ms, const struct milter_client *client, struct milter_answer *answer);
void milters_helo(struct milters *ms, struct span name, struct milter_answer *answer);
/* milters_mail, milters_rcpt - words: the path as the client wrote it, with <>, then each parameter.  is_refused: by us; only
 * milters that want to know are told, and their answers mean nothing. */
void milters_mail(struct milters *ms, const struct span *words, size_t count, struct milter_answer *answer);
void milters_rcpt(struct milters *ms, const struct span *words, size_t count, bool is_refused,
                  struct milter_answer *answer);
void milters_data(struct milters *ms, struct milter_answer *answer);
void milters_unknown(struct milters *ms, struct span line, struct milter_answer *answer);
/* milters_abort - the transaction is over, with a message or without. */
void milters_abort(struct milters *ms);
/* milters_standing - what a refusal of the whole session, or a failure, means for any other command. */
void milters_standing(const struct milters *ms, struct milter_answer *answer);

/* The message at its end.  What milters change in the header is done in 'header'; the rest by the functions, which give
 * DONE or why not: then the message is refused with that.  They may suspend. */
struct milter_message {
	struct milter_header header;
	uint64_t             body_length;	/* kept true by those that replace the body */
	void                *user;
	/* read_body - exactly n bytes from offset into out. */
	enum outcome (*read_body)(void *user, uint64_t offset, char *out, size_t n, struct why *why);
	/* begin_body, add_body, end_body - another body, in pieces; it takes the place of the present one at its end, which
	 * does not come when the milter fails (then the next milter may begin anew). */
	enum outcome (*begin_body)(void *user, struct why *why);
	enum outcome (*add_body)(void *user, struct span piece, struct why *why);
	enum outcome (*end_body)(void *user, struct why *why);
	/* change_sender, add_recipient, delete_recipient - the address as the milter wrote it; args: ESMTP parameters. */
	enum outcome (*change_sender)(void *user, struct span address, struct span args, struct why *why);
	enum outcome (*add_recipient)(void *user, struct span address, struct span args, struct why *why);
	enum outcome (*delete_recipient)(void *user, struct span address, struct why *why);
};

/* milters_message - show it to all and do what they ask. */
void milters_message(struct milters *ms, struct milter_message *message, struct milter_answer *answer);

#endif
