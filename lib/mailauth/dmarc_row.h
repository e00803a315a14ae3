/* SPDX-License-Identifier: ISC */
/* dmarc_row.h - one row of an aggregate report: messages that were alike, and how many
 *
 * Rows are collected (dmarc_store.h), written (dmarc_report.h) and read (dmarc_xml.h); the words are those of RFC 7489
 * C.  A row has no local part of an address: reports tell of domains, not of people. */
#ifndef MAILAUTH_DMARC_ROW_H
#define MAILAUTH_DMARC_ROW_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/attributes.h"
#include "lib/base/buf.h"
#include "lib/base/span.h"
#include "lib/mailauth/dmarc_record.h"

/* What SPF or DKIM said, by the words of RFC 8601 2.7. */
enum dmarc_auth_result {
	DMARC_SAID_NONE,
	DMARC_SAID_PASS,
	DMARC_SAID_FAIL,
	DMARC_SAID_SOFTFAIL,	/* SPF */
	DMARC_SAID_NEUTRAL,
	DMARC_SAID_POLICY,	/* DKIM */
	DMARC_SAID_TEMPERROR,
	DMARC_SAID_PERMERROR,
};

enum dmarc_override {
	DMARC_OVERRIDE_FORWARDED,
	DMARC_OVERRIDE_SAMPLED_OUT,
	DMARC_OVERRIDE_TRUSTED_FORWARDER,
	DMARC_OVERRIDE_MAILING_LIST,
	DMARC_OVERRIDE_LOCAL_POLICY,
	DMARC_OVERRIDE_OTHER,
	DMARC_OVERRIDE_TEST_MODE,	/* policy_test_mode of RFC 9990 */
};

struct dmarc_reason {
	enum dmarc_override type;
	struct span         comment;	/* may be empty */
};

struct dmarc_dkim_said {
	struct span            domain, selector;
	enum dmarc_auth_result result;
	struct span            human;	/* a few words; may be empty */
};

struct dmarc_spf_said {
	struct span            domain;
	bool                   is_helo;		/* scope: else mfrom */
	enum dmarc_auth_result result;
};

/* Most of each in a row; a message has fewer.  Strings are cut at DMARC_ROW_TEXT_MAX bytes. */
enum { DMARC_ROW_REASONS = 8, DMARC_ROW_DKIM = 16, DMARC_ROW_SPF = 2, DMARC_ROW_TEXT_MAX = 255 };

struct dmarc_row {
	struct span            source_ip;	/* as text */
	struct span            header_from, envelope_from, envelope_to;	/* domains; the envelope's may be empty */
	enum dmarc_policy      disposition;	/* what was done */
	bool                   dkim_aligned, spf_aligned;	/* with a pass */
	struct dmarc_reason    reasons[DMARC_ROW_REASONS];	/* why disposition is not what was asked for */
	size_t                 reason_count;
	struct dmarc_dkim_said dkim[DMARC_ROW_DKIM];
	size_t                 dkim_count;
	struct dmarc_spf_said  spf[DMARC_ROW_SPF];
	size_t                 spf_count;
	uint64_t               count;		/* messages */
};

/* dmarc_auth_name - "pass" and so on.  dmarc_auth_read - back, in any case, "unknown" and "error" of old too. */
const char *dmarc_auth_name(enum dmarc_auth_result result);
MUST_USE bool dmarc_auth_read(struct span text, enum dmarc_auth_result *result);
/* dmarc_override_name - "forwarded" and so on.  dmarc_override_read - back. */
const char *dmarc_override_name(enum dmarc_override type);
MUST_USE bool dmarc_override_read(struct span text, enum dmarc_override *type);

/* dmarc_row_encode - all of row but its count, for the store; rows of messages that are alike give the same bytes. */
void dmarc_row_encode(const struct dmarc_row *row, struct buf *out);
/* dmarc_row_decode - strict: false unless bytes are one whole row.  Spans borrow bytes; count is 0. */
MUST_USE bool dmarc_row_decode(struct span bytes, struct dmarc_row *row);

#endif
