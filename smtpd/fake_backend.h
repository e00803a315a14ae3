/* SPDX-License-Identifier: ISC */
/* fake_backend.h - router, auth, dns and qmgr as tests want them: scripted answers in this process
 *
 * Domain example.test is ours (users u1 to u9, postmaster, abuse; "later" cannot be looked up now); relay.test is a
 * relay domain; user u1 has the password "secret".  "full" as a sender's local part fails the commit with 4.3.1.
 * Milters are scripted by their endpoints (fake_milter.h). */
#ifndef SMTPD_FAKE_BACKEND_H
#define SMTPD_FAKE_BACKEND_H

#include "lib/milter/fake_milter.h"
#include "smtpd/smtpd.h"

struct fake_backend {
	struct fake_milters milters;	/* endpoints are their scripts */
	unsigned   commits;
	struct buf content;	/* of the last committed message */
	struct buf envelope;	/* its sender, flags (and "held"), recipients, a blank between: "<a@b> 0 held c@d e@f " */
	int        leases[8];	/* memory files by number; -1: none */
	unsigned   most_leases;	/* at one time */
};

/* fake_backend_init - nothing committed yet.  fake_backend_free - gives its memory back, and closes the lease. */
void fake_backend_init(struct fake_backend *f);
void fake_backend_free(struct fake_backend *f);
/* fake_backend_connect, fake_backend_call - for struct smtpd_backend; user is the struct fake_backend. */
int fake_backend_connect(void *user, const char *endpoint, uint64_t deadline_us);
int fake_backend_call(void *user, const char *service, bool again_is_safe, const struct ipc_type *request_type,
                      const void *request, const struct ipc_type *reply_type, void *reply,
                      struct arena *arena, uint64_t deadline_us);

#endif
