/* SPDX-License-Identifier: ISC */
/* tickets.c - keys of TLS session tickets, made here, rotated, never on disk
 *
 * A ticket can be read as long as its key is kept: two lifetimes behind the newest (RFC 5077 5.5 asks for keys that
 * change and are not stored). */
#include "tlsmgr/tlsmgr.h"

#include <string.h>

#include <openssl/crypto.h>

#include "lib/base/clock.h"
#include "lib/base/codec.h"
#include "lib/base/log.h"

static void add_newest(struct ticket_keys *t, uint64_t now_us)
{
	memmove(t->bytes + TICKET_KEY_BYTES, t->bytes, (TICKET_KEYS_KEPT - 1) * TICKET_KEY_BYTES);
	random_bytes(t->bytes, TICKET_KEY_BYTES);
	if (t->count < TICKET_KEYS_KEPT)
		t->count++;
	t->newest_since_us = now_us;
}

void ticket_keys_init(struct ticket_keys *t, uint64_t lifetime_us, uint64_t now_us)
{
	*t = (struct ticket_keys){ .lifetime_us = lifetime_us };
	t->bytes = OPENSSL_secure_zalloc(TICKET_KEYS_KEPT * TICKET_KEY_BYTES);
	if (t->bytes == NULL)
		log_fatal("no memory for ticket keys");
	add_newest(t, now_us);
}

struct span ticket_keys_at(struct ticket_keys *t, uint64_t now_us, uint64_t *valid_s)
{
	uint64_t age = now_us - t->newest_since_us;

	if (age >= t->lifetime_us * TICKET_KEYS_KEPT)	/* nobody asked for long: the old ones are too old */
		t->count = 0;
	if (age >= t->lifetime_us) {
		add_newest(t, now_us);
		age = 0;
	}
	*valid_s = (t->lifetime_us - age + CLOCK_SECOND_US - 1) / CLOCK_SECOND_US;
	return span_make(t->bytes, t->count * TICKET_KEY_BYTES);
}

void ticket_keys_free(struct ticket_keys *t)
{
	OPENSSL_secure_clear_free(t->bytes, TICKET_KEYS_KEPT * TICKET_KEY_BYTES);
	t->bytes = NULL;
}
