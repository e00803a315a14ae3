/* SPDX-License-Identifier: ISC */
/* resolver.h - libunbound for tasks: one cache, equal questions asked once */
#ifndef DNS_RESOLVER_H
#define DNS_RESOLVER_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/attributes.h"
#include "lib/base/why.h"
#include "lib/conf/conf.h"
#include "lib/ipc/dns.h"

struct resolver;

/* resolver_new - set up from the dns_ parameters: reads resolv.conf and the trust anchors, asks nothing.
 * To be called before the sandbox.  NULL with why. */
struct resolver *resolver_new(const struct conf *conf, struct why *why);
/* resolver_start - spawn the task that hands out answers; inside the sandbox, on the loop: libunbound
 * makes its thread with the first question. */
void resolver_start(struct resolver *r);
/* resolver_stop - end that task; look-ups under way end as failed. */
void resolver_stop(struct resolver *r);
/* resolver_free - after the loop has ended. */
void resolver_free(struct resolver *r);

/* resolver_end - stop and free while the loop goes on.  Suspends. */
void resolver_end(struct resolver *r);

/* resolver_ask - answer one request within dns_timeout; spans of reply live in arena.  Suspends. */
void resolver_ask(struct resolver *r, const struct dns_request *request, struct arena *arena,
                  struct dns_reply *reply);

/* one_server_ask - the same from request->server alone, whatever is cached.  Suspends. */
void one_server_ask(const struct conf *conf, const struct dns_request *request, struct arena *arena,
                    struct dns_reply *reply);

/* resolver_under_way - different questions that wait for their answer. */
size_t resolver_under_way(const struct resolver *r);

#endif
