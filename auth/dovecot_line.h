/* SPDX-License-Identifier: ISC */
/* dovecot_line.h - lines of Dovecot's auth client protocol, version 1 */
#ifndef AUTH_DOVECOT_LINE_H
#define AUTH_DOVECOT_LINE_H

#include <stdbool.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/span.h"

enum dovecot_verb {
	DOVECOT_IGNORE,	/* CPID and what later versions add */
	DOVECOT_VERSION,
	DOVECOT_AUTH,
	DOVECOT_CONT,
	DOVECOT_CANCEL,
	DOVECOT_BAD,	/* malformed: the connection ends */
};

struct dovecot_line {
	enum dovecot_verb  verb;
	unsigned long long id;
	unsigned long long version;
	struct span        mechanism, service, remote_address, local_address;
	bool               is_secured, has_response;
	struct span        response;	/* decoded */
};

/* dovecot_line_parse - text without its LF; unescaped copies are in arena. */
void dovecot_line_parse(struct arena *arena, struct span text, struct dovecot_line *line);
/* dovecot_add_field - TAB and the value, escaped; name may be "". */
void dovecot_add_field(struct buf *out, const char *name, struct span value);

#endif
