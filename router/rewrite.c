/* SPDX-License-Identifier: ISC */
/* rewrite.c - canonical maps, masquerading, virtual aliases (postfix-compat 8) */
#include "lib/base/log.h"
#include "router/router.h"

/* A canonical map may lead on to other entries; this often at most, as in Postfix. */
enum { CANONICAL_STEPS_MAX = 10 };

static bool list_has(const char *list, const char *member)
{
	struct span rest = span_of(list), one;

	while (conf_list_next(&rest, &one))
		if (span_equal_ci(one, span_of(member)))
			return true;
	return false;
}

/* canonical_step - follow one set of tables as far as it leads. */
static enum table_status canonical_step(const struct router *r, const struct table_list *list, struct span *text,
                                        struct arena *arena)
{
	bool propagate = list_has(r->conf->propagate_unmatched_extensions, "canonical");
	struct span *results;
	size_t count;

	if (list->count == 0)
		return TABLE_NOT_FOUND;
	for (unsigned i = 0; i < CANONICAL_STEPS_MAX; i++) {
		enum table_status status = lookup_map(r, list, *text, propagate, arena, &results, &count);

		if (status != TABLE_FOUND)
			return status == TABLE_FAILED ? status : TABLE_NOT_FOUND;
		if (count > 1)
			log_warning("%s: multi-valued %s entry for " SPAN_FMT, list->title, list->title,
			            SPAN_ARG(*text));
		if (span_equal_ci(results[0], *text))
			return TABLE_FOUND;
		*text = results[0];
	}
	log_warning("unreasonable %s map nesting for " SPAN_FMT, list->title, SPAN_ARG(*text));
	return TABLE_FOUND;
}

/* masquerade - cut the domain to the first parent of masquerade_domains that it lies under. */
static struct span masquerade(const struct router *r, struct span text, struct arena *arena)
{
	struct address a = address_split(r, text);
	struct span rest = span_of(r->conf->masquerade_domains), parent;

	if (list_has(r->conf->masquerade_exceptions, arena_cstr(arena, a.local)))
		return text;
	while (conf_list_next(&rest, &parent)) {
		bool is_exempt = span_starts(parent, span_lit("!"));

		if (is_exempt)
			parent = span_skip(parent, 1);
		if (span_equal_ci(a.domain, parent))
			return text;
		if (a.domain.len > parent.len + 1 && span_ends_ci(a.domain, parent) &&
		    a.domain.ptr[a.domain.len - parent.len - 1] == '.')
			return is_exempt ? text : arena_printf_span(arena, SPAN_FMT "@" SPAN_FMT, SPAN_ARG(a.local),
			                                            SPAN_ARG(parent));
	}
	return text;
}

enum table_status rewrite_canonical(const struct router *r, struct span text, enum rewrite_what what,
                                    struct arena *arena, struct span *result)
{
	bool is_sender = what == REWRITE_SENDER;
	const char *class = is_sender ? "envelope_sender" : "envelope_recipient";
	const struct table_list *own = is_sender ? r->sender_canonical : r->recipient_canonical;
	const char *own_classes = is_sender ? r->conf->sender_canonical_classes : r->conf->recipient_canonical_classes;

	*result = text;
	if (text.len == 0)
		return TABLE_NOT_FOUND;
	if (list_has(own_classes, class) && canonical_step(r, own, result, arena) == TABLE_FAILED)
		return TABLE_FAILED;
	if (list_has(r->conf->canonical_classes, class) &&
	    canonical_step(r, r->canonical, result, arena) == TABLE_FAILED)
		return TABLE_FAILED;
	if (r->conf->masquerade_domains[0] != '\0' && list_has(r->conf->masquerade_classes, class))
		*result = masquerade(r, *result, arena);
	return TABLE_FOUND;
}

/* ---- virtual aliases ---- */

/* One address on the way from the alias to where it leads. */
struct step {
	struct span        address;
	const struct step *parent;
	unsigned           depth;
};

struct expansion {
	const struct router *r;
	struct arena        *arena;
	struct hash         *seen;	/* final addresses, folded */
	struct span         *results;
	size_t               count, limit;
	struct why          *why;
};

static bool is_ancestor(const struct step *step, struct span address)
{
	for (; step != NULL; step = step->parent)
		if (span_equal_ci(step->address, address))
			return true;
	return false;
}

static enum table_status too_much(struct expansion *e, const char *what, struct span address)
{
	log_warning("unreasonable virtual_alias_maps map %s for " SPAN_FMT, what, SPAN_ARG(address));
	why_set(e->why, DEFER, "4.6.0", "Alias expansion error");
	return TABLE_FAILED;
}

static enum table_status keep(struct expansion *e, struct span address)
{
	static char there[] = "";

	if (hash_put(e->seen, arena_lower(e->arena, address), there) != NULL)
		return TABLE_FOUND;
	if (e->count == e->limit)
		return too_much(e, "expansion size", address);
	if ((e->count & (e->count - 1)) == 0) {	/* full at each power of two */
		struct span *grown = ARENA_NEW_ARRAY(e->arena, struct span, e->count == 0 ? 2 : 2 * e->count);

		if (e->count > 0)
			memcpy(grown, e->results, e->count * sizeof(*grown));
		e->results = grown;
	}
	e->results[e->count++] = address;
	return TABLE_FOUND;
}

/* expand - follow one address; what leads back to itself or to no entry is final. */
static enum table_status expand(struct expansion *e, const struct step *step)
{
	bool propagate = list_has(e->r->conf->propagate_unmatched_extensions, "virtual");
	enum table_status status;
	struct span *results;
	size_t count;

	if (step->depth >= (unsigned long long)e->r->conf->virtual_alias_recursion_limit)
		return too_much(e, "nesting", step->address);
	status = lookup_map(e->r, e->r->virtual_alias, step->address, propagate, e->arena, &results, &count);
	if (status != TABLE_FOUND)
		return status;
	for (size_t i = 0; i < count; i++) {
		struct step next = { results[i], step, step->depth + 1 };

		if (is_ancestor(step, results[i])) {
			status = keep(e, results[i]);
		} else {
			status = expand(e, &next);
			if (status == TABLE_NOT_FOUND)
				status = keep(e, results[i]);
		}
		if (status == TABLE_FAILED)
			return status;
	}
	return TABLE_FOUND;
}

enum table_status rewrite_expand(const struct router *r, struct span text, struct arena *arena,
                                 struct span **results, size_t *count, struct why *why)
{
	struct expansion e = { .r = r, .arena = arena, .why = why,
	                       .limit = (size_t)r->conf->virtual_alias_expansion_limit };
	struct step first = { text, NULL, 0 };
	enum table_status status;

	*count = 0;
	if (r->virtual_alias->count == 0)
		return TABLE_NOT_FOUND;
	why_set(why, DEFER, "4.3.0", "Temporary lookup failure");
	e.seen = hash_new();
	status = expand(&e, &first);
	hash_free(e.seen, NULL);
	*results = e.results;
	*count = e.count;
	return status;
}
