/* SPDX-License-Identifier: ISC */
/* hand_in.h - where reports become mail: the suite's submission socket, or another mail server */
#ifndef MAILAUTH_HAND_IN_H
#define MAILAUTH_HAND_IN_H

#include "lib/base/attributes.h"
#include "lib/base/span.h"
#include "lib/base/why.h"
#include "lib/conf/conf.h"

/* hand_in - one mail (lines end in LF) to one address, at dmarc_report_submission; with a null sender, so that no bounce
 * comes: a report that cannot be delivered is of use to nobody (RFC 7489 7.2.1).  DEFER: later; REFUSE: never.
 * Blocks. */
MUST_USE enum outcome hand_in(const struct conf *conf, struct span to, struct span mail, struct why *why);

#endif
