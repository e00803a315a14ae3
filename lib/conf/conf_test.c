/* SPDX-License-Identifier: ISC */
/* conf_test.c - main.cf: syntax, expansion, kinds and ranges, as postconf -x shows them */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/fs.h"
#include "lib/conf/conf.h"
#include "lib/conf/expand.h"
#include "lib/conf/params.h"

static char folder[] = "/tmp/conf_test.XXXXXX";

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) != NULL ? 0 : -1;
}

static int remove_folder(void **state)
{
	char path[64];

	(void)state;
	snprintf(path, sizeof(path), "%s/main.cf", folder);
	unlink(path);
	return rmdir(folder);
}

static const struct conf *load(struct arena *arena, const char *text, const struct conf_override *overrides,
                               size_t count, const char **error)
{
	const char *path = arena_printf(arena, "%s/main.cf", folder);

	assert_int_equal(fs_replace_file(AT_FDCWD, path, span_of(text), 0644), 0);
	return conf_load(arena, folder, overrides, count, error);
}

/* Each row: a main.cf and what the name "v" expands to. */
static const struct { const char *text, *value; } expansions[] = {
	{ "v = x", "x" },
	{ "v=x", "x" },
	{ "v\t=\tx  ", "x" },
	{ "v =", "" },
	{ "v = x\n# c\n\n  y\n", "x  y" },
	{ "v = x\n  # not y\n\ty\n", "x\ty" },
	{ "v = x\r\n", "x" },
	{ "\xef\xbb\xbfv = x\n", "x" },
	{ "v = a = b", "a = b" },
	{ "v = x y # z", "x y # z" },
	{ "v = 1\nv = 2\n", "2" },
	{ "a = x\nv = $a", "x" },
	{ "a = x\nv = ${a}$(a)", "xx" },
	{ "a = x\nv = $a.b", "x.b" },
	{ "v = a$$b", "a$b" },
	{ "v = $nothing", "" },
	{ "a = x\nv = ${a?yes}${a:no}", "yes" },
	{ "a =\nv = ${a?yes}${a:no}", "no" },
	{ "v = ${a?{yes}:{no}}", "no" },
	{ "a = 1\nv = ${a ? {yes} : {no}}", "yes" },
	{ "a = 1\nv = [${a?{ sp }:{no}}]", "[ sp ]" },
	{ "a = $b\nb =\nv = ${a?{yes}:{no}}", "no" },
	{ "a = ${b?{c d}}\nb = 1\nv = $a", "c d" },
	{ "v = ${{a} == {a} ? {eq} : {ne}}", "eq" },
	{ "v = ${{a} != {a} ? {ne} : {eq}}", "eq" },
	{ "v = ${{10} < {9} ? {lt} : {ge}}", "ge" },
	{ "v = ${{abc}<{abd}?{lt}:{ge}}", "lt" },
	{ "v = ${{10} >= {10} ? {ge}}", "ge" },
	{ "v = ${{10} <= {9} ? {le}}", "" },
	{ "v = ${{b} > {a} ? {gt}}", "gt" },
	{ "v = ${{1}=={1}?one}", "one" },
	{ "v = ${{3.10} >level {3.9} ? {new} : {old}}", "new" },
	{ "v = ${{3.6} <level {3.10} ? {old} : {new}}", "old" },
	{ "v = ${{3} ==level {3.0} ? {same} : {other}}", "same" },
	{ "v = ${{3.1} !=level {3} ? {other} : {same}}", "other" },
	{ "v = ${{2} <=level {2} ? {yes}}", "yes" },
	{ "v = ${{2} >=level {3} ? {yes}}", "" },
	{ "a = x\nv = ${{$a} == {x} ? {${{1}=={2}?{p}:{q}}} : {r}}", "q" },
	{ "myhostname = mail.example.com\nv = $mydomain", "example.com" },
	{ "myhostname = mail\nv = $mydomain", "localdomain" },
	{ "myhostname = m.example.com\nv = $myorigin", "m.example.com" },
	{ "v = $mynetworks_style", "subnet" },
	{ "compatibility_level = 2\nv = $mynetworks_style", "host" },
	{ "compatibility_level = 3.12\nv = $append_dot_mydomain", "no" },
	{ "v = $append_dot_mydomain", "yes" },
	{ "myhostname = m.x\nv = $mydestination", "m.x, localhost.x, localhost" },
	{ "x_recipient_limit = 3\nv = $x_recipient_limit", "3" },
};

