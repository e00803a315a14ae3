/* SPDX-License-Identifier: ISC */
/* dmarc_from.c - whose name a message bears
 *
 * Reads hostile bytes.  Rules kept here: RFC 7489 6.6.1 (extract the author's domain), RFC 6854 2 (groups), RFC 6532 3
 * (U-labels).  What a mail reader might show counts: every address is taken, wherever it stands. */
#include "lib/mailauth/dmarc_from.h"

#include "lib/mailauth/dmarc_domain.h"
#include "lib/mime/address.h"

enum { VALUE_MAX = 64 * 1024, ADDRESSES_MAX = 1000 };

static const char *const texts[] = {
	[DMARC_FROM_OK] = "one author",
	[DMARC_FROM_MISSING] = "no address in From",
	[DMARC_FROM_REPEATED] = "several From fields",
	[DMARC_FROM_BAD] = "no domain name in From",
	[DMARC_FROM_TOO_MANY] = "too many domains in From",
};

const char *dmarc_from_text(enum dmarc_from from)
{
	return texts[from];
}

static bool is_listed(const struct span *domains, size_t count, struct span domain)
{
	for (size_t i = 0; i < count; i++)
		if (span_equal(domains[i], domain))
			return true;
	return false;
}

enum dmarc_from dmarc_from_domains(struct arena *arena, const struct span *values, size_t value_count, size_t most,
                                   struct span **domains, size_t *count)
{
	struct mime_address *a;
	size_t addresses = 0;

	*count = 0;
	*domains = ARENA_NEW_ARRAY(arena, struct span, most + 1);
	if (value_count != 1)
		return value_count == 0 ? DMARC_FROM_MISSING : DMARC_FROM_REPEATED;
	if (values[0].len > VALUE_MAX)
		return DMARC_FROM_BAD;
	for (a = mime_addresses(arena, values[0], ADDRESSES_MAX); a != NULL; a = a->next) {
		struct span domain;

		if (++addresses == ADDRESSES_MAX)
			return DMARC_FROM_TOO_MANY;
		if (a->kind != MIME_MAILBOX || a->domain.len == 0)
			continue;
		if (!dmarc_domain_normal(arena, a->domain, &domain))
			return DMARC_FROM_BAD;
		if (is_listed(*domains, *count, domain))
			continue;
		if (*count == most)
			return DMARC_FROM_TOO_MANY;
		(*domains)[(*count)++] = domain;
	}
	return *count != 0 ? DMARC_FROM_OK : DMARC_FROM_MISSING;
}
