/* SPDX-License-Identifier: ISC */
/* dkim_body_test.c - hashes of bodies: shared, bounded, of a part, and without memory */
#include "lib/base/codec.h"
#include "lib/base/test.h"
#include "lib/mailauth/dkim_body.h"

enum { KEYS_MAX = 4, MIB = 1024 * 1024 };

static struct arena *arena;
static struct dkim_crypto *crypto;

static int begin(void **state)
{
	(void)state;
	arena = arena_new(NULL);
	crypto = dkim_crypto_new(KEYS_MAX);
	return 0;
}

static int end(void **state)
{
	(void)state;
	arena_free(arena);
	dkim_crypto_free(crypto);
	return 0;
}

static struct span hash_of(enum dkim_canon canon, struct span text, uint64_t length)
{
	struct dkim_body *body = dkim_body_new(arena, crypto, 1);
	size_t hash;

	assert_true(dkim_body_want(body, canon, length, &hash));
	dkim_body_add(body, text);
	dkim_body_end(body);
	return base64_encode(arena, dkim_body_hash(body, hash));
}

static void known_hashes_come_out(void **state)
{
	(void)state;
	/* RFC 6376 3.4.3 and 3.4.4 name the hashes of the empty body */
	assert_span(hash_of(DKIM_SIMPLE, span_lit(""), DKIM_WHOLE_BODY),
	            "frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=");
	assert_span(hash_of(DKIM_RELAXED, span_lit(""), DKIM_WHOLE_BODY),
	            "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
	/* RFC 6376 A.2, RFC 8463 A.3 */
	assert_span(hash_of(DKIM_SIMPLE, span_lit("Hi.\r\n\r\nWe lost the game. Are you hungry yet?\r\n\r\nJoe.\r\n"),
	                    DKIM_WHOLE_BODY), "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=");
	/* l=0 is the hash of nothing */
	assert_span(hash_of(DKIM_SIMPLE, span_lit("text\r\n"), 0), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
}

static void a_part_hashes_as_that_part(void **state)
{
	struct span whole = hash_of(DKIM_SIMPLE, span_lit("abc\r\n"), DKIM_WHOLE_BODY);

	(void)state;
	assert_true(span_equal(hash_of(DKIM_SIMPLE, span_lit("abc\r\ndef\r\n"), 5), whole));
	assert_true(span_equal(hash_of(DKIM_SIMPLE, span_lit("abc\r\n"), 5), whole));
	assert_false(span_equal(hash_of(DKIM_SIMPLE, span_lit("abc\r\ndef\r\n"), 6), whole));
}

static void equal_wishes_share_a_hash(void **state)
{
	struct dkim_body *body = dkim_body_new(arena, crypto, 3);
	size_t first, second, third, again;

	(void)state;
	assert_true(dkim_body_want(body, DKIM_SIMPLE, DKIM_WHOLE_BODY, &first));
	assert_true(dkim_body_want(body, DKIM_RELAXED, DKIM_WHOLE_BODY, &second));
	assert_true(dkim_body_want(body, DKIM_SIMPLE, DKIM_WHOLE_BODY, &again));
	assert_int_equal(first, again);
	assert_true(dkim_body_want(body, DKIM_SIMPLE, 3, &third));
	assert_false(dkim_body_want(body, DKIM_SIMPLE, 4, &again));
	assert_true(dkim_body_want(body, DKIM_RELAXED, DKIM_WHOLE_BODY, &again));
	assert_int_equal(second, again);
	dkim_body_add(body, span_lit("a  b"));
	dkim_body_end(body);
	assert_int_equal(dkim_body_length(body, first), 6);
	assert_int_equal(dkim_body_length(body, second), 5);
	assert_int_equal(dkim_body_length(body, third), 6);
}

static void a_long_body_costs_no_memory(void **state)
{
	struct arena *own = arena_new(NULL);
	struct dkim_body *body = dkim_body_new(own, crypto, 2);
	static char chunk[MIB];
	size_t before, hash;

	(void)state;
	assert_true(dkim_body_want(body, DKIM_SIMPLE, DKIM_WHOLE_BODY, &hash));
	assert_true(dkim_body_want(body, DKIM_RELAXED, DKIM_WHOLE_BODY, &hash));
	before = arena_bytes(own);
	for (int round = 0; round < 50; round++) {
		memset(chunk, round % 2 == 0 ? ' ' : 'x', sizeof(chunk));
		dkim_body_add(body, span_make(chunk, sizeof(chunk)));
	}
	for (size_t i = 0; i < sizeof(chunk); i++)
		chunk[i] = i % 2 == 0 ? '\r' : '\n';
	dkim_body_add(body, span_make(chunk, sizeof(chunk)));
	dkim_body_end(body);
	assert_int_equal(arena_bytes(own), before);
	assert_int_equal(dkim_body_length(body, 0), 50ULL * MIB + 2);
	assert_int_equal(dkim_body_length(body, 1), 25ULL * MIB + 25 + 2);
	arena_free(own);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_hashes_come_out),
		cmocka_unit_test(a_part_hashes_as_that_part),
		cmocka_unit_test(equal_wishes_share_a_hash),
		cmocka_unit_test(a_long_body_costs_no_memory),
	};

	return cmocka_run_group_tests_name("dkim_body", tests, begin, end);
}
