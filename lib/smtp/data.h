/* SPDX-License-Identifier: ISC */
/* data.h - the line rule of message data, both ways (RFC 5321 2.3.7, 2.3.8, 4.5.2)
 *
 * Only CRLF ends a line, and only CRLF . CRLF ends the data, whatever is done about bare CR and LF: what others
 * may take for an end is never one here (SMTP smuggling).  Works on pieces cut anywhere. */
#ifndef SMTP_DATA_H
#define SMTP_DATA_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/attributes.h"
#include "lib/base/buf.h"
#include "lib/base/span.h"

enum smtp_data_state {
	SMTP_DATA_LINE_START,
	SMTP_DATA_DOT,		/* a dot stands first in the line */
	SMTP_DATA_DOT_CR,
	SMTP_DATA_TEXT,
	SMTP_DATA_CR,
	SMTP_DATA_END,
};

struct smtp_data_reader {
	enum smtp_data_state state;
	bool   is_dotted;		/* DATA: dots are stuffed and end it; BDAT: they are just bytes */
	bool   keep_bare;		/* leave bare CR and LF as they are; else LF becomes CRLF, CR a blank */
	bool   after_crlf;		/* the present line began after a real CRLF (or is the first) */
	bool   bare_cr, bare_lf;	/* seen */
};

/* smtp_data_begin - is_dotted: DATA.  keep_bare: smtpd_forbid_bare_newline = no or note. */
void smtp_data_begin(struct smtp_data_reader *r, bool is_dotted, bool keep_bare);
/* smtp_data_feed - decode bytes into out (appended); gives how many were used: all of them, unless the data ended
 * (r->state is SMTP_DATA_END): what follows is the next command's. */
size_t smtp_data_feed(struct smtp_data_reader *r, struct span bytes, struct buf *out);
/* smtp_data_finish - BDAT LAST: a CR that was left open is bare; the content ends in a line end. */
void smtp_data_finish(struct smtp_data_reader *r, struct buf *out);

/* smtp_data_stuff - wire-format content (CRLF) as DATA wants it: a dot before each dot that begins a line.  at_line_start
 * is carried from piece to piece and begins true.  Bare CR and LF are not looked for: content has none. */
void smtp_data_stuff(struct span content, bool *at_line_start, struct buf *out);

#endif
