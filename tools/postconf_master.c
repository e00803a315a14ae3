/* SPDX-License-Identifier: ISC */
/* postconf_master.c - master.cf: show entries, fields and parameters; change entries */
#include <stdio.h>

#include "lib/base/log.h"
#include "lib/conf/lines.h"
#include "lib/conf/master_text.h"
#include "tools/postconf.h"

static const char *const field_names[MASTER_FIELDS] = {
	"service", "type", "private", "unprivileged", "chroot", "wakeup", "process_limit", "command",
};

/* An entry as text: the fields, then what stands behind the command. */
struct entry {
	struct span fields[MASTER_FIELDS];
	struct span arguments;
};

static bool split(struct span line, struct entry *e)
{
	e->arguments = line;
	if (!master_split_fields(&e->arguments, e->fields))
		return false;
	e->arguments = span_trim(e->arguments);
	return true;
}

/* name_matches - the entry is named by "service" or "service/type"; "*" stands for any.  rest: what follows them. */
static bool name_matches(struct span wanted, const struct entry *e, struct span *rest)
{
	struct span service, type;

	*rest = wanted;
	span_cut(rest, '/', &service);
	span_cut(rest, '/', &type);
	return (span_equal(service, span_lit("*")) || span_equal(service, e->fields[MASTER_NAME])) &&
	       (type.len == 0 || span_equal(type, span_lit("*")) || span_equal(type, e->fields[MASTER_TYPE]));
}

/* add_argument - in the form that postconf shows: braces only where blanks need them, "name = value" closed up. */
static void add_argument(struct buf *out, struct span arg, bool is_setting)
{
	struct span value = arg, name;
	bool has_blank = false;

	if (is_setting && span_cut(&value, '=', &name)) {
		name = span_trim(name);
		value = span_trim(value);
	} else {
		name = (struct span){ NULL, 0 };
		value = arg;
	}
	for (size_t i = 0; i < value.len; i++)
		has_blank = has_blank || ascii_is_space(value.ptr[i]);
	buf_add_cstr(out, has_blank && is_setting ? "{" : "");
	if (name.len > 0)
		buf_addf(out, SPAN_FMT "=", SPAN_ARG(name));
	buf_add(out, value);
	buf_add_cstr(out, has_blank && is_setting ? "}" : "");
}

/* add_word - with -f words fill lines of 80 columns; column is where the line stands. */
static void add_word(const struct postconf *p, struct buf *out, struct span word, bool on_new_line, size_t *column)
{
	if (p->is_folded && (on_new_line || *column + 1 + word.len >= POSTCONF_COLUMNS)) {
		buf_add_cstr(out, "\n    ");
		*column = 4;
	} else {
		buf_add_byte(out, ' ');
		*column += 1;
	}
	buf_add(out, word);
	*column += word.len;
}

/* add_command - command and arguments; with -f every setting has a line of its own.  column: where it starts. */
static void add_command(const struct postconf *p, struct buf *out, const struct entry *e, size_t column)
{
	struct span rest = e->arguments, arg;
	bool was_setting = false;
	struct buf word;

	buf_init(&word, BUF_NO_LIMIT);
	buf_add(out, e->fields[MASTER_COMMAND]);
	column += e->fields[MASTER_COMMAND].len;
	while (master_next_argument(&rest, &arg)) {
		bool is_option = span_equal(arg, span_lit("-o"));

		buf_clear(&word);
		if (is_option && master_next_argument(&rest, &arg))
			buf_add_cstr(&word, "-o ");
		add_argument(&word, arg, is_option);
		add_word(p, out, buf_span(&word), is_option || was_setting, &column);
		was_setting = is_option;
	}
	buf_free(&word);
}

static void add_entry(const struct postconf *p, struct buf *out, const struct entry *e)
{
	static const int widths[MASTER_FIELDS] = { 10, 5, 7, 7, 7, 7, 7, 0 };

	size_t start = out->len;

	for (size_t i = 0; i < MASTER_COMMAND; i++)
		buf_addf(out, "%-*.*s ", widths[i], SPAN_ARG(e->fields[i]));
	add_command(p, out, e, out->len - start);
	buf_add_byte(out, '\n');
}

