/* SPDX-License-Identifier: ISC */
/* xtext.h - ESMTP parameters, and the xtext encoding their values use (RFC 5321 4.1.2, RFC 3461 4) */
#ifndef SMTP_XTEXT_H
#define SMTP_XTEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/attributes.h"
#include "lib/base/span.h"

/* esmtp_param_next - the next "keyword" or "keyword=value" of rest.  False at the end and where the text is
 * no parameter: *bad says which. */
bool esmtp_param_next(struct span *rest, struct span *keyword, struct span *value, bool *has_value,
                      bool *bad);

/* xtext_is_valid - printable US-ASCII but '+' and '=', or "+XX" in upper-case hexadecimal (either case
 * is taken). */
bool xtext_is_valid(struct span s);
struct span xtext_encode(struct arena *arena, struct span s);
/* xtext_decode - false when not valid. */
MUST_USE bool xtext_decode(struct arena *arena, struct span s, struct span *out);

/* dsn_notify_parse - value of NOTIFY= (RFC 3461 4.1) as bits of enum notify (lib/queue/envelope.h: NEVER 1,
 * SUCCESS 2, FAILURE 4, DELAY 8).  False when malformed. */
MUST_USE bool dsn_notify_parse(struct span value, uint32_t *notify);
/* dsn_notify_text - the bits as NOTIFY= spells them; empty for none. */
struct span dsn_notify_text(struct arena *arena, uint32_t notify);
/* dsn_orcpt_is_valid - "type;xtext" (RFC 3461 4.2; RFC 6533 3 adds utf-8 forms). */
bool dsn_orcpt_is_valid(struct span value);

#endif
