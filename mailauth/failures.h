/* SPDX-License-Identifier: ISC */
/* failures.h - DMARC failure reports: a domain that asks is told of single messages (RFC 7489 7.3); off by default
 *
 * Reports wait in memory, a bounded number of them, and are sent within seconds: one that is lost with the process, or
 * that cannot be sent, is no loss worth a file.  A domain gets a bounded number an hour: a flood of forged mail must not
 * become one of reports. */
#ifndef MAILAUTH_FAILURES_H
#define MAILAUTH_FAILURES_H

#include "lib/conf/conf.h"

struct failures;
struct judgement;
struct message;

/* failures_new - NULL where dmarc_failure_reports is off.  Before the threads. */
struct failures *failures_new(const struct conf *conf);
/* failures_start - spawn the task that sends them.  f may be NULL. */
void failures_start(struct failures *f);
/* failures_note - a message was judged: remember to tell of it, where that is wanted.  Any thread; waits for
 * nothing.  f may be NULL. */
void failures_note(struct failures *f, struct message *m, const struct judgement *j);

#endif
