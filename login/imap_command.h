/* SPDX-License-Identifier: ISC */
/* imap_command.h - the little of IMAP's grammar that is needed before login (RFC 3501 9)
 *
 * A command is gathered whole (its lines joined by CRLF, literals in their place), then taken apart. */
#ifndef LOGIN_IMAP_COMMAND_H
#define LOGIN_IMAP_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/arena.h"
#include "lib/base/span.h"

struct imap_command {
	struct span tag, name;
	struct span arguments;	/* behind the name, with the SP in front; empty when there are none */
};

/* imap_literal - does this line (without CRLF) end in a literal's head, {n} or {n+}?  RFC 7888 for the latter. */
bool imap_literal(struct span line, unsigned long long *size, bool *is_synchronizing);
/* imap_is_clean - no NUL and no 8-bit byte: what a line outside literals may hold. */
bool imap_is_clean(struct span line);
/* imap_command_parse - false: no usable tag or no name; tag is then empty when it cannot be used in an answer. */
bool imap_command_parse(struct span text, struct imap_command *command);
/* imap_astring - SP and an atom, a quoted string or a literal from the front of *rest; the value in arena. */
bool imap_astring(struct arena *arena, struct span *rest, struct span *value);

#endif
