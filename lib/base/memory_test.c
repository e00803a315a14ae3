/* SPDX-License-Identifier: ISC */
/* memory_test.c - buffers, arenas, hash tables */
#include <stdlib.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/hash.h"
#include "lib/base/test.h"

static void buf_refuses_what_passes_its_limit(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 5);
	assert_true(buf_add_cstr(&b, "abc"));
	assert_false(buf_add_cstr(&b, "def"));
	assert_true(b.overflowed);
	assert_span(buf_span(&b), "abc");
	assert_false(buf_addf(&b, "%d", 1234));
	assert_true(buf_addf(&b, "%d", 12));
	assert_span(buf_span(&b), "abc12");
	assert_null(buf_cstr(&b));
	buf_clear(&b);
	assert_false(b.overflowed);
	assert_true(buf_add_byte(&b, 'x'));
	assert_string_equal(buf_cstr(&b), "x");
	assert_int_equal(b.len, 1);
	buf_free(&b);
}

static void buf_formats_at_every_length(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, BUF_NO_LIMIT);
	for (int i = 0; i < 600; i++)
		assert_true(buf_addf(&b, "%d,", i % 10));
	assert_int_equal(b.len, 1200);
	for (size_t i = 0; i < b.len; i += 2)
		assert_int_equal(b.ptr[i], '0' + (int)(i / 2 % 10));
	buf_free(&b);
}

static void buf_consumes_from_the_front(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	buf_add_cstr(&b, "hello world");
	buf_consume(&b, 6);
	assert_span(buf_span(&b), "world");
	buf_truncate(&b, 2);
	assert_span(buf_span(&b), "wo");
	buf_consume(&b, 2);
	buf_shrink(&b);
	assert_null(b.ptr);
	assert_true(buf_add_cstr(&b, "again"));
	buf_free(&b);
}

static void buf_writes_integers_little_endian(void **state)
{
	static const unsigned char wanted[] = { 0x02, 0x01, 0x06, 0x05, 0x04, 0x03, 0x0e, 0x0d,
		                                0x0c, 0x0b, 0x0a, 0x09, 0x08, 0x07 };
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	buf_add_u16(&b, 0x0102);
	buf_add_u32(&b, 0x03040506);
	buf_add_u64(&b, 0x0708090a0b0c0d0e);
	assert_int_equal(b.len, sizeof(wanted));
	assert_memory_equal(b.ptr, wanted, sizeof(wanted));
	buf_free(&b);
}

static void arena_gives_zeroed_aligned_memory(void **state)
{
	struct arena *a = arena_new(NULL);

	(void)state;
	for (size_t n = 1; n < 3000; n += 37) {
		unsigned char *p = arena_alloc(a, n);

		assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xff, n);
	}
	arena_reset(a);
	assert_int_equal(*(unsigned char *)arena_alloc(a, 400), 0);
	arena_free(a);
}

static void arena_reset_keeps_little(void **state)
{
	struct arena *a = arena_new(NULL);

	(void)state;
	for (int i = 0; i < 100; i++)
		(void)arena_alloc(a, 10000);
	assert_true(arena_bytes(a) > 1000000);
	arena_reset(a);
	assert_true(arena_bytes(a) < 70000);
	arena_release(a);
	assert_int_equal(arena_bytes(a), 0);
	arena_free(a);
}

static void arena_copies_and_formats(void **state)
{
	struct arena *a = arena_new(NULL);
	struct span copy = arena_dup(a, span_lit("a\0b"));

	(void)state;
	assert_int_equal(copy.len, 3);
	assert_int_equal(copy.ptr[3], '\0');
	assert_string_equal(arena_printf(a, "%s-%d", "x", 7), "x-7");
	assert_span(arena_printf_span(a, "%0*d", 700, 1), arena_printf(a, "%0700d", 1));
	assert_span(arena_lower(a, span_lit("MiXeD\xc4")), "mixed\xc4");
	arena_free(a);
}

