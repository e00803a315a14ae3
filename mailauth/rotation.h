/* SPDX-License-Identifier: ISC */
/* rotation.h - a new key begins to sign once every authoritative name server shows it
 *
 * Nobody has to tell us that the record was published, and no DNS provider needs an interface: the key waits, we look.
 * What is not known never lets a key sign. */
#ifndef MAILAUTH_ROTATION_H
#define MAILAUTH_ROTATION_H

#include "lib/mailauth/dkim_published.h"
#include "mailauth/keyring.h"

/* How it asks, on the loop; both may suspend.  lookup: as usual; ask_server: as struct dkim_published_way has it. */
struct rotation_askers {
	struct lookup lookup;
	void (*ask_server)(void *user, struct span server, struct span name, enum rr_type rr_type, struct arena *arena,
	                   struct lookup_answer *answer);
};

/* rotation_start - spawn the tasks that keep the keyring fresh and look for records of waiting keys: every
 * dkim_rotation_check_interval, and at once for a key that is new.  On the loop; keeps conf and keyring. */
void rotation_start(const struct conf *conf, struct keyring *keyring, const struct rotation_askers *askers);

/* ---- its parts, for tests ---- */

struct rotation;

/* rotation_new - keeps all; way is copied. */
struct rotation *rotation_new(struct keyring *keyring, const struct dkim_published_way *way, uint64_t grace_s);
void rotation_free(struct rotation *r);
/* rotation_round - look for the record of each waiting key (or of each that no round has seen), and let those sign that are
 * shown everywhere.  Suspends. */
void rotation_round(struct rotation *r, bool only_new);

#endif
