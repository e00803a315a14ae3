/* SPDX-License-Identifier: ISC */
/* dmarc_domain.h - domains as DMARC compares them, and the organisation a domain belongs to
 *
 * RFC 7489 3.2 finds the organisational domain in a public suffix list; its successor walks up the DNS tree (RFC 9989
 * 4.10).  Both are here, and the records found on the way. */
#ifndef MAILAUTH_DMARC_DOMAIN_H
#define MAILAUTH_DMARC_DOMAIN_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/arena.h"
#include "lib/base/attributes.h"
#include "lib/base/span.h"
#include "lib/base/why.h"
#include "lib/mailauth/dmarc_record.h"
#include "lib/mailauth/lookup.h"

/* dmarc_domain_normal - name in A-labels and lower case, a dot at its end dropped; false when it is no domain name
 * (a literal, not UTF-8, an empty or too long label).  Underscores are tolerated. */
MUST_USE bool dmarc_domain_normal(struct arena *arena, struct span name, struct span *normal);
/* dmarc_domain_is_below - is name domain itself or a name below it?  Both in normal form. */
bool dmarc_domain_is_below(struct span name, struct span domain);
/* dmarc_domain_labels - how many labels name has. */
size_t dmarc_domain_labels(struct span name);
/* dmarc_domain_last - the last n labels of name; all of it when it has no more. */
struct span dmarc_domain_last(struct span name, size_t n);

/* The public suffix list: loaded once, then only read, so threads may share it. */
struct dmarc_psl;

/* dmarc_psl_open - the list in a file (text or DAFSA); NULL: the newest the system has, or the one built into libpsl.
 * Opens files: before the sandbox.  NULL with *why when there is none. */
struct dmarc_psl *dmarc_psl_open(const char *path, struct why *why);
/* dmarc_psl_close - give it back; NULL is allowed. */
void dmarc_psl_close(struct dmarc_psl *psl);
/* dmarc_psl_organization - the domain registered below a public suffix that name belongs to (RFC 7489 3.2); a public
 * suffix is its own.  name in normal form; the result borrows it. */
struct span dmarc_psl_organization(const struct dmarc_psl *psl, struct arena *arena, struct span name);

/* ---- asking for records ---- */

enum dmarc_found {
	DMARC_FOUND,
	DMARC_NOT_FOUND,
	DMARC_FAILED,	/* the DNS did not answer, or the message has had its share of questions */
};

/* What one message's evaluation has asked so far: no name is asked twice. */
struct dmarc_query {
	struct arena          *arena;
	const struct lookup   *lookup;
	enum dmarc_text        text;
	const struct dmarc_psl *psl;	/* for DMARC_RFC7489 */
	size_t                 most;	/* questions; further ones fail */
	size_t                 asked;
	struct dmarc_answer   *answers;	/* a list; NULL at the start */
};

/* dmarc_query_record - the one DMARC record at _dmarc below domain (normal form).  Several count as none (RFC 7489
 * 6.6.3).  record lives in the query's arena. */
enum dmarc_found dmarc_query_record(struct dmarc_query *q, struct span domain, const struct dmarc_record **record);
/* dmarc_query_exists - does the name exist at all (RFC 8020 2)?  DMARC_NOT_FOUND: NXDOMAIN. */
enum dmarc_found dmarc_query_exists(struct dmarc_query *q, struct span domain);

/* What is known of a domain: its organisation, and the record that is its policy. */
struct dmarc_place {
	struct span                organization;	/* empty: the DNS failed before it was known */
	struct span                policy_domain;
	const struct dmarc_record *record;
};

/* dmarc_query_organization - organisation of domain; its policy fields are not filled.  DMARC_FAILED, else
 * DMARC_FOUND.  By the list no question is asked, by the tree walk at most 8. */
enum dmarc_found dmarc_query_organization(struct dmarc_query *q, struct span domain, struct span *organization);
/* dmarc_query_policy - organisation and policy record of an author's domain (RFC 7489 6.6.3, RFC 9989 4.10.1).
 * DMARC_NOT_FOUND: no record, the mechanism does not apply. */
enum dmarc_found dmarc_query_policy(struct dmarc_query *q, struct span domain, struct dmarc_place *place);

#endif
