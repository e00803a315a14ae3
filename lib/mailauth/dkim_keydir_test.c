/* SPDX-License-Identifier: ISC */
/* dkim_keydir_test.c - keys on disk: which of them signs, and what becomes of what is no key */
#include "lib/mailauth/dkim_keyset.h"

#include <errno.h>

#include "lib/base/clock.h"
#include "lib/mailauth/test_keydir.h"

static struct test_keydir t;

static int begin(void **state)
{
	(void)state;
	test_keydir_open(&t);
	return 0;
}

static int end(void **state)
{
	(void)state;
	test_keydir_close(&t);
	return 0;
}

#define assert_states(domain, text) assert_states_at((domain), (text), __FILE__, __LINE__)

static void assert_states_at(const char *name, const char *text, const char *file, int line)
{
	struct dkim_key_domain domain;
	struct why why;

	if (dkim_keydir_domain(&t.dir, t.arena, span_of(name), NULL, &domain, &why) != DONE)
		fail_msg("%s", why.text);
	assert_span_at(test_keydir_states(t.arena, &domain), span_of(text), file, line);
}

static enum outcome activate(const char *domain, const char *selector, uint64_t now_s)
{
	struct why why;

	return dkim_keydir_activate(&t.dir, NULL, span_of(domain), span_of(selector), now_s, &why);
}

/* ---- names ---- */

