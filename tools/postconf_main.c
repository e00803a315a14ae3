/* SPDX-License-Identifier: ISC */
/* postconf_main.c - main.cf: show settings, change them in place */
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/log.h"
#include "tools/postconf.h"

static void print_setting(struct postconf *p, const struct setting *s)
{
	const char *value = s->raw, *error = NULL;

	if (p->is_expanded) {
		value = source_expand(p->source, span_of(s->raw), p->arena, &error);
		if (value == NULL)
			log_fatal("%s: %s: \"%s\"", s->name, error, s->raw);
	}
	value = postconf_clean(p->arena, value);
	if (p->no_value)
		printf("%s\n", s->name);
	else if (p->no_name)
		printf("%s\n", value);
	else
		postconf_print(p, arena_printf_span(p->arena, "%s =%s%s", s->name, value[0] != '\0' ? " " : "", value));
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(const struct setting *const *)a)->name, (*(const struct setting *const *)b)->name);
}

/* is_listed - which settings a list without names shows: with -n those of main.cf that somebody reads. */
static bool is_listed(const struct postconf *p, const struct hash *used, const struct setting *s)
{
	if (s->origin == FROM_DEFAULT)
		return !p->only_set;
	return s->row != NULL || param_is_per_transport(span_of(s->name)) ||
	       hash_get(used, span_of(s->name)) != NULL;
}

static int show_all(struct postconf *p)
{
	struct hash *used = conf_referenced_names(p->source, NULL);
	const struct setting **list = ARENA_NEW_ARRAY(p->arena, const struct setting *,
	                                              hash_count(p->source->settings) + 1);
	struct span name;
	size_t count = 0, cursor = 0;
	void *value;

	while (hash_next(p->source->settings, &cursor, &name, &value))
		if (is_listed(p, used, value))
			list[count++] = value;
	qsort(list, count, sizeof(struct setting *), by_name);
	for (size_t i = 0; i < count; i++)
		print_setting(p, list[i]);
	hash_free(used, NULL);
	if (!p->only_defaults)
		source_log_unused(p->source);
	return 0;
}

int postconf_show_main(struct postconf *p)
{
	postconf_load(p);
	if (p->count == 0)
		return show_all(p);
	for (size_t i = 0; i < p->count; i++) {
		const struct setting *s = source_get(p->source, span_of(p->names[i]));

		if (s == NULL)
			log_warning("%s: unknown parameter", p->names[i]);
		else if (!p->only_set || s->origin != FROM_DEFAULT)
			print_setting(p, s);
	}
	return 0;
}

/* ---- changing ---- */

struct change {
	struct span name, value;
	bool        is_done;
};

static struct change *take_changes(struct postconf *p)
{
	struct change *changes = ARENA_NEW_ARRAY(p->arena, struct change, p->count + 1);

	for (size_t i = 0; i < p->count; i++) {
		struct span rest = span_of(p->names[i]), name;
		bool has_value = span_cut(&rest, '=', &name);

		if (has_value != (p->action == ACTION_EDIT))
			log_fatal(has_value ? "-X or -# needs names without value: \"%s\""
			                    : "missing '=' after attribute name: \"%s\"", p->names[i]);
		if (strchr(p->names[i], '\n') != NULL)
			log_fatal("-e, -X, or -# accepts no multi-line input");
		changes[i].name = span_trim(name);
		changes[i].value = span_trim(rest);
		if (changes[i].name.len == 0)
			log_fatal("missing attribute name: \"%s\"", p->names[i]);
	}
	return changes;
}

/* name_of - the name a logical line begins with, if line is such a beginning. */
static struct span name_of(struct span line)
{
	struct span name;

	if (line.len == 0 || ascii_is_space(line.ptr[0]) || line.ptr[0] == '#' || !span_cut(&line, '=', &name))
		return (struct span){ NULL, 0 };
	return span_trim(name);
}

static struct change *find_change(struct change *changes, size_t count, struct span name)
{
	/* The last of equal names counts, as in the file. */
	for (size_t i = count; name.len > 0 && i > 0; i--)
		if (span_equal(changes[i - 1].name, name))
			return &changes[i - 1];
	return NULL;
}

static void add_setting(struct buf *out, const struct change *c)
{
	buf_addf(out, SPAN_FMT " =%s" SPAN_FMT "\n", SPAN_ARG(c->name), c->value.len > 0 ? " " : "",
	         SPAN_ARG(c->value));
}

static bool is_comment_or_blank(struct span line)
{
	struct span text = span_trim(line);

	return text.len == 0 || text.ptr[0] == '#';
}

int postconf_edit_main(struct postconf *p)
{
	struct span rest = postconf_read(p, "main.cf"), line;
	struct change *changes = take_changes(p), *current = NULL;
	struct buf out;

	buf_init(&out, BUF_NO_LIMIT);
	while (rest.len > 0) {
		bool starts, kept = false;

		span_cut(&rest, '\n', &line);
		starts = line.len > 0 && !ascii_is_space(line.ptr[0]) && line.ptr[0] != '#';
		if (starts)
			current = find_change(changes, p->count, name_of(line));
		/* Comments stay, also those between the lines of a setting that goes. */
		if (current == NULL || is_comment_or_blank(line))
			kept = true;
		else if (p->action == ACTION_COMMENT)
			buf_addf(&out, "#" SPAN_FMT "\n", SPAN_ARG(line));
		else if (p->action == ACTION_EDIT && starts)
			add_setting(&out, current);
		if (kept)
			buf_addf(&out, SPAN_FMT "\n", SPAN_ARG(line));
		if (current != NULL)
			current->is_done = true;
	}
	for (size_t i = 0; i < p->count && p->action == ACTION_EDIT; i++)
		if (!changes[i].is_done && find_change(changes, p->count, changes[i].name) == &changes[i])
			add_setting(&out, &changes[i]);
	postconf_write(p, "main.cf", buf_span(&out));
	buf_free(&out);
	return 0;
}
