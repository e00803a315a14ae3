/* SPDX-License-Identifier: ISC */
/* nested.c - unionmap:, pipemap:, randmap:, proxy: types whose name holds other tables, or values */
#include "lib/table/nested.h"

#include "lib/base/buf.h"
#include "lib/base/codec.h"
#include "lib/conf/conf.h"

extern const struct table_type table_unionmap, table_pipemap, table_randmap, table_proxy;

/* A result longer than this is a mistake of the admin's. */
#define UNION_BYTES_MAX ((size_t)1 << 20)

struct nested {
	struct table **tables;
	size_t         count;
};

bool nested_is(const struct table_type *type)
{
	return type == &table_unionmap || type == &table_pipemap;
}

struct span nested_members(struct span name)
{
	name = span_trim(name);
	if (span_starts(name, span_lit("{")) && span_ends(name, span_lit("}")))
		name = span_slice(name, 1, name.len - 2);
	return name;
}

static void nested_close(void *state)
{
	struct nested *n = state;

	for (size_t i = 0; i < n->count; i++)
		table_close(n->tables[i]);
}

static void *nested_open(struct table_opening *o)
{
	struct nested *n = ARENA_NEW(o->arena, struct nested);
	struct span rest = nested_members(span_of(o->name)), member;
	size_t room = rest.len / 2 + 1;
	const char *error;

	n->tables = ARENA_NEW_ARRAY(o->arena, struct table *, room);
	while (conf_list_next(&rest, &member)) {
		n->tables[n->count++] = table_open_nested(member, o->default_type, o->depth + 1);
		error = table_error(n->tables[n->count - 1]);
		if (error != NULL) {
			o->error = arena_cstr(o->arena, span_of(error));
			nested_close(n);
			return NULL;
		}
	}
	if (n->count == 0)
		o->error = "bad syntax: need \"{type:name, type:name...}\"";
	return n->count > 0 ? n : NULL;
}

static enum table_status union_find(void *state, struct span key, struct arena *arena, struct span *value)
{
	struct nested *n = state;
	enum table_status result = TABLE_NOT_FOUND;
	struct span one;
	struct buf all;

	buf_init(&all, UNION_BYTES_MAX);
	for (size_t i = 0; i < n->count; i++) {
		enum table_status status = table_find(n->tables[i], key, arena, &one);

		if (status == TABLE_NOT_FOUND)
			continue;
		result = status;
		if (status == TABLE_FAILED)
			break;
		if (all.len > 0)
			buf_add_byte(&all, ',');
		buf_add(&all, one);
	}
	if (all.overflowed)
		result = TABLE_FAILED;
	if (result == TABLE_FOUND)
		*value = arena_dup(arena, buf_span(&all));
	buf_free(&all);
	return result;
}

static enum table_status pipe_find(void *state, struct span key, struct arena *arena, struct span *value)
{
	struct nested *n = state;

	for (size_t i = 0; i < n->count; i++) {
		enum table_status status = table_find(n->tables[i], key, arena, value);

		if (status != TABLE_FOUND)
			return status;
		key = *value;
	}
	return TABLE_FOUND;
}

const struct table_type table_unionmap = {
	.name = "unionmap", .open = nested_open, .find = union_find, .close = nested_close,
	.text = "unionmap:{type:name, ...}: asks every table and joins what they give with commas.",
};

const struct table_type table_pipemap = {
	.name = "pipemap", .open = nested_open, .find = pipe_find, .close = nested_close,
	.text = "pipemap:{type:name, ...}: the result of one table is the key of the next.",
};

/* ---- randmap: one of the given values ---- */

struct choices {
	struct span *values;
	size_t       count;
};

static void *random_open(struct table_opening *o)
{
	struct choices *c = ARENA_NEW(o->arena, struct choices);
	struct span rest = nested_members(span_of(o->name)), member;

	c->values = ARENA_NEW_ARRAY(o->arena, struct span, rest.len / 2 + 1);
	while (conf_list_next(&rest, &member))
		c->values[c->count++] = arena_dup(o->arena, member);
	if (c->count == 0)
		o->error = "bad syntax: need \"{value, value...}\"";
	return c->count > 0 ? c : NULL;
}

static enum table_status random_find(void *state, struct span key, struct arena *arena, struct span *value)
{
	struct choices *c = state;
	unsigned number;

	(void)key;
	random_bytes(&number, sizeof(number));
	*value = arena_dup(arena, c->values[number % c->count]);
	return TABLE_FOUND;
}

const struct table_type table_randmap = {
	.name = "randmap", .open = random_open, .find = random_find,
	.text = "randmap:{value, ...}: one of the values, at random.",
};

/* ---- proxy: the prefix is taken off before a type is looked for ---- */

static void *proxy_open(struct table_opening *o)
{
	o->error = "need \"proxy:type:name\"";
	return NULL;
}

static enum table_status proxy_find(void *state, struct span key, struct arena *arena, struct span *value)
{
	(void)state, (void)key, (void)arena, (void)value;
	return TABLE_FAILED;
}

const struct table_type table_proxy = {
	.name = "proxy", .open = proxy_open, .find = proxy_find,
	.text = "proxy:type:name: the same as type:name; router shares every table anyway.",
};
