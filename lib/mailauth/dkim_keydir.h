/* SPDX-License-Identifier: ISC */
/* dkim_keydir.h - private DKIM keys on disk: DIR/DOMAIN/SELECTOR.pem, and which of a domain's keys signs
 *
 * Keys of a type (RSA, Ed25519) are ordered by age: when their file was written last, then by selector.  The ACTIVE one is
 * the one that the state names (dkim_keystate.h); where it names none, or the file of that one is gone, the one that signed
 * last, or else the oldest: so the first key of a type signs at once.  Younger ones WAIT, older ones and those that the
 * state says so are RETIRED.
 *
 * Keys are for one reader, filter_owner, who writes the state as well; root writes the keys.  Folders are named by
 * domains in A-labels and lower case; symbolic links are not followed below DIR; what is no key is passed over with a line
 * in the log.  All of this blocks: offload it. */
#ifndef MAILAUTH_DKIM_KEYDIR_H
#define MAILAUTH_DKIM_KEYDIR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/arena.h"
#include "lib/base/why.h"
#include "lib/mailauth/dkim_keystate.h"
#include "lib/mailauth/dkim_signing_key.h"

struct dkim_keydir_limits {
	size_t   domains_max;
	size_t   keys_max;		/* of a domain */
	size_t   file_bytes_max;	/* of a key or a state */
	unsigned rsa_bits_min;
};

#define DKIM_KEYDIR_STANDARD_LIMITS { 10000, 100, 65536, 1024 }

struct dkim_keydir {
	const char               *path;		/* of the folders of domains */
	const char               *state_path;	/* of the states, a file a domain */
	struct dkim_keydir_limits limits;
};

/* A state of a file or folder: another one when it was changed. */
struct dkim_stamp {
	uint64_t inode, changed_ns, bytes;
};

struct dkim_stored_key {
	struct span             selector;
	struct dkim_signing_key key;
	enum dkim_key_state     state;
	uint64_t                since_s;	/* in that state, since 1970; 0: retired without having signed */
	uint64_t                made_ns;	/* when it was written */
	struct dkim_stamp       stamp;
};

struct dkim_key_domain {
	struct span             name;
	struct dkim_stored_key *key;	/* the oldest first */
	size_t                  count;
	struct dkim_stamp       stamp;	/* of the folder */
	bool                    has_fault;	/* a file in it could not be used as a key */
};

/* dkim_keydir_is_domain, dkim_keydir_is_selector - may be the name of a folder (A-labels in lower case), of a key (one label
 * of letters, digits and inner hyphens). */
bool dkim_keydir_is_domain(struct span name);
bool dkim_keydir_is_selector(struct span name);

/* dkim_keydir_domain - the keys of one domain; they live in arena.  What is the same file as in before (which may be NULL)
 * is not read again.  A domain without folder has no keys.  DEFER: something cannot be read now. */
MUST_USE enum outcome dkim_keydir_domain(const struct dkim_keydir *dir, struct arena *arena, struct span name,
                                         const struct dkim_key_domain *before, struct dkim_key_domain *domain,
                                         struct why *why);

/* dkim_keydir_activate - a waiting key signs from now on, durably, and the one that did retires.  REFUSE: it does not wait
 * any more. */
MUST_USE enum outcome dkim_keydir_activate(const struct dkim_keydir *dir, const struct dkim_key_domain *before,
                                           struct span name, struct span selector, uint64_t now_s,
                                           struct why *why);

/* Whom what is made belongs to. */
struct dkim_owner {
	bool  is_set;	/* else: who we are */
	uid_t uid;
	gid_t gid;
};

/* dkim_keydir_prepare_state - make the folder of the states, and the one above it, where they are missing. */
MUST_USE enum outcome dkim_keydir_prepare_state(const struct dkim_keydir *dir, struct dkim_owner owner,
                                                struct why *why);

/* dkim_keydir_generate - a new key: RSA of so many bits (2048 is usual), or Ed25519.  The caller frees it. */
MUST_USE enum outcome dkim_keydir_generate(enum dkim_key_type type, unsigned rsa_bits, struct dkim_signing_key *key,
                                           struct why *why);
/* dkim_keydir_store - write it as PKCS #8 for its owner alone, durably, as younger than made_after_ns.  Folders that are
 * missing are made.  REFUSE: there is a key of that selector. */
MUST_USE enum outcome dkim_keydir_store(const struct dkim_keydir *dir, struct span domain, struct span selector,
                                        const struct dkim_signing_key *key, uint64_t made_after_ns,
                                        struct dkim_owner owner, struct why *why);

#endif