static void show_fields(const struct postconf *p, const struct entry *e, struct span wanted)
{
	for (size_t i = 0; i < MASTER_FIELDS; i++) {
		struct buf value;

		if (wanted.len > 0 && !span_equal(wanted, span_of(field_names[i])))
			continue;
		buf_init(&value, BUF_NO_LIMIT);
		if (i == MASTER_COMMAND)
			add_command(p, &value, e, 0);
		else
			buf_add(&value, e->fields[i]);
		if (!p->no_name)
			printf(SPAN_FMT "/" SPAN_FMT "/%s = ", SPAN_ARG(e->fields[MASTER_NAME]),
			       SPAN_ARG(e->fields[MASTER_TYPE]), field_names[i]);
		printf(SPAN_FMT "\n", SPAN_ARG(buf_span(&value)));
		buf_free(&value);
	}
}

static void show_parameters(const struct postconf *p, const struct entry *e, struct span wanted)
{
	struct span rest = e->arguments, arg, name;
	bool is_setting = false;

	while (master_next_argument(&rest, &arg)) {
		if (is_setting && span_cut(&arg, '=', &name) &&
		    (wanted.len == 0 || span_equal(wanted, span_trim(name)))) {
			arg = span_trim(arg);
			if (p->no_name)
				printf(SPAN_FMT "\n", SPAN_ARG(arg));
			else
				printf(SPAN_FMT "/" SPAN_FMT "/" SPAN_FMT " = " SPAN_FMT "\n",
				       SPAN_ARG(e->fields[MASTER_NAME]), SPAN_ARG(e->fields[MASTER_TYPE]),
				       SPAN_ARG(span_trim(name)), SPAN_ARG(arg));
			is_setting = false;
		} else {
			is_setting = !is_setting && span_equal(arg, span_lit("-o"));
		}
	}
}

static void show(const struct postconf *p, enum postconf_master what, const struct entry *e, struct span wanted)
{
	struct buf text;

	if (what == MASTER_FIELD_VALUES) {
		show_fields(p, e, wanted);
	} else if (what == MASTER_PARAMETERS) {
		show_parameters(p, e, wanted);
	} else {
		buf_init(&text, BUF_NO_LIMIT);
		add_entry(p, &text, e);
		fwrite(text.ptr, 1, text.len, stdout);
		buf_free(&text);
	}
}

static void show_if_named(const struct postconf *p, enum postconf_master what, const struct entry *e)
{
	struct span rest = { NULL, 0 };

	if (p->count == 0)
		show(p, what, e, rest);
	for (size_t i = 0; i < p->count; i++)
		if (name_matches(span_of(p->names[i]), e, &rest)) {
			show(p, what, e, rest);
			return;
		}
}

int postconf_show_master(struct postconf *p, enum postconf_master what)
{
	const char *path = arena_printf(p->arena, "%s/master.cf", p->config_dir);
	struct conf_lines lines;
	struct span line;
	struct entry e;

	conf_lines_init(&lines, path, postconf_read(p, "master.cf"));
	while (conf_lines_next(&lines, &line)) {
		if (!split(line, &e))
			log_fatal("file %s: line %u: bad field count", path, lines.last);
		show_if_named(p, what, &e);
	}
	conf_lines_free(&lines);
	return 0;
}

/* ---- changing ---- */

/* One argument of a change: service/type, or service/type/name, with the new value for -e. */
struct change {
	struct span target, value;
	bool        is_done;
};

static void change_field(struct entry *e, struct span name, struct span value)
{
	for (size_t i = 0; i < MASTER_FIELDS; i++) {
		if (!span_equal(name, span_of(field_names[i])))
			continue;
		e->fields[i] = value;
		if (i == MASTER_COMMAND)
			e->arguments = (struct span){ NULL, 0 };
		return;
	}
	log_fatal("unknown field \"" SPAN_FMT "\"", SPAN_ARG(name));
}

static void add_setting(struct postconf *p, struct buf *out, struct span name, struct span value)
{
	buf_add_cstr(out, " -o ");
	add_argument(out, arena_printf_span(p->arena, SPAN_FMT "=" SPAN_FMT, SPAN_ARG(span_trim(name)),
	                                    SPAN_ARG(span_trim(value))), true);
}

