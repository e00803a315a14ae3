/* SPDX-License-Identifier: ISC */
/* reports.h - DMARC aggregate reports: what was found is collected, and sent when the day is over (RFC 7489 7.2) */
#ifndef MAILAUTH_REPORTS_H
#define MAILAUTH_REPORTS_H

#include "lib/conf/conf.h"

struct judgement;
struct message;
struct reports;

/* reports_new - collect below the folder; NULL where dmarc_aggregate_reports is off, or nothing can be written there
 * (logged).  Before the threads. */
struct reports *reports_new(const struct conf *conf, const char *folder);
/* reports_start - spawn the task that writes what was collected and sends what is due.  r may be NULL. */
void reports_start(struct reports *r);
/* reports_note - count one message.  Any thread; waits for nothing.  r may be NULL. */
void reports_note(struct reports *r, const struct message *m, const struct judgement *j);
/* reports_stop - the process will end: write what was collected, let go of the files for the next one.  Blocks for a
 * write.  r may be NULL. */
void reports_stop(struct reports *r);

#endif
