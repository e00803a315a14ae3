/* SPDX-License-Identifier: ISC */
/* table_test.c - every type of lookup table, lists of tables, files that change */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/buf.h"
#include "lib/base/fs.h"
#include "lib/table/table.h"

static char folder[] = "/tmp/table_test.XXXXXX";
static struct arena *arena;

static int make_folder(void **state)
{
	(void)state;
	arena = arena_new(NULL);
	return mkdtemp(folder) != NULL && chdir(folder) == 0 ? 0 : -1;
}

static int remove_folder(void **state)
{
	static const char *const files[] = { "t", "r", "p", "c", "h.db", "b.db", "s", "s.db", "gone", "gone.db" };

	(void)state;
	arena_free(arena);
	for (size_t i = 0; i < COUNT_OF(files); i++)
		unlink(files[i]);
	return chdir("/") == 0 ? rmdir(folder) : -1;
}

static void write_file(const char *name, const char *text)
{
	assert_int_equal(fs_replace_file(AT_FDCWD, name, span_of(text), 0644), 0);
}

/* found - the value, "-" for not found, "!" for failed. */
static const char *find(const char *spec, const char *key)
{
	struct table *t = table_open(span_of(spec), "hash");
	struct span value;
	enum table_status status = table_find(t, span_of(key), arena, &value);

	table_close(t);
	return status == TABLE_FOUND ? arena_cstr(arena, value) : status == TABLE_NOT_FOUND ? "-" : "!";
}

struct row {
	const char *spec, *key, *value;
};

static void check_rows(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const char *got = find(rows[i].spec, rows[i].key);

		if (strcmp(got, rows[i].value) != 0)
			fail_msg("%s \"%s\": got \"%s\", not \"%s\"", rows[i].spec, rows[i].key, got, rows[i].value);
	}
}

static void test_simple_types(void **state)
{
	static const struct row rows[] = {
		{ "inline:{a=b, c=d}", "a", "b" },
		{ "inline:{a=b, c=d}", "C", "d" },
		{ "inline:{A=b}", "a", "b" },
		{ "inline:{{a = b c}, x=}", "a", "b c" },
		{ "inline:{{a = b c}, x=}", "x", "" },
		{ "inline:{a=b=c}", "a", "b=c" },
		{ "inline:{a=b}", "b", "-" },
		{ "inline:{a}", "a", "!" },
		{ "static:v", "any", "v" },
		{ "static:{a b}", "", "a b" },
		{ "fail:x", "any", "!" },
		{ "proxy:inline:{a=b}", "a", "b" },
		{ "nosuch:x", "a", "!" },
		{ "unix:passwd.byname", "no-such-user-here", "-" },
		{ "unix:group.byname", "no-such-group-here", "-" },
		{ "unix:other", "root", "!" },
		{ "unionmap:{inline:{a=1}, inline:{a=2, b=3}}", "a", "1,2" },
		{ "unionmap:{inline:{a=1}, inline:{a=2, b=3}}", "b", "3" },
		{ "unionmap:{inline:{a=1}, inline:{a=2, b=3}}", "c", "-" },
		{ "unionmap:{inline:{a=1}, fail:x}", "a", "!" },
		{ "unionmap:{}", "a", "!" },
		{ "pipemap:{inline:{a=b}, inline:{b=c}}", "a", "c" },
		{ "pipemap:{inline:{a=b}, inline:{b=c}}", "b", "-" },
		{ "pipemap:{inline:{a=b}, fail:x}", "a", "!" },
		{ "pipemap:{unionmap:{inline:{a=b}}, static:z}", "a", "z" },
		{ "randmap:{one}", "a", "one" },
		{ "hash:/nonexistent/x", "a", "!" },
		{ "texthash:/nonexistent/x", "a", "!" },
		{ "regexp:/nonexistent/x", "a", "!" },
	};

	(void)state;
	check_rows(rows, COUNT_OF(rows));
}

static void test_unix_users(void **state)
{
	(void)state;
	assert_int_equal(strncmp(find("unix:passwd.byname", "root"), "root:", 5), 0);
	assert_int_equal(strncmp(find("unix:passwd.byname", "ROOT"), "root:", 5), 0);
	assert_int_equal(strncmp(find("unix:group.byname", "root"), "root:", 5), 0);
}

static void test_environ(void **state)
{
	(void)state;
	setenv("TABLE_TEST", "value", 1);
	assert_string_equal(find("environ:x", "TABLE_TEST"), "value");
	assert_string_equal(find("environ:x", "TABLE_TEST_UNSET"), "-");
}

