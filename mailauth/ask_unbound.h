/* SPDX-License-Identifier: ISC */
/* ask_unbound.h - an asker with a libunbound of its own: one context a process, and a pump thread that hands out answers */
#ifndef MAILAUTH_ASK_UNBOUND_H
#define MAILAUTH_ASK_UNBOUND_H

#include "lib/base/attributes.h"
#include "lib/base/why.h"
#include "lib/conf/conf.h"
#include "mailauth/lookups.h"
#include "mailauth/rotation.h"

struct unbound;

/* unbound_new - set up from the dns_ parameters; at most dns_query_limit questions are under way at once.  To be
 * called before the sandbox.  NULL with why. */
struct unbound *unbound_new(const struct conf *conf, struct answers *answers, struct why *why);
/* unbound_start - start the pump thread; inside the sandbox, and in the process that asks (no fork behind it). */
MUST_USE enum outcome unbound_start(struct unbound *u, struct why *why);
/* unbound_free - end the thread.  No message may have look-ups any more. */
void unbound_free(struct unbound *u);
struct asker *unbound_asker(struct unbound *u);
/* unbound_rotation - questions of tasks, and to one name server alone: each with a context of its own that is thrown away.
 * Keeps conf. */
struct rotation_askers unbound_rotation(const struct conf *conf);

#endif
