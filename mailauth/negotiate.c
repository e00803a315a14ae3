/* SPDX-License-Identifier: ISC */
/* negotiate.c - what we ask of a mail server: the steps and macros we read, and to wait for as few replies as can be */
#include <pthread.h>
#include <stdlib.h>

#include "lib/base/hash.h"
#include "lib/base/log.h"
#include "mailauth/keyring.h"
#include "mailauth/mailauth.h"

enum { CONNECTIONS_KNOWN = 65536 };

/* What was agreed with each server connection.  It outlives the sessions on it (SMFIC_QUIT_NC ends one and keeps the
 * connection), and libmilter tells no end of a connection apart from the end of a session; so an entry stays until
 * the same address is a new connection's. */
static struct {
	pthread_mutex_t lock;
	struct hash    *steps;	/* by connection */
} agreed = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void agree(SMFICTX *ctx, unsigned long steps)
{
	unsigned long *value = malloc(sizeof(*value));

	if (value == NULL)
		log_fatal("out of memory");
	*value = steps;
	pthread_mutex_lock(&agreed.lock);
	if (agreed.steps != NULL && hash_count(agreed.steps) >= CONNECTIONS_KNOWN) {
		hash_free(agreed.steps, free);
		agreed.steps = NULL;
	}
	if (agreed.steps == NULL)
		agreed.steps = hash_new();
	free(hash_put(agreed.steps, span_make(&ctx, sizeof(ctx)), value));
	pthread_mutex_unlock(&agreed.lock);
}

unsigned long negotiated_steps(SMFICTX *ctx)
{
	const unsigned long *value = NULL;
	unsigned long steps;

	pthread_mutex_lock(&agreed.lock);
	if (agreed.steps != NULL)
		value = hash_get(agreed.steps, span_make(&ctx, sizeof(ctx)));
	steps = value != NULL ? *value : 0;
	pthread_mutex_unlock(&agreed.lock);
	return steps;
}

static const struct {
	int         stage;
	const char *names;
} macros[] = {
	{ SMFIM_CONNECT, "j {daemon_name} _ {client_resolve}" },
	{ SMFIM_HELO, "" },
	{ SMFIM_ENVFROM, "{auth_authen}" },
	{ SMFIM_ENVRCPT, "" },
	{ SMFIM_DATA, "" },
	{ SMFIM_EOM, "i" },
	{ SMFIM_EOH, "" },
};

sfsistat negotiate(SMFICTX *ctx, unsigned long actions, unsigned long steps, UNUSED unsigned long f2,
                   UNUSED unsigned long f3, unsigned long *want_actions, unsigned long *want_steps,
                   unsigned long *want_f2, unsigned long *want_f3)
{
	const unsigned long needed = SMFIF_ADDHDRS | SMFIF_CHGHDRS;
	const unsigned long useless = SMFIP_NOUNKNOWN | SMFIP_NODATA;
	/* Without keys we may take our leave when a client connects. */
	const unsigned long quiet = (keyring_has_keys(mailauth.keyring) ? SMFIP_NR_CONN : 0) | SMFIP_NR_HELO |
	                            SMFIP_NR_MAIL | SMFIP_NR_RCPT | SMFIP_NR_HDR | SMFIP_NR_EOH | SMFIP_NR_BODY;

	if ((actions & needed) != needed) {
		log_error("the mail server does not let us change header fields");
		return SMFIS_REJECT;
	}
	*want_actions = needed | (actions & SMFIF_QUARANTINE);
	*want_steps = steps & (useless | quiet | SMFIP_HDR_LEADSPC);
	*want_f2 = *want_f3 = 0;
	for (size_t i = 0; i < COUNT_OF(macros) && (actions & SMFIF_SETSYMLIST) != 0; i++)
		(void)smfi_setsymlist(ctx, macros[i].stage, writable(macros[i].names));
	agree(ctx, *want_steps);
	return SMFIS_CONTINUE;
}
