/* SPDX-License-Identifier: ISC */
/* verify_test.c - who may log in, and what is said of their mail */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "auth/auth.h"

static const char users[] =
	"u1:{PLAIN}secret:5000:5001::/mail/u1::\n"
	"u2@example.test:{PLAIN}secret::::~::userdb_mail=maildir:/mail/%d/%n/Maildir:INDEX=/x\n"
	"empty:::::/mail/empty::\n"
	"closed:{PLAIN}secret::::/mail/c::nologin\n"
	"nets:{PLAIN}secret::::/mail/n::allow_nets=192.0.2.0/24\n"
	"open:{PLAIN}x::::/mail/o::nopassword\n"
	"argon:{ARGON2ID}$argon2id$x::::/mail/a::\n"
	"homeless:{PLAIN}secret\n"
	"baduid:{PLAIN}secret:root:::/mail/b::\n";

struct row {
	const char      *user, *password, *address;
	enum auth_status status;
	const char      *name, *home, *mail;
};

static const struct row rows[] = {
	{ "u1", "secret", "127.0.0.1", AUTH_OK, "u1@example.test", "/mail/u1", "" },
	{ "U1@Example.Test", "secret", "127.0.0.1", AUTH_OK, "u1@example.test", "/mail/u1", "" },
	{ "u2", "secret", "127.0.0.1", AUTH_OK, "u2@example.test", "~", "/mail/example.test/u2/Maildir" },
	{ "u1@other.test", "secret", "127.0.0.1", AUTH_FAILED, "u1@other.test", "", "" },
	{ "u1", "Secret", "127.0.0.1", AUTH_FAILED, "u1@example.test", NULL, NULL },
	{ "nobody", "secret", "127.0.0.1", AUTH_FAILED, "nobody", "", "" },
	/* The hash that unknown users are tried on is u1's: its password must open nothing else. */
	{ "empty", "secret", "127.0.0.1", AUTH_FAILED, NULL, NULL, NULL },
	{ "empty", "", "127.0.0.1", AUTH_FAILED, NULL, NULL, NULL },
	{ "closed", "secret", "127.0.0.1", AUTH_FAILED, NULL, NULL, NULL },
	{ "nets", "secret", "192.0.2.7", AUTH_OK, "nets@example.test", NULL, NULL },
	{ "nets", "secret", "198.51.100.7", AUTH_FAILED, NULL, NULL, NULL },
	{ "nets", "secret", "", AUTH_FAILED, NULL, NULL, NULL },
	{ "open", "anything", "127.0.0.1", AUTH_OK, NULL, NULL, NULL },
	{ "argon", "secret", "127.0.0.1", AUTH_FAILED, NULL, NULL, NULL },
	{ "homeless", "secret", "127.0.0.1", AUTH_UNAVAILABLE, NULL, NULL, NULL },
	{ "baduid", "secret", "127.0.0.1", AUTH_UNAVAILABLE, NULL, NULL, NULL },
};

static void expect(const struct row *row, struct span got, const char *wanted)
{
	if (wanted != NULL && !span_equal(got, span_of(wanted)))
		fail_msg("%s: \"" SPAN_FMT "\" is not \"%s\"", row->user, SPAN_ARG(got), wanted);
}

static void check_rows(void *arg)
{
	struct auth *a = arg;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct row *row = &rows[i];
		struct auth_facts facts = { .service = SPAN("imap"), .remote_address = span_of(row->address) };
		struct arena *arena = arena_new(NULL);
		struct auth_verdict v;

		auth_verify(a, arena, &facts, span_of(row->user), span_of(row->password), &v);
		if (v.status != row->status)
			fail_msg("%s, \"%s\": status %d (" SPAN_FMT ")", row->user, row->password, (int)v.status,
			         SPAN_ARG(v.reason));
		expect(row, v.user, row->name);
		expect(row, v.home, row->home);
		expect(row, v.mail, row->mail);
		arena_free(arena);
	}
}

static void write_users(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void run(task_fn *fn, const char *text)
{
	char path[] = "/tmp/verify_test.XXXXXX";
	struct penalty_rules rules = { .table_size = 10 };
	struct conf conf = {
		.auth_passwd_file = path, .auth_default_scheme = "CRYPT", .auth_default_realm = "example.test",
		.auth_mechanisms = "plain", .auth_default_home = "", .auth_default_mail = "", .auth_verbose = false,
	};
	struct auth a = { .conf = &conf, .default_uid = 9, .default_gid = 9, .has_default_ids = true };

	close(mkstemp(path));
	write_users(path, text);
	a.penalties = penalties_new(&rules);
	task_main(fn, &a);
	penalties_free(a.penalties);
	passwd_file_free(a.users);
	unlink(path);
}

static void test_verdicts(void **state)
{
	(void)state;
	run(check_rows, users);
}

static enum auth_status ask_u1(struct auth *a)
{
	struct auth_facts facts = { .service = SPAN("imap"), .remote_address = SPAN("127.0.0.1") };
	struct arena *arena = arena_new(NULL);
	struct auth_verdict v;

	auth_verify(a, arena, &facts, span_lit("u1"), span_lit("secret"), &v);
	arena_free(arena);
	return v.status;
}

static void check_reload(void *arg)
{
	struct auth *a = arg;

	assert_int_equal(ask_u1(a), AUTH_FAILED);
	write_users(a->conf->auth_passwd_file, users);	/* another size: no clock is needed to see it */
	assert_int_equal(ask_u1(a), AUTH_OK);
	unlink(a->conf->auth_passwd_file);
	assert_int_equal(ask_u1(a), AUTH_OK);	/* between two versions: what is known stays */
}

static void test_a_changed_file_is_read_again(void **state)
{
	(void)state;
	run(check_reload, "# nobody\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_a_changed_file_is_read_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
