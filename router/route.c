/* SPDX-License-Identifier: ISC */
/* route.c - address classes, transport and next hop (postfix-compat 8) */
#include "router/router.h"

/* own_literal - [192.0.2.1] and [IPv6:2001:db8::1] that are addresses of this host. */
static enum table_status own_literal(const struct router *r, struct span domain, struct arena *arena)
{
	struct span text = span_slice(domain, 1, domain.len - 2);
	struct net_address address;

	if (span_starts_ci(text, span_lit("IPv6:")))
		text = span_skip(text, 5);
	if (!net_address_parse(text, 0, &address))
		return TABLE_NOT_FOUND;
	return match_client(r->own_addresses, (struct span){ NULL, 0 }, &address, arena);
}

enum table_status route_class(const struct router *r, struct span domain, struct arena *arena,
                              enum route_class *class)
{
	enum table_status status;

	*class = CLASS_LOCAL;
	status = domain.len > 2 && domain.ptr[0] == '[' ? own_literal(r, domain, arena)
	                                                : match_string(r->local_domains, domain, arena);
	if (status == TABLE_NOT_FOUND) {
		*class = CLASS_VIRTUAL_ALIAS;
		status = match_string(r->alias_domains, domain, arena);
	}
	if (status == TABLE_NOT_FOUND) {
		*class = CLASS_VIRTUAL_MAILBOX;
		status = match_string(r->mailbox_domains, domain, arena);
	}
	if (status == TABLE_NOT_FOUND) {
		*class = CLASS_RELAY;
		status = match_domain(r->relay_domains, domain, arena);
	}
	if (status == TABLE_NOT_FOUND) {
		*class = CLASS_DEFAULT;
		status = TABLE_FOUND;
	}
	return status;
}

/* set_route - "transport:nexthop" over what is there: an empty transport keeps it; an empty nexthop behind a transport
 * is 'standard', and keeps it where both are empty (transport(5)). */
static void set_route(struct span value, struct span standard, struct arena *arena, struct route *route)
{
	struct span transport;

	span_cut(&value, ':', &transport);
	if (transport.len > 0) {
		route->transport = arena_dup(arena, transport);
		route->nexthop = value.len > 0 ? arena_dup(arena, value) : standard;
	} else if (value.len > 0) {
		route->nexthop = arena_dup(arena, value);
	}
}

/* off_host - next hop of mail that leaves: the sender's relayhost, the relayhost, the domain. */
static enum table_status off_host(const struct router *r, struct span domain, struct span sender,
                                  struct arena *arena, struct span *nexthop)
{
	enum table_status status = lookup_sender(r, r->sender_relayhost, sender, arena, nexthop);

	if (status == TABLE_FAILED || (status == TABLE_FOUND && !span_equal_ci(*nexthop, span_lit("DUNNO"))))
		return status;
	*nexthop = r->conf->relayhost[0] != '\0' ? span_of(r->conf->relayhost) : domain;
	return TABLE_FOUND;
}

/* sender_transport - default_transport, unless the sender has one of its own. */
static enum table_status sender_transport(const struct router *r, struct span sender, struct arena *arena,
                                          struct span *transport)
{
	enum table_status status = lookup_sender(r, r->sender_transport, sender, arena, transport);

	if (status == TABLE_NOT_FOUND || (status == TABLE_FOUND && span_equal_ci(*transport, span_lit("DUNNO"))))
		*transport = span_of(r->conf->default_transport);
	return status == TABLE_FAILED ? status : TABLE_FOUND;
}

/* class_route - where the class sends it, before transport_maps. */
static enum table_status class_route(const struct router *r, struct span domain, struct span sender,
                                     enum route_class class, struct arena *arena, struct route *route)
{
	struct span transport = { NULL, 0 };

	route->nexthop = domain;
	switch (class) {
	case CLASS_LOCAL:
		transport = span_of(r->conf->local_transport);
		break;
	case CLASS_VIRTUAL_ALIAS:
		transport = span_lit("error:5.1.1 User unknown in virtual alias table");
		break;
	case CLASS_VIRTUAL_MAILBOX:
		transport = span_of(r->conf->virtual_transport);
		break;
	case CLASS_RELAY:
		transport = span_of(r->conf->relay_transport);
		break;
	case CLASS_DEFAULT:
		if (sender_transport(r, sender, arena, &transport) == TABLE_FAILED)
			return TABLE_FAILED;
		break;
	}
	if ((class == CLASS_RELAY || class == CLASS_DEFAULT) &&
	    off_host(r, domain, sender, arena, &route->nexthop) == TABLE_FAILED)
		return TABLE_FAILED;
	set_route(transport, route->nexthop, arena, route);
	return TABLE_FOUND;
}

/* transport_entry - user+ext@dom, user@dom, dom, .parents (plain where transport_maps is among
 * parent_domain_matches_subdomains), *. */
static enum table_status transport_entry(const struct router *r, const struct address *a, struct arena *arena,
                                         struct span *value)
{
	const struct table_list *list = r->transport;
	struct span domain = a->domain;
	enum table_status status = table_list_find(list, a->full, TABLE_WHOLE_KEY, arena, value);
	size_t dot;

	if (status == TABLE_NOT_FOUND && a->extension.len > 0)
		status = table_list_find(list, arena_printf_span(arena, SPAN_FMT "@" SPAN_FMT, SPAN_ARG(a->user),
		                                                 SPAN_ARG(domain)), TABLE_PART_OF_KEY, arena, value);
	if (status == TABLE_NOT_FOUND)
		status = table_list_find(list, domain, TABLE_PART_OF_KEY, arena, value);
	while (status == TABLE_NOT_FOUND && (dot = span_find(span_skip(domain, 1), '.')) != SPAN_NOT_FOUND) {
		domain = span_skip(domain, dot + 1);
		status = table_list_find(list, r->transport_has_parents ? span_skip(domain, 1) : domain,
		                         TABLE_PART_OF_KEY, arena, value);
	}
	if (status == TABLE_NOT_FOUND)
		status = table_list_find(list, span_lit("*"), TABLE_PART_OF_KEY, arena, value);
	return status;
}

enum table_status route_find(const struct router *r, const struct address *recipient, struct span sender,
                             enum route_class class, struct arena *arena, struct route *route)
{
	enum table_status status = class_route(r, recipient->domain, sender, class, arena, route);
	struct span value;

	route->class = class;
	if (status == TABLE_FAILED || r->transport->count == 0)
		return status;
	status = transport_entry(r, recipient, arena, &value);
	if (status == TABLE_FOUND)
		set_route(value, recipient->domain, arena, route);
	return status == TABLE_FAILED ? status : TABLE_FOUND;
}