/* change_parameter - the arguments without the setting of name; with -e its new value behind them. */
static void change_parameter(struct postconf *p, struct entry *e, struct span name, struct span value)
{
	struct span rest = e->arguments, arg, setting;
	bool is_setting = false;
	struct buf out;

	buf_init(&out, BUF_NO_LIMIT);
	while (master_next_argument(&rest, &arg)) {
		if (!is_setting && span_equal(arg, span_lit("-o"))) {
			is_setting = true;
			continue;
		}
		if (!is_setting) {
			buf_addf(&out, " " SPAN_FMT, SPAN_ARG(arg));
			continue;
		}
		is_setting = false;
		span_cut(&arg, '=', &setting);
		if (!span_equal(span_trim(setting), name))
			add_setting(p, &out, setting, arg);
	}
	if (p->action == ACTION_EDIT)
		add_setting(p, &out, name, value);
	e->arguments = arena_dup(p->arena, span_trim(buf_span(&out)));
	buf_free(&out);
}

/* add_changed_entry - the line that takes the entry's place. */
static void add_changed_entry(struct postconf *p, struct buf *out, const struct entry *e, const struct change *c,
                              enum postconf_master what, struct span name)
{
	struct entry changed = *e;

	if (what == MASTER_FIELD_VALUES)
		change_field(&changed, name, c->value);
	else if (what == MASTER_PARAMETERS)
		change_parameter(p, &changed, name, c->value);
	else if (!split(c->value, &changed))
		log_fatal("bad field count in \"" SPAN_FMT "\"", SPAN_ARG(c->value));
	add_entry(p, out, &changed);
}

static struct change *take_changes(struct postconf *p)
{
	struct change *changes = ARENA_NEW_ARRAY(p->arena, struct change, p->count + 1);

	for (size_t i = 0; i < p->count; i++) {
		struct span rest = span_of(p->names[i]), target;

		if (span_cut(&rest, '=', &target) != (p->action == ACTION_EDIT))
			log_fatal("-e needs service/type[/name]=value, -X and -# none: \"%s\"", p->names[i]);
		changes[i].target = span_trim(target);
		changes[i].value = span_trim(rest);
	}
	return changes;
}

/* change_entry - write the entry that stands in raw to out, changed by the first change that names it. */
static void change_entry(struct postconf *p, struct buf *out, struct span raw, const struct entry *e,
                         struct change *changes, enum postconf_master what)
{
	struct span name, line;

	for (size_t i = 0; i < p->count; i++) {
		if (!name_matches(changes[i].target, e, &name))
			continue;
		changes[i].is_done = true;
		if (p->action == ACTION_EDIT || (p->action == ACTION_REMOVE && what == MASTER_PARAMETERS))
			add_changed_entry(p, out, e, &changes[i], what, name);
		while (p->action == ACTION_COMMENT && raw.len > 0) {
			span_cut(&raw, '\n', &line);
			buf_addf(out, "#" SPAN_FMT "\n", SPAN_ARG(line));
		}
		return;
	}
	buf_add(out, raw);
}

/* line_offset - where the numbered line of text starts. */
static size_t line_offset(struct span text, unsigned number)
{
	struct span rest = text, line;

	while (--number > 0)
		span_cut(&rest, '\n', &line);
	return text.len - rest.len;
}

int postconf_edit_master(struct postconf *p, enum postconf_master what)
{
	struct change *changes = take_changes(p);
	struct span text = postconf_read(p, "master.cf"), line;
	const char *path = arena_printf(p->arena, "%s/master.cf", p->config_dir);
	struct conf_lines lines;
	struct entry e;
	size_t copied = 0;
	struct buf out;

	buf_init(&out, BUF_NO_LIMIT);
	conf_lines_init(&lines, path, text);
	while (conf_lines_next(&lines, &line)) {
		size_t end = text.len - lines.rest.len, start = line_offset(text, lines.first);

		if (!split(line, &e))
			log_fatal("file %s: line %u: bad field count", path, lines.last);
		buf_add(&out, span_slice(text, copied, start - copied));
		change_entry(p, &out, span_slice(text, start, end - start), &e, changes, what);
		copied = end;
	}
	buf_add(&out, span_skip(text, copied));
	for (size_t i = 0; i < p->count && what == MASTER_ENTRIES && p->action == ACTION_EDIT; i++)
		if (!changes[i].is_done && split(changes[i].value, &e))
			add_entry(p, &out, &e);
	conf_lines_free(&lines);
	postconf_write(p, "master.cf", buf_span(&out));
	buf_free(&out);
	return 0;
}
