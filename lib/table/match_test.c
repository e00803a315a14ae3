/* SPDX-License-Identifier: ISC */
/* match_test.c - match lists: strings, domains with parents, clients */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/fs.h"
#include "lib/table/match.h"

static char file[] = "/tmp/match_test.XXXXXX";

static int make_file(void **state)
{
	int fd = mkstemp(file);

	(void)state;
	if (fd < 0)
		return -1;
	close(fd);
	return fs_replace_file(AT_FDCWD, file, span_lit("# names\none.example\n10.0.0.0/8 !two.example\n"), 0600);
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(file);
}

enum how { STRING, DOMAIN, PARENTS, CLIENT };

static const struct {
	const char *list, *text;
	enum how    how;
	char        result;	/* + match, - none, ! failed */
} rows[] = {
	{ "", "a", STRING, '-' },
	{ "a.example, b.example", "B.Example", STRING, '+' },
	{ "a.example", "x.a.example", STRING, '-' },
	{ ".a.example", "x.a.example", STRING, '-' },
	{ "!a, a", "a", STRING, '-' },
	{ "!a, b", "b", STRING, '+' },
	{ "inline:{a=1}", "A", STRING, '+' },
	{ "!inline:{a=1}, a", "a", STRING, '-' },
	{ "static:all", "x", STRING, '+' },
	{ "fail:x, a", "a", STRING, '!' },
	{ "a, fail:x", "a", STRING, '+' },
	{ "a.example", "x.a.example", DOMAIN, '-' },
	{ ".a.example", "x.a.example", DOMAIN, '+' },
	{ ".a.example", "a.example", DOMAIN, '-' },
	{ "a.example", "x.y.a.example", PARENTS, '+' },
	{ "a.example", "xa.example", PARENTS, '-' },
	{ "a.example", "a.example", PARENTS, '+' },
	{ "inline:{a.example=1}", "x.a.example", PARENTS, '+' },
	{ "inline:{a.example=1}", "x.a.example", DOMAIN, '-' },
	{ "inline:{.a.example=1}", "x.y.a.example", DOMAIN, '+' },
	{ "regexp:{{/^a/ x}}", "x.a", PARENTS, '-' },
	{ "127.0.0.0/8", "127.1.2.3", CLIENT, '+' },
	{ "127.0.0.0/8", "128.1.2.3", CLIENT, '-' },
	{ "192.0.2.1", "192.0.2.1", CLIENT, '+' },
	{ "[::1]/128, [2001:db8::]/32", "2001:db8:1::5", CLIENT, '+' },
	{ "[::1]", "::1", CLIENT, '+' },
	{ "!10.1.0.0/16, 10.0.0.0/8", "10.1.2.3", CLIENT, '-' },
	{ "!10.1.0.0/16, 10.0.0.0/8", "10.2.2.3", CLIENT, '+' },
	{ "cidr:{{10.0.0.0/8 ok}}", "10.2.3.4", CLIENT, '+' },
	{ "inline:{10.2.3.4=ok}", "10.2.3.4", CLIENT, '+' },
	{ "client.example", "10.2.3.4", CLIENT, '+' },	/* by its name */
	{ "fail:x", "10.2.3.4", CLIENT, '!' },
};

static enum table_status match(const struct match_list *list, size_t i, struct arena *arena)
{
	struct net_address address;

	if (rows[i].how == STRING)
		return match_string(list, span_of(rows[i].text), arena);
	if (rows[i].how != CLIENT)
		return match_domain(list, span_of(rows[i].text), arena);
	assert_true(net_address_parse(span_of(rows[i].text), 0, &address));
	return match_client(list, span_lit("client.example"), &address, arena);
}

static void test_matching(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct arena *arena = arena_new(NULL);
		const char *error = NULL;
		const struct match_list *list =
			match_list_open(arena, "test", rows[i].list, rows[i].how == PARENTS, "hash", &error);
		enum table_status status;

		if (list == NULL)
			fail_msg("%s: %s", rows[i].list, error);
		status = match(list, i, arena);
		if ((status == TABLE_FOUND ? '+' : status == TABLE_NOT_FOUND ? '-' : '!') != rows[i].result)
			fail_msg("%s, %s: got %d", rows[i].list, rows[i].text, (int)status);
		arena_free(arena);
	}
}

static void test_refused(void **state)
{
	static const char *const lists[] = {
		"10.0.0.1/8", "127.0.0.0/33", "[2001:db8::1]/32", "1.2.3", "300.1.1.1", "!", "/nonexistent/file",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(lists); i++) {
		struct arena *arena = arena_new(NULL);
		const char *error = NULL;

		if (match_list_open(arena, "test", lists[i], false, "hash", &error) != NULL)
			fail_msg("accepted: %s", lists[i]);
		assert_non_null(error);
		arena_free(arena);
	}
}

static void test_file_member(void **state)
{
	struct arena *arena = arena_new(NULL);
	const char *error = NULL;
	const struct match_list *list = match_list_open(arena, "test", file, false, "hash", &error);
	const struct match_list *inverse =
		match_list_open(arena, "test", arena_printf(arena, "!%s, static:all", file), false, "hash", &error);
	struct net_address ten;

	(void)state;
	assert_non_null(list);
	assert_non_null(inverse);
	assert_true(net_address_parse(span_lit("10.9.9.9"), 0, &ten));
	assert_int_equal(match_string(list, span_lit("one.example"), arena), TABLE_FOUND);
	assert_int_equal(match_string(list, span_lit("two.example"), arena), TABLE_NOT_FOUND);
	assert_int_equal(match_client(list, span_lit(""), &ten, arena), TABLE_FOUND);
	assert_int_equal(match_string(inverse, span_lit("one.example"), arena), TABLE_NOT_FOUND);
	assert_int_equal(match_string(inverse, span_lit("other.example"), arena), TABLE_FOUND);
	arena_free(arena);
}

static void test_patterns_can_be_walked(void **state)
{
	struct arena *arena = arena_new(NULL);
	const char *error = NULL;
	const struct match_list *list =
		match_list_open(arena, "test", "A.example, !b, static:x, 10.0.0.0/8, c", false, "hash", &error);
	struct span pattern;
	size_t cursor = 0;

	(void)state;
	assert_true(match_list_next_pattern(list, &cursor, &pattern));
	assert_true(span_equal(pattern, span_lit("a.example")));
	assert_true(match_list_next_pattern(list, &cursor, &pattern));
	assert_true(span_equal(pattern, span_lit("c")));
	assert_false(match_list_next_pattern(list, &cursor, &pattern));
	arena_free(arena);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_matching),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_file_member),
		cmocka_unit_test(test_patterns_can_be_walked),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
