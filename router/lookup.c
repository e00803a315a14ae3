/* SPDX-License-Identifier: ISC */
/* lookup.c - tables of addresses: the order of keys (postfix-compat 8)
 *
 * Every key is tried in all tables before the next one; pattern tables see the whole address only. */
#include "lib/base/log.h"
#include "router/router.h"

/* is_ours - bare forms are looked up only where the domain is $myorigin, in $mydestination or our literal. */
static enum table_status is_ours(const struct router *r, struct span domain, struct arena *arena)
{
	enum route_class class;

	if (span_equal_ci(domain, span_of(r->conf->myorigin)))
		return TABLE_FOUND;
	if (route_class(r, domain, arena, &class) == TABLE_FAILED)
		return TABLE_FAILED;
	return class == CLASS_LOCAL ? TABLE_FOUND : TABLE_NOT_FOUND;
}

static struct span join(struct arena *arena, struct span user, struct span domain)
{
	return arena_printf_span(arena, SPAN_FMT "@" SPAN_FMT, SPAN_ARG(user), SPAN_ARG(domain));
}

/* find_forms - the address without its extension, the bare forms, @domain. */
static enum table_status find_forms(const struct router *r, const struct table_list *list,
                                    const struct address *a, struct arena *arena, struct span *value,
                                    struct span *unmatched)
{
	enum table_status status = TABLE_NOT_FOUND, ours = TABLE_NOT_FOUND;

	if (a->extension.len > 0)
		status = table_list_find(list, join(arena, a->user, a->domain), TABLE_PART_OF_KEY, arena, value);
	if (status == TABLE_NOT_FOUND && (ours = is_ours(r, a->domain, arena)) == TABLE_FAILED)
		return TABLE_FAILED;
	if (status == TABLE_NOT_FOUND && ours == TABLE_FOUND) {
		status = table_list_find(list, a->local, TABLE_PART_OF_KEY, arena, value);
		if (status != TABLE_NOT_FOUND)
			return status;
		if (a->extension.len > 0)
			status = table_list_find(list, a->user, TABLE_PART_OF_KEY, arena, value);
	}
	if (status == TABLE_FOUND)
		*unmatched = a->extension;
	if (status != TABLE_NOT_FOUND)
		return status;
	return table_list_find(list, join(arena, (struct span){ NULL, 0 }, a->domain), TABLE_PART_OF_KEY, arena,
	                       value);
}

enum table_status lookup_address(const struct router *r, const struct table_list *list, struct span text,
                                 struct arena *arena, struct span *value, struct span *unmatched)
{
	struct address a = address_split(r, text);
	struct span extension = { NULL, 0 };
	enum table_status status;

	if (list->count == 0)
		return TABLE_NOT_FOUND;
	status = table_list_find(list, text, TABLE_WHOLE_KEY, arena, value);
	if (status == TABLE_NOT_FOUND && a.domain.len > 0)
		status = find_forms(r, list, &a, arena, value, &extension);
	if (unmatched != NULL)
		*unmatched = extension;
	return status;
}

enum table_status lookup_sender(const struct router *r, const struct table_list *list, struct span sender,
                                struct arena *arena, struct span *value)
{
	struct address a = address_split(r, sender);
	enum table_status status;

	if (list->count == 0)
		return TABLE_NOT_FOUND;
	if (sender.len == 0)
		return table_list_find(list, span_lit("<>"), TABLE_WHOLE_KEY, arena, value);
	status = table_list_find(list, sender, TABLE_WHOLE_KEY, arena, value);
	if (status != TABLE_NOT_FOUND || a.domain.len == 0)
		return status;
	return table_list_find(list, join(arena, (struct span){ NULL, 0 }, a.domain), TABLE_PART_OF_KEY, arena,
	                       value);
}

enum table_status lookup_domain(const struct table_list *list, struct span domain, struct arena *arena,
                                struct span *value)
{
	enum table_status status = table_list_find(list, domain, TABLE_WHOLE_KEY, arena, value);
	size_t dot;

	while (status == TABLE_NOT_FOUND && (dot = span_find(span_skip(domain, 1), '.')) != SPAN_NOT_FOUND) {
		domain = span_skip(domain, dot + 1);
		status = table_list_find(list, domain, TABLE_PART_OF_KEY, arena, value);
	}
	return status;
}

/* result_address - one address of a result: completed as it stands in the table's stead. */
static struct span result_address(const struct router *r, struct span result, struct span original,
                                  struct span extension, struct arena *arena)
{
	struct address a = address_split(r, original);

	if (span_starts(result, span_lit("@")))
		return address_standard(r, arena_printf_span(arena, SPAN_FMT SPAN_FMT, SPAN_ARG(a.local),
		                                             SPAN_ARG(result)), arena);
	result = address_standard(r, result, arena);
	if (extension.len == 0)
		return result;
	a = address_split(r, result);
	return arena_printf_span(arena, SPAN_FMT SPAN_FMT "@" SPAN_FMT, SPAN_ARG(a.local), SPAN_ARG(extension),
	                         SPAN_ARG(a.domain));
}

/* next_address - next of a list split at commas and blanks outside quotes. */
static bool next_address(struct span *rest, struct span *address)
{
	bool is_quoted = false;
	size_t n = 0;

	while (rest->len > 0 && (ascii_is_space(rest->ptr[0]) || rest->ptr[0] == ','))
		*rest = span_skip(*rest, 1);
	for (; n < rest->len && (is_quoted || (!ascii_is_space(rest->ptr[n]) && rest->ptr[n] != ',')); n++) {
		if (rest->ptr[n] == '\\' && n + 1 < rest->len)
			n++;
		else if (rest->ptr[n] == '"')
			is_quoted = !is_quoted;
	}
	*address = span_first(*rest, n);
	*rest = span_skip(*rest, n);
	return address->len > 0;
}

enum table_status lookup_map(const struct router *r, const struct table_list *list, struct span text,
                             bool propagate, struct arena *arena, struct span **results, size_t *count)
{
	struct span value, extension, one;
	enum table_status status = lookup_address(r, list, text, arena, &value, &extension);

	*count = 0;
	if (status != TABLE_FOUND)
		return status;
	if (!propagate)
		extension.len = 0;
	*results = ARENA_NEW_ARRAY(arena, struct span, value.len / 2 + 1);
	while (next_address(&value, &one))
		(*results)[(*count)++] = result_address(r, one, text, extension, arena);
	if (*count > 0)
		return TABLE_FOUND;
	log_warning("%s lookup of " SPAN_FMT " gives no address", list->title, SPAN_ARG(text));
	return TABLE_FAILED;
}
