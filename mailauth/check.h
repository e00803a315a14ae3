/* SPDX-License-Identifier: ISC */
/* check.h - one check of lib/mailauth as a command, for tests and the conformance suites */
#ifndef MAILAUTH_CHECK_H
#define MAILAUTH_CHECK_H

#include "lib/base/arena.h"
#include "lib/base/span.h"
#include "lib/mailauth/lookup.h"

struct check {
	struct arena *arena;
	struct lookup lookup;
};

/* check_input - all of standard input: the message.  Lives in the arena. */
struct span check_input(struct check *c);

/* What the subcommands do: print their result, give the exit status.  args: as the row of check.c counts them. */
int check_spf(struct check *c, char **args);
int check_dkim(struct check *c, char **args);
int check_dkim_sign(struct check *c, char **args);
int check_arc(struct check *c, char **args);
int check_arc_seal(struct check *c, char **args);
int check_dmarc(struct check *c, char **args);
int check_dmarc_collect(struct check *c, char **args);
int check_dmarc_send(struct check *c, char **args);
int check_dmarc_take(struct check *c, char **args);
int check_dmarc_summary(struct check *c, char **args);

#endif
