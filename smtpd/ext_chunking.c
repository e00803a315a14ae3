/* SPDX-License-Identifier: ISC */
/* ext_chunking.c - CHUNKING (RFC 3030 2); its verb BDAT is in smtpd_data.c.  BINARYMIME is not offered. */
#include "smtpd/smtpd.h"

extern const struct smtpd_extension smtpd_ext_chunking;

const struct smtpd_extension smtpd_ext_chunking = {
	.keyword = SPAN("CHUNKING"), .source = SPAN("RFC 3030 2"), .dialogue = "bdat",
};
