/* SPDX-License-Identifier: ISC */
/* postconf.c - show and change the configuration
 *
 * Output is that of Postfix's postconf, which scripts read (postfix-compat 9). */
#include "tools/postconf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/fs.h"
#include "lib/base/log.h"
#include "lib/table/table.h"

#define FILE_BYTES_MAX ((size_t)16 << 20)

static const char usage_text[] =
	"usage: postconf [-deFfHhMmnPxX#] [-c config_dir] [-o name=value] [name...]";

static const char *next_word(struct span *rest, struct span *word)
{
	return span_token(rest, " \t\r\n", word) ? word->ptr : NULL;
}

void postconf_print(const struct postconf *p, struct span line)
{
	struct span word;
	size_t column = 0;

	if (!p->is_folded || line.len < POSTCONF_COLUMNS) {
		printf(SPAN_FMT "\n", SPAN_ARG(line));
		return;
	}
	while (next_word(&line, &word) != NULL) {
		if (column > 0 && column + 1 + word.len >= POSTCONF_COLUMNS) {
			fputs("\n    ", stdout);
			column = 4;
		} else if (column > 0) {
			putchar(' ');
			column++;
		}
		printf(SPAN_FMT, SPAN_ARG(word));
		column += word.len;
	}
	putchar('\n');
}

const char *postconf_clean(struct arena *arena, const char *value)
{
	char *out = arena_alloc(arena, strlen(value) + 1);
	size_t n = 0;

	for (const char *c = value; *c != '\0'; c++) {
		if (!ascii_is_space(*c))
			out[n++] = *c;
		else if (n > 0 && out[n - 1] != ' ')
			out[n++] = ' ';
	}
	return out;
}

struct span postconf_read(struct postconf *p, const char *name)
{
	const char *path = arena_printf(p->arena, "%s/%s", p->config_dir, name);
	struct span text;
	struct buf content;

	buf_init(&content, FILE_BYTES_MAX);
	if (fs_read_file(AT_FDCWD, path, &content) < 0)
		log_fatal("open %s for reading: %s", path, strerror(errno));
	text = arena_dup(p->arena, buf_span(&content));
	buf_free(&content);
	return text;
}

void postconf_write(struct postconf *p, const char *name, struct span text)
{
	const char *path = arena_printf(p->arena, "%s/%s", p->config_dir, name);
	struct stat st;

	if (stat(path, &st) < 0)
		st.st_mode = 0644;
	if (fs_replace_file(AT_FDCWD, path, text, st.st_mode & 07777) < 0)
		log_fatal("write %s: %s", path, strerror(errno));
}

static void show_types(void)
{
	for (size_t i = 0; table_types[i] != NULL; i++)
		puts(table_types[i]->name);
}

static void add_override(struct postconf *p, const char *text)
{
	struct span value = span_of(text), name;

	if (!span_cut(&value, '=', &name))
		log_fatal("-o needs name=value, not \"%s\"", text);
	if (p->override_count == COUNT_OF(p->overrides))
		log_fatal("too many -o options");
	p->overrides[p->override_count++] = (struct conf_override){
		arena_cstr(p->arena, span_trim(name)), arena_cstr(p->arena, span_trim(value)),
	};
}

void postconf_load(struct postconf *p)
{
	const char *error = NULL;

	p->source = p->only_defaults ? source_defaults(p->arena, p->config_dir)
	                             : source_open(p->arena, p->config_dir, &error);
	if (p->source == NULL)
		log_fatal("%s", error);
	for (size_t i = 0; i < p->override_count; i++)
		source_set(p->source, span_of(p->overrides[i].name), span_of(p->overrides[i].value), FROM_OVERRIDE, 0);
	if (p->has_config_dir)
		source_set(p->source, span_lit("config_directory"), span_of(p->config_dir), FROM_OVERRIDE, 0);
	source_compute(p->source);
}

struct modes {
	bool master, fields, parameters, types;
};

static void take_option(struct postconf *p, struct modes *m, int option)
{
	switch (option) {
	case 'c': p->config_dir = optarg; p->has_config_dir = true; break;
	case 'd': p->only_defaults = true; break;
	case 'e': p->action = ACTION_EDIT; break;
	case 'f': p->is_folded = true; break;
	case 'F': m->fields = true; break;
	case 'h': p->no_name = true; break;
	case 'H': p->no_value = true; break;
	case 'm': m->types = true; break;
	case 'M': m->master = true; break;
	case 'n': p->only_set = true; break;
	case 'o': add_override(p, optarg); break;
	case 'p': break;	/* parameters of main.cf: what is done anyway */
	case 'P': m->parameters = true; break;
	case 'x': p->is_expanded = true; break;
	case 'X': p->action = ACTION_REMOVE; break;
	case '#': p->action = ACTION_COMMENT; break;
	case 'v': log_set_verbose(true); break;
	default:  log_fatal("%s", usage_text);
	}
}

/* wants_edit - "name=value" without -e means -e. */
static bool wants_edit(const struct postconf *p)
{
	return p->action == ACTION_SHOW && p->count > 0 && strchr(p->names[0], '=') != NULL;
}

static int run(struct postconf *p, const struct modes *m)
{
	if (m->types) {
		show_types();
		return 0;
	}
	if (wants_edit(p))
		p->action = ACTION_EDIT;
	if (p->action != ACTION_SHOW)
		p->is_folded = true;	/* what is written is for people */
	if (p->action != ACTION_SHOW && p->count == 0)
		log_fatal("%s", usage_text);
	if (m->master || m->fields || m->parameters) {
		enum postconf_master what = m->master ? MASTER_ENTRIES : m->fields ? MASTER_FIELD_VALUES
		                                                                  : MASTER_PARAMETERS;

		return p->action == ACTION_SHOW ? postconf_show_master(p, what) : postconf_edit_master(p, what);
	}
	return p->action == ACTION_SHOW ? postconf_show_main(p) : postconf_edit_main(p);
}

int main(int argc, char **argv)
{
	struct postconf p = { .arena = arena_new(NULL) };
	struct modes m = { 0 };
	const char *from_environment = getenv("MAIL_CONFIG");
	int option, status;

	log_open("postconf", LOG_TO_STDERR, -1);
	p.has_config_dir = from_environment != NULL;
	p.config_dir = p.has_config_dir ? from_environment : CONFIG_DIR;
	while ((option = getopt(argc, argv, "c:defFhHmMno:pPxXv#")) != -1)
		take_option(&p, &m, option);
	p.names = argv + optind;
	p.count = (size_t)(argc - optind);
	status = run(&p, &m);
	arena_free(p.arena);
	if (fflush(stdout) != 0)
		log_fatal("write error: %s", strerror(errno));
	return status;
}
