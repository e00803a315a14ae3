/* SPDX-License-Identifier: ISC */
/* dns.h - what programs ask of the resolver process */
#ifndef IPC_DNS_H
#define IPC_DNS_H

#include "lib/ipc/ipc.h"

/* name: presentation form without trailing dot, US-ASCII (A-labels).  rr_type: number (1 A, 5 CNAME, 12 PTR, 15 MX,
 * 16 TXT, 28 AAAA, 33 SRV, 52 TLSA ...).  server: ask this name server (as dns_servers has it: "192.0.2.1:53",
 * "[2001:db8::1]:53") alone and believe no cache; empty: as usual. */
#define DNS_REQUEST(F, M) \
	F(M, SPAN, name)  \
	F(M, U64,  rr_type) \
	F(M, SPAN, server)
IPC_DECLARE(dns_request, DNS_REQUEST);

enum dns_status {
	DNS_FOUND,
	DNS_NO_DATA,	/* the name is there, not this type */
	DNS_NO_NAME,	/* NXDOMAIN */
	DNS_FAILED,	/* time-out, SERVFAIL, bogus: try later */
};

/* answers: per record, its length as a little-endian u16 and its RDATA, names in RDATA uncompressed.
 * canonical: the name at the end of the CNAME chain.  Parse with lib/net/rdata.h. */
#define DNS_REPLY(F, M)      \
	F(M, U64,  status)   \
	F(M, U64,  rcode)    \
	F(M, U64,  ttl_s)    \
	F(M, BOOL, is_secure) \
	F(M, BOOL, is_bogus) \
	F(M, SPAN, canonical) \
	F(M, SPAN, answers)  \
	F(M, SPAN, reason)
IPC_DECLARE(dns_reply, DNS_REPLY);

#endif
