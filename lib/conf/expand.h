/* SPDX-License-Identifier: ISC */
/* expand.h - $name, ${name?text} and kin
 *
 * The forms of postfix-compat 1.  conf.c uses it for values of main.cf; local and smtpd for texts with
 * names of their own (mailbox_command, default_rbl_reply). */
#ifndef CONF_EXPAND_H
#define CONF_EXPAND_H

#include <stdbool.h>

#include "lib/base/attributes.h"
#include "lib/base/buf.h"
#include "lib/base/span.h"

struct expander {
	/* find - the value of name; false when undefined (it then counts as empty). */
	bool (*find)(void *user, struct span name, struct span *value);
	void *user;
	bool  is_recursive;	/* values may refer to other names; never with values from the network */
	unsigned steps;		/* references followed so far: bounds the work; private */
	const char *error;	/* set when expand_text fails: what is wrong, a constant */
};

/* expand_text - append text with its references replaced to out.  False: x->error says what is wrong
 * (bad syntax, nested too deep, past out's limit). */
MUST_USE bool expand_text(struct expander *x, struct span text, struct buf *out);

/* expand_level_compare - compatibility levels ("3.6") in version order: <0, 0, >0; false when malformed. */
MUST_USE bool expand_level_compare(struct span a, struct span b, int *order);

#endif
