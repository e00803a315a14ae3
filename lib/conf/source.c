/* SPDX-License-Identifier: ISC */
/* source.c - the settings of main.cf as they are written, and their expansion
 *
 * Reads a file of the admin (trusted, but written by hand).  Rules: postfix-compat 1. */
#include "lib/conf/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"
#include "lib/conf/expand.h"
#include "lib/conf/lines.h"

#define MAIN_CF_MAX ((size_t)16 << 20)
#define VALUE_MAX ((size_t)1 << 20)

enum { HOST_NAME_SIZE = 256 };

static void release_hash(void *object)
{
	hash_free(object, NULL);
}

static void add_defaults(struct conf_source *s)
{
	struct setting *settings = ARENA_NEW_ARRAY(s->arena, struct setting, param_row_count);

	for (size_t i = 0; i < param_row_count; i++) {
		const struct param_row *row = &param_rows[i];

		settings[i] = (struct setting){ .name = row->name, .raw = row->standard, .row = row };
		hash_put(s->settings, span_of(row->name), &settings[i]);
	}
}

struct setting *source_get(const struct conf_source *s, struct span name)
{
	return hash_get(s->settings, name);
}

void source_set(struct conf_source *s, struct span name, struct span value, enum setting_origin origin,
                unsigned line)
{
	struct setting *setting = source_get(s, name);

	if (setting == NULL) {
		setting = ARENA_NEW(s->arena, struct setting);
		setting->name = arena_cstr(s->arena, name);
		hash_put(s->settings, name, setting);
	}
	if (setting->origin == FROM_MAIN_CF && origin == FROM_MAIN_CF)
		log_warning("%s, line %u: overriding earlier entry: %s=%s", s->path, line, setting->name,
		            setting->raw);
	if (setting->origin == FROM_DEFAULT) {
		*s->last = setting;
		s->last = &setting->next;
	}
	setting->raw = arena_cstr(s->arena, value);
	setting->origin = origin;
	setting->line = line;
}

static bool parse_line(struct conf_source *s, const struct conf_lines *lines, struct span text,
                       const char **error)
{
	struct span name, whole = text;
	size_t note;

	if (!span_cut(&text, '=', &name)) {
		*error = arena_printf(s->arena, "%s, line %u: missing '=' after attribute name: \"" SPAN_FMT "\"",
		                      lines->file, lines->last, SPAN_ARG(span_first(whole, 100)));
		return false;
	}
	name = span_trim(name);
	text = span_trim(text);
	if (span_is_empty(name)) {
		*error = arena_printf(s->arena, "%s, line %u: missing attribute name: \"" SPAN_FMT "\"", lines->file,
		                      lines->last, SPAN_ARG(span_first(whole, 100)));
		return false;
	}
	note = span_search(text, span_lit(" #"));
	if (note != SPAN_NOT_FOUND)
		log_warning("%s, line %u: #comment after other text is not allowed: " SPAN_FMT, lines->file,
		            lines->last, SPAN_ARG(span_first(span_skip(text, note + 1), 40)));
	source_set(s, name, text, FROM_MAIN_CF, lines->last);
	return true;
}

bool source_parse(struct conf_source *s, const char *path, struct span text, const char **error)
{
	struct conf_lines lines;
	struct span line;
	bool ok = true;

	s->path = path;
	conf_lines_init(&lines, path, text);
	while (ok && conf_lines_next(&lines, &line))
		ok = parse_line(s, &lines, line, error);
	conf_lines_free(&lines);
	return ok;
}

struct conf_source *source_defaults(struct arena *arena, const char *config_dir)
{
	struct conf_source *s = ARENA_NEW(arena, struct conf_source);

	s->arena = arena;
	s->settings = hash_new();
	arena_on_reset(arena, release_hash, s->settings);
	s->last = &s->first;
	s->config_dir = arena_cstr(arena, span_of(config_dir));
	add_defaults(s);
	return s;
}

struct conf_source *source_open(struct arena *arena, const char *config_dir, const char **error)
{
	struct conf_source *s = source_defaults(arena, config_dir);
	const char *path = arena_printf(arena, "%s/main.cf", config_dir);
	struct buf text;
	bool ok;

