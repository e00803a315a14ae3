/* SPDX-License-Identifier: ISC */
/* check_mail.h - what the subcommands about signatures share (check_dkim.c has it) */
#ifndef MAILAUTH_CHECK_MAIL_H
#define MAILAUTH_CHECK_MAIL_H

#include <stdint.h>

#include "lib/mailauth/dkim_body.h"
#include "lib/mailauth/dkim_compose.h"
#include "mailauth/check.h"

/* The message on standard input, taken apart. */
struct check_mail {
	struct span          message, content;	/* all; behind the header */
	struct mail_header   header;
	struct header_index *index;
	struct dkim_crypto  *crypto;		/* to be freed behind the arena's reset */
	struct dkim_body    *body;
};

/* check_mail_read - read it.  check_mail_hash: once all have registered, hash its body. */
void check_mail_read(struct check *c, struct check_mail *mail);
void check_mail_hash(struct check_mail *mail);
/* check_time - seconds since 1970; "0" is now. */
uint64_t check_time(const char *text);
/* check_signing_key - from a PEM file; ends the process when it cannot. */
struct dkim_signing_key check_signing_key(const char *path);
/* check_canon - 'r' or 's'. */
enum dkim_canon check_canon(char letter);
/* check_print_field - with the CRLF at its end. */
void check_print_field(const struct mail_field *field);

#endif
