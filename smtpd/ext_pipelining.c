/* SPDX-License-Identifier: ISC */
/* ext_pipelining.c - PIPELINING (RFC 2920)
 *
 * lib/net/chat.h answers a group in one write; the verb table says which verbs end a group. */
#include "smtpd/smtpd.h"

extern const struct smtpd_extension smtpd_ext_pipelining;

const struct smtpd_extension smtpd_ext_pipelining = {
	.keyword = SPAN("PIPELINING"), .source = SPAN("RFC 2920 3.2"), .dialogue = "pipelining",
};