	buf_init(&text, MAIN_CF_MAX);
	ok = fs_read_file(AT_FDCWD, path, &text) == 0;
	if (!ok)
		*error = arena_printf(arena, "open %s: %s", path, strerror(errno));
	else
		ok = source_parse(s, path, buf_span(&text), error);
	buf_free(&text);
	return ok ? s : NULL;
}

/* ---- expansion ---- */

static bool find_value(void *user, struct span name, struct span *value)
{
	const struct setting *setting = source_get(user, name);

	if (setting == NULL)
		return false;
	*value = span_of(setting->raw);
	return true;
}

static const char *expand_in(struct conf_source *s, struct span text, struct arena *arena, const char **error)
{
	struct expander x = { .find = find_value, .user = s, .is_recursive = true };
	struct buf out;
	const char *value = NULL;

	if (span_find(text, '$') == SPAN_NOT_FOUND)
		return arena_cstr(arena, text);
	buf_init(&out, VALUE_MAX);
	if (expand_text(&x, text, &out))
		value = arena_cstr(arena, span_trim(buf_span(&out)));
	else
		*error = x.error;
	buf_free(&out);
	return value;
}

const char *source_expand(const struct conf_source *s, struct span text, struct arena *arena, const char **error)
{
	struct conf_source reading = *s;	/* find_value only reads */

	return expand_in(&reading, text, arena, error);
}

/* ---- defaults that depend on this host ---- */

/* default_of - set what main.cf did not. */
static void default_of(struct conf_source *s, const char *name, const char *value)
{
	struct setting *setting = source_get(s, span_of(name));

	if (setting->origin == FROM_DEFAULT)
		setting->raw = value;
}

static const char *value_of(struct conf_source *s, const char *name)
{
	const char *error;
	const char *value = expand_in(s, span_of(source_get(s, span_of(name))->raw), s->arena, &error);

	return value != NULL ? value : "";
}

static const char *host_name(struct conf_source *s)
{
	char name[HOST_NAME_SIZE] = "localhost";
	const struct setting *domain = source_get(s, span_lit("mydomain"));

	if (gethostname(name, sizeof(name) - 1) < 0)
		log_warning("gethostname: %s", strerror(errno));
	if (strchr(name, '.') != NULL)
		return arena_cstr(s->arena, span_of(name));
	return arena_printf(s->arena, "%s.%s", name,
	                    domain->origin == FROM_DEFAULT ? "localdomain" : domain->raw);
}

static const char *parent_domain(struct conf_source *s)
{
	const char *name = value_of(s, "myhostname");
	const char *dot = strchr(name, '.');

	return dot != NULL ? dot + 1 : "localdomain";
}

/* read_origin - Debian: myorigin = /etc/mailname means the first line of that file. */
static void read_origin(struct conf_source *s)
{
	struct setting *origin = source_get(s, span_lit("myorigin"));
	struct buf text;
	struct span rest, line;

	if (origin->raw[0] != '/')
		return;
	buf_init(&text, 4096);
	if (fs_read_file(AT_FDCWD, origin->raw, &text) < 0) {
		log_warning("myorigin: cannot read %s: %s; using $myhostname", origin->raw, strerror(errno));
		origin->raw = "$myhostname";
	} else {
		rest = buf_span(&text);
		span_cut(&rest, '\n', &line);
		origin->raw = arena_cstr(s->arena, span_trim(line));
	}
	buf_free(&text);
}

void source_compute(struct conf_source *s)
{
	source_get(s, span_lit("config_directory"))->raw = s->config_dir;
	if (source_get(s, span_lit("myhostname"))->origin == FROM_DEFAULT)
		default_of(s, "myhostname", host_name(s));
	default_of(s, "mydomain", parent_domain(s));
	if (source_get(s, span_lit("mynetworks"))->origin == FROM_DEFAULT)
		default_of(s, "mynetworks",
		           compute_mynetworks(s->arena, value_of(s, "mynetworks_style"),
		                              value_of(s, "inet_interfaces"), value_of(s, "inet_protocols")));
	read_origin(s);
}
