/* SPDX-License-Identifier: ISC */
/* tlsmgr.h - what the files of tlsmgr share */
#ifndef TLSMGR_TLSMGR_H
#define TLSMGR_TLSMGR_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/span.h"
#include "lib/conf/conf.h"
#include "lib/tls/tls_signer.h"

/* ---- keys.c ---- */

struct key_store {
	struct tls_key **keys;
	size_t           count;
};

/* key_store_load - every private key that some service of master.cf may need.  Logs what it cannot read and goes on:
 * one bad file must not take TLS from all. */
void key_store_load(struct key_store *store, const struct conf *conf, const char *config_dir);
/* key_store_add_file - the keys of one file; how many, or -1 (logged). */
int key_store_add_file(struct key_store *store, const char *path);
/* key_store_find - by tls_key_id; NULL when not there. */
struct tls_key *key_store_find(const struct key_store *store, struct span id);
void key_store_free(struct key_store *store);

/* ---- tickets.c ---- */

enum { TICKET_KEY_BYTES = 80, TICKET_KEYS_KEPT = 3 };

/* The keys of session tickets, newest first: the newest makes tickets, the others read older ones. */
struct ticket_keys {
	unsigned char *bytes;	/* TICKET_KEYS_KEPT * TICKET_KEY_BYTES of secure memory */
	size_t         count;
	uint64_t       lifetime_us, newest_since_us;
};

/* ticket_keys_init - with one new key; times are microseconds of the monotonic clock.  Without secure memory the process
 * ends.  ticket_keys_free wipes. */
void ticket_keys_init(struct ticket_keys *t, uint64_t lifetime_us, uint64_t now_us);
/* ticket_keys_at - rotate when it is time; the keys as tls_ticket_keys_reply has them, and for how long (seconds). */
struct span ticket_keys_at(struct ticket_keys *t, uint64_t now_us, uint64_t *valid_s);
void ticket_keys_free(struct ticket_keys *t);

#endif