static void test_texthash(void **state)
{
	static const struct row rows[] = {
		{ "texthash:t", "a", "1" },		{ "texthash:t", "B", "two words" },
		{ "texthash:t", "long", "x   y" },	{ "texthash:t", "\"quoted key\"", "q" },
		{ "texthash:t", "\"a\\\" b\"@c", "w" },	{ "texthash:t", "dup", "first" },
		{ "texthash:t", "novalue", "-" },	{ "texthash:t", "colon:", "c" },
	};

	(void)state;
	write_file("t", "# comment\na 1\nb\ttwo words  \nlong x\n\n# c\n   y\n\"quoted key\" q\n"
	                "\"a\\\" b\"@c w\ndup first\ndup second\nnovalue\ncolon: c\n\"unclosed x\n");
	check_rows(rows, COUNT_OF(rows));
}

static void test_regexp(void **state)
{
	static const struct row rows[] = {
		{ "regexp:{{/^a+$/ yes}}", "aaa", "yes" },
		{ "regexp:{{/^a+$/ yes}}", "AAA", "yes" },
		{ "regexp:{{/^a+$/i yes}}", "AAA", "-" },
		{ "regexp:{{/^a+$/i yes}}", "aaa", "yes" },
		{ "regexp:{{!/^a/ no-a}}", "b", "no-a" },
		{ "regexp:{{!/^a/ no-a}}", "a", "-" },
		{ "regexp:{{!!/^a/ a}}", "a", "a" },
		{ "regexp:{{#a/b#  slash}}", "xa/by", "slash" },
		{ "regexp:{{/a\\/b/ escaped}}", "a/b", "escaped" },
		{ "regexp:{{/(.*)@(.*)/ ${2}:$1 $(1) $$}}", "u@d", "d:u u $" },
		{ "regexp:{{/(a)|(b)/ [$1][$2]}}", "b", "[][b]" },
		{ "regexp:{{/x/ ${1}}}", "x", "" },
		{ "regexp:{{/a/ one}, {/a/ two}}", "a", "one" },
		{ "regexp:{{if /a/}, {/b/ ab}, {endif}, {/b/ b}}", "ab", "ab" },
		{ "regexp:{{if /a/}, {/b/ ab}, {endif}, {/b/ b}}", "b", "b" },
		{ "regexp:{{if !/a/}, {/b/ no-a}, {endif}, {/b/ b}}", "ab", "b" },
		{ "regexp:{{if /a/}, {if /b/}, {/c/ abc}, {endif}, {/c/ ac}, {endif}, {/c/ c}}", "ac", "ac" },
		{ "regexp:{{if /a/}, {if /b/}, {/c/ abc}, {endif}, {/c/ ac}, {endif}, {/c/ c}}", "bc", "c" },
		{ "regexp:{{if /a/}, {/b/ open}}", "ab", "open" },
		{ "regexp:{{endif}, {/b/ b}}", "b", "b" },
		{ "regexp:{{/(/ bad}, {/x/ x}}", "x", "x" },
		{ "regexp:{{/x/q bad}, {/x/ x}}", "x", "x" },
		{ "regexp:{{/x unclosed}, {/x/ x}}", "x", "x" },
		{ "regexp:{{/^$/ empty}}", "", "empty" },
		{ "regexp:{{/x/ $}}", "x", "!" },
	};

	(void)state;
	check_rows(rows, COUNT_OF(rows));
	write_file("r", "# rules\nif /example/\n/^(u[0-9])@/\n  $1\nendif\n");
	assert_string_equal(find("regexp:r", "u1@example"), "u1");
	assert_string_equal(find("regexp:r", "u1@other"), "-");
}

static void test_pcre(void **state)
{
	static const struct row rows[] = {
		{ "pcre:{{/^a{2}$/ yes}}", "AA", "yes" },
		{ "pcre:{{/^a$/i yes}}", "A", "-" },
		{ "pcre:{{/(?<!x)a/ yes}}", "xa", "-" },
		{ "pcre:{{/(\\w+)@(\\w+)/ $2 $1}}", "u@d", "d u" },
		{ "pcre:{{/a.b/ dot}}", "a\nb", "dot" },
		{ "pcre:{{/a.b/s dot}}", "a\nb", "-" },
		{ "pcre:{{/a b/x spaced}}", "ab", "spaced" },
		{ "pcre:{{/b/A anchored}}", "ab", "-" },
		{ "pcre:{{/(a+)/U $1}}", "aaa", "a" },
		{ "pcre:{{/(/ bad}, {/x/ x}}", "x", "x" },
		{ "pcre:{{if /^a/}, {/b/ ab}, {endif}}", "ab", "ab" },
		{ "pcre:{{/(a)?(b)/ [$1][$2]}}", "b", "[][b]" },
	};

	(void)state;
	check_rows(rows, COUNT_OF(rows));
}

