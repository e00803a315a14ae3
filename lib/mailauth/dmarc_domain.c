/* SPDX-License-Identifier: ISC */
/* dmarc_domain.c - domains as DMARC compares them, and organisations by the public suffix list
 *
 * Names come from hostile messages: they are in normal form (A-labels, lower case) before anything else sees them. */
#include "lib/mailauth/dmarc_domain.h"

#include <idn2.h>
#include <libpsl.h>
#include <stdlib.h>

#include "lib/smtp/address.h"

enum { DOMAIN_TEXT_MAX = 1020 };	/* a name of 255 bytes as U-labels is not longer */

/* to_ascii - U-labels as A-labels (RFC 5891 5). */
static bool to_ascii(struct arena *arena, struct span name, struct span *ascii)
{
	const uint8_t *text = (const uint8_t *)arena_cstr(arena, name);
	uint8_t *out = NULL;

	if (idn2_lookup_u8(text, &out, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK)
		return false;
	*ascii = arena_dup(arena, span_make(out, strlen((const char *)out)));
	idn2_free(out);
	return true;
}

bool dmarc_domain_normal(struct arena *arena, struct span name, struct span *normal)
{
	name = span_trim(name);
	if (span_ends(name, span_lit(".")))
		name.len--;
	if (name.len > DOMAIN_TEXT_MAX || span_find(name, '\0') != SPAN_NOT_FOUND)
		return false;
	if (smtp_has_8bit(name) && (!smtp_utf8_is_valid(name) || !to_ascii(arena, name, &name)))
		return false;
	if (!smtp_domain_is_valid(name, false))
		return false;
	*normal = arena_lower(arena, name);
	return true;
}

bool dmarc_domain_is_below(struct span name, struct span domain)
{
	return span_ends(name, domain) &&
	       (name.len == domain.len || name.ptr[name.len - domain.len - 1] == '.');
}

size_t dmarc_domain_labels(struct span name)
{
	size_t labels = name.len != 0;

	for (size_t i = 0; i < name.len; i++)
		labels += name.ptr[i] == '.';
	return labels;
}

struct span dmarc_domain_last(struct span name, size_t n)
{
	for (size_t i = name.len; i > 0; i--)
		if (name.ptr[i - 1] == '.' && --n == 0)
			return span_skip(name, i);
	return name;
}

/* ---- the public suffix list ---- */

struct dmarc_psl {
	psl_ctx_t *list;
};

struct dmarc_psl *dmarc_psl_open(const char *path, struct why *why)
{
	struct dmarc_psl *psl = calloc(1, sizeof(*psl));

	if (psl == NULL)
		abort();
	psl->list = path != NULL ? psl_load_file(path) : psl_latest(NULL);
	if (psl->list != NULL)
		return psl;
	free(psl);
	(void)why_set(why, REFUSE, "", "no public suffix list%s%s", path != NULL ? " in " : " on this system",
	              path != NULL ? path : "");
	return NULL;
}

void dmarc_psl_close(struct dmarc_psl *psl)
{
	if (psl != NULL)
		psl_free(psl->list);
	free(psl);
}

struct span dmarc_psl_organization(const struct dmarc_psl *psl, struct arena *arena, struct span name)
{
	const char *text = arena_cstr(arena, name);
	const char *registered = psl_registrable_domain(psl->list, text);

	return registered != NULL ? span_skip(name, (size_t)(registered - text)) : name;
}
