/* SPDX-License-Identifier: ISC */
/* address.h - mailbox addresses and SMTP paths (RFC 5321 4.1.2, RFC 6531 3.3)
 *
 * An address is kept as it is written on the wire, without <>: local part (quoted where it must
 * be), '@', domain.  Source routes are dropped (RFC 5321 C).  A parsed path never holds
 * control bytes, so it may stand in replies, logs and headers. */
#ifndef SMTP_ADDRESS_H
#define SMTP_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/arena.h"
#include "lib/base/attributes.h"
#include "lib/base/span.h"

enum smtp_path_flags {
	SMTP_PATH_NULL = 1,	/* "<>" is allowed: a reverse-path */
	SMTP_PATH_BARE = 2,	/* a local part alone is allowed (Postmaster, local submission) */
	SMTP_PATH_UTF8 = 4,	/* SMTPUTF8 was given: UTF-8 is allowed */
	SMTP_PATH_LAX  = 8,	/* <> may be left out (strict_rfc821_envelopes = no) */
};

/* RFC 5321 4.5.3.1.1 to 4.5.3.1.3.  Local parts may be longer than the 64 every server must take. */
enum { SMTP_LOCAL_MAX = 255, SMTP_DOMAIN_MAX = 255, SMTP_PATH_MAX = 320 };

struct smtp_path {
	struct span address;	/* normal form: quoted only where needed; empty for <> */
	struct span local;	/* without quotes and backslashes */
	struct span domain;	/* empty when bare; an address literal keeps its brackets */
	bool        has_utf8;
};

enum smtp_path_result {
	SMTP_PATH_OK,
	SMTP_PATH_BAD,		/* syntax: 501 5.1.7 or 5.1.3 */
	SMTP_PATH_TOO_LONG,
	SMTP_PATH_NEEDS_UTF8,	/* 8-bit bytes without SMTPUTF8: 553 5.6.7 */
};

/* smtp_path_parse - the path at the start of text; rest is what follows it (the parameters, with
 * the blank before them).  Spans of path live in arena. */
MUST_USE enum smtp_path_result smtp_path_parse(struct arena *arena, struct span text, unsigned flags,
                                               struct smtp_path *path, struct span *rest);

/* smtp_address_split - split a normal-form address at its last '@' outside quotes; domain is empty when
 * there is none. */
void smtp_address_split(struct span address, struct span *local, struct span *domain);
/* smtp_domain_is_valid - letters, digits, inner hyphens (underscores are tolerated), labels of 1 to 63; UTF-8 where
 * utf8.  Not an address literal. */
bool smtp_domain_is_valid(struct span domain, bool utf8);
/* smtp_literal_is_valid - "[192.0.2.1]" or "[IPv6:...]" (RFC 5321 4.1.3). */
bool smtp_literal_is_valid(struct span domain);
/* smtp_domain_is_fqdn - valid and of at least two labels, the last not all digits. */
bool smtp_domain_is_fqdn(struct span domain);
/* smtp_utf8_is_valid - well-formed UTF-8: shortest form, no surrogates, at most U+10FFFF (RFC 3629). */
bool smtp_utf8_is_valid(struct span s);
/* smtp_has_8bit - a byte above 0x7f is in s. */
bool smtp_has_8bit(struct span s);
/* smtp_quote_local - a local part as it is written on the wire: as it is, or quoted. */
struct span smtp_quote_local(struct arena *arena, struct span local);

#endif
