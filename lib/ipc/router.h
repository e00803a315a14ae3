/* SPDX-License-Identifier: ISC */
/* router.h - what smtpd, qmgr, local and smtp ask the router */
#ifndef IPC_ROUTER_H
#define IPC_ROUTER_H

#include "lib/ipc/ipc.h"

/* Verdict on one recipient, complete: rewritten, classed, known or not, expanded, routed. */
enum route_verdict {
	ROUTE_OK,		/* deliver: transport and nexthop are set */
	ROUTE_EXPANDED,		/* virtual aliases made of it the addresses in 'expansion' (resolve each in turn) */
	ROUTE_UNKNOWN,		/* no such user: dsn and reason say what a client is told */
	ROUTE_ERROR,		/* the address can never work (error: transport, bad syntax): dsn and reason */
	ROUTE_DEFER,		/* a table or service failed: try later */
};

enum route_class { CLASS_LOCAL = 1, CLASS_VIRTUAL_ALIAS, CLASS_VIRTUAL_MAILBOX, CLASS_RELAY, CLASS_DEFAULT };

enum route_flags {
	ROUTE_FOR_CHECK = 1,	/* smtpd at RCPT: 'expansion' is not needed, only whether it exists */
	ROUTE_IS_SENDER = 2,	/* rewrite and class a sender address; nexthop is that of its domain */
	ROUTE_NO_ALIASES = 4,	/* the address came out of an expansion: do not expand it again */
};

/* recipient, sender: without <>, as bytes.  service: master.cf name of the asker (receive_override_options). */
#define RESOLVE_REQUEST(F, M) \
	F(M, SPAN, recipient) \
	F(M, SPAN, sender)    \
	F(M, U64,  flags)
IPC_DECLARE(resolve_request, RESOLVE_REQUEST);

/* expansion: addresses, each ended by NUL.  ttl_s: how long the answer may be reused. */
#define RESOLVE_REPLY(F, M)   \
	F(M, U64,  verdict)   \
	F(M, U64,  address_class) \
	F(M, SPAN, address)   \
	F(M, SPAN, transport) \
	F(M, SPAN, nexthop)   \
	F(M, SPAN, expansion) \
	F(M, SPAN, dsn)       \
	F(M, SPAN, reason)    \
	F(M, U64,  ttl_s)
IPC_DECLARE(resolve_reply, RESOLVE_REPLY);

/* Notice: who is at the other end.  The first message of each connection, sent by master before the asker gets its end;
 * a later one is ignored. */
#define ROUTER_ASKER(F, M) F(M, SPAN, program)
IPC_DECLARE(router_asker, ROUTER_ASKER);

/* Look key up in the tables named by the parameter 'maps' (e.g. "alias_maps"), of which each program may ask for those
 * it needs; or, for smtpd, in the one table "type:name" that stands in its restrictions or match lists. */
enum lookup_how {
	LOOKUP_EXACT,		/* one key, as it is */
	LOOKUP_ADDRESS,		/* the address key order of postfix-compat section 8 */
	LOOKUP_DOMAIN,		/* domain, then .parents */
};
#define LOOKUP_REQUEST(F, M) \
	F(M, SPAN, maps)     \
	F(M, SPAN, key)      \
	F(M, U64,  how)
IPC_DECLARE(lookup_request, LOOKUP_REQUEST);

enum lookup_status { LOOKUP_FOUND, LOOKUP_NOT_FOUND, LOOKUP_FAILED };
#define LOOKUP_REPLY(F, M)  \
	F(M, U64,  status)  \
	F(M, SPAN, value)   \
	F(M, U64,  ttl_s)
IPC_DECLARE(lookup_reply, LOOKUP_REPLY);

#endif
