/* SPDX-License-Identifier: ISC */
/* parse.h - the grammar of IMAP commands, over the whole text of one command
 *
 * The text holds its literals in place ("{3}\r\nabc"), so no function here reads or waits.  Each take
 * function gives false and says why in p->error where the text is not what it wants; p->rest is then of no use. */
#ifndef IMAPD_PARSE_H
#define IMAPD_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/attributes.h"
#include "lib/base/span.h"

struct imap_parse {
	struct span   rest;
	struct arena *arena;
	const char   *error;	/* for the BAD reply */
};

/* A range of numbers; SEQUENCE_STAR stands for '*'. */
#define SEQUENCE_STAR UINT32_MAX
struct sequence_range {
	uint32_t first, last;
};
struct sequence_set {
	struct sequence_range *ranges;
	size_t                 count;
};

/* Flags of STORE and APPEND: system flags as bits of enum mail_flag, keywords by name. */
struct flag_list {
	uint16_t     flags;
	struct span *keywords;
	size_t       keyword_count;
};

/* imap_fail - note what is wrong; always false.  imap_at - the next byte is c.  imap_at_end - nothing
 * is left. */
bool imap_fail(struct imap_parse *p, const char *error);
bool imap_at(const struct imap_parse *p, char c);
bool imap_at_end(const struct imap_parse *p);
/* imap_take_byte, imap_take_space - exactly this byte. */
MUST_USE bool imap_take_byte(struct imap_parse *p, char c);
MUST_USE bool imap_take_space(struct imap_parse *p);
/* imap_take_end - the command ends here. */
MUST_USE bool imap_take_end(struct imap_parse *p);
/* imap_take_word - take it when it stands here as a whole word, in any case; no error when not. */
bool imap_take_word(struct imap_parse *p, struct span word);
MUST_USE bool imap_take_atom(struct imap_parse *p, struct span *out);
MUST_USE bool imap_take_string(struct imap_parse *p, struct span *out);
MUST_USE bool imap_take_astring(struct imap_parse *p, struct span *out);
/* imap_take_nstring - out->ptr NULL for NIL. */
MUST_USE bool imap_take_nstring(struct imap_parse *p, struct span *out);
MUST_USE bool imap_take_number(struct imap_parse *p, uint64_t most, uint64_t *out);
/* imap_take_mailbox - a folder's name in UTF-8; INBOX in upper case.  A name that is not modified UTF-7 is
 * given with ptr NULL: the command answers NO. */
MUST_USE bool imap_take_mailbox(struct imap_parse *p, struct span *out);
/* imap_take_pattern - list-mailbox of LIST, as sent. */
MUST_USE bool imap_take_pattern(struct imap_parse *p, struct span *out);
MUST_USE bool imap_take_sequence(struct imap_parse *p, struct sequence_set *out);
/* imap_take_flags - "(\Seen word)", or without parentheses when bare is allowed. */
MUST_USE bool imap_take_flags(struct imap_parse *p, bool bare, struct flag_list *out);
/* imap_take_date - "1-Feb-1994" in quotes or not: days since 1970. */
MUST_USE bool imap_take_date(struct imap_parse *p, int64_t *day);
/* imap_take_date_time - the quoted date of APPEND: seconds since 1970. */
MUST_USE bool imap_take_date_time(struct imap_parse *p, int64_t *seconds);

/* sequence_resolve - set with '*' as max, in ascending disjoint ranges (in place). */
void sequence_resolve(struct sequence_set *set, uint32_t max);

struct literal_mark {
	uint64_t size;
	size_t   offset;	/* of the '{' */
	bool     is_sync;	/* the client waits for our "+" */
};
/* imap_literal_mark - find a literal's announcement at the very end of text ("{12}" or "{12+}"). */
bool imap_literal_mark(struct span text, struct literal_mark *mark);

#endif
