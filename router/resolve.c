/* SPDX-License-Identifier: ISC */
/* resolve.c - the whole verdict on one recipient
 *
 * Standard form, canonical maps, class, virtual aliases, known or not, moved, transport and next hop: in this
 * order (postfix-compat 8).  A table that fails makes the verdict ROUTE_DEFER, never ROUTE_UNKNOWN. */
#include "router/router.h"

#include "lib/base/buf.h"

/* What stands in ipc for one answer to grow to. */
#define EXPANSION_BYTES_MAX ((size_t)128 << 10)

struct resolving {
	const struct router          *r;
	const struct resolve_request *request;
	struct arena                 *arena;
	struct resolve_reply         *reply;
	struct address                address;
	enum route_class              class;
};

static void answer(struct resolving *v, enum route_verdict verdict, const char *dsn, struct span reason)
{
	v->reply->verdict = verdict;
	v->reply->dsn = span_of(dsn);
	v->reply->reason = reason;
}

static void table_failed(struct resolving *v)
{
	answer(v, ROUTE_DEFER, "4.3.0", span_lit("Temporary lookup failure"));
}

/* rewrite - standard form and canonical maps.  False: answered. */
static bool rewrite(struct resolving *v)
{
	bool is_sender = (v->request->flags & ROUTE_IS_SENDER) != 0;
	struct span text = address_standard(v->r, v->request->recipient, v->arena);

	if (span_find(text, '\0') != SPAN_NOT_FOUND) {
		answer(v, ROUTE_ERROR, is_sender ? "5.1.7" : "5.1.3", span_lit("bad address syntax"));
		return false;
	}
	if (rewrite_canonical(v->r, text, is_sender ? REWRITE_SENDER : REWRITE_RECIPIENT, v->arena, &text) ==
	    TABLE_FAILED) {
		table_failed(v);
		return false;
	}
	v->address = address_split(v->r, text);
	v->reply->address = text;
	if (text.len == 0 && is_sender) {	/* the null sender needs no route */
		answer(v, ROUTE_OK, "", span_lit(""));
		return false;
	}
	if (!address_is_valid(&v->address)) {
		answer(v, ROUTE_ERROR, is_sender ? "5.1.7" : "5.1.3", span_lit("bad address syntax"));
		return false;
	}
	return true;
}

static bool classify(struct resolving *v)
{
	if (route_class(v->r, v->address.domain, v->arena, &v->class) == TABLE_FAILED) {
		table_failed(v);
		return false;
	}
	v->reply->address_class = v->class;
	return true;
}

static struct span join_expansion(const struct span *results, size_t count, struct arena *arena, bool *fits)
{
	struct buf all;
	struct span joined;

	buf_init(&all, EXPANSION_BYTES_MAX);
	for (size_t i = 0; i < count; i++) {
		buf_add(&all, results[i]);
		buf_add_byte(&all, '\0');
	}
	*fits = !all.overflowed;
	joined = arena_dup(arena, buf_span(&all));
	buf_free(&all);
	return joined;
}

/* expand - virtual aliases.  is_alias: the address is one, so it is known.  False: answered. */
static bool expand(struct resolving *v, bool *is_alias)
{
	struct span *results;
	struct why why;
	size_t count;
	bool fits;

	*is_alias = false;
	if (v->request->flags & ROUTE_NO_ALIASES)
		return true;
	if (v->request->flags & (ROUTE_FOR_CHECK | ROUTE_IS_SENDER)) {
		struct span value;
		enum table_status status =
			lookup_address(v->r, v->r->virtual_alias, v->address.full, v->arena, &value, NULL);

		*is_alias = status == TABLE_FOUND;
		if (status == TABLE_FAILED)
			table_failed(v);
		return status != TABLE_FAILED;
	}
	switch (rewrite_expand(v->r, v->address.full, v->arena, &results, &count, &why)) {
	case TABLE_NOT_FOUND:
		return true;
	case TABLE_FAILED:
		answer(v, ROUTE_DEFER, arena_cstr(v->arena, span_of(why.dsn)),
		       arena_dup(v->arena, span_of(why.text)));
		return false;
	case TABLE_FOUND:
		break;
	}
	*is_alias = true;
	if (count == 1 && span_equal_ci(results[0], v->address.full))
		return true;
	v->reply->expansion = join_expansion(results, count, v->arena, &fits);
	if (fits)
		answer(v, ROUTE_EXPANDED, "", span_lit(""));
	else
		answer(v, ROUTE_DEFER, "4.6.0", span_lit("Alias expansion error"));
	return false;
}

/* ---- known or not ---- */

/* What says which users a class has.  No tables: all are taken as known, but for virtual aliases. */
static const struct table_list *users_of(const struct router *r, enum route_class class, const char **title)
{
	switch (class) {
	case CLASS_LOCAL:
		*title = "local recipient";
		return r->local_recipients;
	case CLASS_VIRTUAL_ALIAS:
		*title = "virtual alias";
		return r->virtual_alias;
	case CLASS_VIRTUAL_MAILBOX:
		*title = "virtual mailbox";
		return r->mailbox_recipients;
	case CLASS_RELAY:
		*title = "relay recipient";
		return r->relay_recipients;
	case CLASS_DEFAULT:
		break;
	}
	return NULL;
}

static void unknown(struct resolving *v, const char *title)
{
	bool is_sender = (v->request->flags & ROUTE_IS_SENDER) != 0;

	answer(v, ROUTE_UNKNOWN, is_sender ? "5.1.0" : "5.1.1",
	       v->r->conf->show_user_unknown_table_name
	       ? arena_printf_span(v->arena, "User unknown in %s table", title) : span_lit("User unknown"));
}

