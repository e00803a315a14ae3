/* SPDX-License-Identifier: ISC */
/* idn.c - through libidn2, by the rules of IDNA 2008 */
#include "lib/smtp/idn.h"

#include <idn2.h>

#include "lib/smtp/address.h"

struct span idn_to_ascii(struct arena *arena, struct span domain)
{
	uint8_t *ascii = NULL;

	if (!smtp_has_8bit(domain) || span_find(domain, '\0') != SPAN_NOT_FOUND)
		return domain;
	if (idn2_lookup_u8((const uint8_t *)arena_cstr(arena, domain), &ascii,
	                   IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) == IDN2_OK) {
		domain = arena_dup(arena, span_of((const char *)ascii));
		idn2_free(ascii);
	}
	return domain;
}
