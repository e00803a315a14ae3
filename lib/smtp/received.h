/* SPDX-License-Identifier: ISC */
/* received.h - the Received header field (RFC 5321 4.4), in Postfix's layout */
#ifndef SMTP_RECEIVED_H
#define SMTP_RECEIVED_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/span.h"

struct received {
	struct span helo;		/* empty: local submission */
	struct span client_name, client_address;	/* address: as text, an IPv6 one without "IPv6:" */
	struct span tls_comment;	/* "(using TLSv1.3 ...)" of tls_received(), or empty */
	struct span sasl_username;	/* empty: none, or not to be shown */
	bool        has_uid;
	uint64_t    uid;		/* local submission: from userid */
	struct span myhostname, mail_name, protocol, queue_id;
	struct span recipient;		/* the only one, without <>; or empty */
	uint64_t    wall_us;
};

/* received_add - append the field, CRLF line ends. */
void received_add(struct buf *out, const struct received *r);

#endif