/* moved - relocated_maps: refused with the new address.  False: answered. */
static bool moved(struct resolving *v)
{
	struct span value;
	enum table_status status =
		lookup_address(v->r, v->r->relocated, v->address.full, v->arena, &value, NULL);

	if (status == TABLE_NOT_FOUND)
		return true;
	if (status == TABLE_FAILED)
		table_failed(v);
	else
		answer(v, ROUTE_ERROR, "5.1.6",
		       arena_printf_span(v->arena, "User has moved to " SPAN_FMT, SPAN_ARG(value)));
	return false;
}

/* check_user - for smtpd at RCPT; at delivery the agent knows best, but a virtual alias has no agent. */
static bool check_user(struct resolving *v)
{
	const char *title = "";
	const struct table_list *users = users_of(v->r, v->class, &title);
	bool is_check = (v->request->flags & (ROUTE_FOR_CHECK | ROUTE_IS_SENDER)) != 0;
	enum table_status status;
	struct span value;

	if (users == NULL || (v->class != CLASS_VIRTUAL_ALIAS && (!is_check || users->count == 0)))
		return true;
	if (span_equal_ci(v->address.local, span_of(v->r->conf->double_bounce_sender)))
		return true;
	status = lookup_address(v->r, users, v->address.full, v->arena, &value, NULL);
	if (status == TABLE_FAILED)
		table_failed(v);
	else if (status == TABLE_NOT_FOUND)
		unknown(v, title);
	return status == TABLE_FOUND;
}

/* ---- route ---- */

/* take_dsn - an enhanced status code at the start of text, else standard (RFC 3463 2). */
static const char *take_dsn(struct span *text, const char *standard, struct arena *arena)
{
	struct span rest = *text, code, part, parts;
	unsigned long long number;
	size_t count = 0;

	if (!span_token(&rest, " \t", &code))
		return standard;
	for (parts = code; parts.len > 0; count++) {
		span_cut(&parts, '.', &part);
		if (!span_u64(part, 999, &number))
			return standard;
	}
	if (count != 3 || code.ptr[0] != standard[0])
		return standard;
	*text = span_trim(rest);
	return arena_cstr(arena, code);
}

/* deliver - fill in the route; error: and retry: end here. */
static void deliver(struct resolving *v)
{
	struct route route = { 0 };
	struct span text;
	bool is_error, is_retry;

	if (route_find(v->r, &v->address, v->request->sender, v->class, v->arena, &route) == TABLE_FAILED) {
		table_failed(v);
		return;
	}
	v->reply->transport = route.transport;
	v->reply->nexthop = route.nexthop;
	is_error = span_equal(route.transport, span_lit("error"));
	is_retry = span_equal(route.transport, span_lit("retry"));
	text = route.nexthop;
	if (is_error || is_retry) {
		const char *dsn = take_dsn(&text, is_error ? "5.0.0" : "4.0.0", v->arena);

		answer(v, is_error ? ROUTE_ERROR : ROUTE_DEFER, dsn, text);
	} else {
		answer(v, ROUTE_OK, "", span_lit(""));
	}
}

void router_resolve(const struct router *r, const struct resolve_request *request, struct arena *arena,
                    struct resolve_reply *reply)
{
	struct resolving v = { .r = r, .request = request, .arena = arena, .reply = reply };
	bool is_alias;

	memset(reply, 0, sizeof(*reply));
	reply->ttl_s = r->conf->router_answer_ttl;
	if (!rewrite(&v) || !classify(&v) || !expand(&v, &is_alias) || !moved(&v))
		return;
	/* It exists; where its mail goes, only its expansion can say. */
	if (is_alias && (v.class == CLASS_VIRTUAL_ALIAS || (request->flags & ROUTE_FOR_CHECK) != 0)) {
		answer(&v, ROUTE_OK, "", span_lit(""));
		return;
	}
	if (is_alias || check_user(&v))
		deliver(&v);
}

/* ---- tables ---- */

static enum table_status find(struct router *r, const struct lookup_request *request,
                              const struct table_list *list, struct arena *arena, struct span *value)
{
	switch ((enum lookup_how)request->how) {
	case LOOKUP_EXACT:
		return table_list_find(list, request->key, TABLE_WHOLE_KEY, arena, value);
	case LOOKUP_ADDRESS:
		return lookup_address(r, list, request->key, arena, value, NULL);
	case LOOKUP_DOMAIN:
		return lookup_domain(list, request->key, arena, value);
	}
	return TABLE_FAILED;
}

void router_lookup(struct router *r, const struct lookup_request *request, struct arena *arena,
                   struct lookup_reply *reply)
{
	const struct table_list *list = router_list(r, request->maps);

	memset(reply, 0, sizeof(*reply));
	reply->ttl_s = r->conf->router_answer_ttl;
	reply->status = LOOKUP_FAILED;
	if (list == NULL)
		return;
	if (span_find(request->key, '\0') != SPAN_NOT_FOUND) {	/* no table has such a key */
		reply->status = LOOKUP_NOT_FOUND;
		return;
	}
	switch (find(r, request, list, arena, &reply->value)) {
	case TABLE_FOUND:
		reply->status = LOOKUP_FOUND;
		break;
	case TABLE_NOT_FOUND:
		reply->status = LOOKUP_NOT_FOUND;
		break;
	case TABLE_FAILED:
		break;
	}
}