static void test_expansion(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(expansions); i++) {
		struct arena *arena = arena_new(NULL);
		const char *error = NULL, *value;
		const struct conf *conf = load(arena, expansions[i].text, NULL, 0, &error);

		if (conf == NULL)
			fail_msg("row %zu: %s: %s", i, expansions[i].text, error);
		value = conf_value(conf, "v", arena);
		if (value == NULL || strcmp(value, expansions[i].value) != 0)
			fail_msg("row %zu: %s: got \"%s\"", i, expansions[i].text, value);
		arena_free(arena);
	}
}

static void test_leading_white_space_is_skipped(void **state)
{
	struct arena *arena = arena_new(NULL);
	const char *error = NULL;
	const struct conf *conf;

	(void)state;
	conf = load(arena, "  lead = x\nv = 3\n", NULL, 0, &error);
	assert_non_null(conf);
	/* The line continues nothing, and what follows it in column 1 is a setting of its own. */
	assert_null(conf_value(conf, "lead", arena));
	assert_string_equal(conf_value(conf, "v", arena), "3");
	arena_free(arena);
}

static const struct { const char *text, *error; } refused[] = {
	{ "foo", "line 1: missing '=' after attribute name: \"foo\"" },
	{ "a = b\n\n# c\nfoo bar\n", "line 4: missing '=' after attribute name: \"foo bar\"" },
	{ "= b", "line 1: missing attribute name" },
	{ "myorigin = ${", "truncated macro reference" },
	{ "myorigin = $(x", "truncated macro reference" },
	{ "myorigin = $.x", "empty macro name" },
	{ "myorigin = x$", "empty macro name" },
	{ "myorigin = ${x/y}", "bad character in a macro name" },
	{ "myorigin = ${{a} ~ {b} ? {c}}", "unknown operator" },
	{ "myorigin = ${{a} == b ? {c}}", "a comparison needs {text} on both sides" },
	{ "myorigin = ${{a} == {b}}", "a comparison needs ? or :" },
	{ "myorigin = ${x?{a}b}", "bad text behind a {}" },
	{ "a = $b\nb = $a\nmyorigin = $a", "unreasonable macro call nesting" },
	{ "a=$b$b\nb=$c$c\nc=$d$d\nd=$e$e\ne=$f$f\nf=$g$g\ng=$h$h\nh=$i$i\ni=$j$j\nj=$k$k\nk=$l$l\nl=$m$m\n"
	  "m=$n$n\nn=$o$o\no=$p$p\np=$q$q\nq=$r$r\nr=$s$s\nmyorigin=$a", "unreasonable macro call nesting" },
	{ "compatibility_level = new", "malformed compatibility level" },
	{ "smtpd_helo_required = maybe", "bad boolean configuration: smtpd_helo_required = maybe" },
	{ "max_use = abc", "bad numerical configuration: max_use = abc" },
	{ "max_use = 0", "invalid max_use parameter value 0 < 1" },
	{ "smtpd_timeout = 3x", "bad time configuration: smtpd_timeout = 3x" },
	{ "smtpd_timeout = 0", "invalid smtpd_timeout parameter value 0 < 1" },
	{ "message_size_limit = -1", "invalid message_size_limit parameter value -1 < 0" },
	{ "message_size_limit = 99999999999999999999", "bad numerical configuration" },
	{ "unknown_local_recipient_reject_code = 99", "invalid unknown_local_recipient_reject_code" },
};

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(refused); i++) {
		struct arena *arena = arena_new(NULL);
		const char *error = NULL;

		if (load(arena, refused[i].text, NULL, 0, &error) != NULL)
			fail_msg("row %zu loads: %s", i, refused[i].text);
		if (error == NULL || strstr(error, refused[i].error) == NULL)
			fail_msg("row %zu: %s: got \"%s\"", i, refused[i].text, error);
		arena_free(arena);
	}
}

