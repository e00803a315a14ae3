/* SPDX-License-Identifier: ISC */
/* envelope.h - a message's envelope, in memory and as bytes
 *
 * The encoded form travels in commit and deliver requests and stands unchanged in journal records and message
 * files.  The decoder is strict: it reads foreign bytes (a queue file may be damaged). */
#ifndef QUEUE_ENVELOPE_H
#define QUEUE_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/attributes.h"
#include "lib/base/buf.h"
#include "lib/base/span.h"

/* DSN NOTIFY= (RFC 3461 4.1); none set: the default, failure (and delay). */
enum notify { NOTIFY_NEVER = 1, NOTIFY_SUCCESS = 2, NOTIFY_FAILURE = 4, NOTIFY_DELAY = 8 };
enum dsn_return { DSN_RETURN_UNSET, DSN_RETURN_FULL, DSN_RETURN_HEADERS };

enum envelope_flags {
	ENVELOPE_SMTPUTF8   = 1,
	ENVELOPE_8BITMIME   = 2,	/* BODY=8BITMIME was given */
	ENVELOPE_IS_BOUNCE  = 4,	/* made by us: a DSN */
	ENVELOPE_REQUIRETLS = 8,
	ENVELOPE_JUNK       = 16,	/* a milter wants it out of sight: into the Junk folder */
};

struct envelope_recipient {
	uint32_t    number;	/* unique in the message, also after expansion; part of the Maildir file name */
	struct span address;	/* where it goes now, without <> */
	struct span original;	/* as the client gave it (X-Original-To, orig_to=); empty: same */
	struct span orcpt;	/* ORCPT= as given, type;xtext; or empty */
	uint32_t    notify;
	struct span transport;	/* resolved already by the receiver, or empty: qmgr asks the router */
	struct span nexthop;
	struct span ancestors;	/* addresses it was expanded from, each ended by NUL: loops end there */
};

struct envelope {
	uint64_t    arrival_us;	/* wall clock */
	uint64_t    size;	/* bytes of content */
	uint32_t    flags;
	struct span sender;	/* reverse-path without <>; empty for a bounce */
	struct span envid;	/* ENVID= as given, xtext */
	enum dsn_return dsn_return;
	struct span client_name, client_address, client_port, client_helo, client_protocol;	/* SMTP, ESMTP, ESMTPSA ... */
	struct span sasl_method, sasl_username, sasl_sender;
	struct span message_id;	/* of the header, for the log; may be empty */
	struct envelope_recipient *recipients;
	size_t      recipient_count;
};

/* envelope_encode - append to out.  envelope_decode - all of bytes; spans borrow them, arrays are the arena's; false
 * when malformed. */
void envelope_encode(struct buf *out, const struct envelope *e);
MUST_USE bool envelope_decode(struct arena *arena, struct span bytes, struct envelope *e);
/* envelope_recipient_encode, envelope_recipient_decode - one recipient alone: what an expansion adds to a message. */
void envelope_recipient_encode(struct buf *out, const struct envelope_recipient *r);
MUST_USE bool envelope_recipient_decode(struct span bytes, struct envelope_recipient *out);

#endif
