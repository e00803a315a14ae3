/* SPDX-License-Identifier: ISC */
/* accepted.h - clients that a milter lately accepted when they connected (accept_memory of its settings)
 *
 * Such a milter has nothing to do for them: to ask it again with every session would cost each a connection. */
#ifndef MILTER_ACCEPTED_H
#define MILTER_ACCEPTED_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/span.h"

struct milter_accepted;

/* milter_accepted_new - of one process.  milter_accepted_free: NULL is allowed. */
struct milter_accepted *milter_accepted_new(void);
void milter_accepted_free(struct milter_accepted *a);
/* milter_accepted_add - remember it for so many seconds; when there is no room, the oldest is forgotten. */
void milter_accepted_add(struct milter_accepted *a, const char *milter, struct span client, uint64_t seconds);
/* milter_accepted_has - was that client accepted by that milter, and not too long ago? */
bool milter_accepted_has(struct milter_accepted *a, const char *milter, struct span client);

#endif
