/* SPDX-License-Identifier: ISC */
/* fetch.h - what a FETCH asks for */
#ifndef IMAPD_FETCH_H
#define IMAPD_FETCH_H

#include "imapd/parse.h"
#include "lib/mime/section.h"

enum fetch_kind {
	FETCH_UID,
	FETCH_FLAGS,
	FETCH_INTERNALDATE,
	FETCH_SIZE,
	FETCH_ENVELOPE,
	FETCH_BODY,		/* BODY without extension data */
	FETCH_BODYSTRUCTURE,
	FETCH_SECTION,		/* BODY[...] and the RFC822 items */
};

struct fetch_item {
	enum fetch_kind kind;
	struct section  section;
	struct span     label;	/* of a section in the reply: "BODY[TEXT]" or "RFC822" */
	bool            sets_seen, is_partial;
	uint64_t        offset, length;
};

struct fetch_request {
	struct sequence_set set;
	struct fetch_item  *items;	/* in the order asked */
	size_t              count;
	bool                sets_seen, has_flags, has_uid;
};

/* fetch_parse - the arguments of FETCH (RFC 3501 6.4.5). */
MUST_USE bool fetch_parse(struct imap_parse *p, struct fetch_request *r);

#endif
