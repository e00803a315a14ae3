/* SPDX-License-Identifier: ISC */
/* dmarc_totals.h - what others report about a domain of ours, summed by day, reporter and source
 *
 * One Berkeley DB file, for one process at a time.  A report counts once, however often it is sent. */
#ifndef MAILAUTH_DMARC_TOTALS_H
#define MAILAUTH_DMARC_TOTALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/attributes.h"
#include "lib/base/buf.h"
#include "lib/base/span.h"
#include "lib/base/why.h"
#include "lib/mailauth/dmarc_read.h"
#include "lib/mailauth/dmarc_record.h"

struct dmarc_totals;

/* Messages of one source. */
struct dmarc_sums {
	uint64_t messages;
	uint64_t aligned;		/* DKIM or SPF aligned: they passed */
	uint64_t dkim_aligned, spf_aligned;
	uint64_t disposed[DMARC_POLICY_REJECT + 1];	/* by what was done, enum dmarc_policy */
};

/* dmarc_totals_open - the file at path, made if need be; at most most_entries are kept in it.  DEFER: another process
 * has it. */
MUST_USE enum outcome dmarc_totals_open(const char *path, uint64_t most_entries, struct dmarc_totals **totals,
                                        struct why *why);
/* dmarc_totals_close - let go of the file; NULL is allowed. */
void dmarc_totals_close(struct dmarc_totals *totals);

/* What became of a report. */
struct dmarc_taken {
	struct span domain, org_name, report_id;	/* in arena */
	uint64_t    begin_s, end_s;
	size_t      rows;
	uint64_t    messages;
	uint64_t    dropped;		/* messages without room in the file */
	bool        is_repeat;		/* it was here before: nothing added */
};

/* dmarc_totals_take - add the report in a mail (is_mail), or a bare one.  is_ours says whose reports are wanted; those
 * of others are refused: anybody may send a report on anything.  REFUSE: no report for us; DEFER: not stored. */
MUST_USE enum outcome dmarc_totals_take(struct dmarc_totals *totals, struct arena *arena, struct span bytes,
                                        bool is_mail, bool (*is_ours)(void *user, struct span domain), void *user,
                                        struct dmarc_taken *taken, struct why *why);
/* dmarc_totals_expire - forget what is of days before 'before' (since 1970). */
MUST_USE enum outcome dmarc_totals_expire(struct dmarc_totals *totals, int64_t before, struct why *why);

/* dmarc_totals_each - the sums of a domain from one day to another (both included), an entry a day, reporter and
 * source; what is given lives until give returns. */
void dmarc_totals_each(struct dmarc_totals *totals, struct span domain, int64_t from, int64_t to,
                       void (*give)(void *user, int64_t day, struct span org_name, struct span source,
                                    const struct dmarc_sums *sums), void *user);
/* dmarc_totals_summary - the same as a table for people: sources by the number of messages, at most most_lines. */
void dmarc_totals_summary(struct dmarc_totals *totals, struct span domain, int64_t from, int64_t to,
                          size_t most_lines, struct buf *out);

#endif
