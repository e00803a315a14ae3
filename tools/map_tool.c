/* SPDX-License-Identifier: ISC */
/* map_tool.c - what postmap, postalias and newaliases share
 *
 * Run by the admin (often as root) on the admin's files: root gives its rights up for those of the owner of the
 * source text.  Options, texts and exit codes are those of Postfix (postfix-compat 7). */
#include "tools/map_tool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/codec.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"

#define SOURCE_BYTES_MAX ((size_t)1 << 30)
#define VALUE_FILE_BYTES_MAX ((size_t)1 << 20)

/* ---- options ---- */

static void usage(const struct map_tool *t)
{
	log_fatal("usage: %s %s", t->name, t->usage);
}

static void take_option(struct map_tool *t, int option)
{
	switch (option) {
	case 'c': t->config_dir = optarg; break;
	case 'd': t->remove = optarg; break;
	case 'f': t->keeps_case = true; break;
	case 'F': t->values_are_files = true; break;
	case 'i': t->is_increment = true; break;
	case 'j': t->is_json = true; break;
	case 'N': case 'n': case 'u': case 'U': break;	/* both forms of keys are read; bytes are bytes */
	case 'o': t->keeps_root = true; break;
	case 'p': t->plain_mode = true; break;
	case 'q': t->query = optarg; break;
	case 'r': t->duplicates = DUPLICATES_REPLACE; break;
	case 's': t->is_dump = true; break;
	case 'v': log_set_verbose(true); break;
	case 'w': t->duplicates = DUPLICATES_IGNORE; break;
	default:  usage(t);
	}
}

void map_tool_load(struct map_tool *t)
{
	const char *error = NULL, *from_environment = getenv("MAIL_CONFIG");

	if (t->config_dir == NULL)
		t->config_dir = from_environment != NULL ? from_environment : CONFIG_DIR;
	t->conf = conf_load(t->arena, t->config_dir, NULL, 0, &error);
	if (t->conf == NULL)
		log_fatal("%s", error);
}

/* split_spec - type and name of "type:name"; ends the program when the type cannot be written but must. */
static const struct table_type *split_spec(struct map_tool *t, const char *spec, const char **name)
{
	struct span rest = span_of(spec), type_name;
	const struct table_type *type;

	if (spec[0] == '/' || !span_cut(&rest, ':', &type_name)) {
		type_name = span_of(t->conf->default_database_type);
		rest = span_of(spec);
	}
	type = table_type_find(type_name);
	if (type == NULL)
		log_fatal("unsupported dictionary type: " SPAN_FMT, SPAN_ARG(type_name));
	*name = arena_cstr(t->arena, rest);
	return type;
}

static const struct table_writes *writes_of(const struct table_type *type)
{
	if (type->writes == NULL)
		log_fatal("unsupported dictionary type: %s does not support bulk-mode creation.", type->name);
	return type->writes;
}

/* ---- output ---- */

static void print_json_text(struct span s)
{
	putchar('"');
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < 0x20)
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

static bool has_blank(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (ascii_is_space(s.ptr[i]))
			return true;
	return false;
}

static void print_entry(const struct map_tool *t, struct span key, struct span value)
{
	if (t->is_json) {
		putchar('{');
		print_json_text(key);
		fputs(": ", stdout);
		print_json_text(value);
		puts("}");
		return;
	}
	if (has_blank(key) && !t->colon && span_find(key, '"') == SPAN_NOT_FOUND)
		printf("\"" SPAN_FMT "\"\t" SPAN_FMT "\n", SPAN_ARG(key), SPAN_ARG(value));
	else
		printf(SPAN_FMT "%s\t" SPAN_FMT "\n", SPAN_ARG(key), t->colon ? ":" : "", SPAN_ARG(value));
}

/* ---- asking ---- */

/* value_shown - with -F the table holds base64: shown decoded. */
static struct span value_shown(const struct map_tool *t, struct arena *arena, struct span value)
{
	struct span plain;

	if (!t->values_are_files)
		return value;
	if (!base64_decode(arena, value, &plain))
		log_fatal("table value is not base64: made without -F?");
	return plain;
}

