/* SPDX-License-Identifier: ISC */
/* scheme_test.c - every password scheme, with hashes made by other programs */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "auth/scheme.h"

#define SHA512_SECRET \
	"$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1"

static enum scheme_result check(struct span stored, struct span password, const char **reason)
{
	struct arena *arena = arena_new(NULL);
	enum scheme_result result =
		scheme_check(arena, stored, span_lit("CRYPT"), span_lit("u1@example.test"), password, reason);

	arena_free(arena);
	return result;
}

/* All of these are the password "secret". */
static const struct span secrets[] = {
	SPAN("{PLAIN}secret"),
	SPAN("{CLEARTEXT}secret"),
	SPAN("{plain}secret"),
	SPAN("{SHA512-CRYPT}" SHA512_SECRET),
	SPAN("{CRYPT}" SHA512_SECRET),
	SPAN(SHA512_SECRET),
	SPAN("{SHA256-CRYPT}$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA"),
	SPAN("{MD5-CRYPT}$1$saltsalt$9xy1btjgzLYfb7hivXtC//"),
	SPAN("{MD5}$1$saltsalt$9xy1btjgzLYfb7hivXtC//"),
	SPAN("$1$saltsalt$9xy1btjgzLYfb7hivXtC//[34]"),
	SPAN("{DES-CRYPT}saHW9GdxihkGQ"),
	SPAN("saHW9GdxihkGQ[13]"),
	SPAN("{BLF-CRYPT}$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a"),
	SPAN("{CRYPT}$y$j75$saltsaltsalt$jyf/lxrpdyAIshWRo1x5DRC6KIE7sNRRtjcomR3PgHA"),
	SPAN("{SSHA}1G904nLkTkGWjKNnQuB/hpWXC/hzYWx0c2FsdA=="),
	SPAN("{SSHA256}oBmrdHcA6OZEkkCLeXh71YAerbvhXz1qqwjrPsXmEtNzYWx0c2FsdA=="),
	SPAN("{SSHA512}aCu7JRc+kLsuEmFs1zTY+AiP7DSGnjjG+dH28Dp+E5usqoAixeTPihKqZmkWal4mUfp63tqvCAkFV1LKTDFH6XNhbHRzYWx0"),
	SPAN("{SMD5}VAfQ6nCkaw9o3u+x706wnXNhbHRzYWx0"),
	SPAN("{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="),
	SPAN("{SHA1}5en6G6MezRroT3XKqkdPOmY/BfQ="),
	SPAN("{SHA256}K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols="),
	SPAN("{SHA256}2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"),
	SPAN("{SHA256.HEX}2BB80D537B1DA3E38BD30361AA855686BDE0EACD7162FEF6A25FE97BF527A25B"),
	SPAN("{SHA256.B64}K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols="),
	SPAN("{SHA512}vSsar3708Jvp9Szi2NWZZ02Bqp1qRCFpbcTZPdBhnWgs5WtNZKnvCXdhztmeD2cmW192CF5bDufKRpayrW/isg=="),
	SPAN("{PLAIN-MD5}5ebe2294ecd0e0f08eab7690d2a6ee69"),
	SPAN("{LDAP-MD5}Xr4ilOzQ4PCOq3aQ0qbuaQ=="),
	SPAN("{DIGEST-MD5}904de466ef1b2b5ed9e8c896efe05285"),
	SPAN("{PBKDF2}$1$saltsalt$5000$9d0487892cf650c51cd61d0b11d60b9c5114b27e"),
	SPAN("{SCRAM-SHA-1}4096,c2FsdHNhbHQ=,RgEqzzKLKVeLA7GvEwcwrTiMvYA=,BGJ3kaHb4Tscas0mjhXJHF+aw/s="),
	SPAN("{SCRAM-SHA-256}4096,c2FsdHNhbHQ=,v9cxy4WCDtc8UMxTg6KXCtlxIku1bUKTGuWEXFC1L54=,"
	     "rwGpSn6lR97mSEImO0RA7JCZ4WnpCnnKddTt3G/t6II="),
};

static void test_right_password(void **state)
{
	const char *reason;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(secrets); i++) {
		if (check(secrets[i], span_lit("secret"), &reason) != SCHEME_MATCH)
			fail_msg(SPAN_FMT ": no match (%s)", SPAN_ARG(secrets[i]), reason != NULL ? reason : "mismatch");
	}
}

static void test_wrong_passwords(void **state)
{
	static const struct span wrong[] = { SPAN("Secret"), SPAN(""), SPAN("secre"), SPAN("secret2"), SPAN("secret\0x") };
	const char *reason;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(secrets); i++) {
		for (size_t k = 0; k < COUNT_OF(wrong); k++) {
			if (check(secrets[i], wrong[k], &reason) != SCHEME_MISMATCH)
				fail_msg(SPAN_FMT " with \"" SPAN_FMT "\"", SPAN_ARG(secrets[i]), SPAN_ARG(wrong[k]));
		}
	}
}

static void test_unusable_data_says_why(void **state)
{
	static const struct span rows[] = {
		SPAN("{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$AAAA$BBBB"),
		SPAN("{ARGON2I}$argon2i$v=19$m=65536,t=3,p=1$AAAA$BBBB"),
		SPAN("{NTLM}00"),
		SPAN("{CRAM-MD5}00"),
		SPAN("{NO-SUCH-SCHEME}x"),
		SPAN("{SHA256.ROT13}x"),
		SPAN("{SHA"),
		SPAN("{SHA256}not base64!"),
		SPAN("{SHA256}AAAA"),
		SPAN("{SSHA}AAAA"),
		SPAN("{PBKDF2}$2$salt$1$00"),
		SPAN("{PBKDF2}$1$salt$0$00"),
		SPAN("{PBKDF2}$1$salt$99999999999$00"),
		SPAN("{SCRAM-SHA-1}4096,salt"),
		SPAN("{SCRAM-SHA-256}x,c2FsdA==,AAAA,AAAA"),
		SPAN("{CRYPT}"),
		SPAN("{CRYPT}*"),
		SPAN("!"),
	};
	const char *reason;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		enum scheme_result result = check(rows[i], span_lit("secret"), &reason);

		if (result == SCHEME_MATCH || (result == SCHEME_UNUSABLE && reason == NULL))
			fail_msg(SPAN_FMT ": %d", SPAN_ARG(rows[i]), (int)result);
	}
}

static void test_default_scheme(void **state)
{
	struct arena *arena = arena_new(NULL);
	const char *reason;

	(void)state;
	assert_int_equal(scheme_check(arena, span_lit("secret"), span_lit("PLAIN"), span_lit("u"), span_lit("secret"),
	                              &reason), SCHEME_MATCH);
	assert_int_equal(scheme_check(arena, span_lit("{CRYPT}secret"), span_lit("PLAIN"), span_lit("u"),
	                              span_lit("secret"), &reason), SCHEME_MISMATCH);
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_right_password),
		cmocka_unit_test(test_wrong_passwords),
		cmocka_unit_test(test_unusable_data_says_why),
		cmocka_unit_test(test_default_scheme),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
