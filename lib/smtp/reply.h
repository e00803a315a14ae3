/* SPDX-License-Identifier: ISC */
/* reply.h - SMTP replies: lines of a server taken apart, ours put together (RFC 5321 4.2, RFC 2034) */
#ifndef SMTP_REPLY_H
#define SMTP_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/attributes.h"
#include "lib/base/span.h"
#include "lib/base/why.h"

enum { SMTP_REPLY_LINE_MAX = 510 };	/* RFC 5321 4.5.3.1.5, CRLF not counted */

struct smtp_reply_line {
	unsigned    code;	/* 200 to 599 */
	bool        is_last;	/* "250 " and not "250-" */
	struct span dsn;	/* "2.1.0", or empty; always of the class of code */
	struct span text;	/* behind code and dsn */
};

/* smtp_reply_line_parse - one line, without its line end.  False: not a reply. */
MUST_USE bool smtp_reply_line_parse(struct span line, struct smtp_reply_line *out);

/* smtp_reply_format - "CODE[ DSN] TEXT\r\n" into out, as a last line or ("CODE-") not; gives its length.  text is made
 * fit to send: control and 8-bit bytes become '?', and it is cut where the line would pass
 * SMTP_REPLY_LINE_MAX. */
size_t smtp_reply_format(char out[SMTP_REPLY_LINE_MAX + 2], unsigned code, bool is_last, struct span dsn,
                         struct span text);

/* smtp_dsn_parse - an enhanced status code (RFC 3463 2) at the start of s: its length, or 0. */
size_t smtp_dsn_parse(struct span s);
/* smtp_dsn_default - the code that says no more than the reply code: "5.0.0" for 5xx. */
const char *smtp_dsn_default(unsigned code);
/* smtp_outcome - 2xx and 3xx DONE, 4xx DEFER, 5xx REFUSE. */
enum outcome smtp_outcome(unsigned code);

#endif