/* A pattern that backtracks for ever fails its lookup instead. */
static void test_pcre_limits(void **state)
{
	(void)state;
	assert_string_equal(find("pcre:{{/^(([a-z])+.)+[A-Z]([a-z])+$/i x}}",
	                         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), "!");
}

static void test_cidr(void **state)
{
	static const struct row rows[] = {
		{ "cidr:c", "192.0.2.1", "doc" },	{ "cidr:c", "192.0.3.1", "-" },
		{ "cidr:c", "10.1.2.3", "ten" },	{ "cidr:c", "2001:db8::5", "six" },
		{ "cidr:c", "name.example", "-" },	{ "cidr:c", "198.51.100.7", "-" },
		{ "cidr:c", "203.0.113.9", "inner" },
	};

	(void)state;
	write_file("c", "192.0.2.0/24 doc\n198.51.100.1/24 badhostbits\n10.0.0.0/8 ten\n2001:db8::/32 six\n"
	                "if 203.0.113.0/24\n203.0.113.8/31 inner\nendif\n");
	check_rows(rows, COUNT_OF(rows));
}

static void test_database(void **state)
{
	static const char *const types[] = { "hash", "btree" };
	static const char *const names[] = { "h", "b" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(types); i++) {
		const struct table_writes *w = table_type_find(span_of(types[i]))->writes;
		const char *error = NULL, *spec = arena_printf(arena, "%s:%s/%s", types[i], folder, names[i]);
		struct span key, value;
		unsigned entries = 0;
		void *db = w->open(names[i], TABLE_CREATE, 0640, arena, &error);

		assert_null(error);
		assert_int_equal(w->put(db, span_lit("k"), span_lit("v"), false), TABLE_PUT_DONE);
		assert_int_equal(w->put(db, span_lit("k"), span_lit("w"), false), TABLE_PUT_EXISTS);
		assert_int_equal(w->put(db, span_lit("r"), span_lit("1"), false), TABLE_PUT_DONE);
		assert_int_equal(w->put(db, span_lit("r"), span_lit("2"), true), TABLE_PUT_DONE);
		/* Nobody sees the new file before it is whole. */
		assert_string_equal(find(spec, "k"), "!");
		assert_null(w->commit(db));
		w->close(db);
		assert_string_equal(find(spec, "K"), "v");
		assert_string_equal(find(spec, "r"), "2");
		assert_string_equal(find(spec, "none"), "-");

		db = w->open(names[i], TABLE_UPDATE, 0640, arena, &error);
		assert_non_null(db);
		assert_int_equal(w->remove(db, span_lit("k")), TABLE_FOUND);
		assert_int_equal(w->remove(db, span_lit("k")), TABLE_NOT_FOUND);
		assert_null(w->commit(db));
		w->close(db);
		assert_string_equal(find(spec, "k"), "-");

		db = w->open(names[i], TABLE_READ, 0, arena, &error);
		assert_non_null(db);
		while (w->next(db, &key, &value) == TABLE_FOUND)
			entries++;
		w->close(db);
		assert_int_equal(entries, 1);
	}
}

static void test_file_appears_and_changes(void **state)
{
	struct table *t = table_open(span_lit("texthash:gone"), "hash");
	struct span value;

	(void)state;
	unlink("gone");
	assert_non_null(table_error(t));
	assert_int_equal(table_find(t, span_lit("a"), arena, &value), TABLE_FAILED);
	table_close(t);
	write_file("gone", "a 1\n");
	t = table_open(span_lit("texthash:gone"), "hash");
	assert_int_equal(table_find(t, span_lit("a"), arena, &value), TABLE_FOUND);
	write_file("gone", "a 2\n");
	table_recheck(t);
	assert_int_equal(table_find(t, span_lit("a"), arena, &value), TABLE_FOUND);
	assert_true(span_equal(value, span_lit("2")));
	/* A file that has gone leaves the old content in use. */
	unlink("gone");
	table_recheck(t);
	assert_int_equal(table_find(t, span_lit("a"), arena, &value), TABLE_FOUND);
	table_close(t);
}

