/* SPDX-License-Identifier: ISC */
/* reports_send.h - the reports of days that are over, made and handed in as mail */
#ifndef MAILAUTH_REPORTS_SEND_H
#define MAILAUTH_REPORTS_SEND_H

#include "lib/conf/conf.h"

/* reports_send_due - send what is due of each day in folder that is over, within the limits of the parameters; what cannot
 * be sent now stays for the next call.  Suspends; the work is done on a thread of the pool. */
void reports_send_due(const struct conf *conf, const char *folder);

#endif
