/* SPDX-License-Identifier: ISC */
/* master.c - master.cf: the services
 *
 * Eight fields and the arguments of a command; braces protect blanks, quotes mean nothing.
 * Rules: postfix-compat 2. */
#include <errno.h>
#include <fcntl.h>

#include "lib/base/buf.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"
#include "lib/conf/conf.h"
#include "lib/conf/lines.h"
#include "lib/conf/master_text.h"
#include "lib/conf/source.h"

#define MASTER_CF_MAX ((size_t)16 << 20)

struct reading {
	struct arena       *arena;
	const struct conf  *conf;
	const char         *path;
	unsigned            line;
	struct master_conf *result;
	size_t              room;	/* of result->entries */
	const char         *error;
};

static bool bad(struct reading *r, const char *what, struct span value)
{
	r->error = arena_printf(r->arena, "file %s: line %u: %s%s" SPAN_FMT "%s", r->path, r->line, what,
	                        value.ptr != NULL ? ": \"" : "", SPAN_ARG(value), value.ptr != NULL ? "\"" : "");
	return false;
}

/* ---- fields ---- */

static bool yes_or_no(struct reading *r, struct span field, bool standard, bool *value)
{
	if (span_equal(field, span_lit("-")))
		*value = standard;
	else if (span_equal(field, span_lit("y")) || span_equal(field, span_lit("n")))
		*value = field.ptr[0] == 'y';
	else
		return bad(r, "field needs y, n or -", field);
	return true;
}

static bool wakeup(struct reading *r, struct span field, struct master_entry *e)
{
	unsigned long long seconds;

	if (span_equal(field, span_lit("-")))
		return true;
	if (span_ends(field, span_lit("?"))) {
		e->wakeup_only_if_used = true;
		field = span_first(field, field.len - 1);
	}
	if (!span_u64(field, UINT32_MAX, &seconds))
		return bad(r, "bad wakeup time", field);
	e->wakeup_s = (unsigned)seconds;
	return true;
}

static bool process_limit(struct reading *r, struct span field, struct master_entry *e)
{
	unsigned long long limit = (unsigned long long)r->conf->default_process_limit;

	if (!span_equal(field, span_lit("-")) && !span_u64(field, UINT32_MAX, &limit))
		return bad(r, "bad process limit", field);
	e->most_processes = (unsigned)limit;
	return true;
}

static bool is_known_type(struct span type)
{
	static const struct span types[] = {
		SPAN("inet"), SPAN("unix"), SPAN("unix-dgram"), SPAN("fifo"), SPAN("pass"),
	};

	for (size_t i = 0; i < COUNT_OF(types); i++)
		if (span_equal(type, types[i]))
			return true;
	return false;
}

/* standard_chroot - what '-' means: yes below level 1 (it has no effect here: programs confine themselves). */
static bool standard_chroot(const struct conf *conf, struct arena *arena)
{
	const char *text = "${{$compatibility_level} <level {1} ? {y} : {n}}";

	return conf_expand(conf, text, arena)[0] == 'y';
}

static bool read_fields(struct reading *r, const struct span fields[MASTER_FIELDS], struct master_entry *e)
{
	bool is_inet = span_equal(fields[MASTER_TYPE], span_lit("inet"));

	if (!is_known_type(fields[MASTER_TYPE]))
		return bad(r, "bad transport type", fields[MASTER_TYPE]);
	e->name = arena_cstr(r->arena, fields[MASTER_NAME]);
	e->type = arena_cstr(r->arena, fields[MASTER_TYPE]);
	e->command = arena_cstr(r->arena, fields[MASTER_COMMAND]);
	e->line = r->line;
	if (!yes_or_no(r, fields[MASTER_PRIVATE], !is_inet, &e->is_private) ||
	    !yes_or_no(r, fields[MASTER_UNPRIVILEGED], true, &e->is_unprivileged) ||
	    !yes_or_no(r, fields[MASTER_CHROOT], standard_chroot(r->conf, r->arena), &e->is_chrooted) ||
	    !wakeup(r, fields[MASTER_WAKEUP], e) || !process_limit(r, fields[MASTER_LIMIT], e))
		return false;
	if (is_inet && e->is_private)
		return bad(r, "an inet service cannot be private", fields[MASTER_PRIVATE]);
	return true;
}

/* ---- arguments ---- */

