/* SPDX-License-Identifier: ISC */
/* libunbound.h - what programs with a libunbound context of their own share (dns, mailauth)
 *
 * Setting a context up from the dns_ parameters, and libunbound's results as lib/ipc/dns.h has answers.  Who uses
 * this links UNBOUND_LIBS and libconf. */
#ifndef NET_LIBUNBOUND_H
#define NET_LIBUNBOUND_H

#include <stdbool.h>

#include "lib/base/arena.h"
#include "lib/base/attributes.h"
#include "lib/base/span.h"
#include "lib/base/why.h"
#include "lib/conf/conf.h"
#include "lib/ipc/dns.h"

struct ub_ctx;
struct ub_result;

/* libunbound_setup - apply the dns_ parameters to a fresh context, which then resolves in a thread of its own.  Reads
 * resolv.conf and the trust anchors, asks nothing.  To be called before the sandbox. */
MUST_USE enum outcome libunbound_setup(struct ub_ctx *ctx, const struct conf *conf, struct why *why);

/* libunbound_name - name as it is asked: in lower case and without a trailing dot, in arena.  False for what cannot
 * be a name at all: that one does not exist, and need not be asked. */
MUST_USE bool libunbound_name(struct arena *arena, struct span name, struct span *asked);
/* libunbound_reply - what ub_resolve_async called back with, as a reply; its spans live in arena.  Borrows result,
 * which may be NULL. */
void libunbound_reply(struct arena *arena, int error, const struct ub_result *result, struct dns_reply *reply);
/* dns_reply_fail - no answer can be had now; keeps reason. */
void dns_reply_fail(struct dns_reply *reply, struct span reason);
/* dns_reply_no_name - the answer where libunbound_name is false. */
void dns_reply_no_name(struct dns_reply *reply);

#endif
