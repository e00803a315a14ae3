/* SPDX-License-Identifier: ISC */
/* dmarc_record.h - the policy record a domain publishes at _dmarc
 *
 * Two texts are known: RFC 7489 and its successor (DMARCbis, draft-ietf-dmarc-dmarcbis; published as RFC 9989), which
 * has np=, psd= and t= and no pct=, ri= and rf=.  A tag of the other text is unknown, and ignored. */
#ifndef MAILAUTH_DMARC_RECORD_H
#define MAILAUTH_DMARC_RECORD_H

#include <stdbool.h>

#include "lib/base/attributes.h"
#include "lib/base/span.h"

enum dmarc_text {
	DMARC_RFC7489,
	DMARC_BIS,
};

/* In the order of strictness. */
enum dmarc_policy {
	DMARC_POLICY_NONE,
	DMARC_POLICY_QUARANTINE,
	DMARC_POLICY_REJECT,
};

enum dmarc_psd {
	DMARC_PSD_UNKNOWN,
	DMARC_PSD_NO,	/* an organisation of its own */
	DMARC_PSD_YES,	/* a public suffix: organisations are one label below */
};

enum dmarc_fo {
	DMARC_FO_ALL_FAIL = 1,	/* 0 */
	DMARC_FO_ANY_FAIL = 2,	/* 1 */
	DMARC_FO_DKIM = 4,	/* d */
	DMARC_FO_SPF = 8,	/* s */
};

/* Unset tags hold their defaults.  Spans borrow the text. */
struct dmarc_record {
	struct span       text;
	enum dmarc_policy p, sp, np;		/* sp and np: what they fall back to where they are not published */
	bool              has_sp, has_np;
	bool              adkim_strict, aspf_strict;
	unsigned          pct;			/* 0 to 100 */
	bool              is_test;		/* t=y */
	enum dmarc_psd    psd;
	unsigned          fo;			/* enum dmarc_fo; never 0 */
	struct span       fo_text;		/* "0" when not published */
	unsigned          interval_s;		/* ri=: a wish only; reports are daily */
	struct span       rua, ruf;		/* lists as written; empty: not published or not valid */
	bool              is_usable;		/* false: no DMARC processing (RFC 7489 6.6.3) */
};

/* dmarc_record_parse - is text a DMARC record (v=DMARC1 first, exactly)?  False: another kind of TXT record, to
 * be discarded.  True fills *record; syntax errors behind v= are ignored in favour of defaults (RFC 7489 6.3).  Without
 * a valid p=, or with an invalid sp= (np=), it acts as p=none where rua= has a valid URI, else it is not usable
 * (RFC 7489 6.6.3); neither is one with a tag twice (RFC 6376 3.2). */
MUST_USE bool dmarc_record_parse(enum dmarc_text which, struct span text, struct dmarc_record *record);

/* dmarc_record_is_version - does text begin with the tag v=DMARC1?  What makes a TXT record one of ours, also where
 * a report's receiver agrees to get it (RFC 7489 7.1). */
bool dmarc_record_is_version(struct span text);
/* dmarc_record_tag - value of the first tag of that name; false when there is none. */
MUST_USE bool dmarc_record_tag(struct span text, struct span name, struct span *value);

/* dmarc_policy_name - "none", "quarantine", "reject".  dmarc_policy_read - the same back, in any case. */
const char *dmarc_policy_name(enum dmarc_policy policy);
MUST_USE bool dmarc_policy_read(struct span text, enum dmarc_policy *policy);

#endif
