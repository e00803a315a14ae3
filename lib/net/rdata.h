/* SPDX-License-Identifier: ISC */
/* rdata.h - the answers of a dns_reply (lib/ipc/dns.h), taken apart strictly
 *
 * RDATA comes from strangers by way of the resolver.  Every reader checks all of its record: too short, too
 * long or malformed is false, and the caller treats the answer as if that record were not there. */
#ifndef NET_RDATA_H
#define NET_RDATA_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/attributes.h"
#include "lib/base/span.h"
#include "lib/net/address.h"

enum rr_type {
	RR_A = 1, RR_NS = 2, RR_CNAME = 5, RR_PTR = 12, RR_MX = 15, RR_TXT = 16, RR_AAAA = 28, RR_SRV = 33,
	RR_TLSA = 52,
};

/* rdata_next - next record of *answers; false at the end (and where the list is malformed). */
bool rdata_next(struct span *answers, struct span *rdata);
/* rdata_address - A or AAAA, told by its length; port 0. */
MUST_USE bool rdata_address(struct span rdata, struct net_address *out);
/* rdata_name - CNAME, PTR, NS: presentation form without trailing dot, in arena; the root is empty.  A byte that is not
 * printable, or is a dot or backslash inside a label, is written \DDD. */
MUST_USE bool rdata_name(struct arena *arena, struct span rdata, struct span *name);
/* rdata_mx - exchange as rdata_name: empty is the null MX (RFC 7505). */
MUST_USE bool rdata_mx(struct arena *arena, struct span rdata, unsigned *preference, struct span *exchange);
/* rdata_srv - RFC 2782; target empty: no service. */
MUST_USE bool rdata_srv(struct arena *arena, struct span rdata, unsigned *priority, unsigned *weight, unsigned *port,
                        struct span *target);
/* rdata_txt - its strings joined without anything between (RFC 7208 3.3). */
MUST_USE bool rdata_txt(struct arena *arena, struct span rdata, struct span *text);
/* rdata_tlsa - RFC 6698 2.1; data borrows rdata. */
MUST_USE bool rdata_tlsa(struct span rdata, unsigned *usage, unsigned *selector, unsigned *matching,
                         struct span *data);

#endif
