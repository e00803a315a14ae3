/* SPDX-License-Identifier: ISC */
/* text.c - inline: and texthash: small tables held in memory */
#include <errno.h>
#include <fcntl.h>

#include "lib/base/fs.h"
#include "lib/base/hash.h"
#include "lib/base/log.h"
#include "lib/conf/conf.h"
#include "lib/table/nested.h"
#include "lib/table/source_text.h"

extern const struct table_type table_inline, table_texthash;

#define TEXT_BYTES_MAX ((size_t)1 << 30)

/* The state is a hash of folded keys; values are spans in the arena. */
static void release_hash(void *object)
{
	hash_free(object, NULL);
}

static struct hash *new_hash(struct arena *arena)
{
	struct hash *h = hash_new();

	arena_on_reset(arena, release_hash, h);
	return h;
}

static bool put(struct hash *h, struct arena *arena, struct span key, struct span value)
{
	struct span *kept;

	key = arena_lower(arena, key);
	if (hash_get(h, key) != NULL)
		return false;
	kept = ARENA_NEW(arena, struct span);
	*kept = arena_dup(arena, value);
	hash_put(h, key, kept);
	return true;
}

static enum table_status text_find(void *state, struct span key, struct arena *arena, struct span *value)
{
	const struct span *found = hash_get(state, key);

	if (found == NULL)
		return TABLE_NOT_FOUND;
	*value = arena_dup(arena, *found);
	return TABLE_FOUND;
}

static void *inline_open(struct table_opening *o)
{
	struct span rest = nested_members(span_of(o->name)), member, key;
	struct hash *h = new_hash(o->arena);

	while (conf_list_next(&rest, &member)) {
		if (!span_cut(&member, '=', &key) || span_trim(key).len == 0) {
			o->error = "bad syntax: need \"{name=value, {name = value with blanks}...}\"";
			return NULL;
		}
		if (!put(h, o->arena, span_trim(key), span_trim(member)))
			log_warning("inline:%s: duplicate entry: \"" SPAN_FMT "\"", o->name, SPAN_ARG(span_trim(key)));
	}
	return h;
}

const struct table_type table_inline = {
	.name = "inline", .flags = TABLE_FOLDS, .open = inline_open, .find = text_find,
	.text = "inline:{name=value, {name = value with blanks}}: a small table in main.cf itself.",
};

static void *texthash_open(struct table_opening *o)
{
	struct hash *h = new_hash(o->arena);
	struct conf_lines lines;
	struct span key, value;
	struct buf text;
	bool ok;

	buf_init(&text, TEXT_BYTES_MAX);
	ok = fs_read_file(AT_FDCWD, o->name, &text) == 0;
	if (!ok)
		o->error = arena_printf(o->arena, "open %s: %s", o->name, strerror(errno));
	conf_lines_init(&lines, o->name, ok ? buf_span(&text) : (struct span){ NULL, 0 });
	while (table_source_next(&lines, &key, &value))
		if (!put(h, o->arena, key, value))
			log_warning("%s, line %u: duplicate entry: \"" SPAN_FMT "\"", o->name, lines.last,
			            SPAN_ARG(key));
	conf_lines_free(&lines);
	buf_free(&text);
	return ok ? h : NULL;
}

const struct table_type table_texthash = {
	.name = "texthash", .flags = TABLE_FOLDS | TABLE_IS_FILE, .open = texthash_open, .find = text_find,
	.text = "texthash:/file: the text that postmap reads, held in memory; no postmap needed.",
};