static void names_are_checked(void **state)
{
	static const struct { struct span name; bool is_domain, is_selector; } rows[] = {
		{ SPAN("example.com"),    true,  false },
		{ SPAN("xn--bcher-kva.example"), true, false },
		{ SPAN("p20261128r"),     true,  true },
		{ SPAN("Example.com"),    false, false },
		{ SPAN("P1"),             false, true },
		{ SPAN("a-b"),            true,  true },
		{ SPAN("-a"),             false, false },
		{ SPAN("a-"),             false, false },
		{ SPAN(""),               false, false },
		{ SPAN(".."),             false, false },
		{ SPAN(".example"),       false, false },
		{ SPAN("a/b"),            false, false },
		{ SPAN("a\0b"),           false, false },
		{ SPAN("b\303\274cher.example"), false, false },
		{ SPAN("a123456789012345678901234567890123456789012345678901234567890123"), false, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (dkim_keydir_is_domain(rows[i].name) != rows[i].is_domain ||
		    dkim_keydir_is_selector(rows[i].name) != rows[i].is_selector)
			fail_msg("\"" SPAN_FMT "\"", SPAN_ARG(rows[i].name));
}

/* ---- which signs ---- */

static void the_first_signs_and_later_ones_wait(void **state)
{
	(void)state;
	assert_states("example.test", "");
	test_keydir_add(&t, "example.test", "z", DKIM_ED25519, 1);
	assert_states("example.test", "z active");
	test_keydir_add(&t, "example.test", "b", DKIM_ED25519, 2);
	test_keydir_add(&t, "example.test", "a", DKIM_ED25519, 2);
	test_keydir_add(&t, "example.test", "r", DKIM_RSA, 3);
	assert_states("example.test", "z active, a waiting, b waiting, r active");
}

static void the_state_decides(void **state)
{
	static const struct { const char *state, *want; } rows[] = {
		{ "b active 5\n",                             "a retired, b active, c waiting" },
		{ "a retired 5\nb active 5\n",                "a retired, b active, c waiting" },
		{ "c active 5\n",                             "a retired, b retired, c active" },
		{ "a active 5\nc retired 0\n",                "a active, b waiting, c retired" },
		{ "gone active 5\n",                          "a active, b waiting, c waiting" },
		{ "gone active 9\na retired 4\nb retired 9\n", "a retired, b active, c waiting" },
		{ "gone active 9\na retired 0\nb retired 9\n", "a retired, b active, c waiting" },
		{ "a active 5\nb active 7\n",                 "a retired, b active, c waiting" },
		{ "a active 7\nb active 5\n",                 "a active, b retired, c waiting" },
		{ "nonsense\nb active 5\n",                   "a retired, b active, c waiting" },
		{ "",                                         "a active, b waiting, c waiting" },
	};

	(void)state;
	test_keydir_add(&t, "example.test", "a", DKIM_ED25519, 1);
	test_keydir_add(&t, "example.test", "b", DKIM_ED25519, 2);
	test_keydir_add(&t, "example.test", "c", DKIM_ED25519, 3);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		test_keydir_write(&t, "mailauth/dkim/example.test", rows[i].state);
		assert_states("example.test", rows[i].want);
	}
}

static void since_when(void **state)
{
	struct dkim_key_domain domain;
	struct why why;

	(void)state;
	test_keydir_add(&t, "example.test", "a", DKIM_ED25519, 1);
	test_keydir_add(&t, "example.test", "b", DKIM_ED25519, 2);
	test_keydir_add(&t, "example.test", "c", DKIM_ED25519, 3);
	test_keydir_write(&t, "mailauth/dkim/example.test", "b active 2000000000\n");
	assert_int_equal(dkim_keydir_domain(&t.dir, t.arena, span_lit("example.test"), NULL, &domain, &why), DONE);
	assert_int_equal(domain.key[0].since_s, 0);
	assert_int_equal(domain.key[1].since_s, 2000000000);
	assert_int_equal(domain.key[2].since_s, 1000000003);
}

static void a_waiting_key_takes_over(void **state)
{
	struct buf text;

	(void)state;
	test_keydir_add(&t, "example.test", "r1", DKIM_RSA, 0);
	test_keydir_add(&t, "example.test", "e1", DKIM_ED25519, 1);
	test_keydir_add(&t, "example.test", "e2", DKIM_ED25519, 2);
	test_keydir_add(&t, "example.test", "e3", DKIM_ED25519, 3);
	test_keydir_add(&t, "example.test", "e4", DKIM_ED25519, 4);
	assert_int_equal(activate("example.test", "e1", 7), REFUSE);
	assert_int_equal(activate("example.test", "no", 7), REFUSE);
	assert_int_equal(activate("example.test", "e3", 7), DONE);
	assert_states("example.test", "r1 active, e1 retired, e2 retired, e3 active, e4 waiting");
	assert_int_equal(activate("example.test", "e2", 8), REFUSE);
	assert_int_equal(activate("example.test", "e4", 9), DONE);
	assert_states("example.test", "r1 active, e1 retired, e2 retired, e3 retired, e4 active");
	buf_init(&text, 1000);
	assert_int_equal(fs_read_file(AT_FDCWD, arena_printf(t.arena, "%s/example.test", t.dir.state_path), &text), 0);
	assert_span(buf_span(&text), "r1 active 1000000000\ne1 retired 7\ne2 retired 0\ne3 retired 9\ne4 active 9\n");
	buf_free(&text);
}

static void a_switch_that_fails_changes_nothing(void **state)
{
	unsigned n = 1;

	(void)state;
	test_keydir_add(&t, "example.test", "a", DKIM_ED25519, 1);
	test_keydir_add(&t, "example.test", "b", DKIM_ED25519, 2);
	for (;; n++) {
		struct dkim_key_domain domain;
		struct why why;
		enum outcome outcome;

		fs_fail_at(n, EIO);
		outcome = activate("example.test", "b", 7);
		fs_fail_at(0, 0);
		assert_int_equal(dkim_keydir_domain(&t.dir, t.arena, span_lit("example.test"), NULL, &domain, &why), DONE);
		/* The new state may be there when only the last sync failed: never half of it. */
		if (domain.key[0].state == DKIM_KEY_ACTIVE)
			assert_int_equal(domain.key[1].state, DKIM_KEY_WAITING);
		else
			assert_int_equal(domain.key[1].state, DKIM_KEY_ACTIVE);
		if (outcome == DONE || domain.key[1].state == DKIM_KEY_ACTIVE)
			break;
		assert_int_equal(outcome, DEFER);
	}
	assert_true(n > 5);
}

/* ---- files ---- */

static void a_new_key_is_for_its_owner(void **state)
{
	struct dkim_signing_key key;
	struct stat st;
	struct why why;

	(void)state;
	test_keydir_add(&t, "example.test", "a", DKIM_ED25519, 1);
	assert_int_equal(stat(t.dir.path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(stat(arena_printf(t.arena, "%s/example.test", t.dir.path), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(stat(arena_printf(t.arena, "%s/example.test/a.pem", t.dir.path), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0400);
	assert_int_equal(dkim_keydir_generate(DKIM_ED25519, 0, &key, &why), DONE);
	assert_int_equal(dkim_keydir_store(&t.dir, span_lit("example.test"), span_lit("a"), &key, 0,
	                                   (struct dkim_owner){ 0 }, &why), REFUSE);
	assert_int_equal(dkim_keydir_store(&t.dir, span_lit("example.test"), span_lit("b"), &key, 1ULL << 62,
	                                   (struct dkim_owner){ 0 }, &why), DONE);
	dkim_signing_key_free(&key);
	assert_int_equal(stat(arena_printf(t.arena, "%s/example.test/b.pem", t.dir.path), &st), 0);
	assert_int_equal(st.st_mtim.tv_sec * 1000000000LL + st.st_mtim.tv_nsec, (1LL << 62) + 1);
	assert_states("example.test", "a active, b waiting");
}

static void storing_fails_whole(void **state)
{
	struct dkim_signing_key key;
	unsigned n = 1;

	(void)state;
	test_keydir_add(&t, "example.test", "a", DKIM_ED25519, 1);
	for (;; n++) {
		struct dkim_key_domain domain;
		enum outcome outcome;
		struct why why;

		assert_int_equal(dkim_keydir_generate(DKIM_ED25519, 0, &key, &why), DONE);
		fs_fail_at(n, ENOSPC);
		outcome = dkim_keydir_store(&t.dir, span_lit("example.test"), span_lit("b"), &key, 0,
		                            (struct dkim_owner){ 0 }, &why);
		fs_fail_at(0, 0);
		dkim_signing_key_free(&key);
		assert_int_equal(dkim_keydir_domain(&t.dir, t.arena, span_lit("example.test"), NULL, &domain, &why), DONE);
		assert_false(domain.has_fault);
		if (outcome == DONE || domain.count == 2)
			break;
		assert_int_equal(outcome, DEFER);
	}
	assert_true(n > 5);
}

static void what_is_no_key_is_passed_over(void **state)
{
	char *secret = arena_printf(t.arena, "%s/secret.pem", t.top);
	char *folder = arena_printf(t.arena, "%s/example.test", t.dir.path);
	struct dkim_key_domain domain;
	struct why why;

	(void)state;
	test_keydir_add(&t, "example.test", "good", DKIM_ED25519, 1);
	test_keydir_add(&t, "other.test", "moved", DKIM_ED25519, 1);
	assert_int_equal(rename(arena_printf(t.arena, "%s/other.test/moved.pem", t.dir.path), secret), 0);
	assert_int_equal(symlink(secret, arena_printf(t.arena, "%s/link.pem", folder)), 0);
	assert_int_equal(mkdir(arena_printf(t.arena, "%s/folder.pem", folder), 0700), 0);
	assert_int_equal(mkfifo(arena_printf(t.arena, "%s/pipe.pem", folder), 0600), 0);
	test_keydir_write(&t, "dkim/example.test/empty.pem", "");
	test_keydir_write(&t, "dkim/example.test/text.pem", "no key");
	test_keydir_write(&t, "dkim/example.test/README", "no key");
	test_keydir_write(&t, "dkim/example.test/a.b.pem", "no key");
	test_keydir_write(&t, "dkim/example.test/.hidden.pem", "no key");
	assert_int_equal(dkim_keydir_domain(&t.dir, t.arena, span_lit("example.test"), NULL, &domain, &why), DONE);
	assert_span(test_keydir_states(t.arena, &domain), "good active");
	assert_true(domain.has_fault);
}

static void short_and_surplus_keys_are_passed_over(void **state)
{
	(void)state;
	test_keydir_add(&t, "example.test", "short", DKIM_RSA, 1);
	test_keydir_add(&t, "example.test", "e", DKIM_ED25519, 2);
	t.dir.limits.rsa_bits_min = 2048;
	assert_states("example.test", "e active");
	t.dir.limits.keys_max = 0;
	assert_states("example.test", "");
}

/* ---- all domains ---- */

static struct span all_states(const struct dkim_keyset *set, const char *domain)
{
	const struct dkim_key_domain *found = dkim_keyset_domain(set, span_of(domain));

	return found != NULL ? test_keydir_states(t.arena, found) : span_lit("none");
}

static void all_domains_are_read(void **state)
{
	struct dkim_keyset *set;
	size_t cursor = 0, count = 0;

	(void)state;
	set = dkim_keyset_read(&t.dir, NULL);
	assert_int_equal(dkim_keyset_count(set), 0);
	dkim_keyset_free(set);
	test_keydir_add(&t, "a.test", "x", DKIM_ED25519, 1);
	test_keydir_add(&t, "b.test", "y", DKIM_ED25519, 1);
	test_keydir_write(&t, "dkim/file", "no folder");
	assert_int_equal(mkdir(arena_printf(t.arena, "%s/Upper.test", t.dir.path), 0700), 0);
	assert_int_equal(symlink("a.test", arena_printf(t.arena, "%s/link.test", t.dir.path)), 0);
	set = dkim_keyset_read(&t.dir, NULL);
	assert_span(all_states(set, "a.test"), "x active");
	assert_span(all_states(set, "b.test"), "y active");
	while (dkim_keyset_next(set, &cursor) != NULL)
		count++;
	assert_int_equal(count, 2);
	assert_false(dkim_keyset_has_fault(set));
	dkim_keyset_free(set);
	t.dir.limits.domains_max = 1;
	set = dkim_keyset_read(&t.dir, NULL);
	assert_int_equal(dkim_keyset_count(set), 1);
	dkim_keyset_free(set);
}

static void what_cannot_be_read_stays(void **state)
{
	struct dkim_keyset *before, *set;

	(void)state;
	test_keydir_add(&t, "a.test", "x", DKIM_ED25519, 1);
	test_keydir_add(&t, "a.test", "y", DKIM_ED25519, 2);
	test_keydir_write(&t, "mailauth/dkim/a.test", "y active 5\n");
	before = dkim_keyset_read(&t.dir, NULL);
	assert_span(all_states(before, "a.test"), "x retired, y active");
	for (unsigned n = 1; n < 3; n++) {	/* the folder, the state: the keys themselves are known */
		fs_fail_at(n, EIO);
		set = dkim_keyset_read(&t.dir, before);
		fs_fail_at(0, 0);
		assert_true(dkim_keyset_has_fault(set));
		assert_span(all_states(set, "a.test"), "x retired, y active");
		dkim_keyset_free(set);
	}
	fs_fail_at(1, EIO);
	set = dkim_keyset_read(&t.dir, NULL);
	fs_fail_at(0, 0);
	assert_span(all_states(set, "a.test"), "none");
	dkim_keyset_free(set);
	dkim_keyset_free(before);
}

/* settled - read again until the changes are older than the grain of the clock. */
static struct dkim_keyset *settled(struct dkim_keyset *set)
{
	uint64_t until_us = clock_in_s(20);

	while (dkim_keyset_is_stale(set, &t.dir) && clock_now_us() < until_us) {
		struct dkim_keyset *next;

		usleep(200000);
		next = dkim_keyset_read(&t.dir, set);
		dkim_keyset_free(set);
		set = next;
	}
	assert_false(dkim_keyset_is_stale(set, &t.dir));
	return set;
}

static void changes_are_seen(void **state)
{
	struct dkim_keyset *set = settled(dkim_keyset_read(&t.dir, NULL));

	(void)state;
	test_keydir_add(&t, "a.test", "x", DKIM_ED25519, 1);
	assert_true(dkim_keyset_is_stale(set, &t.dir));
	set = settled(set);
	test_keydir_add(&t, "a.test", "y", DKIM_ED25519, 2);
	assert_true(dkim_keyset_is_stale(set, &t.dir));
	set = settled(set);
	assert_span(all_states(set, "a.test"), "x active, y waiting");
	assert_int_equal(activate("a.test", "y", 5), DONE);
	assert_true(dkim_keyset_is_stale(set, &t.dir));
	dkim_keyset_free(set);
}

int main(void)
{
#define FRESH(test) cmocka_unit_test_setup_teardown(test, begin, end)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_checked),
		FRESH(the_first_signs_and_later_ones_wait),
		FRESH(the_state_decides),
		FRESH(since_when),
		FRESH(a_waiting_key_takes_over),
		FRESH(a_switch_that_fails_changes_nothing),
		FRESH(a_new_key_is_for_its_owner),
		FRESH(storing_fails_whole),
		FRESH(what_is_no_key_is_passed_over),
		FRESH(short_and_surplus_keys_are_passed_over),
		FRESH(all_domains_are_read),
		FRESH(what_cannot_be_read_stays),
		FRESH(changes_are_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
