/* SPDX-License-Identifier: ISC */
/* idn.h - internationalized domain names as DNS knows them */
#ifndef SMTP_IDN_H
#define SMTP_IDN_H

#include "lib/base/arena.h"
#include "lib/base/span.h"

/* idn_to_ascii - domain with its U-labels as A-labels (RFC 5890 2.3.2.1, RFC 6531 3.2), in arena.  One that has no such
 * form, or is all US-ASCII, is given back as it is. */
struct span idn_to_ascii(struct arena *arena, struct span domain);

#endif
