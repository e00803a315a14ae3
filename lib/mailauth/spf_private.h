/* SPDX-License-Identifier: ISC */
/* spf_private.h - what the files of SPF share: the parsed policy, macros, and a check under way */
#ifndef MAILAUTH_SPF_PRIVATE_H
#define MAILAUTH_SPF_PRIVATE_H

#include "lib/mailauth/spf.h"

/* ---- spf_record.c: a policy ---- */

enum spf_mechanism { SPF_ALL, SPF_INCLUDE, SPF_A, SPF_MX, SPF_PTR, SPF_IP4, SPF_IP6, SPF_EXISTS };

struct spf_directive {
	enum spf_result    result;	/* when it matches */
	enum spf_mechanism mechanism;
	struct span        text;	/* as the policy has it, qualifier included */
	struct span        target;	/* domain-spec; empty: the domain itself */
	struct net_cidr    network;	/* ip4, ip6 */
	unsigned           bits_ip4, bits_ip6;
};

struct spf_record {
	struct spf_directive *directives;
	size_t                count;
	struct span           redirect, exp;	/* domain-specs; empty: not there */
};

/* spf_record_is_policy - text is of this version (RFC 7208 4.5), whatever follows. */
bool spf_record_is_policy(struct span text);
/* spf_record_parse - all of the policy text (RFC 7208 12); spans borrow it.  False with the term at fault. */
MUST_USE bool spf_record_parse(struct arena *arena, struct span text, struct spf_record *record, struct span *fault);

/* ---- spf_macro.c: text with macros (RFC 7208 7) ---- */

struct spf_check;

/* spf_domain_spec_is_valid - domain-spec of RFC 7208 7.1: no c, r or t, a top label or a macro at its end. */
bool spf_domain_spec_is_valid(struct span text);
/* spf_macro_string_is_valid - macro-string, of any letters.  spf_explanation_is_valid: the same with spaces (RFC 7208 6.2). */
bool spf_macro_string_is_valid(struct span text);
bool spf_explanation_is_valid(struct span text);
/* spf_has_macros - whether it needs expansion at all. */
bool spf_has_macros(struct span text);

enum spf_expansion {
	SPF_EXPANDED,
	SPF_NOT_EXPANDED,	/* nothing can match it: a local part that is not US-ASCII (RFC 8616 4), or too long */
	SPF_LIMIT_PASSED,	/* %{p} was one look-up too many */
};

/* spf_expand - valid text with its macros replaced, for a check that stands at domain; out lives in the arena.  May
 * look up the client's name for %{p}. */
MUST_USE enum spf_expansion spf_expand(struct spf_check *c, struct span text, struct span domain, struct span *out);

/* ---- spf_name.c: names of the DNS ---- */

/* A name as it is asked for: presentation form of lib/ipc/dns.h. */
struct spf_name {
	struct span text;
	size_t      labels;
};

/* spf_name_make - from bytes with dots between labels, a last dot left out.  False for what is no name of the DNS: an
 * empty or too long label, too long in all. */
MUST_USE bool spf_name_make(struct arena *arena, struct span bytes, struct spf_name *name);
/* spf_name_is_in - a is b or below it; both in presentation form. */
bool spf_name_is_in(struct span a, struct span b);

/* ---- spf.c: a check ---- */

struct spf_check {
	struct arena              *arena;
	const struct lookup       *lookup;
	const struct spf_settings *settings;
	struct net_address         ip;
	bool                       is_ip6;
	struct span                local, sender_domain, helo;
	struct span                policy;	/* the first that was found: of sender_domain */
	unsigned                   terms, void_terms;
	bool                       term_is_void;	/* the present one has been counted */
	bool                       is_explaining;	/* exp= counts nothing and fails silently */
	struct spf_client_name    *names;		/* of the client, once looked up */
	size_t                     name_count;
	bool                       has_names;
	struct span                reason;		/* of an error */
};

/* spf_count_term - one more term that looks up; false with the reason when that is too many. */
MUST_USE bool spf_count_term(struct spf_check *c);

/* What decided, and where a fail is explained; empty where nothing did. */
struct spf_decision {
	struct span mechanism;
	struct span domain;	/* whose policy has it */
	struct span exp;
};

/* spf_check_host - RFC 7208 4 for one domain, following redirect; include calls it again. */
enum spf_result spf_check_host(struct spf_check *c, struct span domain, struct spf_decision *decision);

/* ---- spf_match.c: the mechanisms ---- */

enum spf_match { SPF_NO_MATCH, SPF_MATCH, SPF_MATCH_LATER, SPF_MATCH_NEVER };	/* temperror, permerror */

struct spf_client_name {
	struct span name;
	enum { SPF_UNTRIED, SPF_VALIDATED, SPF_UNVALIDATED } state;
};

/* spf_match - whether the directive of domain's policy matches the client (RFC 7208 5). */
enum spf_match spf_match(struct spf_check *c, const struct spf_directive *d, struct span domain);
/* spf_expect - begin the first look-ups of a policy. */
void spf_expect(struct spf_check *c, const struct spf_record *record, struct span domain);
/* spf_validated_name - what %{p} is at domain (RFC 7208 7.3); false when that was one look-up too many. */
MUST_USE bool spf_validated_name(struct spf_check *c, struct span domain, struct span *name);

#endif
