/* SPDX-License-Identifier: ISC */
/* dmarc_send.h - the day's work of a reporter: make the reports of all days that are over, and mail them
 *
 * A report that is sent is forgotten at once, durably; one that cannot be sent now stays for the next run, for some
 * days.  A run that is killed repeats at most the report under way, under the same report id. */
#ifndef MAILAUTH_DMARC_SEND_H
#define MAILAUTH_DMARC_SEND_H

#include "lib/base/attributes.h"
#include "lib/base/why.h"
#include "lib/mailauth/dmarc_destination.h"
#include "lib/mailauth/dmarc_report.h"
#include "lib/mailauth/lookup.h"

struct dmarc_send_settings {
	const char                  *folder;		/* of dmarc_store.h */
	const struct dmarc_reporter *reporter;
	const struct dmarc_psl      *psl;
	size_t                       most_destinations;	/* of a report */
	size_t                       most_questions;	/* to the DNS, of a report */
	int                          keep_days;		/* how long a report that cannot be sent is tried */
};

#define DMARC_SEND_STANDARD_LIMITS \
	.most_destinations = DMARC_DESTINATIONS_MAX, .most_questions = 100, .keep_days = 3

/* What the sender needs of the program it is in. */
struct dmarc_send_ways {
	/* begin, end - around the questions of one report: a way to ask with a budget of its own. */
	struct lookup (*begin)(void *user);
	void (*end)(void *user);
	/* mail - hand one mail (lines end in LF) to sendmail; null sender.  DEFER: later; REFUSE: never. */
	enum outcome (*mail)(void *user, struct span to, struct span mail, struct why *why);
	void *user;
};

struct dmarc_send_counts {
	unsigned reports;	/* sent to somebody */
	unsigned mails;
	unsigned refused;	/* nobody wants them, or they are too large */
	unsigned postponed;
};

/* dmarc_send - send what is due at the moment given.  DEFER: some were postponed, *why has the last reason.  Blocks. */
MUST_USE enum outcome dmarc_send(const struct dmarc_send_settings *settings, const struct dmarc_send_ways *ways,
                                 uint64_t wall_us, struct dmarc_send_counts *counts, struct why *why);

#endif