static void test_members(void **state)
{
	struct arena *arena = arena_new(NULL);
	const char *error = NULL;
	const struct conf *conf;

	(void)state;
	conf = load(arena,
	            "smtpd_timeout = 2m\nmaximal_queue_lifetime = 3\nmessage_size_limit = 123\n"
	            "smtpd_helo_required = YES\nmailbox_command = run $USER\nmyorigin = $mydomain\n"
	            "mydomain = example.org\n", NULL, 0, &error);
	assert_non_null(conf);
	assert_int_equal(conf->smtpd_timeout, 120);
	assert_int_equal(conf->maximal_queue_lifetime, 3 * 86400);	/* its unit is that of its default */
	assert_int_equal(conf->message_size_limit, 123);
	assert_true(conf->smtpd_helo_required);
	assert_string_equal(conf->mailbox_command, "run $USER");
	assert_string_equal(conf->myorigin, "example.org");
	assert_string_equal(conf->config_directory, folder);
	assert_true(conf_is_set(conf, "mydomain"));
	assert_false(conf_is_set(conf, "myhostname"));
	assert_false(conf_is_set(conf, "no_such_name"));
	arena_free(arena);
}

static void test_overrides(void **state)
{
	static const struct conf_override overrides[] = {
		{ "smtpd_timeout", "7" }, { "syslog_name", "x/$service_name" }, { "service_name", "relay" },
		{ "mine", "a" }, { "mine", "b" },
	};
	struct arena *arena = arena_new(NULL);
	const char *error = NULL;
	const struct conf *conf;

	(void)state;
	conf = load(arena, "smtpd_timeout = 2m\nq = <$mine>\n", overrides, COUNT_OF(overrides), &error);
	assert_non_null(conf);
	assert_int_equal(conf->smtpd_timeout, 7);
	assert_string_equal(conf->syslog_name, "x/relay");
	assert_string_equal(conf_value(conf, "q", arena), "<b>");
	arena_free(arena);
}

static void test_transport_values(void **state)
{
	struct arena *arena = arena_new(NULL);
	const char *error = NULL, *suffix = "destination_concurrency_limit";
	const struct conf *conf;

	(void)state;
	conf = load(arena, "slow_destination_concurrency_limit = 3\n", NULL, 0, &error);
	assert_non_null(conf);
	assert_string_equal(conf_transport_value(conf, "slow", suffix, arena), "3");
	assert_string_equal(conf_transport_value(conf, "fast", suffix, arena), "20");
	assert_string_equal(conf_transport_value(conf, "local", suffix, arena), "2");
	assert_null(conf_transport_value(conf, "fast", "no_such_suffix", arena));
	arena_free(arena);
}

static void test_missing_file(void **state)
{
	struct arena *arena = arena_new(NULL);
	const char *error = NULL;

	(void)state;
	assert_null(conf_load(arena, "/nonexistent", NULL, 0, &error));
	assert_non_null(strstr(error, "open /nonexistent/main.cf: No such file"));
	arena_free(arena);
}

/* A main.cf of Postfix names Postfix's folder: never start what is there. */
static void test_daemon_directory_of_another_system(void **state)
{
	struct arena *arena = arena_new(NULL);
	const char *error = NULL;
	const char *text = arena_printf(arena, "daemon_directory = %s\n", folder);
	const struct conf *conf = load(arena, text, NULL, 0, &error);
	const char *smtpd = arena_printf(arena, "%s/smtpd", folder), *router = arena_printf(arena, "%s/router", folder);

	(void)state;
	assert_non_null(conf);
	assert_string_equal(conf_daemon_directory(conf), DAEMON_DIR);
	assert_int_equal(symlink("/bin/true", smtpd), 0);
	assert_string_equal(conf_daemon_directory(conf), DAEMON_DIR);
	assert_int_equal(symlink("/bin/true", router), 0);
	assert_string_equal(conf_daemon_directory(conf), folder);
	assert_int_equal(unlink(smtpd), 0);
	assert_int_equal(unlink(router), 0);
	arena_free(arena);
}

