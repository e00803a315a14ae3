/* SPDX-License-Identifier: ISC */
/* lookup.h - what the checks of this folder ask of the DNS
 *
 * Nothing here opens a socket or reads a clock: who calls a check gives it a way to ask.  In mailauth that is our
 * dns program or a libunbound of its own, in tests a script.  The asker bounds all look-ups of a message together (5 s, reliability
 * C16): past that every answer is DNS_FAILED, which a check turns into temperror, never into fail. */
#ifndef MAILAUTH_LOOKUP_H
#define MAILAUTH_LOOKUP_H

#include <stdbool.h>

#include "lib/base/arena.h"
#include "lib/base/span.h"
#include "lib/ipc/dns.h"
#include "lib/net/rdata.h"

struct lookup_answer {
	enum dns_status status;
	bool            is_secure;
	struct span     records;	/* as dns_reply.answers: read with rdata_next and kin */
};

struct lookup {
	/* ask - records of rr_type at name (presentation form, without trailing dot, US-ASCII).  Spans of answer live
	 * in arena.  May block or suspend; never fails otherwise than by DNS_FAILED. */
	void (*ask)(void *user, struct span name, enum rr_type rr_type, struct arena *arena,
	            struct lookup_answer *answer);
	/* expect - these will be asked soon: a hint to fetch them meanwhile.  NULL: not wanted. */
	void (*expect)(void *user, struct span name, enum rr_type rr_type);
	void *user;
};

#endif
