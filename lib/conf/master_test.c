/* SPDX-License-Identifier: ISC */
/* master_test.c - master.cf: fields, arguments, what is refused */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/fs.h"
#include "lib/conf/master_text.h"

struct fixture {
	struct arena      *arena;
	const struct conf *conf;
};

static int set_up(void **state)
{
	static struct fixture f;
	char folder[] = "/tmp/master_test.XXXXXX";
	const char *path, *error;

	f.arena = arena_new(NULL);
	if (mkdtemp(folder) == NULL)
		return -1;
	path = arena_printf(f.arena, "%s/main.cf", folder);
	if (fs_replace_file(AT_FDCWD, path, span_lit("compatibility_level = 3.6\n"), 0644) < 0)
		return -1;
	f.conf = conf_load(f.arena, folder, NULL, 0, &error);
	unlink(path);
	rmdir(folder);
	*state = &f;
	return f.conf != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	arena_free(f->arena);
	return 0;
}

/* entry - the entry as one line of text: what a row of the tests compares. */
static const char *describe(struct arena *a, const struct master_entry *e)
{
	const char *text = arena_printf(a, "%s/%s %c%c%c %u%s %u %s", e->name, e->type, e->is_private ? 'p' : '-',
	                                e->is_unprivileged ? 'u' : '-', e->is_chrooted ? 'c' : '-', e->wakeup_s,
	                                e->wakeup_only_if_used ? "?" : "", e->most_processes, e->command);

	for (size_t i = 0; e->args[i] != NULL; i++)
		text = arena_printf(a, "%s <%s>", text, e->args[i]);
	for (size_t i = 0; i < e->override_count; i++)
		text = arena_printf(a, "%s {%s=%s}", text, e->overrides[i].name, e->overrides[i].value);
	return e->verbose > 0 ? arena_printf(a, "%s v%u", text, e->verbose) : text;
}

static const struct { const char *text, *entries; } accepted[] = {
	{ "", "" },
	{ "# smtp inet n - - - - smtpd\n\n", "" },
	{ "smtp inet n - n - - smtpd", "smtp/inet -u- 0 100 smtpd;" },
	{ "smtp inet n - y - - smtpd", "smtp/inet -uc 0 100 smtpd;" },
	{ "pickup unix n - n 60 1 pickup", "pickup/unix -u- 60 1 pickup;" },
	{ "flush unix n - n 1000? 0 flush", "flush/unix -u- 1000? 0 flush;" },
	{ "local unix - n n - - local", "local/unix p-- 0 100 local;" },
	{ "x fifo - - - - - q", "x/fifo pu- 0 100 q;" },
	{ "x pass - - - - - q", "x/pass pu- 0 100 q;" },
	{ "postlog unix-dgram n - n - 1 postlogd", "postlog/unix-dgram -u- 0 1 postlogd;" },
	{ "[::1]:25 inet n - n - - smtpd", "[::1]:25/inet -u- 0 100 smtpd;" },
	{ "s inet n - n - - smtpd\n  -o a=b\n# c\n\n -o c=d", "s/inet -u- 0 100 smtpd {a=b} {c=d};" },
	{ "s inet n - n - - smtpd -o { c = d e }", "s/inet -u- 0 100 smtpd {c=d e};" },
	{ "s inet n - n - - smtpd -o {c=d, e}", "s/inet -u- 0 100 smtpd {c=d, e};" },
	{ "s inet n - n - - smtpd -o c=", "s/inet -u- 0 100 smtpd {c=};" },
	{ "s inet n - n - - smtpd -oc=d=e", "s/inet -u- 0 100 smtpd {c=d=e};" },
	{ "s inet n - n - - smtpd -v -vv -D", "s/inet -u- 0 100 smtpd v3;" },
	{ "m unix - n n - - pipe flags=DR argv=/x ${a} { b c }",
	  "m/unix p-- 0 100 pipe <flags=DR> <argv=/x> <${a}> <b c>;" },
	{ "s inet n - n - - a\ns inet n - n - - b", "s/inet -u- 0 100 b;" },
	{ "s inet n - n - - a\ns unix n - n - - b", "s/inet -u- 0 100 a;s/unix -u- 0 100 b;" },
	{ "s\tinet\tn\t-\tn\t-\t-\tsmtpd\r\n", "s/inet -u- 0 100 smtpd;" },
};

static void test_accepted(void **state)
{
	const struct fixture *f = *state;

	for (size_t i = 0; i < COUNT_OF(accepted); i++) {
		struct arena *a = arena_new(f->arena);
		const char *error = NULL, *got = "";
		const struct master_conf *m =
			master_conf_parse(a, "master.cf", span_of(accepted[i].text), f->conf, &error);

		if (m == NULL)
			fail_msg("%s: %s", accepted[i].text, error);
		for (size_t j = 0; j < m->count; j++)
			got = arena_printf(a, "%s%s;", got, describe(a, &m->entries[j]));
		if (strcmp(got, accepted[i].entries) != 0)
			fail_msg("%s: got %s", accepted[i].text, got);
		arena_free(a);
	}
}

static const struct { const char *text, *error; } refused[] = {
	{ "smtp inet n - n - -", "file master.cf: line 1: bad field count" },
	{ "# x\n\nsmtp inet\n", "file master.cf: line 3: bad field count" },
	{ "smtp udp n - n - - smtpd", "bad transport type: \"udp\"" },
	{ "smtp inet y - n - - smtpd", "an inet service cannot be private" },
	{ "smtp inet x - n - - smtpd", "field needs y, n or -: \"x\"" },
	{ "smtp inet n x n - - smtpd", "field needs y, n or -" },
	{ "smtp inet n - yes - - smtpd", "field needs y, n or -" },
	{ "smtp inet n - n x - smtpd", "bad wakeup time: \"x\"" },
	{ "smtp inet n - n ? - smtpd", "bad wakeup time" },
	{ "smtp inet n - n - x smtpd", "bad process limit: \"x\"" },
	{ "smtp inet n - n - -1 smtpd", "bad process limit" },
	{ "smtp inet n - n - - smtpd -o", "-o needs name=value" },
	{ "smtp inet n - n - - smtpd -o abc", "-o needs name=value: \"abc\"" },
	{ "smtp inet n - n - - smtpd -o =abc", "-o without a name" },
	{ "smtp inet n - n - - smtpd -o a = b", "-o needs name=value: \"a\"" },
};

static void test_refused(void **state)
{
	const struct fixture *f = *state;

	for (size_t i = 0; i < COUNT_OF(refused); i++) {
		const char *error = NULL;

		if (master_conf_parse(f->arena, "master.cf", span_of(refused[i].text), f->conf, &error) != NULL)
			fail_msg("accepted: %s", refused[i].text);
		if (error == NULL || strstr(error, refused[i].error) == NULL)
			fail_msg("%s: got %s", refused[i].text, error);
	}
}

static void test_many_entries(void **state)
{
	const struct fixture *f = *state;
	const struct master_conf *m;
	const char *error = NULL;
	struct buf text;

	buf_init(&text, BUF_NO_LIMIT);
	for (unsigned i = 0; i < 200; i++)
		buf_addf(&text, "s%u unix - - n - - smtp -o a=%u\n", i, i);
	m = master_conf_parse(f->arena, "master.cf", buf_span(&text), f->conf, &error);
	assert_non_null(m);
	assert_int_equal(m->count, 200);
	assert_string_equal(m->entries[199].overrides[0].value, "199");
	assert_int_equal(m->entries[199].line, 200);
	buf_free(&text);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accepted),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_many_entries),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
