/* SPDX-License-Identifier: ISC */
/* match.h - match lists: mynetworks, mydestination, relay_domains and kin (postfix-compat 1)
 *
 * A member is a pattern, !pattern, a type:table or /file/name with patterns; the first match decides. */
#ifndef TABLE_MATCH_H
#define TABLE_MATCH_H

#include "lib/net/address.h"
#include "lib/table/table.h"

struct match_list;

/* match_list_open - title: the parameter's name, for messages; parents: example.com also matches its subdomains
 * (else .example.com does).  Tables are closed when arena ends.  NULL: *error (in arena), for a network with host
 * bits set or a file that cannot be read. */
struct match_list *match_list_open(struct arena *arena, const char *title, const char *list, bool parents,
                                   const char *default_type, const char **error);
/* match_list_has_parents - title is named in list, the value of parent_domain_matches_subdomains. */
bool match_list_has_parents(const char *list, const char *title);

/* match_string - equal to a pattern, case folded, or a key of a table: mydestination, virtual_*_domains. */
MUST_USE enum table_status match_string(const struct match_list *list, struct span text, struct arena *arena);
/* match_domain - the same with parent domains: relay_domains. */
MUST_USE enum table_status match_domain(const struct match_list *list, struct span domain, struct arena *arena);
/* match_client - by name (empty or "unknown": has none) or by address: mynetworks. */
MUST_USE enum table_status match_client(const struct match_list *list, struct span name,
                                        const struct net_address *address, struct arena *arena);
/* match_list_next_pattern - walk the plain patterns (no tables, no networks): for checks at the start. */
bool match_list_next_pattern(const struct match_list *list, size_t *cursor, struct span *pattern);
bool match_list_is_empty(const struct match_list *list);

#endif
