/* SPDX-License-Identifier: ISC */
/* router.c - open every table and list once, at the start */
#include "router/router.h"

#include "lib/base/log.h"

bool router_is_lookup_name(struct span name)
{
	return (span_ends(name, span_lit("_maps")) || span_ends(name, span_lit("_checks"))) && name.len > 7;
}

/* is_match_list - parameters that hold patterns, and maybe tables, but whose name does not say so. */
static bool is_match_list(struct span name)
{
	static const struct span names[] = {
		SPAN("mydestination"), SPAN("relay_domains"), SPAN("virtual_alias_domains"),
		SPAN("virtual_mailbox_domains"), SPAN("alias_database"),
	};

	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (span_equal(name, names[i]))
			return true;
	return false;
}

struct each_list {
	const struct conf *conf;
	struct arena      *arena;
	void (*fn)(void *user, const char *name, const char *value);
	void              *user;
};

static void each_name(void *user, const char *name)
{
	struct each_list *e = user;
	const char *value;

	/* What proxymap may open is a list of other parameters' tables. */
	if (strcmp(name, "proxy_read_maps") == 0 || strcmp(name, "proxy_write_maps") == 0 ||
	    (!router_is_lookup_name(span_of(name)) && !is_match_list(span_of(name))))
		return;
	value = conf_value(e->conf, name, e->arena);
	if (value != NULL && value[0] != '\0')
		e->fn(e->user, name, value);
}

void router_each_list(const struct conf *conf, struct arena *arena,
                      void (*fn)(void *user, const char *name, const char *value), void *user)
{
	struct each_list e = { conf, arena, fn, user };

	conf_each(conf, each_name, &e);
}

/* without_nis - "nis:mail.aliases" is in Postfix's default of alias_maps where NIS was found at build time; there is no
 * such type here, and a default must not fail every lookup. */
static const char *without_nis(const struct conf *conf, const char *name, const char *value, struct arena *arena)
{
	struct span rest = span_of(value), member;
	const char *kept = "";

	if (conf_is_set(conf, name) || strstr(value, "nis:") == NULL)
		return value;
	while (conf_list_next(&rest, &member))
		if (!span_starts(member, span_lit("nis:")))
			kept = arena_printf(arena, "%s " SPAN_FMT, kept, SPAN_ARG(member));
	return kept;
}

static void open_list(void *user, const char *name, const char *value)
{
	struct router *r = user;
	struct table_list *list;

	if (!router_is_lookup_name(span_of(name)))
		return;
	list = table_list_open(r->arena, arena_cstr(r->arena, span_of(name)),
	                       without_nis(r->conf, name, value, r->arena), r->conf->default_database_type);
	for (size_t i = 0; i < list->count; i++)
		if (table_error(list->tables[i]) != NULL)
			log_warning("%s: %s: %s", name, table_spec(list->tables[i]), table_error(list->tables[i]));
	hash_put(r->lists, span_of(name), list);
}

const struct table_list *router_list(struct router *r, struct span name)
{
	const struct table_list *list;

	if (!router_is_lookup_name(name))
		return router_smtpd_table(r, name);
	list = hash_get(r->lists, name);
	if (list == NULL) {	/* an empty parameter: found nowhere, and that is no failure */
		static const struct table_list none = { .title = "" };

		list = &none;
	}
	return list;
}

static void release_hash(void *object)
{
	hash_free(object, NULL);
}

static bool open_domains(struct router *r, const char **error)
{
	const struct conf *c = r->conf;
	const char *parents = c->parent_domain_matches_subdomains, *type = c->default_database_type;
	const char *own = arena_printf(r->arena, "%s %s", conf_own_addresses(c, r->arena), c->proxy_interfaces);

	r->local_domains = match_list_open(r->arena, "mydestination", c->mydestination, false, type, error);
	r->alias_domains =
		match_list_open(r->arena, "virtual_alias_domains", c->virtual_alias_domains, false, type, error);
	r->mailbox_domains =
		match_list_open(r->arena, "virtual_mailbox_domains", c->virtual_mailbox_domains, false, type, error);
	r->relay_domains = match_list_open(r->arena, "relay_domains", c->relay_domains,
	                                   match_list_has_parents(parents, "relay_domains"), type, error);
	r->own_addresses = match_list_open(r->arena, "proxy_interfaces", own, false, type, error);
	r->transport_has_parents = match_list_has_parents(parents, "transport_maps");
	return r->local_domains != NULL && r->alias_domains != NULL && r->mailbox_domains != NULL &&
	       r->relay_domains != NULL && r->own_addresses != NULL;
}

static void take_lists(struct router *r)
{
	r->canonical = router_list(r, span_lit("canonical_maps"));
	r->sender_canonical = router_list(r, span_lit("sender_canonical_maps"));
	r->recipient_canonical = router_list(r, span_lit("recipient_canonical_maps"));
	r->virtual_alias = router_list(r, span_lit("virtual_alias_maps"));
	r->relocated = router_list(r, span_lit("relocated_maps"));
	r->transport = router_list(r, span_lit("transport_maps"));
	r->sender_relayhost = router_list(r, span_lit("sender_dependent_relayhost_maps"));
	r->sender_transport = router_list(r, span_lit("sender_dependent_default_transport_maps"));
	r->local_recipients = router_list(r, span_lit("local_recipient_maps"));
	r->mailbox_recipients = router_list(r, span_lit("virtual_mailbox_maps"));
	r->relay_recipients = router_list(r, span_lit("relay_recipient_maps"));
}

/* warn_both - domains of one list that are in the other, too: mail then goes by the first class. */
static void warn_both(struct router *r, const struct match_list *a, const char *a_name,
                      const struct match_list *b, const char *b_name)
{
	struct span domain;
	size_t cursor = 0;

	while (match_list_next_pattern(a, &cursor, &domain))
		if (match_string(b, domain, r->arena) == TABLE_FOUND)
			log_warning("do not list domain " SPAN_FMT " in BOTH %s and %s", SPAN_ARG(domain), a_name,
			            b_name);
}

static void warn_classes(struct router *r)
{
	warn_both(r, r->local_domains, "mydestination", r->alias_domains, "virtual_alias_domains");
	warn_both(r, r->local_domains, "mydestination", r->mailbox_domains, "virtual_mailbox_domains");
	warn_both(r, r->alias_domains, "virtual_alias_domains", r->mailbox_domains, "virtual_mailbox_domains");
	/* Below level 2 relay_domains is mydestination, which is no mistake of the admin's. */
	if (conf_is_set(r->conf, "relay_domains")) {
		warn_both(r, r->local_domains, "mydestination", r->relay_domains, "relay_domains");
		warn_both(r, r->alias_domains, "virtual_alias_domains", r->relay_domains, "relay_domains");
		warn_both(r, r->mailbox_domains, "virtual_mailbox_domains", r->relay_domains, "relay_domains");
	}
}

struct router *router_open(struct arena *arena, const struct conf *conf, const char **error)
{
	struct router *r = ARENA_NEW(arena, struct router);

	r->arena = arena;
	r->conf = conf;
	r->lists = hash_new();
	r->smtpd_tables = hash_new();
	arena_on_reset(arena, release_hash, r->lists);
	arena_on_reset(arena, release_hash, r->smtpd_tables);
	router_each_list(conf, arena, open_list, r);
	router_open_smtpd_tables(r, conf);
	take_lists(r);
	if (!open_domains(r, error))
		return NULL;
	warn_classes(r);
	return r;
}
