/* SPDX-License-Identifier: ISC */
/* dmarc.h - does somebody who may use the name in From answer for this message, and if not, what does the name's owner
 * ask for?
 *
 * RFC 7489, or its successor (RFC 9989) by a setting.  Pure: who calls it gives SPF's and DKIM's results, a way to ask
 * the DNS, and the random number of RFC 7489 6.6.4. */
#ifndef MAILAUTH_DMARC_H
#define MAILAUTH_DMARC_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/arena.h"
#include "lib/base/span.h"
#include "lib/mailauth/dmarc_domain.h"
#include "lib/mailauth/dmarc_from.h"
#include "lib/mailauth/dmarc_record.h"
#include "lib/mailauth/lookup.h"

enum dmarc_result {
	DMARC_NONE,		/* no policy record: nothing is asked for */
	DMARC_PASS,
	DMARC_FAIL,
	DMARC_TEMPERROR,	/* the DNS did not answer: neither pass nor fail */
	DMARC_PERMERROR,	/* From names no author one could ask about */
};

enum dmarc_auth {
	DMARC_AUTH_NO,		/* none, neutral, fail, permerror ... */
	DMARC_AUTH_PASS,
	DMARC_AUTH_TEMPERROR,
};

/* What a mechanism found: SPF on MAIL FROM (for a bounce on HELO), or one DKIM signature. */
struct dmarc_identifier {
	enum dmarc_auth status;
	struct span     domain;		/* as it is; may be empty */
};

struct dmarc_message {
	const struct span             *from;	/* value of every From field, folded */
	size_t                         from_count;
	struct dmarc_identifier        spf;
	const struct dmarc_identifier *dkim;
	size_t                         dkim_count;
	unsigned                       random;	/* 0 to 99 */
};

struct dmarc_settings {
	enum dmarc_text         text;
	const struct dmarc_psl *psl;		/* DMARC_BIS does without */
	size_t                  most_authors;	/* domains in From */
	size_t                  most_dkim;	/* signatures looked at, those that pass first */
	size_t                  most_questions;
};

/* The defaults of the three limits; at most 8 questions for each domain that matters. */
enum { DMARC_AUTHORS_MAX = 4, DMARC_DKIM_MAX = 10, DMARC_QUESTIONS_MAX = 60 };

enum dmarc_tag {
	DMARC_TAG_P,
	DMARC_TAG_SP,
	DMARC_TAG_NP,
};

/* Of several authors the one whose result counts.  Spans live in the arena of dmarc_check. */
struct dmarc_verdict {
	enum dmarc_result   result;
	enum dmarc_policy   asked;		/* by the record; none wherever result is not fail */
	enum dmarc_policy   applied;		/* after pct= or t=: what is to be done */
	enum dmarc_tag      tag;		/* which tag asked asks */
	struct span         author;		/* domain in From; empty with permerror */
	struct span         policy_domain;	/* where the record is; empty: none */
	struct span         organization;	/* of author; empty: not known */
	bool                spf_aligned, dkim_aligned;	/* with a pass */
	bool                has_record;
	struct dmarc_record record;
	const char         *reason;		/* a few words for people */
};

/* dmarc_check - evaluate a message.  Of several domains in From each is tried, and the strictest policy among those
 * that fail counts (RFC 7489 6.6.1).  An identifier whose own check met a temporary error, and which would be aligned,
 * makes of a fail a temperror: a failure of ours is never the sender's.  Suspends or blocks as lookup does. */
void dmarc_check(struct arena *arena, const struct dmarc_settings *settings, const struct lookup *lookup,
                 const struct dmarc_message *message, struct dmarc_verdict *verdict);

/* dmarc_result_name - as in Authentication-Results (RFC 7489 11.2). */
const char *dmarc_result_name(enum dmarc_result result);

#endif