static void count_release(void *object)
{
	int **next = object;

	*(*next)++ = 1;
}

struct note {
	char *at;
	char  mark;
};

static void note_order(void *object)
{
	struct note *n = object;

	*n->at = n->mark;
}

static void arena_frees_children_and_runs_releases(void **state)
{
	int calls[4] = { 0 }, *next = calls;
	struct arena *parent = arena_new(NULL), *child = arena_new(parent);

	(void)state;
	arena_on_reset(parent, count_release, &next);
	arena_on_reset(child, count_release, &next);
	arena_reset(parent);	/* the child is gone with it */
	assert_int_equal(next - calls, 2);
	arena_reset(parent);
	assert_int_equal(next - calls, 2);
	child = arena_new(parent);
	arena_free(child);
	arena_free(parent);
}

static void arena_releases_last_registered_first(void **state)
{
	char order[3] = { 0 };
	struct note first = { order, 'f' }, second = { order, 's' };
	struct arena *a = arena_new(NULL);

	(void)state;
	arena_on_reset(a, note_order, &first);
	arena_on_reset(a, note_order, &second);
	arena_free(a);
	assert_int_equal(order[0], 'f');	/* the first registered wrote last */
}

static void hash_finds_what_was_put(void **state)
{
	enum { MANY = 5000 };
	static int values[MANY];
	struct hash *h = hash_new();
	char key[32];

	(void)state;
	for (int i = 0; i < MANY; i++) {
		snprintf(key, sizeof(key), "key-%d", i);
		assert_null(hash_put(h, span_of(key), &values[i]));
	}
	assert_int_equal(hash_count(h), MANY);
	for (int i = 0; i < MANY; i += 2) {
		snprintf(key, sizeof(key), "key-%d", i);
		assert_ptr_equal(hash_remove(h, span_of(key)), &values[i]);
	}
	for (int i = 0; i < MANY; i++) {
		snprintf(key, sizeof(key), "key-%d", i);
		assert_ptr_equal(hash_get(h, span_of(key)), i % 2 == 0 ? NULL : &values[i]);
	}
	assert_int_equal(hash_count(h), MANY / 2);
	hash_free(h, NULL);
}

static void hash_replaces_and_walks(void **state)
{
	struct hash *h = hash_new();
	int a, b;
	size_t cursor = 0, seen = 0;
	struct span key;
	void *value;

	(void)state;
	assert_null(hash_put(h, span_lit("k\0a"), &a));
	assert_null(hash_put(h, span_lit("k\0b"), &b));
	assert_ptr_equal(hash_put(h, span_lit("k\0a"), &b), &a);
	assert_null(hash_get(h, span_lit("k")));
	assert_null(hash_remove(h, span_lit("other")));
	while (hash_next(h, &cursor, &key, &value)) {
		assert_int_equal(key.len, 3);
		assert_ptr_equal(value, &b);
		seen++;
	}
	assert_int_equal(seen, 2);
	hash_free(h, NULL);
}

static void hash_frees_values(void **state)
{
	struct hash *h = hash_new();

	(void)state;
	hash_put(h, span_lit("x"), malloc(10));
	hash_put(h, span_lit(""), malloc(10));
	assert_non_null(hash_get(h, span_lit("")));
	hash_free(h, free);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buf_refuses_what_passes_its_limit),
		cmocka_unit_test(buf_formats_at_every_length),
		cmocka_unit_test(buf_consumes_from_the_front),
		cmocka_unit_test(buf_writes_integers_little_endian),
		cmocka_unit_test(arena_gives_zeroed_aligned_memory),
		cmocka_unit_test(arena_reset_keeps_little),
		cmocka_unit_test(arena_copies_and_formats),
		cmocka_unit_test(arena_frees_children_and_runs_releases),
		cmocka_unit_test(arena_releases_last_registered_first),
		cmocka_unit_test(hash_finds_what_was_put),
		cmocka_unit_test(hash_replaces_and_walks),
		cmocka_unit_test(hash_frees_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