/* query - the value of key in the first table that has it. */
static bool query(const struct map_tool *t, struct table **tables, size_t count, struct span key, bool with_key)
{
	struct arena *arena = arena_new(t->arena);
	struct span value;
	bool found = false;

	for (size_t i = 0; i < count && !found; i++) {
		enum table_status status = table_find(tables[i], key, arena, &value);

		if (status == TABLE_FAILED)
			log_fatal("table %s: query error", table_spec(tables[i]));
		if (status != TABLE_FOUND)
			continue;
		found = true;
		value = value_shown(t, arena, value);
		if (with_key || t->is_json)
			print_entry(t, key, value);
		else
			printf(SPAN_FMT "\n", SPAN_ARG(value));
	}
	arena_free(arena);
	return found;
}

/* each_line - call fn for every line of standard input; true when it was true for any. */
static bool each_line(bool (*fn)(void *user, struct span line), void *user)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t n;
	bool any = false;

	while ((n = getline(&line, &room, stdin)) >= 0) {
		struct span text = span_make(line, (size_t)n);

		if (span_ends(text, span_lit("\n")))
			text = span_first(text, text.len - 1);
		any = fn(user, text) || any;
	}
	free(line);
	return any;
}

struct asking {
	const struct map_tool *tool;
	struct table         **tables;
	size_t                 count;
};

static bool query_line(void *user, struct span line)
{
	struct asking *a = user;

	return query(a->tool, a->tables, a->count, line, true);
}

static int run_queries(struct map_tool *t, char **specs, size_t count)
{
	struct asking a = { t, ARENA_NEW_ARRAY(t->arena, struct table *, count + 1), count };
	bool found;

	for (size_t i = 0; i < count; i++) {
		a.tables[i] = table_open(span_of(specs[i]), t->conf->default_database_type);
		if (table_error(a.tables[i]) != NULL)
			log_fatal("%s", table_error(a.tables[i]));
	}
	found = strcmp(t->query, "-") == 0 ? each_line(query_line, &a)
	                                   : query(t, a.tables, count, span_of(t->query), false);
	for (size_t i = 0; i < count; i++)
		table_close(a.tables[i]);
	return found ? 0 : 1;
}

static void dump(struct map_tool *t, const char *spec)
{
	const char *name, *error = NULL;
	const struct table_type *type = split_spec(t, spec, &name);
	struct span key, value;
	enum table_status status;
	void *db;

	if (type->writes == NULL)
		log_fatal("table %s: sequence operation is not supported", spec);
	db = type->writes->open(name, TABLE_READ, 0, t->arena, &error);
	if (db == NULL)
		log_fatal("%s", error);
	while ((status = type->writes->next(db, &key, &value)) == TABLE_FOUND)
		print_entry(t, key, value_shown(t, t->arena, value));
	if (status == TABLE_FAILED)
		log_fatal("table %s: sequence error", spec);
	type->writes->close(db);
}

/* ---- changing ---- */

struct changing {
	struct map_tool           *tool;
	const struct table_writes *writes;
	void                      *db;
};

static bool remove_line(void *user, struct span key)
{
	struct changing *c = user;
	struct span folded = c->tool->keeps_case ? key : arena_lower(c->tool->arena, key);
	enum table_status status = c->writes->remove(c->db, folded);

	if (status == TABLE_FAILED)
		log_fatal("delete error");
	return status == TABLE_FOUND;
}

static void commit(struct changing *c)
{
	const char *error = c->writes->commit(c->db);

	c->writes->close(c->db);
	if (error != NULL)
		log_fatal("%s", error);
}

static int run_removals(struct map_tool *t, char **specs, size_t count)
{
	bool found = false;

	for (size_t i = 0; i < count; i++) {
		const char *name, *error = NULL;
		struct changing c = { t, writes_of(split_spec(t, specs[i], &name)), NULL };

		c.db = c.writes->open(name, TABLE_UPDATE, 0644, t->arena, &error);
		if (c.db == NULL)
			log_fatal("%s", error);
		found = (strcmp(t->remove, "-") == 0 ? each_line(remove_line, &c)
		                                     : remove_line(&c, span_of(t->remove))) || found;
		commit(&c);
	}
	return found ? 0 : 1;
}

/* value_of_files - the content of the files named in value, one after another, as base64. */
static struct span value_of_files(struct map_tool *t, struct span value)
{
	struct span name, result;
	struct buf all;

	buf_init(&all, VALUE_FILE_BYTES_MAX);
	while (conf_list_next(&value, &name))
		if (fs_read_file(AT_FDCWD, arena_cstr(t->arena, name), &all) < 0)
			log_fatal("open " SPAN_FMT ": %s", SPAN_ARG(name), strerror(errno));
	result = base64_encode(t->arena, buf_span(&all));
	buf_free(&all);
	return result;
}

