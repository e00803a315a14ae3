/* SPDX-License-Identifier: ISC */
/* passwd_file_test.c - lines as admins write them */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "auth/passwd_file.h"

static const char text[] =
	"# users\n"
	"\n"
	"u1@example.test:{PLAIN}secret:5000:5001::/mail/u1::userdb_mail=maildir:/mail/u1/Maildir\n"
	"Jane:{SHA}x\r\n"
	"closed:{PLAIN}x::::::nologin\n"
	"nets:{PLAIN}x::::::allow_nets=127.0.0.0/8,10.0.0.0/8 userdb_quota_rule=*:storage=1G\n"
	"u1@example.test:{PLAIN}second\n"
	"bad/name:{PLAIN}x\n"
	":{PLAIN}x\n"
	"bare\n"
	"path:{PLAIN}x::::/h::userdb_mail_path=~/Maildir userdb_uid=7\n";

static void expect(struct span got, const char *wanted)
{
	if (!span_equal(got, span_of(wanted)))
		fail_msg("\"" SPAN_FMT "\" is not \"%s\"", SPAN_ARG(got), wanted);
}

static struct passwd_file *parse(void)
{
	return passwd_file_parse(span_lit(text), "test");
}

static const struct passwd_entry *find(const struct passwd_file *f, const char *user)
{
	const struct passwd_entry *entry = passwd_file_find(f, span_of(user));

	if (entry == NULL)
		fail_msg("%s is not there", user);
	return entry;
}

static void test_fields(void **state)
{
	struct passwd_file *f = parse();
	const struct passwd_entry *e = find(f, "u1@example.test");

	(void)state;
	expect(e->password, "{PLAIN}secret");
	expect(e->uid, "5000");
	expect(e->gid, "5001");
	expect(e->home, "/mail/u1");
	expect(e->mail, "maildir:/mail/u1/Maildir");
	passwd_file_free(f);
}

static void test_names_are_lower_and_lines_may_end_in_cr(void **state)
{
	struct passwd_file *f = parse();

	(void)state;
	expect(find(f, "jane")->password, "{SHA}x");
	assert_null(passwd_file_find(f, span_lit("Jane")));
	passwd_file_free(f);
}

static void test_extra_fields(void **state)
{
	struct passwd_file *f = parse();

	(void)state;
	assert_true(find(f, "closed")->is_closed);
	assert_false(find(f, "nets")->is_closed);
	expect(find(f, "nets")->allow_nets, "127.0.0.0/8,10.0.0.0/8");
	expect(find(f, "path")->mail, "~/Maildir");
	expect(find(f, "path")->uid, "7");
	passwd_file_free(f);
}

static void test_missing_fields_are_empty(void **state)
{
	struct passwd_file *f = parse();

	(void)state;
	expect(find(f, "bare")->password, "");
	expect(find(f, "bare")->home, "");
	passwd_file_free(f);
}

static void test_the_first_of_two_counts_and_bad_names_do_not(void **state)
{
	struct passwd_file *f = parse();

	(void)state;
	assert_int_equal(passwd_file_count(f), 6);
	expect(passwd_file_sample(f), "{PLAIN}secret");
	passwd_file_free(f);
}

static void test_empty_file(void **state)
{
	struct passwd_file *f = passwd_file_parse(span_lit(""), "test");

	(void)state;
	assert_int_equal(passwd_file_count(f), 0);
	expect(passwd_file_sample(f), "");
	passwd_file_free(f);
	assert_null(passwd_file_load("/nonexistent/passwd"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_names_are_lower_and_lines_may_end_in_cr),
		cmocka_unit_test(test_extra_fields),
		cmocka_unit_test(test_missing_fields_are_empty),
		cmocka_unit_test(test_the_first_of_two_counts_and_bad_names_do_not),
		cmocka_unit_test(test_empty_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
