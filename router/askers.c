/* SPDX-License-Identifier: ISC */
/* askers.c - which program may look into which tables
 *
 * Passwords of relay hosts are for smtp alone: a program that was taken over learns no more than it needs. */
#include "router/router.h"

static const char *const smtpd_maps[] = { "smtpd_sender_login_maps", NULL };
static const char *const smtp_maps[] = { "smtp_sasl_password_maps", "smtp_tls_policy_maps", NULL };
static const char *const local_maps[] = {
	"alias_maps", "virtual_mailbox_maps", "virtual_uid_maps", "virtual_gid_maps", NULL
};

static const struct {
	const char        *program;
	const char *const *maps;
} askers[] = {
	{ "smtpd", smtpd_maps },
	{ "smtp", smtp_maps },
	{ "local", local_maps },
};

const char *router_asker_find(struct span program)
{
	for (size_t i = 0; i < COUNT_OF(askers); i++)
		if (span_equal(program, span_of(askers[i].program)))
			return askers[i].program;
	return "other";
}

bool router_may_ask(const struct router *r, const char *asker, struct span maps)
{
	for (size_t i = 0; i < COUNT_OF(askers) && asker != NULL; i++) {
		if (strcmp(askers[i].program, asker) != 0)
			continue;
		for (const char *const *name = askers[i].maps; *name != NULL; name++)
			if (span_equal(maps, span_of(*name)))
				return true;
	}
	return asker != NULL && strcmp(asker, "smtpd") == 0 && router_smtpd_table(r, maps) != NULL;
}