static bool add_override(struct reading *r, struct span setting, struct conf_override *o)
{
	struct span name;

	if (!span_cut(&setting, '=', &name))
		return bad(r, "-o needs name=value", name);
	name = span_trim(name);
	if (span_is_empty(name))
		return bad(r, "-o without a name", setting);
	*o = (struct conf_override){ arena_cstr(r->arena, name), arena_cstr(r->arena, span_trim(setting)) };
	return true;
}

/* count_verbose - "-v", "-vv", "-D": how many v, or 0 when arg is something else. */
static unsigned count_verbose(struct span arg)
{
	unsigned n = 0;

	for (size_t i = 1; i < arg.len && arg.ptr[0] == '-' && arg.ptr[i] == 'v'; i++)
		n++;
	return n + 1 == arg.len ? n : 0;
}

static bool read_arguments(struct reading *r, struct span text, struct master_entry *e)
{
	/* Two bytes at least an argument, so half the text is room enough. */
	const char **args = ARENA_NEW_ARRAY(r->arena, const char *, text.len / 2 + 2);
	struct conf_override *overrides = ARENA_NEW_ARRAY(r->arena, struct conf_override, text.len / 2 + 1);
	struct span arg;
	size_t count = 0;

	while (master_next_argument(&text, &arg)) {
		if (span_equal(arg, span_lit("-o"))) {
			if (!master_next_argument(&text, &arg))
				return bad(r, "-o needs name=value", (struct span){ NULL, 0 });
			if (!add_override(r, arg, &overrides[e->override_count++]))
				return false;
		} else if (arg.len > 2 && span_starts(arg, span_lit("-o")) && span_find(arg, '=') != SPAN_NOT_FOUND) {
			if (!add_override(r, span_skip(arg, 2), &overrides[e->override_count++]))
				return false;
		} else if (count_verbose(arg) > 0) {
			e->verbose += count_verbose(arg);
		} else if (!span_equal(arg, span_lit("-D"))) {
			args[count++] = arena_cstr(r->arena, arg);
		}
	}
	e->args = args;
	e->overrides = overrides;
	return true;
}

/* ---- entries ---- */

/* place - where the entry goes: the same name and type given twice, the last one counts. */
static struct master_entry *place(struct reading *r, const struct master_entry *e)
{
	struct master_conf *m = r->result;

	for (size_t i = 0; i < m->count; i++)
		if (strcmp(m->entries[i].name, e->name) == 0 && strcmp(m->entries[i].type, e->type) == 0) {
			log_warning("%s, line %u: overriding earlier entry: %s/%s of line %u", r->path, r->line,
			            e->name, e->type, m->entries[i].line);
			return &m->entries[i];
		}
	if (m->count == r->room) {
		struct master_entry *grown;

		r->room = r->room == 0 ? 32 : 2 * r->room;
		grown = ARENA_NEW_ARRAY(r->arena, struct master_entry, r->room);
		if (m->count > 0)
			memcpy(grown, m->entries, m->count * sizeof(*grown));
		m->entries = grown;
	}
	return &m->entries[m->count++];
}

static bool read_entry(struct reading *r, struct span text)
{
	struct span fields[MASTER_FIELDS];
	struct master_entry e = { 0 };

	if (!master_split_fields(&text, fields))
		return bad(r, "bad field count", (struct span){ NULL, 0 });
	if (!read_fields(r, fields, &e) || !read_arguments(r, text, &e))
		return false;
	*place(r, &e) = e;
	return true;
}

const struct master_conf *master_conf_parse(struct arena *arena, const char *path, struct span text,
                                            const struct conf *conf, const char **error)
{
	struct reading r = { .arena = arena, .conf = conf, .path = path };
	struct conf_lines lines;
	struct span line;

	r.result = ARENA_NEW(arena, struct master_conf);
	conf_lines_init(&lines, path, text);
	while (r.error == NULL && conf_lines_next(&lines, &line)) {
		r.line = lines.last;
		read_entry(&r, line);
	}
	conf_lines_free(&lines);
	*error = r.error;
	return r.error == NULL ? r.result : NULL;
}

const struct master_conf *master_conf_load(struct arena *arena, const char *config_dir,
                                           const struct conf *conf, const char **error)
{
	const char *path = arena_printf(arena, "%s/master.cf", config_dir);
	const struct master_conf *result = NULL;
	struct buf text;

	buf_init(&text, MASTER_CF_MAX);
	if (fs_read_file(AT_FDCWD, path, &text) < 0)
		*error = arena_printf(arena, "open %s: %s", path, strerror(errno));
	else
		result = master_conf_parse(arena, path, buf_span(&text), conf, error);
	buf_free(&text);
	return result;
}
