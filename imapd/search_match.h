/* SPDX-License-Identifier: ISC */
/* search_match.h - whether a message of the selected folder fits search keys */
#ifndef IMAPD_SEARCH_MATCH_H
#define IMAPD_SEARCH_MATCH_H

#include "imapd/imapd.h"
#include "imapd/search.h"

/* search_prepare - resolve the sets and dates of all keys against the folder as it is now; false when a
 * sequence number is out of range. */
MUST_USE bool search_prepare(struct imap *s, struct search_key *root);
/* search_match - does message seq fit?  One that cannot be read fits no key about its content. */
bool search_match(struct imap *s, const struct search_key *root, uint32_t seq);

#endif
