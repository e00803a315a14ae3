/* SPDX-License-Identifier: ISC */
/* maps_test.c - postmap, postalias, newaliases and postconf as an admin runs them
 *
 * Runs the built programs of TEST_BINDIR (default: tools, below the build folder) in a folder of its own. */
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/fs.h"

static char folder[] = "/tmp/maps_test.XXXXXX";
static char bin[PATH_MAX];

static void write_file(const char *name, const char *text)
{
	assert_int_equal(fs_replace_file(AT_FDCWD, name, span_of(text), 0644), 0);
}

static int set_up(void **state)
{
	const char *given = getenv("TEST_BINDIR");

	(void)state;
	if (realpath(given != NULL ? given : "tools", bin) == NULL || mkdtemp(folder) == NULL || chdir(folder) < 0)
		return -1;
	return setenv("MAIL_CONFIG", folder, 1);
}

static int tear_down(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", folder);
	return chdir("/") == 0 && system(command) == 0 ? 0 : -1;
}

static int fresh_files(void **state)
{
	(void)state;
	write_file("main.cf", "# first\nmyhostname = m.example.com\nalias_database = hash:aliases\n"
	                      "relayhost =\n   # inner\n   [gw.example]\nmine = $unset_name\nhelo = $mine\n");
	write_file("master.cf", "smtp inet n - n - - smtpd\n  -o a=b -o { c = d e }\n"
	                        "m unix - n n 10? 0 pipe flags=D argv=/x\n");
	write_file("t", "Key value one\nother 2\nkey again\nnovalue\n");
	write_file("aliases", "# c\nRoot: u1, u2\n  u3\nlist: \"|run me\"\nbad\n");
	return 0;
}

/* run - what command ($B: the folder of the programs) prints, and its exit status as "[n]" behind it. */
static const char *run(struct arena *arena, const char *command)
{
	const char *whole = arena_printf(arena, "B=%s; { %s; } 2>&1; echo \"[$?]\"", bin, command);
	FILE *pipe = popen(whole, "r");
	struct buf out;
	const char *text;
	char piece[512];
	size_t n;

	assert_non_null(pipe);
	buf_init(&out, BUF_NO_LIMIT);
	while ((n = fread(piece, 1, sizeof(piece), pipe)) > 0)
		buf_add(&out, span_make(piece, n));
	assert_int_equal(pclose(pipe), 0);
	text = arena_cstr(arena, span_trim_end(buf_span(&out)));
	buf_free(&out);
	return text;
}

struct row {
	const char *command, *output;
};

static void check(const struct row *rows, size_t count)
{
	struct arena *arena = arena_new(NULL);

	for (size_t i = 0; i < count; i++) {
		const char *got = run(arena, rows[i].command);

		if (strcmp(got, rows[i].output) != 0)
			fail_msg("%s: got\n%s\nnot\n%s", rows[i].command, got, rows[i].output);
	}
	arena_free(arena);
}

#define MADE "postmap: warning: t.db: duplicate entry: \"key\"\n" \
	"postmap: warning: t, line 4: expected format: key whitespace value\n"

static void test_postmap(void **state)
{
	static const struct row rows[] = {
		{ "$B/postmap hash:t", MADE "[0]" },
		{ "$B/postmap -q KEY hash:t", "value one\n[0]" },
		{ "$B/postmap -q none hash:t", "[1]" },
		{ "printf 'key\\nnone\\nother\\n' | $B/postmap -q - hash:t", "key\tvalue one\nother\t2\n[0]" },
		{ "$B/postmap -s hash:t | sort", "key\tvalue one\nother\t2\n[0]" },
		{ "$B/postmap -sj hash:t | sort", "{\"key\": \"value one\"}\n{\"other\": \"2\"}\n[0]" },
		{ "$B/postmap -d other hash:t", "[0]" },
		{ "$B/postmap -d other hash:t", "[1]" },
		{ "echo 'new 3' | $B/postmap -i hash:t", "[0]" },
		{ "echo 'new 4' | $B/postmap -i hash:t", "postmap: warning: t.db: duplicate entry: \"new\"\n[0]" },
		{ "echo 'new 5' | $B/postmap -ir hash:t; $B/postmap -q new hash:t", "5\n[0]" },
		{ "echo 'new 6' | $B/postmap -iw hash:t; $B/postmap -q new hash:t", "5\n[0]" },
		{ "$B/postmap -q a inline:{a=1} static:x", "1\n[0]" },
		{ "$B/postmap -q b inline:{a=1} static:x", "x\n[0]" },
		{ "$B/postmap btree:t 2>/dev/null; $B/postmap -s btree:t", "key\tvalue one\nother\t2\n[0]" },
		{ "chmod 600 t; $B/postmap hash:t 2>/dev/null; stat -c %a t.db", "600\n[0]" },
		{ "$B/postmap -p hash:t 2>/dev/null; stat -c %a t.db", "644\n[0]" },
		{ "echo content > c; echo 'k c' > f; $B/postmap -F hash:f; $B/postmap -q k hash:f", "Y29udGVudAo=\n[0]" },
		{ "$B/postmap -Fq k hash:f", "content\n\n[0]" },
	};

	check(rows, COUNT_OF(rows));
	(void)state;
}

