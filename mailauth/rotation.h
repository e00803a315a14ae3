/* SPDX-License-Identifier: ISC */
/* rotation.h - a new key begins to sign once every authoritative name server shows it
 *
 * Nobody has to tell us that the record was published, and no DNS provider needs an interface: the key waits, we look.
 * What is not known never lets a key sign. */
#ifndef MAILAUTH_ROTATION_H
#define MAILAUTH_ROTATION_H

#include "lib/mailauth/dkim_published.h"
#include "lib/service/service.h"
#include "mailauth/keyring.h"

/* rotation_start - spawn the tasks that keep the keyring fresh and look for records of waiting keys: every
 * dkim_rotation_check_interval, and at once for a key that is new.  On the loop; keeps both. */
void rotation_start(struct service_run *run, struct keyring *keyring);

/* ---- its parts, for tests ---- */

struct rotation;

/* rotation_new - keeps all; way is copied. */
struct rotation *rotation_new(struct keyring *keyring, const struct dkim_published_way *way, uint64_t grace_s);
void rotation_free(struct rotation *r);
/* rotation_round - look for the record of each waiting key (or of each that no round has seen), and let those sign that are
 * shown everywhere.  Suspends. */
void rotation_round(struct rotation *r, bool only_new);

#endif
