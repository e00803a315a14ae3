/* SPDX-License-Identifier: ISC */
/* dmarc_store.h - what aggregate reports are made of: rows collected by policy domain and day
 *
 * One file a day (UTC) in a folder of its own: YYYY-MM-DD.db.  The collector keeps the file of the day under way, and
 * lets go of it when the day is over; who sends reports then opens it (dmarc_day_...).  Whatever is full drops and
 * counts: mail never waits for a report. */
#ifndef MAILAUTH_DMARC_STORE_H
#define MAILAUTH_DMARC_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/attributes.h"
#include "lib/base/span.h"
#include "lib/base/why.h"
#include "lib/mailauth/dmarc.h"
#include "lib/mailauth/dmarc_record.h"
#include "lib/mailauth/dmarc_row.h"

struct dmarc_store_settings {
	const char *folder;		/* kept */
	size_t      most_domains;	/* a day */
	size_t      most_rows;		/* a domain and day */
	uint64_t    most_bytes;		/* of entries a day; the file may be twice as large */
	size_t      most_pending_bytes;	/* in memory between two calls of dmarc_store_flush */
};

#define DMARC_STORE_STANDARD_LIMITS \
	.most_domains = 5000, .most_rows = 10000, .most_bytes = 64 << 20, .most_pending_bytes = 8 << 20

/* One message, for the report to the owner of policy_domain. */
struct dmarc_sample {
	struct span      policy_domain;
	struct span      record;	/* its text, as published */
	enum dmarc_text  which;
	struct dmarc_row row;		/* its count is not looked at */
};

/* dmarc_sample_of - what the verdict says for a report: domains, record, alignment, what is applied and why that is
 * less than asked.  The caller adds source, envelope, what SPF and DKIM said, and his own overrides.  Spans of verdict
 * are kept.  False: there is nothing to report (no record, no rua=, neither pass nor fail). */
MUST_USE bool dmarc_sample_of(const struct dmarc_verdict *verdict, enum dmarc_text which, struct dmarc_sample *sample);

struct dmarc_store_counts {
	uint64_t messages, dropped;	/* since dmarc_store_open */
};

struct dmarc_store;

/* dmarc_store_open - begin to collect into the folder, which is made if need be.  DEFER when it cannot be. */
MUST_USE enum outcome dmarc_store_open(const struct dmarc_store_settings *settings, struct dmarc_store **store,
                                       struct why *why);
/* dmarc_store_add - count one message, at the time given.  Any thread; touches no file and never waits for one.  False:
 * dropped, there are too many different ones since the last flush. */
bool dmarc_store_add(struct dmarc_store *store, const struct dmarc_sample *sample, uint64_t wall_us);
/* dmarc_store_flush - write what was added; to be called about every 10 seconds by one thread.  Blocks.  DEFER: not
 * written (dropped and counted). */
MUST_USE enum outcome dmarc_store_flush(struct dmarc_store *store, uint64_t wall_us, struct why *why);
/* dmarc_store_counts - what was added and dropped so far. */
void dmarc_store_counts(struct dmarc_store *store, struct dmarc_store_counts *counts);
/* dmarc_store_close - flush and let go; NULL is allowed. */
void dmarc_store_close(struct dmarc_store *store);

/* ---- days that are over ---- */

struct dmarc_day;

/* What a day's file knows of a policy domain.  Spans live in the arena. */
struct dmarc_day_domain {
	struct span     name;
	struct span     record;		/* the last that was seen */
	enum dmarc_text which;
	uint64_t        rows, messages;
	uint64_t        dropped;	/* messages that are in no row */
};

/* dmarc_day_of - the day (since 1970, UTC) of a moment.  dmarc_day_begin_s - its first second since 1970. */
int64_t dmarc_day_of(uint64_t wall_us);
uint64_t dmarc_day_begin_s(int64_t day);
/* dmarc_day_list - the days that have a file in folder, oldest first, in arena. */
void dmarc_day_list(struct arena *arena, const char *folder, int64_t **days, size_t *count);
/* dmarc_day_expire - remove the files of days before 'before', damaged ones too: nobody took their reports. */
void dmarc_day_expire(const char *folder, int64_t before);

/* dmarc_day_open - a day's file.  DEFER: the collector or another sender has it.  REFUSE: there is none. */
MUST_USE enum outcome dmarc_day_open(const char *folder, int64_t day, struct dmarc_day **opened, struct why *why);
/* dmarc_day_next_domain - the domain behind domain->name (empty at the start) in domain; false at the end. */
bool dmarc_day_next_domain(struct dmarc_day *day, struct arena *arena, struct dmarc_day_domain *domain);
/* dmarc_day_rewind - the next row is the first of this domain (kept). */
void dmarc_day_rewind(struct dmarc_day *day, struct span domain);
/* dmarc_day_next_row - the next of its rows; spans live in arena.  False at the end. */
bool dmarc_day_next_row(struct dmarc_day *day, struct arena *arena, struct dmarc_row *row);
/* dmarc_day_forget - the domain's report is sent: remove its rows, durably.  DEFER: they are still there. */
MUST_USE enum outcome dmarc_day_forget(struct dmarc_day *day, struct span domain, struct why *why);
/* dmarc_day_is_broken - has the file been found damaged?  What was read last may not be all. */
bool dmarc_day_is_broken(const struct dmarc_day *day);
/* dmarc_day_close - let go; a file without domains is removed, a damaged one set aside. */
void dmarc_day_close(struct dmarc_day *day);

#endif