static void test_postmap_refuses(void **state)
{
	static const struct row rows[] = {
		{ "$B/postmap -q x foo:t", "postmap: fatal: unsupported dictionary type: foo\n[1]" },
		{ "$B/postmap foo:t", "postmap: fatal: unsupported dictionary type: foo\n[1]" },
		{ "$B/postmap -q x hash:none",
		  "postmap: fatal: open database none.db: No such file or directory\n[1]" },
		{ "$B/postmap hash:none", "postmap: fatal: open none: No such file or directory\n[1]" },
		{ "$B/postmap regexp:t",
		  "postmap: fatal: unsupported dictionary type: regexp does not support bulk-mode creation.\n[1]" },
		{ "$B/postmap -s static:t", "postmap: fatal: table static:t: sequence operation is not supported\n[1]" },
		{ "$B/postmap -s -q x hash:t", "postmap: fatal: specify only one of -s -q or -d\n[1]" },
		{ "$B/postmap -q x fail:t", "postmap: warning: fail:t lookup error for \"x\"\n"
		                            "postmap: fatal: table fail:t: query error\n[1]" },
		{ "$B/postmap -c /nonexistent hash:t",
		  "postmap: fatal: open /nonexistent/main.cf: No such file or directory\n[1]" },
	};

	(void)state;
	check(rows, COUNT_OF(rows));
}

static void test_aliases(void **state)
{
	static const struct row rows[] = {
		{ "$B/postalias hash:aliases", "postalias: warning: aliases, line 5: need name:value pair\n[0]" },
		{ "$B/postalias -q ROOT hash:aliases", "u1, u2 u3\n[0]" },
		{ "$B/postalias -q list hash:aliases", "\"|run me\"\n[0]" },
		{ "$B/postalias -q @ hash:aliases", "@\n[0]" },
		{ "$B/postalias -s hash:aliases | grep -c YP_", "2\n[0]" },
		{ "$B/postalias -s hash:aliases | grep root", "root:\tu1, u2 u3\n[0]" },
		{ "rm aliases.db; $B/newaliases -oQ/tmp; ls aliases.db",
		  "newaliases: warning: aliases, line 5: need name:value pair\naliases.db\n[0]" },
		{ "rm aliases; $B/newaliases", "newaliases: fatal: open aliases: No such file or directory\n[1]" },
	};

	(void)state;
	check(rows, COUNT_OF(rows));
}

static void test_postconf_shows(void **state)
{
	static const struct row rows[] = {
		{ "$B/postconf myhostname", "myhostname = m.example.com\n[0]" },
		{ "$B/postconf -h relayhost", "[gw.example]\n[0]" },
		{ "$B/postconf -d relayhost smtpd_timeout", "relayhost =\nsmtpd_timeout = ${stress?{10}:{300}}s\n[0]" },
		{ "$B/postconf -x smtpd_timeout mydestination",
		  "smtpd_timeout = 300s\nmydestination = m.example.com, localhost.example.com, localhost\n[0]" },
		{ "$B/postconf nosuch", "postconf: warning: nosuch: unknown parameter\n[0]" },
		{ "$B/postconf -n 2>/dev/null | grep -v config_directory",
		  "alias_database = hash:aliases\nmine = $unset_name\nmyhostname = m.example.com\n"
		  "relayhost = [gw.example]\n[0]" },
		{ "$B/postconf -o relayhost=x -h relayhost", "x\n[0]" },
		{ "$B/postconf -M",
		  "smtp       inet  n       -       n       -       -       smtpd -o a=b -o {c=d e}\n"
		  "m          unix  -       n       n       10?     0       pipe flags=D argv=/x\n[0]" },
		{ "$B/postconf -Mf smtp/inet",
		  "smtp       inet  n       -       n       -       -       smtpd\n    -o a=b\n    -o {c=d e}\n[0]" },
		{ "$B/postconf -P", "smtp/inet/a = b\nsmtp/inet/c = d e\n[0]" },
		{ "$B/postconf -F '*/unix/wakeup'", "m/unix/wakeup = 10?\n[0]" },
		{ "$B/postconf -m | grep -c '^hash$'", "1\n[0]" },
		{ "$B/postconf -Z 2>/dev/null", "[1]" },
	};

	(void)state;
	check(rows, COUNT_OF(rows));
}

static void test_postconf_changes(void **state)
{
	static const struct row rows[] = {
		{ "$B/postconf -e 'relayhost = x' && tail -n +4 main.cf",
		  "relayhost = x\n   # inner\nmine = $unset_name\nhelo = $mine\n[0]" },
		{ "$B/postconf new=1 myhostname=h.example && grep -n -e new -e host main.cf",
		  "2:myhostname = h.example\n4:relayhost = x\n8:new = 1\n[0]" },
		{ "$B/postconf -X new && grep -c new main.cf", "0\n[1]" },
		{ "$B/postconf '-#' relayhost && sed -n 4p main.cf", "#relayhost = x\n[0]" },
		{ "$B/postconf -X a=b 2>/dev/null", "[1]" },
		{ "$B/postconf -e a 2>/dev/null", "[1]" },
		{ "$B/postconf -P -e smtp/inet/a=z && $B/postconf -P", "smtp/inet/c = d e\nsmtp/inet/a = z\n[0]" },
		{ "$B/postconf -PX smtp/inet/c && $B/postconf -P", "smtp/inet/a = z\n[0]" },
		{ "$B/postconf -F -e m/unix/chroot=y && $B/postconf -Fh m/unix/chroot", "y\n[0]" },
		{ "$B/postconf -M -e 'n/unix=n unix - - n - - smtp' && $B/postconf -M n",
		  "n          unix  -       -       n       -       -       smtp\n[0]" },
		{ "$B/postconf -MX n/unix && $B/postconf -M n", "[0]" },
		{ "$B/postconf '-M#' m/unix && grep -c '^#m' master.cf", "1\n[0]" },
	};

	(void)state;
	check(rows, COUNT_OF(rows));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_postmap, fresh_files),
		cmocka_unit_test_setup(test_postmap_refuses, fresh_files),
		cmocka_unit_test_setup(test_aliases, fresh_files),
		cmocka_unit_test_setup(test_postconf_shows, fresh_files),
		cmocka_unit_test_setup(test_postconf_changes, fresh_files),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
