/* SPDX-License-Identifier: ISC */
/* header_index.c - the fields of a message by name
 *
 * Fields of one name form a chain from the lowest up.  What was taken is remembered with the number of the round, so
 * that a restart costs nothing. */
#include "lib/mailauth/header_index.h"

#include "lib/base/hash.h"

struct chain {
	size_t lowest;		/* as number of the field + 1; 0: none */
	size_t next;		/* the one to take next, in this round */
	size_t round;
	size_t count;
};

struct header_index {
	struct arena       *arena;
	struct mail_header  header;
	struct hash        *chains;	/* by name in lower case */
	size_t             *above;	/* per field: the next of its name, as lowest */
	size_t              round;
};

struct mail_header mail_header_parse(struct arena *arena, struct span *message)
{
	struct span rest = *message;
	struct mime_field field, *fields;
	size_t count = 0, size = mime_header_end(*message);

	while (mime_field_next(&rest, &field))
		count++;
	fields = ARENA_NEW_ARRAY(arena, struct mime_field, count);
	rest = *message;
	for (size_t i = 0; i < count; i++)
		(void)mime_field_next(&rest, &fields[i]);
	*message = span_skip(*message, size);
	return (struct mail_header){ fields, count };
}

static struct chain *find(const struct header_index *index, struct span name)
{
	return hash_get(index->chains, arena_lower(index->arena, name));
}

static void add(struct header_index *index, size_t i)
{
	struct span name = arena_lower(index->arena, index->header.field[i].name);
	struct chain *chain = hash_get(index->chains, name);

	if (chain == NULL) {
		chain = ARENA_NEW(index->arena, struct chain);
		(void)hash_put(index->chains, name, chain);
	}
	index->above[i] = chain->lowest;
	chain->lowest = i + 1;
	chain->count++;
}

static void release(void *object)
{
	hash_free(object, NULL);
}

struct header_index *header_index_new(struct arena *arena, struct mail_header header)
{
	struct header_index *index = ARENA_NEW(arena, struct header_index);

	index->arena = arena;
	index->header = header;
	index->chains = hash_new();
	arena_on_reset(arena, release, index->chains);
	index->above = ARENA_NEW_ARRAY(arena, size_t, header.count);
	for (size_t i = 0; i < header.count; i++)
		if (header.field[i].name.len != 0)
			add(index, i);
	header_index_restart(index);
	return index;
}

size_t header_index_count(struct header_index *index, struct span name)
{
	const struct chain *chain = find(index, name);

	return chain != NULL ? chain->count : 0;
}

void header_index_restart(struct header_index *index)
{
	index->round++;
}

const struct mime_field *header_index_take(struct header_index *index, struct span name)
{
	struct chain *chain = find(index, name);
	size_t taken;

	if (chain == NULL)
		return NULL;
	if (chain->round != index->round) {
		chain->round = index->round;
		chain->next = chain->lowest;
	}
	taken = chain->next;
	if (taken == 0)
		return NULL;
	chain->next = index->above[taken - 1];
	return &index->header.field[taken - 1];
}
