/* SPDX-License-Identifier: ISC */
/* router.h - where does this address go, and what does this table say: what the files of router share */
#ifndef ROUTER_ROUTER_H
#define ROUTER_ROUTER_H

#include "lib/base/hash.h"
#include "lib/base/why.h"
#include "lib/conf/conf.h"
#include "lib/ipc/router.h"
#include "lib/table/match.h"
#include "lib/table/table.h"

/* Everything that is asked about addresses, opened once. */
struct router {
	struct arena      *arena;
	const struct conf *conf;
	struct hash       *lists;	/* parameter name to struct table_list: those of lookup_request, too */
	struct hash       *smtpd_tables;	/* "type:name" to struct table_list of one */
	bool               transport_has_parents;
	const struct table_list *canonical, *sender_canonical, *recipient_canonical, *virtual_alias, *relocated,
		*transport, *sender_relayhost, *sender_transport, *local_recipients, *mailbox_recipients,
		*relay_recipients;
	struct match_list *local_domains, *alias_domains, *mailbox_domains, *relay_domains, *own_addresses;
};

/* router_open - parse all lists and open all tables, in arena; warns about domains in two classes.  NULL: *error. */
struct router *router_open(struct arena *arena, const struct conf *conf, const char **error);
/* router_list - the tables of a parameter, or the one of smtpd's with that name; NULL when it is neither. */
const struct table_list *router_list(struct router *r, struct span name);
/* router_is_lookup_name - a program may ask for the tables of that parameter. */
bool router_is_lookup_name(struct span name);
/* router_each_list - call fn with the name and value of every parameter that holds tables or match lists. */
void router_each_list(const struct conf *conf, struct arena *arena,
                      void (*fn)(void *user, const char *name, const char *value), void *user);

/* ---- smtpd_tables.c: tables that stand in smtpd's restrictions and match lists ---- */

/* What a bare name there is. */
#define SMTPD_TABLE_TYPE "hash"

/* router_each_smtpd_list - call fn for each parameter that may hold them. */
void router_each_smtpd_list(const struct conf *conf, struct arena *arena,
                            void (*fn)(void *user, const char *name, const char *value), void *user);
/* router_open_smtpd_tables - open those of conf, too: of main.cf, or of one smtpd in master.cf. */
void router_open_smtpd_tables(struct router *r, const struct conf *conf);
/* router_smtpd_table - by its name; NULL: it stands nowhere. */
const struct table_list *router_smtpd_table(const struct router *r, struct span spec);

/* ---- askers.c: who may look into which tables ---- */

/* router_asker_find - the name to keep for a program that master introduces. */
const char *router_asker_find(struct span program);
/* router_may_ask - may that program (NULL: not introduced) ask for these tables? */
bool router_may_ask(const struct router *r, const char *asker, struct span maps);

/* ---- address.c: an address and its pieces ---- */

struct address {
	struct span full;	/* local@domain */
	struct span local, domain;
	struct span user, extension;	/* local = user + extension, the delimiter included; extension may be empty */
};

/* address_split - pieces of text, which they borrow. */
struct address address_split(const struct router *r, struct span text);
/* address_standard - the standard form: no source route, no trailing dot, with a domain, with mydomain behind a name
 * without a dot where append_dot_mydomain says so.  The empty address stays empty. */
struct span address_standard(const struct router *r, struct span text, struct arena *arena);
/* address_is_valid - a local part and a domain that mail could be sent to. */
bool address_is_valid(const struct address *a);

/* ---- lookup.c: tables of addresses ---- */

/* lookup_address - in the order user+ext@dom, user@dom, user+ext, user (the bare forms where dom is ours), @dom.
 * unmatched (may be NULL): the extension, where a form without it was found. */
enum table_status lookup_address(const struct router *r, const struct table_list *list, struct span text,
                                 struct arena *arena, struct span *value, struct span *unmatched);
/* lookup_sender - the address, then @domain; an empty sender is looked up as "<>". */
enum table_status lookup_sender(const struct router *r, const struct table_list *list, struct span sender,
                                struct arena *arena, struct span *value);
/* lookup_domain - the domain, then .parents. */
enum table_status lookup_domain(const struct table_list *list, struct span domain, struct arena *arena,
                                struct span *value);
/* lookup_map - as lookup_address; gives the addresses of the result in standard form: "@dom2" keeps the local part,
 * an unmatched extension is copied when propagate. */
enum table_status lookup_map(const struct router *r, const struct table_list *list, struct span text,
                             bool propagate, struct arena *arena, struct span **results, size_t *count);

/* ---- rewrite.c: what happens to an address before it is routed ---- */

enum rewrite_what { REWRITE_SENDER, REWRITE_RECIPIENT };

/* rewrite_canonical - canonical maps and masquerading of an envelope address in standard form. */
enum table_status rewrite_canonical(const struct router *r, struct span text, enum rewrite_what what,
                                    struct arena *arena, struct span *result);
/* rewrite_expand - virtual aliases, all the way down, each address once.  TABLE_NOT_FOUND: it is no alias.
 * TABLE_FAILED: why says what the sender may hear. */
enum table_status rewrite_expand(const struct router *r, struct span text, struct arena *arena,
                                 struct span **results, size_t *count, struct why *why);

/* ---- route.c: transport and next hop ---- */

struct route {
	enum route_class class;
	struct span      transport, nexthop;
};

/* route_class - the class of a domain; TABLE_FAILED when a table did. */
enum table_status route_class(const struct router *r, struct span domain, struct arena *arena,
                              enum route_class *class);
/* route_find - transport and next hop of the recipient; class is given. */
enum table_status route_find(const struct router *r, const struct address *recipient, struct span sender,
                             enum route_class class, struct arena *arena, struct route *route);

/* ---- resolve.c: the whole verdict ---- */

/* router_resolve - answer request; what reply points to lives in arena. */
void router_resolve(const struct router *r, const struct resolve_request *request, struct arena *arena,
                    struct resolve_reply *reply);
/* router_lookup - the same for a table. */
void router_lookup(struct router *r, const struct lookup_request *request, struct arena *arena,
                   struct lookup_reply *reply);

#endif