static void test_lists(void **state)
{
	static const struct { const char *list, *key; enum table_key part; const char *value; } rows[] = {
		{ "", "a", TABLE_WHOLE_KEY, "-" },
		{ "inline:{a=1}, inline:{a=2,b=3}", "a", TABLE_WHOLE_KEY, "1" },
		{ "inline:{a=1}, inline:{a=2,b=3}", "b", TABLE_WHOLE_KEY, "3" },
		{ "inline:{a=1}, fail:x", "a", TABLE_WHOLE_KEY, "1" },
		{ "fail:x, inline:{a=1}", "a", TABLE_WHOLE_KEY, "!" },
		{ "inline:{a=}, inline:{a=2}", "a", TABLE_WHOLE_KEY, "2" },
		{ "regexp:{{/a/ re}}, inline:{a=2}", "a", TABLE_WHOLE_KEY, "re" },
		{ "regexp:{{/a/ re}}, inline:{a=2}", "a", TABLE_PART_OF_KEY, "2" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct arena *a = arena_new(NULL);
		const struct table_list *list = table_list_open(a, "test_maps", rows[i].list, "hash");
		struct span value;
		enum table_status status = table_list_find(list, span_of(rows[i].key), rows[i].part, a, &value);
		const char *got = status == TABLE_FOUND ? arena_cstr(a, value)
		                  : status == TABLE_NOT_FOUND ? "-" : "!";

		if (strcmp(got, rows[i].value) != 0)
			fail_msg("%s \"%s\": got %s", rows[i].list, rows[i].key, got);
		arena_free(a);
	}
}

static void add_path(void *user, const char *path)
{
	buf_addf(user, "%s ", path);
}

static void test_paths(void **state)
{
	static const struct { const char *list, *paths; } rows[] = {
		{ "", "" },
		{ "hash:/a, btree:/b", "/a.db /b.db " },
		{ "proxy:hash:/a texthash:/t regexp:/r cidr:/c pcre:{{/x/ y}}", "/a.db /t /r /c " },
		{ "unionmap:{hash:/a, pipemap:{texthash:/b, static:x}}", "/a.db /b " },
		{ "!/file, example.com, 10.0.0.0/8", "/file /file.db " },
		{ "static:/etc/x inline:{a=b}", "" },
		{ "unix:passwd.byname", "/etc/passwd /etc/group /etc/nsswitch.conf " },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct buf paths;

		buf_init(&paths, 1000);
		table_each_path(rows[i].list, "hash", add_path, &paths);
		if (!span_equal(buf_span(&paths), span_of(rows[i].paths)))
			fail_msg("%s: got %s", rows[i].list, buf_cstr(&paths));
		buf_free(&paths);
	}
}

static enum table_status echo(void *user, const char *spec, struct span key, struct arena *a, struct span *value)
{
	++*(unsigned *)user;
	*value = arena_printf_span(a, "%s says " SPAN_FMT, spec, SPAN_ARG(key));
	return TABLE_FOUND;
}

static void tables_that_read_files_are_asked_elsewhere(void **state)
{
	static const struct { const char *spec, *answer; unsigned asked; } rows[] = {
		{ "texthash:/nonexistent/x", "texthash:/nonexistent/x says K", 1 },
		{ "proxy:cidr:/nonexistent/x", "cidr:/nonexistent/x says K", 1 },
		{ "/nonexistent/x", "hash:/nonexistent/x says K", 1 },
		{ "unionmap:{texthash:/nonexistent/x}", "unionmap:{texthash:/nonexistent/x} says K", 1 },
		{ "static:here", "here", 0 },
		{ "inline:{K=v}", "v", 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span value = span_lit("");
		unsigned asked = 0;
		struct table *t;

		table_ask_elsewhere(echo, &asked);
		t = table_open(span_of(rows[i].spec), "hash");
		if (table_error(t) != NULL || table_find(t, span_lit("K"), arena, &value) != TABLE_FOUND ||
		    !span_equal(value, span_of(rows[i].answer)) || asked != rows[i].asked)
			fail_msg("%s: " SPAN_FMT ", asked %u", rows[i].spec, SPAN_ARG(value), asked);
		table_close(t);
	}
	table_ask_elsewhere(NULL, NULL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_that_read_files_are_asked_elsewhere),
		cmocka_unit_test(test_simple_types),
		cmocka_unit_test(test_unix_users),
		cmocka_unit_test(test_environ),
		cmocka_unit_test(test_texthash),
		cmocka_unit_test(test_regexp),
		cmocka_unit_test(test_pcre),
		cmocka_unit_test(test_pcre_limits),
		cmocka_unit_test(test_cidr),
		cmocka_unit_test(test_database),
		cmocka_unit_test(test_file_appears_and_changes),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_paths),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
