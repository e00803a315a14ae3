/* SPDX-License-Identifier: ISC */
/* keyring.h - the private keys that mail is signed with, for all threads
 *
 * A ring is a snapshot that never changes: a thread holds it while it signs a message.  The loop looks every few seconds
 * whether the folders of keys have changed, and then puts a new ring in its place; so a new key needs no reload. */
#ifndef MAILAUTH_KEYRING_H
#define MAILAUTH_KEYRING_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/attributes.h"
#include "lib/base/span.h"
#include "lib/base/why.h"
#include "lib/conf/conf.h"
#include "lib/mailauth/dkim_keyset.h"
#include "lib/mailauth/dkim_signing_key.h"
#include "lib/sandbox/sandbox.h"

struct keyring;
struct ring;

struct ring_key {
	struct span             domain;		/* A-labels in lower case */
	struct span             selector;
	struct dkim_signing_key key;
};

/* keyring_new - read dkim_key_directory, which may be missing, and make the folder of states in data_directory, for whom we
 * will be in the sandbox; before that.  Keeps conf.  NULL with why. */
struct keyring *keyring_new(const struct conf *conf, struct dkim_owner owner, struct why *why);
/* keyring_free - nobody holds a ring any more; the loop has ended. */
void keyring_free(struct keyring *k);
/* keyring_allow - add to the sandbox what the keyring opens later. */
void keyring_allow(const struct keyring *k, struct sandbox *s);

/* keyring_hold - the ring of now; by any thread.  keyring_release: give it back. */
const struct ring *keyring_hold(struct keyring *k) RETURNS_NONNULL;
void keyring_release(struct keyring *k, const struct ring *ring);

/* keyring_has_keys - there is one at least; by any thread. */
bool keyring_has_keys(struct keyring *k);

/* ring_is_empty - there is no key at all. */
bool ring_is_empty(const struct ring *ring);
/* ring_active - the keys that sign for a domain (A-labels in lower case): one of RSA, one of Ed25519, either, or none. */
const struct ring_key *ring_active(const struct ring *ring, struct span domain, size_t *count);
/* ring_key - one key, whatever its state; NULL: it is not there. */
const struct ring_key *ring_key(const struct ring *ring, struct span domain, struct span selector);
/* ring_keys - all of them with their states. */
const struct dkim_keyset *ring_keys(const struct ring *ring);

/* ---- on the loop ---- */

/* keyring_start - spawn the task that looks for changes. */
void keyring_start(struct keyring *k);
/* keyring_renew - read the folders now.  Suspends. */
void keyring_renew(struct keyring *k);
/* keyring_serial - another number with each new ring.  keyring_wait - until it is not serial, or the deadline.
 * Suspends. */
uint64_t keyring_serial(const struct keyring *k);
void keyring_wait(struct keyring *k, uint64_t serial, uint64_t deadline_us);
/* keyring_folder - where its keys and states are. */
const struct dkim_keydir *keyring_folder(const struct keyring *k);

#endif