/* Every row of the table can be found, and its default passes its own check. */
static void test_every_default_loads(void **state)
{
	struct arena *arena = arena_new(NULL);
	const char *error = NULL;
	const struct conf *conf = load(arena, "", NULL, 0, &error);

	(void)state;
	if (conf == NULL)
		fail_msg("%s", error);
	for (size_t i = 0; i < param_row_count; i++) {
		const struct param_row *row = &param_rows[i];

		if (param_find(span_of(row->name)) != row)
			fail_msg("listed twice: %s", row->name);
		assert_non_null(conf_value(conf, row->name, arena));
	}
	arena_free(arena);
}

static void test_list(void **state)
{
	static const struct { const char *list; const char *members; } rows[] = {
		{ "", "" },
		{ " , ,", "" },
		{ "a", "a|" },
		{ "a,b c\td", "a|b|c|d|" },
		{ "a, { b c }, d", "a|b c|d|" },
		{ "inline:{a=b, c=d} x", "inline:{a=b, c=d}|x|" },
		{ "{ {x y}, z=1 }", "{x y}, z=1|" },
		{ "a}b {c", "a}b|{c|" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span rest = span_of(rows[i].list), member;
		char got[200] = "";

		while (conf_list_next(&rest, &member))
			snprintf(got + strlen(got), sizeof(got) - strlen(got), SPAN_FMT "|", SPAN_ARG(member));
		if (strcmp(got, rows[i].members) != 0)
			fail_msg("%s: got %s", rows[i].list, got);
	}
}

static void test_time(void **state)
{
	static const struct { const char *text; char unit; bool ok; unsigned long long seconds; } rows[] = {
		{ "0", 's', true, 0 }, { "5", 's', true, 5 }, { "5", 'd', true, 432000 },
		{ "5s", 'd', true, 5 }, { "2m", 's', true, 120 }, { "1h", 's', true, 3600 },
		{ "1d", 's', true, 86400 }, { "1W", 's', true, 604800 }, { " 3s ", 's', true, 3 },
		{ "", 's', false, 0 }, { "s", 's', false, 0 }, { "1x", 's', false, 0 },
		{ "-1", 's', false, 0 }, { "1 s2", 's', false, 0 }, { "99999999999999999999w", 's', false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		unsigned long long seconds = 0;
		bool ok = conf_parse_time(span_of(rows[i].text), rows[i].unit, &seconds);

		if (ok != rows[i].ok || (ok && seconds != rows[i].seconds))
			fail_msg("%s: %d %llu", rows[i].text, ok, seconds);
	}
}

static bool find_own(void *user, struct span name, struct span *value)
{
	(void)user;
	*value = span_lit("$other");
	return span_equal(name, span_lit("known"));
}

/* Values from outside are never read as references themselves. */
static void test_not_recursive(void **state)
{
	struct expander x = { .find = find_own };
	struct buf out;

	(void)state;
	buf_init(&out, 100);
	assert_true(expand_text(&x, span_lit("<$known>${unknown:x}"), &out));
	assert_true(span_equal(buf_span(&out), span_lit("<$other>x")));
	buf_free(&out);
}

static void test_result_is_bounded(void **state)
{
	struct expander x = { .find = find_own };
	struct buf out;

	(void)state;
	buf_init(&out, 8);
	assert_false(expand_text(&x, span_lit("$known$known"), &out));
	assert_string_equal(x.error, "the expanded value is too long");
	buf_free(&out);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_expansion),
		cmocka_unit_test(test_leading_white_space_is_skipped),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_overrides),
		cmocka_unit_test(test_transport_values),
		cmocka_unit_test(test_missing_file),
		cmocka_unit_test(test_daemon_directory_of_another_system),
		cmocka_unit_test(test_every_default_loads),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_not_recursive),
		cmocka_unit_test(test_result_is_bounded),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