static void put(struct changing *c, const char *name, struct span key, struct span value)
{
	struct map_tool *t = c->tool;

	if (!t->keeps_case)
		key = arena_lower(t->arena, key);
	if (t->values_are_files)
		value = value_of_files(t, value);
	switch (c->writes->put(c->db, key, value, t->duplicates == DUPLICATES_REPLACE)) {
	case TABLE_PUT_DONE:
		return;
	case TABLE_PUT_EXISTS:
		if (t->duplicates == DUPLICATES_WARN)
			log_warning("%s.db: duplicate entry: \"" SPAN_FMT "\"", name, SPAN_ARG(key));
		return;
	case TABLE_PUT_FAILED:
		log_fatal("error writing %s.db: %s", name, strerror(errno));
	}
}

static void put_all(struct changing *c, const char *name, const char *source, struct span text)
{
	struct conf_lines lines;
	struct span key, value;

	conf_lines_init(&lines, source, text);
	while (c->tool->next_entry(c->tool, &lines, &key, &value))
		put(c, name, key, value);
	conf_lines_free(&lines);
}

/* become_owner - root works with the rights of the owner of the source text. */
static void become_owner(const struct map_tool *t, const struct stat *st)
{
	if (t->keeps_root || geteuid() != 0 || st->st_uid == 0)
		return;
	if (setegid(st->st_gid) < 0 || seteuid(st->st_uid) < 0)
		log_fatal("cannot take the rights of user %u: %s", (unsigned)st->st_uid, strerror(errno));
}

static void become_root_again(void)
{
	if (getuid() == 0 && geteuid() != 0 && (seteuid(0) < 0 || setegid(0) < 0))
		log_fatal("cannot take root's rights back: %s", strerror(errno));
}

void map_tool_create(struct map_tool *t, const char *spec)
{
	const char *name, *error = NULL;
	struct changing c = { t, writes_of(split_spec(t, spec, &name)), NULL };
	struct stat st;
	struct buf text;
	mode_t mode = 0644;

	if (stat(name, &st) < 0)
		log_fatal("open %s: %s", name, strerror(errno));
	if (!t->plain_mode)
		mode = st.st_mode & 0666;
	become_owner(t, &st);
	buf_init(&text, SOURCE_BYTES_MAX);
	if (fs_read_file(AT_FDCWD, name, &text) < 0)
		log_fatal("open %s: %s", name, strerror(errno));
	umask(0);
	c.db = c.writes->open(name, TABLE_CREATE, mode, t->arena, &error);
	if (c.db == NULL)
		log_fatal("%s", error);
	put_all(&c, name, name, buf_span(&text));
	if (t->finish != NULL)
		t->finish(t, c.writes, c.db);
	commit(&c);
	buf_free(&text);
	become_root_again();
}

static void increment(struct map_tool *t, const char *spec)
{
	const char *name, *error = NULL;
	struct changing c = { t, writes_of(split_spec(t, spec, &name)), NULL };
	struct buf text;

	buf_init(&text, SOURCE_BYTES_MAX);
	if (fs_read_file(AT_FDCWD, "/dev/stdin", &text) < 0)
		log_fatal("read standard input: %s", strerror(errno));
	c.db = c.writes->open(name, TABLE_UPDATE, 0644, t->arena, &error);
	if (c.db == NULL)
		log_fatal("%s", error);
	put_all(&c, name, "stdin", buf_span(&text));
	commit(&c);
	buf_free(&text);
}

int map_tool_main(struct map_tool *t, int argc, char **argv)
{
	int option;
	size_t count;

	log_open(t->name, LOG_TO_STDERR, -1);
	t->arena = arena_new(NULL);
	while ((option = getopt(argc, argv, t->options)) != -1)
		take_option(t, option);
	if ((t->query != NULL) + (t->remove != NULL) + t->is_dump > 1)
		log_fatal("specify only one of -s -q or -d");
	if (optind == argc)
		usage(t);
	map_tool_load(t);
	count = (size_t)(argc - optind);
	if (t->query != NULL)
		return run_queries(t, argv + optind, count);
	if (t->remove != NULL)
		return run_removals(t, argv + optind, count);
	for (size_t i = 0; i < count; i++) {
		if (t->is_dump)
			dump(t, argv[(size_t)optind + i]);
		else if (t->is_increment)
			increment(t, argv[(size_t)optind + i]);
		else
			map_tool_create(t, argv[(size_t)optind + i]);
	}
	return 0;
}
