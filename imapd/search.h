/* SPDX-License-Identifier: ISC */
/* search.h - search keys, and whether a message fits them */
#ifndef IMAPD_SEARCH_H
#define IMAPD_SEARCH_H

#include "imapd/parse.h"

enum search_kind {
	SEARCH_ALL,
	SEARCH_FLAG,		/* flags: has it */
	SEARCH_KEYWORD,		/* text: has it */
	SEARCH_SEQUENCE,
	SEARCH_UID,
	SEARCH_LARGER,
	SEARCH_SMALLER,
	SEARCH_BEFORE,		/* INTERNALDATE's day */
	SEARCH_ON,
	SEARCH_SINCE,
	SEARCH_YOUNGER,		/* seconds (RFC 5032) */
	SEARCH_OLDER,
	SEARCH_SENT_BEFORE,	/* from here on the message is opened */
	SEARCH_SENT_ON,
	SEARCH_SENT_SINCE,
	SEARCH_HEADER,		/* field contains text */
	SEARCH_BODY,
	SEARCH_TEXT,
	SEARCH_NOT,		/* of first */
	SEARCH_OR,		/* any of the list at first */
	SEARCH_AND,		/* all of the list at first */
};

struct search_key {
	enum search_kind    kind;
	uint16_t            flags;
	uint64_t            number;
	int64_t             day;
	struct span         field;	/* of SEARCH_HEADER */
	struct span         text;	/* folded (charset_fold) */
	struct sequence_set set;
	bool                needs_message;	/* it, or a key below it, opens the message */
	struct search_key  *first, *next;
};

struct search_request {
	struct search_key *root;	/* SEARCH_AND */
	bool               is_extended;	/* RETURN was given: answer by ESEARCH */
	bool               min, max, all, count;
	bool               bad_charset;	/* then root is NULL and the answer NO [BADCHARSET] */
};

enum { SEARCH_DEPTH_MAX = 32 };

/* search_parse - the arguments of SEARCH (RFC 3501 6.4.4, RFC 4731 3.1). */
MUST_USE bool search_parse(struct imap_parse *p, struct search_request *r);

#endif
