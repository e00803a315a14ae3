/* SPDX-License-Identifier: ISC */
/* ext_enhancedstatuscodes.c - ENHANCEDSTATUSCODES (RFC 2034): every reply but greeting and EHLO has one */
#include "smtpd/smtpd.h"

extern const struct smtpd_extension smtpd_ext_enhancedstatuscodes;

const struct smtpd_extension smtpd_ext_enhancedstatuscodes = {
	.keyword = SPAN("ENHANCEDSTATUSCODES"), .source = SPAN("RFC 2034 4"), .dialogue = "helo",
};
